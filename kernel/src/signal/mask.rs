//! Signal masks of threads.

use super::{SigInfo, SignalSet};
use crate::Attention;
use crate::Task;
use crate::group::{GroupState, Stop};
use sync::atomic::Ordering;

impl Task {
    /// Replaces the mask. `SIGKILL` and `SIGSTOP` cannot be blocked.
    pub fn set_mask(&self, mask: SignalSet) {
        let state = self.group_ref().lock();
        self.store_mask(mask);
        self.recalculate(&state);
    }

    /// Replaces the mask until the system call that is running ends, as ppoll(2) and its relatives
    /// do. When a signal ends the call, its handler runs under the temporary mask and returns to
    /// the old one.
    pub fn set_temporary_mask(&self, mask: SignalSet) {
        let state = self.group_ref().lock();
        {
            let mut own = self.signals.lock();
            if own.saved_mask.is_none() {
                own.saved_mask = Some(self.blocked());
            }
        }
        self.store_mask(mask);
        self.note(Attention::MASK);
        self.recalculate(&state);
    }

    /// Brings the mask back that [`Task::set_temporary_mask`] replaced.
    pub(crate) fn restore_mask(&self) {
        let state = self.group_ref().lock();
        let saved = self.signals.lock().saved_mask.take();
        if let Some(mask) = saved {
            self.store_mask(mask);
        }
        self.clear_attention(Attention::MASK);
        self.recalculate(&state);
    }

    /// Replaces the mask for good, a temporary one too: what a tracer does.
    pub(crate) fn replace_mask(&self, mask: SignalSet) {
        let state = self.group_ref().lock();
        self.signals.lock().saved_mask = None;
        self.clear_attention(Attention::MASK);
        self.store_mask(mask);
        self.recalculate(&state);
    }

    /// Whether the thread is about to end.
    pub(crate) fn interrupted_by_exit(&self) -> bool {
        self.attention().contains(Attention::EXIT)
    }

    pub(crate) fn store_mask(&self, mask: SignalSet) {
        self.mask.store(mask.blockable().0, Ordering::Release);
    }

    /// Sets or clears the reasons that signals give. Under the group's signal lock.
    pub(crate) fn recalculate(&self, state: &GroupState) {
        let why = self.reasons(state);
        self.note(why);
        self.clear_attention(Attention::INTERRUPTING.difference(why));
    }

    fn reasons(&self, state: &GroupState) -> Attention {
        let own = self.signals.lock();
        let mut why = Attention::empty();
        let pending = own.pending.set().union(state.pending.set());
        if !pending.difference(self.blocked()).is_empty() {
            why |= Attention::SIGNAL;
        }
        if own.trace.as_deref().is_some_and(|t| t.trap_stop || t.trap_notify) {
            why |= Attention::TRAP;
        }
        if own.must_stop || (own.stopped && state.stop != Stop::None) {
            why |= Attention::STOP;
        }
        if self.must_exit(state) {
            why |= Attention::EXIT;
        }
        why
    }

    /// Whether the thread has to end: its group does, or another thread replaces the image.
    pub(crate) fn must_exit(&self, state: &GroupState) -> bool {
        self.leaving.load(Ordering::Relaxed)
            || state.exiting.is_some()
            || state.execing.is_some_and(|tid| tid != self.tid())
    }

    /// Takes a pending signal out that is in `wanted`, blocked or not: signalfd(2),
    /// sigtimedwait(2). The thread's own come first.
    pub fn dequeue_signal(&self, wanted: SignalSet) -> Option<SigInfo> {
        let mut state = self.group_ref().lock();
        let not = SignalSet(!wanted.blockable().0);
        let taken = self.signals.lock().pending.pop(not);
        let info = taken.or_else(|| state.pending.pop(not));
        if info.is_some() {
            self.recalculate(&state);
        }
        drop(state);
        info.map(|i| self.group_ref().rearm_timer(self.kernel(), i))
    }

    /// Pending signals of the thread and its group; sigpending(2) shows the blocked ones.
    pub fn pending_signals(&self) -> SignalSet {
        let state = self.group_ref().lock();
        let own = self.signals.lock().pending.set();
        own.union(state.pending.set())
    }

    /// Signals sent to this thread alone, for `/proc/PID/status`.
    pub fn private_pending(&self) -> SignalSet {
        let _state = self.group_ref().lock();
        self.signals.lock().pending.set()
    }
}
