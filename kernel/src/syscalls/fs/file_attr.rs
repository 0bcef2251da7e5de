//! What chattr(1) sets: ioctl_iflags(2), file_getattr(2), file_setattr(2).

use super::walk::{
    AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, Found, Walk, lookup, path_or_none, resolve_path, vfs,
};
use crate::syscalls::misc::check_zeros;
use crate::{Args, Outcome, TaskCx};
use arch::{Addr, PAGE_SIZE, Permissions, UserMemory, UserMemoryExt};
use syserr::Errno;
use vfs::{File, FileFlags, Inode};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// `struct file_attr`.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct FileAttr {
    xflags: u64,
    extsize: u32,
    nextents: u32,
    projid: u32,
    cowextsize: u32,
}
static_assertions::assert_eq_size!(FileAttr, [u8; 24]);

/// `struct fsxattr`.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct FsXattr {
    xflags: u32,
    extsize: u32,
    nextents: u32,
    projid: u32,
    cowextsize: u32,
    pad: [u8; 8],
}
static_assertions::assert_eq_size!(FsXattr, [u8; 28]);

const GETFLAGS: u32 = 0x8008_6601;
const SETFLAGS: u32 = 0x4008_6602;
const FSGETXATTR: u32 = 0x801c_581f;
const FSSETXATTR: u32 = 0x401c_5820;

/// `FS_XFLAG_*` with the flags that they stand for.
const COMMON: [(u32, FileFlags); 4] = [
    (0x08, FileFlags::IMMUTABLE),
    (0x10, FileFlags::APPEND),
    (0x40, FileFlags::NOATIME),
    (0x80, FileFlags::NODUMP),
];
/// `FS_XFLAG_PREALLOC`, `FS_XFLAG_HASATTR`: nobody sets them.
const READ_ONLY: u32 = 0x8000_0002;
const EXTSIZE: u32 = 0x800;
const EXTSZINHERIT: u32 = 0x1000;
const COWEXTSIZE: u32 = 0x1_0000;
/// `FS_XFLAGS_MASK`.
const KNOWN: u64 = 0x8001_fffb;

fn to_xflags(flags: FileFlags) -> u32 {
    COMMON.iter().filter(|(_, f)| flags.contains(*f)).fold(0, |all, (x, _)| all | x)
}

/// The flags that extended ones ask for, of which a file in memory has the common ones
/// (`fileattr_set_prepare`, `shmem_fileattr_set`).
fn from_xflags(inode: &dyn Inode, a: &FileAttr) -> Result<FileFlags, Errno> {
    inode.flags().ok_or(Errno::EOPNOTSUPP)?;
    let mut x = a.xflags as u32 & !READ_ONLY;
    if x & EXTSZINHERIT != 0 && inode.kind() != vfs::mode::IFDIR
        || x & EXTSIZE != 0 && inode.kind() != vfs::mode::IFREG
    {
        return Err(Errno::EINVAL);
    }
    if a.extsize == 0 {
        x &= !(EXTSIZE | EXTSZINHERIT);
    }
    if a.cowextsize == 0 {
        x &= !COWEXTSIZE;
    }
    let common = COMMON.iter().fold(0, |all, (bit, _)| all | bit);
    if x & !common != 0 || a.extsize | a.projid | a.cowextsize != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let wanted = COMMON.iter().filter(|(bit, _)| x & bit != 0);
    Ok(wanted.fold(FileFlags::empty(), |all, (_, f)| all | *f))
}

/// ioctl(2) on the flags of a file; `None` for other commands, and for files that have none.
pub(crate) fn ioctl(cx: &TaskCx, f: &File, cmd: u32, arg: Addr) -> Option<Result<u64, Errno>> {
    let known = matches!(cmd, GETFLAGS | SETFLAGS | FSGETXATTR | FSSETXATTR);
    let flags = if known { f.path().inode().flags()? } else { return None };
    Some(control(cx, f, cmd, arg, flags).map(|()| 0))
}

fn control(cx: &TaskCx, f: &File, cmd: u32, arg: Addr, old: FileFlags) -> Result<(), Errno> {
    let flags = match cmd {
        GETFLAGS => return cx.mm().write_obj(arg, &old.bits()),
        FSGETXATTR => {
            let out = FsXattr { xflags: to_xflags(old), ..FsXattr::new_zeroed() };
            return cx.mm().write_obj(arg, &out);
        }
        SETFLAGS => FileFlags::from_bits(cx.mm().read_obj(arg)?),
        _ => {
            let x: FsXattr = cx.mm().read_obj(arg)?;
            let attr = FileAttr {
                xflags: x.xflags.into(),
                extsize: x.extsize,
                nextents: x.nextents,
                projid: x.projid,
                cowextsize: x.cowextsize,
            };
            Some(from_xflags(&**f.path().inode(), &attr)?)
        }
    };
    let flags = flags.ok_or(Errno::EOPNOTSUPP)?;
    vfs(cx).set_file_flags(&Walk::new(cx).cx(), f.path(), flags)
}

fn found(cx: &TaskCx, a: &Args) -> Result<Found, Errno> {
    let flags = lookup(a[4], AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    let size = a[3];
    if size > PAGE_SIZE {
        return Err(Errno::E2BIG);
    }
    if size < size_of::<FileAttr>() as u64 {
        return Err(Errno::EINVAL);
    }
    let path = path_or_none(cx, a[1], flags)?;
    resolve_path(cx, a[0], &path, flags)
}

/// file_getattr(2).
pub(crate) fn sys_file_getattr(cx: &mut TaskCx, a: &Args) -> Outcome {
    let r = (|| {
        let found = found(cx, a)?;
        let flags = found.path.inode().flags().ok_or(Errno::EOPNOTSUPP)?;
        let out = FileAttr { xflags: to_xflags(flags).into(), ..FileAttr::new_zeroed() };
        let mut bytes = alloc::vec![0; a[3] as usize];
        out.write_to_prefix(&mut bytes).map_err(|_| Errno::EINVAL)?;
        cx.mm().copy_out(Addr(a[2]), &bytes, Permissions::Obey)?;
        Ok(0)
    })();
    r.into()
}

/// file_setattr(2).
pub(crate) fn sys_file_setattr(cx: &mut TaskCx, a: &Args) -> Outcome {
    let r = (|| {
        let found = found(cx, a)?;
        check_zeros(cx, a[2], size_of::<FileAttr>() as u64, a[3])?;
        let attr: FileAttr = cx.mm().read_obj(Addr(a[2]))?;
        if attr.xflags & !KNOWN != 0 {
            return Err(Errno::EINVAL);
        }
        let flags = from_xflags(&**found.path.inode(), &attr)?;
        vfs(cx).set_file_flags(&found.walk.cx(), &found.path, flags).map(|()| 0)
    })();
    r.into()
}
