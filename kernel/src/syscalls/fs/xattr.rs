//! Extended attributes; xattr(7).

use super::walk::resolve;
use super::walk::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, CWD, Found, Walk, lookup, path, vfs};
use crate::syscalls::misc::check_zeros;
use crate::{Args, Outcome, TaskCx};
use alloc::vec::Vec;
use arch::{Addr, Permissions, UserMemory, UserMemoryExt};
use syserr::Errno;
use vfs::{LookupFlags, XattrSet};

/// Longest name; `XATTR_NAME_MAX`.
const NAME_MAX: usize = 255;
/// Longest value; `XATTR_SIZE_MAX`.
const SIZE_MAX: u64 = 65536;

fn by_path(cx: &TaskCx, a: &Args, follow: bool) -> Result<Found, Errno> {
    let flags = if follow { LookupFlags::empty() } else { LookupFlags::NOFOLLOW };
    resolve(cx, CWD, a[0], flags)
}

fn by_fd(cx: &TaskCx, a: &Args) -> Result<Found, Errno> {
    let file = cx.task.files().get_open(a[0] as i32)?;
    Ok(Found { walk: Walk::new(cx), path: file.path().clone() })
}

fn name(cx: &TaskCx, at: u64) -> Result<Vec<u8>, Errno> {
    let name = cx.mm().read_cstr(Addr(at), NAME_MAX).map_err(|e| match e {
        Errno::ENAMETOOLONG => Errno::ERANGE,
        e => e,
    })?;
    if name.is_empty() { Err(Errno::ERANGE) } else { Ok(name) }
}

/// Delivers bytes into a buffer that may be of size 0 to ask for the length.
fn deliver(cx: &TaskCx, bytes: &[u8], to: u64, size: u64) -> Result<u64, Errno> {
    if size != 0 {
        if bytes.len() as u64 > size {
            return Err(Errno::ERANGE);
        }
        cx.mm().copy_out(Addr(to), bytes, Permissions::Obey)?;
    }
    Ok(bytes.len() as u64)
}

fn set(cx: &TaskCx, f: Result<Found, Errno>, a: &Args) -> Outcome {
    let r = (|| {
        let how = XattrSet::from_bits(a[4] as u32).ok_or(Errno::EINVAL)?;
        let name = name(cx, a[1])?;
        if a[3] > SIZE_MAX {
            return Err(Errno::E2BIG);
        }
        let mut value = alloc::vec![0; a[3] as usize];
        cx.mm().copy_in(Addr(a[2]), &mut value, Permissions::Obey)?;
        let f = f?;
        vfs(cx).set_xattr(&f.walk.cx(), &f.path, &name, &value, how).map(|()| 0)
    })();
    r.into()
}

fn get(cx: &TaskCx, f: Result<Found, Errno>, a: &Args) -> Outcome {
    let r = (|| {
        let (name, f) = (name(cx, a[1])?, f?);
        let value = vfs(cx).get_xattr(&f.walk.cx(), &f.path, &name)?;
        deliver(cx, &value, a[2], a[3])
    })();
    r.into()
}

fn list(cx: &TaskCx, f: Result<Found, Errno>, a: &Args) -> Outcome {
    let r = (|| {
        let f = f?;
        let mut out = Vec::new();
        for n in vfs(cx).list_xattr(&f.walk.cx(), &f.path)? {
            out.extend_from_slice(&n);
            out.push(0);
        }
        deliver(cx, &out, a[1], a[2])
    })();
    r.into()
}

fn remove(cx: &TaskCx, f: Result<Found, Errno>, a: &Args) -> Outcome {
    let r = (|| {
        let (name, f) = (name(cx, a[1])?, f?);
        vfs(cx).remove_xattr(&f.walk.cx(), &f.path, &name).map(|()| 0)
    })();
    r.into()
}

macro_rules! family {
    ($run:ident: $path:ident $link:ident $fd:ident) => {
        #[doc = concat!(stringify!($run), "xattr(2) by path.")]
        pub(crate) fn $path(cx: &mut TaskCx, a: &Args) -> Outcome {
            $run(cx, by_path(cx, a, true), a)
        }
        #[doc = concat!(stringify!($run), "xattr(2) by path, of a link itself.")]
        pub(crate) fn $link(cx: &mut TaskCx, a: &Args) -> Outcome {
            $run(cx, by_path(cx, a, false), a)
        }
        #[doc = concat!(stringify!($run), "xattr(2) by descriptor.")]
        pub(crate) fn $fd(cx: &mut TaskCx, a: &Args) -> Outcome {
            $run(cx, by_fd(cx, a), a)
        }
    };
}

family!(set: sys_setxattr sys_lsetxattr sys_fsetxattr);
family!(get: sys_getxattr sys_lgetxattr sys_fgetxattr);
family!(list: sys_listxattr sys_llistxattr sys_flistxattr);
family!(remove: sys_removexattr sys_lremovexattr sys_fremovexattr);

/// A place by directory, path and `AT_*` flags; without a path it is what the descriptor has open.
fn by_place(cx: &TaskCx, a: &Args) -> Result<Found, Errno> {
    let flags = lookup(a[2], AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    if flags.contains(LookupFlags::EMPTY_PATH)
        && a[0] as i32 >= 0
        && (a[1] == 0 || path(cx, a[1])?.is_empty())
    {
        return by_fd(cx, a);
    }
    resolve(cx, a[0], a[1], flags)
}

/// Value, its size and flags of `struct xattr_args` at `a[4]`, of `a[5]` bytes.
fn read_args(cx: &TaskCx, a: &Args) -> Result<(u64, u64, u64), Errno> {
    const KNOWN: u64 = 16;
    if a[5] < KNOWN {
        return Err(Errno::EINVAL);
    }
    if a[5] > arch::PAGE_SIZE {
        return Err(Errno::E2BIG);
    }
    let [value, rest]: [u64; 2] = cx.mm().read_obj(Addr(a[4]))?;
    check_zeros(cx, a[4], KNOWN, a[5])?;
    Ok((value, rest & 0xffff_ffff, rest >> 32))
}

/// setxattrat(2).
pub(crate) fn sys_setxattrat(cx: &mut TaskCx, a: &Args) -> Outcome {
    match read_args(cx, a) {
        Ok((value, size, flags)) => {
            let place = by_place(cx, a);
            set(cx, place, &[0, a[3], value, size, flags, 0])
        }
        Err(e) => e.into(),
    }
}

/// getxattrat(2).
pub(crate) fn sys_getxattrat(cx: &mut TaskCx, a: &Args) -> Outcome {
    match read_args(cx, a) {
        Ok((value, size, 0)) => {
            let place = by_place(cx, a);
            get(cx, place, &[0, a[3], value, size, 0, 0])
        }
        Ok(_) => Errno::EINVAL.into(),
        Err(e) => e.into(),
    }
}

/// listxattrat(2).
pub(crate) fn sys_listxattrat(cx: &mut TaskCx, a: &Args) -> Outcome {
    list(cx, by_place(cx, a), &[0, a[3], a[4], 0, 0, 0])
}

/// removexattrat(2).
pub(crate) fn sys_removexattrat(cx: &mut TaskCx, a: &Args) -> Outcome {
    remove(cx, by_place(cx, a), &[0, a[3], 0, 0, 0, 0])
}
