//! Deadlines on `CLOCK_MONOTONIC`.

use crate::clock::HostClock;
use kernel::{Clock, ClockId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::task::Waker;
use sync::Mutex;

/// All armed timers.
pub(crate) struct TimerWheel {
    inner: Mutex<Inner>,
    /// The earliest deadline, `i64::MAX` without one.
    next: AtomicI64,
    clock: Arc<HostClock>,
    ring: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Inner {
    last_id: u64,
    by_deadline: BTreeMap<(i64, u64), Waker>,
    deadlines: std::collections::HashMap<u64, i64>,
}

impl TimerWheel {
    pub(crate) fn new(clock: Arc<HostClock>, ring: Box<dyn Fn() + Send + Sync>) -> TimerWheel {
        TimerWheel { inner: Mutex::default(), next: AtomicI64::new(i64::MAX), clock, ring }
    }

    pub(crate) fn arm(&self, deadline: i64, waker: Waker) -> u64 {
        let mut t = self.inner.lock();
        t.last_id += 1;
        let id = t.last_id;
        t.by_deadline.insert((deadline, id), waker);
        t.deadlines.insert(id, deadline);
        if deadline < self.next.load(Acquire) {
            self.next.store(deadline, Release);
            drop(t);
            (self.ring)();
        }
        id
    }

    pub(crate) fn cancel(&self, id: u64) {
        let mut t = self.inner.lock();
        if let Some(deadline) = t.deadlines.remove(&id) {
            t.by_deadline.remove(&(deadline, id));
        }
        self.note_next(&t);
    }

    fn note_next(&self, t: &Inner) {
        let next = t.by_deadline.first_key_value().map_or(i64::MAX, |((d, _), _)| *d);
        self.next.store(next, Release);
    }

    /// Wakes what is due; whether there was any.
    pub(crate) fn fire(&self) -> bool {
        let next = self.next.load(Acquire);
        if next == i64::MAX {
            return false;
        }
        let now = self.clock.now(ClockId::Monotonic);
        if next > now {
            return false;
        }
        let due = {
            let mut t = self.inner.lock();
            let later = t.by_deadline.split_off(&(now.saturating_add(1), 0));
            let due = std::mem::replace(&mut t.by_deadline, later);
            for (_, id) in due.keys() {
                t.deadlines.remove(id);
            }
            self.note_next(&t);
            due
        };
        let any = !due.is_empty();
        due.into_values().for_each(Waker::wake);
        any
    }

    /// Nanoseconds until the next deadline.
    pub(crate) fn until_next(&self) -> Option<u64> {
        let next = self.next.load(Acquire);
        (next != i64::MAX)
            .then(|| next.saturating_sub(self.clock.now(ClockId::Monotonic)).max(0) as u64)
    }

    /// Forgets all timers.
    pub(crate) fn clear(&self) {
        let all = std::mem::take(&mut *self.inner.lock());
        drop(all);
    }
}
