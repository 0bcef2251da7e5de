//! Signals that are read; signalfd(2).

use super::signal_file::SignalFile;
use crate::signal::SignalSet;
use crate::syscalls::fs::{file, install};
use crate::{Args, Outcome, TaskCx};
use alloc::sync::Arc;
use arch::{Addr, UserMemoryExt};
use syserr::Errno;
use vfs::{File, OpenFlags};

fn signalfd(cx: &TaskCx, a: &Args, flags: u64) -> Result<u64, Errno> {
    let flags = OpenFlags::from_bits_retain(flags as u32);
    if !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK).contains(flags) || a[2] != 8 {
        return Err(Errno::EINVAL);
    }
    let mask = SignalSet(cx.mm().read_obj(Addr(a[1]))?).blockable();
    if a[0] as i32 != -1 {
        let f = file(cx, a[0])?;
        f.downcast::<SignalFile>().ok_or(Errno::EINVAL)?.set_mask(mask);
        return Ok(a[0] as i32 as u64);
    }
    let ops = SignalFile::new(cx.task.group(), mask);
    let file = File::anonymous(Arc::new(ops), flags | OpenFlags::RDWR, "[signalfd]");
    install(cx, file, flags.contains(OpenFlags::CLOEXEC))
}

/// signalfd(2), the old system call without flags.
pub(crate) fn sys_signalfd(cx: &mut TaskCx, a: &Args) -> Outcome {
    signalfd(cx, a, 0).into()
}

/// signalfd4(2).
pub(crate) fn sys_signalfd4(cx: &mut TaskCx, a: &Args) -> Outcome {
    signalfd(cx, a, a[3]).into()
}
