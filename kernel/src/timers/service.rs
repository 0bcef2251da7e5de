//! One future per kernel that fires what is due.
//!
//! The embedder's timers wake a future; they run nothing themselves. So no lock of theirs is ever
//! held while a signal is sent, and arming a timer of a guest costs a map entry.

use crate::{ClockId, Embedder, TimerId};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::task::{Poll, Waker};
use sync::Mutex;

/// What a timer does when it is due. Runs on the executor, with no lock held.
pub(crate) trait Fire: Send + Sync {
    /// `at` is the deadline that was reached, `generation` what it was armed with.
    fn fire(&self, at: i64, generation: u64);
}

#[derive(Default)]
struct State {
    due: BTreeMap<(i64, u64), (Arc<dyn Fire>, u64)>,
    next: u64,
    waker: Option<Waker>,
    running: bool,
    closed: bool,
}

/// The service.
#[derive(Default)]
pub(crate) struct TimerService {
    state: Mutex<State>,
}

/// Names an armed entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Armed(i64, u64);

impl TimerService {
    /// Has `what` fired at `deadline` (`CLOCK_MONOTONIC` nanoseconds).
    pub(crate) fn arm(
        self: &Arc<Self>,
        embedder: &Embedder,
        deadline: i64,
        what: Arc<dyn Fire>,
        generation: u64,
    ) -> Armed {
        let mut state = self.state.lock();
        state.next += 1;
        let key = (deadline, state.next);
        state.due.insert(key, (what, generation));
        let is_first = state.due.keys().next() == Some(&key);
        let waker = if is_first { state.waker.take() } else { None };
        let start = !state.running && !state.closed;
        state.running |= start;
        drop(state);
        if let Some(w) = waker {
            w.wake();
        }
        if start {
            let me = self.clone();
            let own = embedder.clone();
            embedder.spawn.spawn(Box::pin(async move { me.run(own).await }));
        }
        Armed(key.0, key.1)
    }

    /// Takes an entry back; one that fired already is no error.
    pub(crate) fn cancel(&self, armed: Armed) {
        let gone = self.state.lock().due.remove(&(armed.0, armed.1));
        // What it holds is dropped without the lock.
        drop(gone);
    }

    /// Ends the service: nothing fires any more.
    pub(crate) fn close(&self) {
        let (gone, waker) = {
            let mut state = self.state.lock();
            state.closed = true;
            (core::mem::take(&mut state.due), state.waker.take())
        };
        drop(gone);
        if let Some(w) = waker {
            w.wake();
        }
    }

    async fn run(self: Arc<Self>, embedder: Embedder) {
        let mut armed: Option<(i64, TimerId)> = None;
        poll_fn(|cx| {
            loop {
                let (due, next, closed) =
                    self.take_due(embedder.clock.now(ClockId::Monotonic), cx.waker());
                if due.is_empty() {
                    if armed.map(|(at, _)| at) != next {
                        if let Some((_, id)) = armed.take() {
                            embedder.timers.cancel(id);
                        }
                        armed = next.map(|at| (at, embedder.timers.arm(at, cx.waker().clone())));
                    }
                    return if closed { Poll::Ready(()) } else { Poll::Pending };
                }
                armed = armed.filter(|&(at, _)| due.iter().all(|&(d, ..)| d != at));
                for (at, what, generation) in due {
                    what.fire(at, generation);
                }
            }
        })
        .await;
    }

    #[expect(clippy::type_complexity, reason = "what is due, the next deadline, whether to end")]
    fn take_due(
        &self,
        now: i64,
        waker: &Waker,
    ) -> (Vec<(i64, Arc<dyn Fire>, u64)>, Option<i64>, bool) {
        let mut state = self.state.lock();
        let mut due = Vec::new();
        while let Some(entry) = state.due.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let ((at, _), (what, generation)) = entry.remove_entry();
            due.push((at, what, generation));
        }
        state.waker = Some(waker.clone());
        let next = state.due.keys().next().map(|k| k.0);
        (due, next, state.closed)
    }
}
