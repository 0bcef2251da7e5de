//! What a system call has to go through before its handler, as one word that is tested once.

use super::Task;
use sync::atomic::Ordering::{Relaxed, SeqCst};

bitflags::bitflags! {
    /// Reasons to leave the short way into a system call.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Work: u32 {
        /// It is filtered.
        const SECCOMP = 1;
        /// The task is traced.
        const TRACED = 2;
        /// The tracer hears of system calls: `PTRACE_SYSCALL`.
        const SYSCALL = 4;
        /// The tracer makes them: `PTRACE_SYSEMU`.
        const EMULATE = 8;
        /// Those from elsewhere than a range are handed back: `PR_SET_SYSCALL_USER_DISPATCH`.
        const DISPATCH = 16;
    }
}

impl Task {
    pub(crate) fn work(&self) -> Work {
        Work::from_bits_truncate(self.work.load(Relaxed))
    }

    pub(crate) fn set_work(&self, work: Work, on: bool) {
        if on {
            self.work.fetch_or(work.bits(), SeqCst);
        } else {
            self.work.fetch_and(!work.bits(), SeqCst);
        }
    }

    /// Whether somebody traces it. A change that is just being made may be missed.
    pub(crate) fn is_traced(&self) -> bool {
        self.work().contains(Work::TRACED)
    }
}
