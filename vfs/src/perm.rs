//! Permission checks: owners, groups, capabilities, the sticky bit.

use syserr::Errno;

use crate::acl::AclKind;
use crate::file_flags::{self, FileFlags};
use crate::{Creds, Inode, PathCx, Perm, cap, mode};

/// Execute, or search of a directory.
pub const MAY_EXEC: u32 = 1;
/// Write.
pub const MAY_WRITE: u32 = 2;
/// Read.
pub const MAY_READ: u32 = 4;

/// Whether `creds` may do all of `mask` (`MAY_*` bits) to a file; `generic_permission` in
/// `fs/namei.c`.
///
/// # Errors
/// `EACCES`, `EPERM` for what is immutable; `EIO`.
pub fn check(inode: &dyn Inode, creds: &Creds, mask: u32) -> Result<(), Errno> {
    check_known(inode, &inode.perm()?, creds, mask)
}

/// The same for the caller, to whom files are open that are its own.
pub(crate) fn check_caller(
    inode: &dyn Inode,
    p: &Perm,
    cx: &PathCx<'_>,
    mask: u32,
) -> Result<(), Errno> {
    let checked = check_known(inode, p, cx.creds, mask);
    if checked == Err(Errno::EACCES) && inode.is_own(cx) { Ok(()) } else { checked }
}

/// The same for a file whose permissions are `p`.
pub(crate) fn check_known(
    inode: &dyn Inode,
    p: &Perm,
    creds: &Creds,
    mask: u32,
) -> Result<(), Errno> {
    if mask & MAY_WRITE != 0 && file_flags::has(inode, FileFlags::IMMUTABLE) {
        return Err(Errno::EPERM);
    }
    // A list may have to be asked of the host: capabilities are looked at first.
    let allowed = match inode.permits(creds, mask) {
        Some(allowed) => allowed,
        None => overridden(p, creds, mask).is_ok() || granted(inode, p, creds, mask)?,
    };
    if allowed { Ok(()) } else { Err(Errno::EACCES) }
}

/// The same for an object that has permission bits and no list.
///
/// # Errors
/// `EACCES`.
pub fn check_bits(p: &Perm, creds: &Creds, mask: u32) -> Result<(), Errno> {
    if mask & !bits(p, creds) & 7 == 0 { Ok(()) } else { overridden(p, creds, mask) }
}

/// Whether capabilities allow what permissions do not.
fn overridden(p: &Perm, creds: &Creds, mask: u32) -> Result<(), Errno> {
    let directory = p.mode & mode::IFMT == mode::IFDIR;
    let reads = mask & MAY_WRITE == 0 && (directory || mask & MAY_EXEC == 0);
    if reads && creds.has_over(p.uid, p.gid, cap::DAC_READ_SEARCH) {
        return Ok(());
    }
    let executable = mask & MAY_EXEC == 0 || directory || p.mode & 0o111 != 0;
    let may = executable && creds.has_over(p.uid, p.gid, cap::DAC_OVERRIDE);
    if may { Ok(()) } else { Err(Errno::EACCES) }
}

