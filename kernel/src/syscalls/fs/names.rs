//! Making and removing names.

use super::rw::flat;
use super::walk::{AT_EMPTY_PATH, AT_SYMLINK_FOLLOW, CWD, Walk, path, vfs};
use crate::{Args, Outcome, TaskCx};
use arch::{Addr, Permissions, UserMemory};
use syserr::Errno;
use vfs::{LookupFlags, RenameFlags};

const AT_REMOVEDIR: u32 = 0x200;

fn done(r: Result<(), Errno>) -> Outcome {
    r.map(|()| 0).into()
}

fn mkdir(cx: &TaskCx, dirfd: u64, at: u64, mode: u64) -> Result<(), Errno> {
    let p = path(cx, at)?;
    vfs(cx).mkdir(&Walk::new(cx).cx(), dirfd as i32, &p, mode as u32)
}

/// mkdir(2).
pub(crate) fn sys_mkdir(cx: &mut TaskCx, a: &Args) -> Outcome {
    done(mkdir(cx, CWD, a[0], a[1]))
}

/// mkdirat(2).
pub(crate) fn sys_mkdirat(cx: &mut TaskCx, a: &Args) -> Outcome {
    done(mkdir(cx, a[0], a[1], a[2]))
}

fn unlink(cx: &TaskCx, dirfd: u64, at: u64, flags: u32) -> Result<(), Errno> {
    if flags & !AT_REMOVEDIR != 0 {
        return Err(Errno::EINVAL);
    }
    let (p, walk) = (path(cx, at)?, Walk::new(cx));
    if flags != 0 {
        vfs(cx).rmdir(&walk.cx(), dirfd as i32, &p)
    } else {
        vfs(cx).unlink(&walk.cx(), dirfd as i32, &p)
    }
}

/// rmdir(2).
pub(crate) fn sys_rmdir(cx: &mut TaskCx, a: &Args) -> Outcome {
    done(unlink(cx, CWD, a[0], AT_REMOVEDIR))
}

/// unlink(2).
pub(crate) fn sys_unlink(cx: &mut TaskCx, a: &Args) -> Outcome {
    done(unlink(cx, CWD, a[0], 0))
}

/// unlinkat(2).
pub(crate) fn sys_unlinkat(cx: &mut TaskCx, a: &Args) -> Outcome {
    done(unlink(cx, a[0], a[1], a[2] as u32))
}

fn rename(cx: &TaskCx, old: (u64, u64), new: (u64, u64), flags: u64) -> Result<(), Errno> {
    let flags = RenameFlags::from_bits(flags as u32).ok_or(Errno::EINVAL)?;
    let (from, to) = (path(cx, old.1)?, path(cx, new.1)?);
    let walk = Walk::new(cx);
    vfs(cx).rename(&walk.cx(), (old.0 as i32, &from), (new.0 as i32, &to), flags)
}

/// rename(2).
pub(crate) fn sys_rename(cx: &mut TaskCx, a: &Args) -> Outcome {
    done(rename(cx, (CWD, a[0]), (CWD, a[1]), 0))
}

/// renameat(2).
pub(crate) fn sys_renameat(cx: &mut TaskCx, a: &Args) -> Outcome {
    done(rename(cx, (a[0], a[1]), (a[2], a[3]), 0))
}

/// renameat2(2).
pub(crate) fn sys_renameat2(cx: &mut TaskCx, a: &Args) -> Outcome {
    done(rename(cx, (a[0], a[1]), (a[2], a[3]), a[4]))
}

fn link(cx: &TaskCx, old: (u64, u64), new: (u64, u64), flags: u32) -> Result<(), Errno> {
    if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let mut lookup = LookupFlags::empty();
    lookup.set(LookupFlags::NOFOLLOW, flags & AT_SYMLINK_FOLLOW == 0);
    lookup.set(LookupFlags::EMPTY_PATH, flags & AT_EMPTY_PATH != 0);
    let (from, to) = (path(cx, old.1)?, path(cx, new.1)?);
    let walk = Walk::new(cx);
    vfs(cx).link(&walk.cx(), (old.0 as i32, &from), (new.0 as i32, &to), lookup)
}

/// link(2).
pub(crate) fn sys_link(cx: &mut TaskCx, a: &Args) -> Outcome {
    done(link(cx, (CWD, a[0]), (CWD, a[1]), 0))
}

/// linkat(2).
pub(crate) fn sys_linkat(cx: &mut TaskCx, a: &Args) -> Outcome {
    done(link(cx, (a[0], a[1]), (a[2], a[3]), a[4] as u32))
}

fn symlink(cx: &TaskCx, target: u64, dirfd: u64, at: u64) -> Result<(), Errno> {
    let (target, p) = (path(cx, target)?, path(cx, at)?);
    vfs(cx).symlink(&Walk::new(cx).cx(), &target, dirfd as i32, &p)
}

/// symlink(2).
pub(crate) fn sys_symlink(cx: &mut TaskCx, a: &Args) -> Outcome {
    done(symlink(cx, a[0], CWD, a[1]))
}

/// symlinkat(2).
pub(crate) fn sys_symlinkat(cx: &mut TaskCx, a: &Args) -> Outcome {
    done(symlink(cx, a[0], a[1], a[2]))
}

fn mknod(cx: &TaskCx, dirfd: u64, at: u64, mode: u64, dev: u64) -> Result<(), Errno> {
    vfs::Vfs::node_kind(mode as u16 as u32)?;
    let p = path(cx, at)?;
    // The register holds the 32-bit encoding, which is the low half of the 64-bit one.
    let dev = u64::from(dev as u32);
    vfs(cx).mknod(&Walk::new(cx).cx(), dirfd as i32, &p, mode as u16 as u32, dev).map(|_| ())
}

/// mknod(2).
pub(crate) fn sys_mknod(cx: &mut TaskCx, a: &Args) -> Outcome {
    done(mknod(cx, CWD, a[0], a[1], a[2]))
}

/// mknodat(2).
pub(crate) fn sys_mknodat(cx: &mut TaskCx, a: &Args) -> Outcome {
    done(mknod(cx, a[0], a[1], a[2], a[3]))
}

fn readlink(cx: &TaskCx, dirfd: u64, at: u64, to: u64, len: u64) -> Result<Outcome, Errno> {
    if len as i32 <= 0 {
        return Err(Errno::EINVAL);
    }
    let p = path(cx, at)?;
    let text = vfs(cx).readlink(&Walk::new(cx).cx(), dirfd as i32, &p)?;
    let n = text.len().min(len as i32 as usize);
    cx.mm().copy_out(Addr(to), text.get(..n).unwrap_or_default(), Permissions::Obey)?;
    Ok(Ok(n as u64).into())
}

/// readlink(2).
pub(crate) fn sys_readlink(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat(readlink(cx, CWD, a[0], a[1], a[2]))
}

/// readlinkat(2).
pub(crate) fn sys_readlinkat(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat(readlink(cx, a[0], a[1], a[2], a[3]))
}
