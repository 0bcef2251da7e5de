//! inotify(7).

use crate::syscalls::fs::walk::{Walk, path, vfs};
use crate::syscalls::fs::{file, install};
use crate::{Args, Outcome, TaskCx};
use alloc::sync::Arc;
use syserr::Errno;
use vfs::notify::Inotify;
use vfs::{File, OpenFlags};

fn init(cx: &TaskCx, flags: u32) -> Outcome {
    let status = OpenFlags::from_bits_retain(flags);
    if !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK).contains(status) {
        return Errno::EINVAL.into();
    }
    let made = vfs(cx).inotify().and_then(|ops| {
        let file = File::anonymous(Arc::new(ops), status, "inotify");
        install(cx, file, status.contains(OpenFlags::CLOEXEC))
    });
    made.into()
}

/// inotify_init(2).
pub(crate) fn sys_inotify_init(cx: &mut TaskCx, _: &Args) -> Outcome {
    init(cx, 0)
}

/// inotify_init1(2).
pub(crate) fn sys_inotify_init1(cx: &mut TaskCx, a: &Args) -> Outcome {
    init(cx, a[0] as u32)
}

fn add(cx: &TaskCx, a: &Args) -> Result<u64, Errno> {
    let file = file(cx, a[0])?;
    let inotify: &Inotify = file.downcast().ok_or(Errno::EINVAL)?;
    let (path, walk) = (path(cx, a[1])?, Walk::new(cx));
    inotify.watch(vfs(cx), &walk.cx(), &path, a[2] as u32).map(|wd| wd as u64)
}

/// inotify_add_watch(2).
pub(crate) fn sys_inotify_add_watch(cx: &mut TaskCx, a: &Args) -> Outcome {
    add(cx, a).into()
}

/// inotify_rm_watch(2).
pub(crate) fn sys_inotify_rm_watch(cx: &mut TaskCx, a: &Args) -> Outcome {
    let removed = file(cx, a[0]).and_then(|f| {
        let inotify: &Inotify = f.downcast().ok_or(Errno::EINVAL)?;
        inotify.unwatch(a[1] as i32).map(|()| 0)
    });
    removed.into()
}
