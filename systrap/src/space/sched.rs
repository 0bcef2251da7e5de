//! Sharing host threads among ready contexts.
//!
//! Nothing here runs unless a ready context waits: then, after a while, another host thread is
//! started or woken, and once there are as many as processors, one that is in user code gives its
//! context back at the end of its slice.

use super::{SlotState, Space, State};
use crate::shared::op;
use crate::sys;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

/// What is remembered between looks.
#[derive(Default)]
pub(super) struct Sched {
    /// Contexts taken when the head of the queue was first seen waiting, and when that was.
    waiting: Option<(u32, u64)>,
    /// When a context was last preempted or a thread started.
    acted: u64,
}

/// In time-stamp cycles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slices {
    /// A ready context waits this long before another host thread is started for it.
    pub(crate) patience: u64,
    /// And this long before a running one is preempted.
    pub(crate) slice: u64,
}

impl Space {
    /// Looks after ready contexts that nobody takes. Returns when to look again, in cycles from
    /// now, or `None` if nothing waits.
    pub(crate) fn schedule(&self, now: u64) -> Option<u64> {
        let Slices { patience, slice } = self.host.slices;
        let mut s = self.state.lock();
        if self.is_dead() || s.running == 0 {
            return None;
        }
        let taken = self.report().ready_head.load(SeqCst);
        if taken == s.ready_tail {
            s.sched.waiting = None;
            return None;
        }
        let since = match s.sched.waiting {
            Some((head, since)) if head == taken => since,
            _ => {
                s.sched.waiting = Some((taken, now));
                now
            }
        };
        let waited = now.saturating_sub(since);
        let acted = now.saturating_sub(s.sched.acted);
        if waited < patience || acted < patience {
            return Some(patience - waited.min(acted));
        }
        let idle = self.report().idle.load(SeqCst);
        if idle >> 16 != 0 {
            sys::futex_wake(&raw const self.control().ready_tail, 1);
            s.sched.acted = now;
            return Some(patience);
        }
        if (s.threads as usize) < self.host.cpus {
            self.start_thread(&mut s);
            s.sched.acted = now;
            return Some(patience * 4);
        }
        if waited < slice || acted < slice {
            return Some(slice - waited.min(acted));
        }
        s.sched.acted = now;
        self.preempt(&s, now, slice);
        Some(slice)
    }

    /// Has a thread that is in user code start another one.
    fn start_thread(&self, s: &mut State) {
        s.queue.push_thread(op::THREAD, u64::from(s.threads));
        s.threads += 1;
        s.queue.publish(self.control(), self.report(), self.cookie);
        self.signal_some_thread();
    }

    /// Interrupts the context that has been in user code for the longest time.
    fn preempt(&self, s: &State, now: u64, slice: u64) {
        let longest = s
            .slots
            .iter()
            .enumerate()
            .filter(|(_, state)| matches!(state, SlotState::Running(_)))
            .map(|(i, _)| i as u32)
            .filter(|&i| self.slot(i).thread.load(Relaxed) != 0)
            .min_by_key(|&i| self.slot(i).started.load(Relaxed));
        if let Some(i) = longest
            && now.saturating_sub(self.slot(i).started.load(Relaxed)) >= slice
        {
            self.interrupt_locked(i);
        }
    }
}