/// What permission bits and list say (`acl_permission_check`).
fn granted(inode: &dyn Inode, p: &Perm, creds: &Creds, mask: u32) -> Result<bool, Errno> {
    if creds.fsuid != p.uid && p.mode & 0o070 != 0 {
        match inode.acl(AclKind::Access) {
            Ok(Some(acl)) => return Ok(acl.allows(p, creds, mask)),
            Ok(None) | Err(Errno::EOPNOTSUPP) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(mask & !bits(p, creds) & 7 == 0)
}

/// The permission bits that count for `creds`.
fn bits(p: &Perm, creds: &Creds) -> u32 {
    if creds.fsuid == p.uid {
        p.mode >> 6
    } else if creds.in_group(p.gid) {
        p.mode >> 3
    } else {
        p.mode
    }
}

/// Whether `creds` may search the directory.
pub(crate) fn search(dir: &dyn Inode, cx: &PathCx<'_>) -> Result<(), Errno> {
    if cx.creds.has(cap::DAC_OVERRIDE) || cx.creds.has(cap::DAC_READ_SEARCH) {
        return Ok(());
    }
    check_caller(dir, &dir.perm()?, cx, MAY_EXEC)
}

/// Whether `creds` may act as the file's owner.
pub(crate) fn owner(p: &Perm, creds: &Creds) -> Result<(), Errno> {
    if creds.owns(p.uid) { Ok(()) } else { Err(Errno::EPERM) }
}

/// Whether `creds` may remove or rename a file in `parent`; `may_delete` in `fs/namei.c`.
pub(crate) fn delete(parent: &dyn Inode, victim: &dyn Inode, creds: &Creds) -> Result<(), Errno> {
    let (dir, p) = (parent.perm()?, victim.perm()?);
    check_known(parent, &dir, creds, MAY_WRITE | MAY_EXEC)?;
    if file_flags::has(parent, FileFlags::APPEND) || file_flags::has(victim, FileFlags::KEEPING) {
        return Err(Errno::EPERM);
    }
    check_sticky(&dir, &p, creds)
}

/// Whether a file lets its owner, mode, times or extended attributes be set (`may_setattr`).
///
/// # Errors
/// `EPERM`.
pub(crate) fn changeable(inode: &dyn Inode) -> Result<(), Errno> {
    if file_flags::has(inode, FileFlags::KEEPING) { Err(Errno::EPERM) } else { Ok(()) }
}

/// Whether a sticky directory lets `creds` remove a file.
///
/// # Errors
/// `EPERM`.
pub fn check_sticky(dir: &Perm, victim: &Perm, creds: &Creds) -> Result<(), Errno> {
    let sticky = dir.mode & mode::ISVTX != 0
        && creds.fsuid != victim.uid
        && creds.fsuid != dir.uid
        && !creds.has_over(victim.uid, victim.gid, cap::FOWNER);
    if sticky { Err(Errno::EPERM) } else { Ok(()) }
}

/// Whether `creds` may make another link to a file: the owner may, others only to a regular file
/// that they may read and write and that grants nothing; `may_linkat` in `fs/namei.c`, asked where
/// `fs.protected_hardlinks` is set.
pub(crate) fn linkable(inode: &dyn Inode, creds: &Creds) -> Result<(), Errno> {
    let p = inode.perm()?;
    if owner(&p, creds).is_ok() {
        return Ok(());
    }
    let grants = p.mode & mode::ISUID != 0 || p.mode & (mode::ISGID | 0o010) == mode::ISGID | 0o010;
    if p.mode & mode::IFMT != mode::IFREG
        || grants
        || check_known(inode, &p, creds, MAY_READ | MAY_WRITE).is_err()
    {
        return Err(Errno::EPERM);
    }
    Ok(())
}

/// Whether `creds` may follow a link at the end of a path, in the directory `dir`: not that of
/// another, in a sticky directory that everybody may write; `may_follow_link` in `fs/namei.c`, asked
/// where `fs.protected_symlinks` is set.
pub(crate) fn followable(dir: &dyn Inode, link: &dyn Inode, creds: &Creds) -> Result<(), Errno> {
    let (dir, link) = (dir.perm()?, link.perm()?);
    let shared = dir.mode & SHARED_BY_ALL == SHARED_BY_ALL;
    let own = link.uid == creds.fsuid || link.uid == dir.uid;
    if own || !shared { Ok(()) } else { Err(Errno::EACCES) }
}

/// Whether `creds` may open a file that is there with `O_CREAT`: in a sticky directory that others
/// may write not what they have put there; `may_create_in_sticky` in `fs/namei.c`. How far that is
/// protected is 1, against everybody, or 2, against the group too.
pub(crate) fn reopenable(
    dir: &dyn Inode,
    file: &dyn Inode,
    creds: &Creds,
    protected: u8,
) -> Result<(), Errno> {
    let (dir, file) = (dir.perm()?, file.perm()?);
    let own = file.uid == creds.fsuid || file.uid == dir.uid;
    let others = if protected > 1 { 0o022 } else { 0o002 };
    match dir.mode & mode::ISVTX != 0 && !own && dir.mode & others != 0 {
        true => Err(Errno::EACCES),
        false => Ok(()),
    }
}

/// Sticky, and everybody may write.
const SHARED_BY_ALL: u32 = mode::ISVTX | 0o002;

/// Group and mode of a new file: a set-group-ID directory passes its group on;
/// `inode_init_owner` in `fs/inode.c`.
pub(crate) fn inherit(dir: &Perm, creds: &Creds, wanted: u32) -> (u32, u32) {
    if dir.mode & mode::ISGID == 0 {
        return (creds.fsgid, wanted);
    }
    let mut m = wanted;
    if wanted & mode::IFMT == mode::IFDIR {
        m |= mode::ISGID;
    } else if wanted & (mode::ISGID | 0o010) == mode::ISGID | 0o010
        && !creds.in_group(dir.gid)
        && !creds.has_over(dir.uid, dir.gid, cap::FSETID)
    {
        m &= !mode::ISGID;
    }
    (dir.gid, m)
}
