//! Signals.

mod action;
mod send;
mod wait;

pub use action::{
    sys_rt_sigaction, sys_rt_sigpending, sys_rt_sigprocmask, sys_rt_sigreturn, sys_sigaltstack,
};
pub(crate) use send::{by_kernel_ids, read_info};
pub use send::{sys_kill, sys_rt_sigqueueinfo, sys_rt_tgsigqueueinfo, sys_tgkill, sys_tkill};
pub use wait::{sys_pause, sys_restart_syscall, sys_rt_sigsuspend, sys_rt_sigtimedwait};

use crate::TaskCx;
use crate::signal::SignalSet;
use arch::{Addr, UserMemoryExt};
use syserr::Errno;

/// Reads a signal set, whose size must be the kernel's.
///
/// # Errors
/// `EINVAL` for another size, `EFAULT`.
pub(crate) fn read_set(cx: &TaskCx, at: u64, size: u64) -> Result<SignalSet, Errno> {
    if size != 8 {
        return Err(Errno::EINVAL);
    }
    cx.mm().read_obj::<u64>(Addr(at)).map(SignalSet)
}
