//! Hooks around system calls.

use super::TaskCx;
use crate::{Args, Entry};
use syserr::Errno;

/// Hears of every system call. A kernel without one pays a test of a pointer.
pub trait SyscallTracer: Send + Sync {
    /// Before the handler of call `nr` runs; memory is as the guest left it.
    fn enter(&self, cx: &TaskCx, nr: u64, entry: &Entry, args: &Args);
    /// After the call, with what the guest will see; `None` when it does not return here: exit,
    /// a successful execve, sigreturn, or a restart.
    fn exit(
        &self,
        cx: &TaskCx,
        nr: u64,
        entry: &Entry,
        args: &Args,
        result: Option<Result<u64, Errno>>,
    );
}
