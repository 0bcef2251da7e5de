//! Sharing host threads among ready contexts.
//!
//! Nothing here runs unless a ready context waits: then, after a while, another host thread is
//! started or woken, and once there are as many as processors, one that is in user code gives its
//! context back at the end of its slice.

use super::{SlotState, Space, State};
use crate::sys;
use std::sync::atomic::Ordering::Relaxed;

/// What is remembered between looks.
#[derive(Default)]
pub(super) struct Sched {
    /// Contexts taken when the head of the queue was first seen waiting, and when that was.
    waiting: Option<(u32, u64)>,
    /// When a context was last preempted or a thread started.
    acted: u64,
    /// Slots that were interrupted and have not come back.
    interrupted: Vec<u32>,
    /// When the first of them was, or when a context last came back.
    answered: u64,
}

impl Sched {
    /// A slot was interrupted.
    pub(super) fn interrupted(&mut self, slot: u32) {
        if self.interrupted.is_empty() {
            self.answered = sys::tsc();
        }
        if !self.interrupted.contains(&slot) {
            self.interrupted.push(slot);
        }
    }

    /// A slot came back.
    pub(super) fn came_back(&mut self, slot: u32) {
        if !self.interrupted.is_empty() {
            self.interrupted.retain(|s| *s != slot);
            self.answered = sys::tsc();
        }
    }
}

/// In time-stamp cycles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slices {
    /// A ready context waits this long before another host thread is started for it.
    pub(crate) patience: u64,
    /// And this long before a running one is preempted.
    pub(crate) slice: u64,
    /// A stub that lets nothing come back for so long after an interrupt has been taken over.
    pub(crate) silence: u64,
}

impl Space {
    /// Looks after interrupts that nobody answers and ready contexts that nobody takes. Returns
    /// when to look again, in cycles from now, or `None` if nothing waits.
    pub(crate) fn schedule(&self, now: u64) -> Option<u64> {
        let mut s = self.state.lock();
        if self.is_dead() || s.running == 0 {
            return None;
        }
        let silence = self.end_if_silent(&s, now);
        let ready = self.schedule_ready(&mut s, now);
        match (silence, ready) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Ends a process that answers no interrupt: only guest code that has taken the stub over can
    /// keep it from that.
    fn end_if_silent(&self, s: &State, now: u64) -> Option<u64> {
        if s.sched.interrupted.is_empty() {
            return None;
        }
        let silent = now.saturating_sub(s.sched.answered);
        if silent < self.host.slices.silence {
            return Some(self.host.slices.silence - silent);
        }
        tracing::warn!(pid = self.child.pid(), "a stub that answers no interrupt is ended");
        self.child.kill();
        None
    }

    fn schedule_ready(&self, s: &mut State, now: u64) -> Option<u64> {
        let Slices { patience, slice, .. } = self.host.slices;
        let taken = self.ready_ring().taken();
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
        if self.ready_ring().has_sleeper() {
            self.wake_sleeper();
            s.sched.acted = now;
            return Some(patience);
        }
        // A single context on a busy host waits for the thread that there is.
        if s.running > s.threads && (s.threads as usize) < self.host.cpus {
            self.start_thread(s);
            s.sched.acted = now;
            return Some(patience * 4);
        }
        if waited < slice || acted < slice {
            return Some(slice - waited.min(acted));
        }
        s.sched.acted = now;
        self.preempt(s, now, slice);
        Some(slice)
    }

    /// Has the mapper start another host thread.
    fn start_thread(&self, s: &mut State) {
        s.queue.push_thread(u64::from(s.threads));
        s.threads += 1;
        self.publish(s, false);
        self.wake_mapper();
    }

    /// Interrupts the context that has been in user code for the longest time.
    fn preempt(&self, s: &mut State, now: u64, slice: u64) {
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
            self.interrupt_locked(s, i);
        }
    }
}
