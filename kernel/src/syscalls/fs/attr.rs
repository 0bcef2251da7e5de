//! Permissions, owners, sizes: chmod(2), chown(2), access(2), truncate(2).

use super::lease::finish_open;
use super::rw::flat;
use super::walk::{
    AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, CWD, Found, Walk, lookup, path, resolve, vfs,
};
use crate::{Args, Outcome, Resource, Task, TaskCx};
use alloc::boxed::Box;
use alloc::sync::Arc;
use syserr::Errno;
use vfs::{File, LookupFlags};

fn done(r: Result<(), Errno>) -> Outcome {
    r.map(|()| 0).into()
}

/// The place behind a descriptor that is open for more than its path.
fn opened(cx: &TaskCx, fd: u64) -> Result<Found, Errno> {
    let file = cx.task.files().get_open(fd as i32)?;
    Ok(Found { walk: Walk::new(cx), path: file.path().clone() })
}

fn chmod(cx: &TaskCx, at: Result<Found, Errno>, mode: u64) -> Outcome {
    done(at.and_then(|f| vfs(cx).chmod(&f.walk.cx(), &f.path, mode as u32)))
}

/// chmod(2).
pub(crate) fn sys_chmod(cx: &mut TaskCx, a: &Args) -> Outcome {
    chmod(cx, resolve(cx, CWD, a[0], LookupFlags::empty()), a[1])
}

/// fchmod(2).
pub(crate) fn sys_fchmod(cx: &mut TaskCx, a: &Args) -> Outcome {
    chmod(cx, opened(cx, a[0]), a[1])
}

/// fchmodat(2).
pub(crate) fn sys_fchmodat(cx: &mut TaskCx, a: &Args) -> Outcome {
    chmod(cx, resolve(cx, a[0], a[1], LookupFlags::empty()), a[2])
}

/// fchmodat2(2).
pub(crate) fn sys_fchmodat2(cx: &mut TaskCx, a: &Args) -> Outcome {
    let flags = lookup(a[3], AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
    chmod(cx, flags.and_then(|l| resolve(cx, a[0], a[1], l)), a[2])
}

fn chown(cx: &TaskCx, at: Result<Found, Errno>, uid: u64, gid: u64) -> Outcome {
    let id = |v: u64| (v as u32 != u32::MAX).then_some(v as u32);
    done(at.and_then(|f| vfs(cx).chown(&f.walk.cx(), &f.path, id(uid), id(gid))))
}

/// chown(2).
pub(crate) fn sys_chown(cx: &mut TaskCx, a: &Args) -> Outcome {
    chown(cx, resolve(cx, CWD, a[0], LookupFlags::empty()), a[1], a[2])
}

/// lchown(2).
pub(crate) fn sys_lchown(cx: &mut TaskCx, a: &Args) -> Outcome {
    chown(cx, resolve(cx, CWD, a[0], LookupFlags::NOFOLLOW), a[1], a[2])
}

/// fchown(2).
pub(crate) fn sys_fchown(cx: &mut TaskCx, a: &Args) -> Outcome {
    chown(cx, opened(cx, a[0]), a[1], a[2])
}

/// fchownat(2).
pub(crate) fn sys_fchownat(cx: &mut TaskCx, a: &Args) -> Outcome {
    let flags = lookup(a[4], AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
    chown(cx, flags.and_then(|l| resolve(cx, a[0], a[1], l)), a[2], a[3])
}

fn access(cx: &TaskCx, dirfd: u64, at: u64, mode: u64, flags: u64) -> Result<(), Errno> {
    const AT_EACCESS: u32 = 0x200;
    let mode = mode as u32;
    if mode & !7 != 0 {
        return Err(Errno::EINVAL);
    }
    let look = lookup(flags, AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    let mut walk = Walk::new(cx);
    if flags as u32 & AT_EACCESS == 0 {
        walk = walk.with_real_ids();
    }
    let p = path(cx, at)?;
    let place = vfs(cx).resolve(&walk.cx(), dirfd as i32, &p, look)?;
    vfs(cx).access(&walk.cx(), &place, mode)
}

/// access(2).
pub(crate) fn sys_access(cx: &mut TaskCx, a: &Args) -> Outcome {
    done(access(cx, CWD, a[0], a[1], 0))
}

/// faccessat(2), the system call, which has no flags.
pub(crate) fn sys_faccessat(cx: &mut TaskCx, a: &Args) -> Outcome {
    done(access(cx, a[0], a[1], a[2], 0))
}

/// faccessat2(2).
pub(crate) fn sys_faccessat2(cx: &mut TaskCx, a: &Args) -> Outcome {
    done(access(cx, a[0], a[1], a[2], a[3]))
}

/// truncate(2).
pub(crate) fn sys_truncate(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        if (a[1] as i64) < 0 {
            return Err(Errno::EINVAL);
        }
        let limit = cx.task.limit(Resource::Fsize).0;
        let f = resolve(cx, CWD, a[0], LookupFlags::empty())?;
        let file = vfs(cx).open_to_truncate(&f.walk.cx(), &f.path)?;
        let (task, size) = (cx.task.clone(), a[1] as i64);
        if file.waits_for_leases() {
            return Ok(Outcome::Block(Box::pin(async move {
                match finish_open(&task, &file).await {
                    Ok(()) => truncate(&task, &file, size, limit).into(),
                    Err(e) => e.into_outcome(),
                }
            })));
        }
        Ok(truncate(&task, &file, size, limit).into())
    })())
}

fn truncate(task: &Arc<Task>, file: &File, size: i64, limit: u64) -> Result<u64, Errno> {
    let r = file.truncate(size, limit, &task.creds());
    if r == Err(Errno::EFBIG) && limit != u64::MAX {
        task.file_too_large();
    }
    r.map(|()| 0)
}
