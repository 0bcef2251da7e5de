//! Why a task must look up before it goes on in user code, and how others make it look up.

use super::Task;
use core::task::Waker;
use sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};

bitflags::bitflags! {
    /// Reasons to leave the short way from system call to user code.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct Attention: u32 {
        /// A signal can be delivered.
        const SIGNAL = 1;
        /// The thread group stops.
        const STOP = 2;
        /// The task has to end.
        const EXIT = 4;
        /// The signal mask that a system call replaced has to come back.
        const MASK = 8;
        /// Processor time is limited or timed, and has to be looked at.
        const CPU_TIME = 16;
        /// The tracer, or the group stop that the tracer hears of, wants a stop.
        const TRAP = 32;
    }
}

impl Attention {
    /// What breaks off a system call that blocks.
    pub const INTERRUPTING: Attention =
        Attention::SIGNAL.union(Attention::STOP).union(Attention::EXIT).union(Attention::TRAP);
}

impl Task {
    /// What the task must look at.
    pub fn attention(&self) -> Attention {
        Attention::from_bits_truncate(self.attention.load(Acquire))
    }

    /// Whether a blocking system call has to come back.
    pub fn interrupted(&self) -> bool {
        self.attention().intersects(Attention::INTERRUPTING)
    }

    /// Sets reasons without waking the task: it is the caller, or the caller wakes it.
    pub(crate) fn note(&self, why: Attention) {
        self.attention.fetch_or(why.bits(), SeqCst);
    }

    /// Takes reasons back.
    pub(crate) fn clear_attention(&self, why: Attention) {
        self.attention.fetch_and(!why.bits(), SeqCst);
    }

    /// Sets reasons and makes the task see them soon, wherever it is.
    pub(crate) fn call(&self, why: Attention) {
        self.note(why);
        self.wake();
    }

    /// Makes the task look again: out of user code, or out of its wait.
    pub(crate) fn wake(&self) {
        let waker = self.waker.lock().clone();
        if let Some(w) = waker {
            w.wake();
        }
        // Pairs with the store in `enter_user`: either the task sees the new reason before it
        // goes to user code, or this sees that it went.
        if self.in_user.load(SeqCst) {
            self.interrupt.interrupt();
        }
    }

    /// Announces that the task goes to user code; false when it has to look up first.
    pub(crate) fn enter_user(&self) -> bool {
        self.in_user.store(true, SeqCst);
        if self.attention.load(SeqCst) == 0 {
            return true;
        }
        self.in_user.store(false, Relaxed);
        false
    }

    pub(crate) fn leave_user(&self) {
        self.in_user.store(false, Relaxed);
    }

    /// Remembers who wakes the task's future. To be called before the last look at whatever is
    /// waited for.
    pub(crate) fn park(&self, waker: &Waker) {
        let mut slot = self.waker.lock();
        if !slot.as_ref().is_some_and(|w| w.will_wake(waker)) {
            *slot = Some(waker.clone());
        }
    }
}
