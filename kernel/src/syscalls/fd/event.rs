//! eventfd(2).

use crate::syscalls::fs::install;
use crate::{Args, Outcome, TaskCx};
use alloc::sync::Arc;
use syserr::Errno;
use vfs::eventfd::EventFd;
use vfs::{File, OpenFlags};

const EFD_SEMAPHORE: u32 = 1;

fn eventfd(cx: &TaskCx, count: u64, flags: u32) -> Outcome {
    let status = OpenFlags::from_bits_retain(flags & !EFD_SEMAPHORE);
    if !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK).contains(status) {
        return Errno::EINVAL.into();
    }
    let ops = EventFd::new(count as u32, flags & EFD_SEMAPHORE != 0);
    let file = File::anonymous(Arc::new(ops), status | OpenFlags::RDWR, "[eventfd]");
    install(cx, file, status.contains(OpenFlags::CLOEXEC)).into()
}

/// eventfd(2), the old system call without flags.
pub(crate) fn sys_eventfd(cx: &mut TaskCx, a: &Args) -> Outcome {
    eventfd(cx, a[0], 0)
}

/// eventfd2(2).
pub(crate) fn sys_eventfd2(cx: &mut TaskCx, a: &Args) -> Outcome {
    eventfd(cx, a[0], a[1] as u32)
}
