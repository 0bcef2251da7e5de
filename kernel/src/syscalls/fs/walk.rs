//! What path operations need to know of the caller.

use crate::TaskCx;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, UserMemoryExt};
use syserr::Errno;
use vfs::{AT_FDCWD, Creds, FdTable, FsContext, LookupFlags, PathCx, Vfs, securebits};

/// `AT_SYMLINK_NOFOLLOW`.
pub(crate) const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
/// `AT_SYMLINK_FOLLOW`.
pub(super) const AT_SYMLINK_FOLLOW: u32 = 0x400;
/// `AT_EMPTY_PATH`.
pub(crate) const AT_EMPTY_PATH: u32 = 0x1000;
/// Longest path without its NUL; `PATH_MAX`.
const LONGEST: usize = 4095;

/// The caller's view of the tree, held for one call.
pub(crate) struct Walk {
    creds: Arc<Creds>,
    fs: Arc<FsContext>,
    files: Arc<FdTable>,
    tgid: i32,
    tid: i32,
}

impl Walk {
    /// The view of the calling task.
    pub(crate) fn new(cx: &TaskCx) -> Walk {
        let t = &cx.task;
        Walk { creds: t.creds(), fs: t.fs(), files: t.files(), tgid: t.tgid(), tid: t.tid() }
    }

    /// With real instead of effective identity, as access(2) checks.
    pub(super) fn with_real_ids(mut self) -> Walk {
        // `access_override_creds` of `fs/open.c`.
        let c = &*self.creds;
        let root = Some(c.uid) == c.user_ns.uid_in(0);
        let effective = match c.securebits & securebits::NO_SETUID_FIXUP != 0 {
            true => c.effective,
            false if root => c.permitted,
            false => 0,
        };
        if (c.fsuid, c.fsgid, c.effective) != (c.uid, c.gid, effective) {
            let real = Creds { fsuid: c.uid, fsgid: c.gid, effective, ..c.clone() };
            self.creds = Arc::new(real);
        }
        self
    }

    /// As path operations take it.
    pub(crate) fn cx(&self) -> PathCx<'_> {
        PathCx {
            creds: &self.creds,
            fs: &self.fs,
            files: &self.files,
            tgid: self.tgid,
            tid: self.tid,
        }
    }
}

/// Reads a path.
pub(crate) fn path(cx: &TaskCx, at: u64) -> Result<Vec<u8>, Errno> {
    cx.mm().read_cstr(Addr(at), LONGEST)
}

/// A string of at most `max` bytes with its end, as `strndup_user` reads it.
///
/// # Errors
/// `EINVAL` when it is longer; `EFAULT`.
pub(crate) fn string(cx: &TaskCx, at: u64, max: usize) -> Result<Vec<u8>, Errno> {
    let text = cx.mm().read_cstr(Addr(at), max - 1);
    text.map_err(|e| if e == Errno::ENAMETOOLONG { Errno::EINVAL } else { e })
}

/// The tree.
pub(crate) fn vfs(cx: &TaskCx) -> &Arc<Vfs> {
    cx.kernel().vfs()
}

/// A place and the view of who asked, for operations on what is there.
pub(super) struct Found {
    pub(super) walk: Walk,
    pub(super) path: vfs::Path,
}

/// A null path with `AT_EMPTY_PATH` means the descriptor since Linux 6.11.
pub(super) fn path_or_none(cx: &TaskCx, at: u64, flags: LookupFlags) -> Result<Vec<u8>, Errno> {
    match at {
        0 if flags.contains(LookupFlags::EMPTY_PATH) => Ok(Vec::new()),
        _ => path(cx, at),
    }
}

/// Follows a path in the calling task's view.
pub(super) fn resolve(
    cx: &TaskCx,
    dirfd: u64,
    at: u64,
    flags: LookupFlags,
) -> Result<Found, Errno> {
    resolve_path(cx, dirfd, &path(cx, at)?, flags)
}

/// The same for a path that has been read.
pub(super) fn resolve_path(
    cx: &TaskCx,
    dirfd: u64,
    path: &[u8],
    flags: LookupFlags,
) -> Result<Found, Errno> {
    let walk = Walk::new(cx);
    let path = vfs(cx).resolve(&walk.cx(), dirfd as i32, path, flags)?;
    Ok(Found { walk, path })
}

/// The working directory as a register value.
pub(super) const CWD: u64 = AT_FDCWD as u64;

/// Look-up flags for `AT_*` flags, of which only `legal` ones may be set.
pub(super) fn lookup(flags: u64, legal: u32) -> Result<LookupFlags, Errno> {
    let flags = flags as u32;
    if flags & !legal != 0 {
        return Err(Errno::EINVAL);
    }
    let mut out = LookupFlags::empty();
    out.set(LookupFlags::NOFOLLOW, flags & AT_SYMLINK_NOFOLLOW != 0);
    out.set(LookupFlags::EMPTY_PATH, flags & AT_EMPTY_PATH != 0);
    Ok(out)
}
