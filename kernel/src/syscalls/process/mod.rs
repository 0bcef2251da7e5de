//! Processes: their making, their end, their IDs.

mod clone;
mod compare;
mod exec;
mod ids;
mod memory;
mod namespaces;
mod pidfd;
mod pidfd_info;
mod privileges;
mod wait;

pub use clone::{sys_clone, sys_clone3, sys_fork, sys_unshare, sys_vfork};
pub use compare::{sys_kcmp, sys_ptrace};
pub(crate) use exec::Opener;
pub use exec::{sys_execve, sys_execveat};
pub use ids::{
    sys_exit, sys_exit_group, sys_getpgid, sys_getpgrp, sys_getpid, sys_getppid, sys_getsid,
    sys_gettid, sys_set_tid_address, sys_setpgid, sys_setsid,
};
pub use memory::{
    sys_process_madvise, sys_process_mrelease, sys_process_vm_readv, sys_process_vm_writev,
};
pub use namespaces::sys_setns;
pub(crate) use namespaces::{number_in, open_related};
pub use pidfd::{sys_pidfd_getfd, sys_pidfd_open, sys_pidfd_send_signal};
pub(crate) use pidfd_info::pidfd_ioctl;
pub use wait::{sys_wait4, sys_waitid};

use crate::Task;
use alloc::sync::Arc;
use syserr::Errno;

/// Whether `caller` may look into `target` as a debugger could.
///
/// # Errors
/// `EPERM`.
pub(crate) fn may_inspect(caller: &Arc<Task>, target: &Arc<Task>) -> Result<(), Errno> {
    crate::ptrace::may_access(&caller.creds(), caller.tgid(), target, false)
}
