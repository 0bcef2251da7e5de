//! Restart blocks: how restart_syscall(2) goes on with a call that a signal broke off.

use crate::{Args, Outcome, Task, TaskCx};

/// What restart_syscall(2) needs: plain data, with an absolute deadline, so that the time a signal
/// took does not make the call longer.
#[derive(Clone, Copy)]
pub struct RestartBlock {
    /// The call's arguments.
    pub args: Args,
    /// Deadline in nanoseconds, on `CLOCK_MONOTONIC` or the clock that the call waits for.
    pub deadline: i64,
    /// Goes on with the call.
    pub resume: fn(&mut TaskCx, &Args, i64) -> Outcome,
}

impl core::fmt::Debug for RestartBlock {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RestartBlock").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Task {
    /// Stores how to go on; the call then ends with [`syserr::Restart::Block`].
    pub fn set_restart_block(&self, block: RestartBlock) {
        *self.restart.lock() = Some(block);
    }
}
