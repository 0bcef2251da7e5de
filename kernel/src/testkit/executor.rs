//! A deterministic executor and a clock that it drives.

use crate::{BoxFuture, Clock, ClockId, Spawn, TimerId, Timers};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::task::Wake;
use core::task::{Context, Waker};
use sync::Mutex;
use sync::atomic::{AtomicI64, Ordering};

/// Time that goes on only when it is told to.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl Clock for ManualClock {
    fn now(&self, clock: ClockId) -> i64 {
        let t = self.0.load(Ordering::Relaxed);
        match clock {
            ClockId::Monotonic => t,
            ClockId::Realtime => t + 1_700_000_000_000_000_000,
        }
    }

    fn vdso_params(&self) -> Option<mm::FileRange> {
        None
    }
}

#[derive(Default)]
struct State {
    next: u64,
    ready: VecDeque<u64>,
    tasks: BTreeMap<u64, BoxFuture<()>>,
    timers: BTreeMap<(i64, u64), Waker>,
}

/// Runs futures one after the other, in the order in which they were woken. When none can run,
/// time goes on to the next timer.
pub struct Executor {
    state: Mutex<State>,
    clock: Arc<ManualClock>,
}

struct Wakeup {
    executor: Arc<Executor>,
    id: u64,
}

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        let mut state = self.executor.state.lock();
        if !state.ready.contains(&self.id) {
            state.ready.push_back(self.id);
        }
    }
}

/// A handle with which futures are spawned and timers armed.
pub(super) struct Handle(pub(super) Arc<Executor>);

impl Spawn for Handle {
    fn spawn(&self, task: BoxFuture<()>) {
        let mut state = self.0.state.lock();
        state.next += 1;
        let id = state.next;
        state.tasks.insert(id, task);
        state.ready.push_back(id);
    }
}

impl Timers for Handle {
    fn arm(&self, deadline: i64, waker: Waker) -> TimerId {
        let mut state = self.0.state.lock();
        state.next += 1;
        let id = state.next;
        state.timers.insert((deadline, id), waker);
        TimerId(id)
    }

    fn cancel(&self, timer: TimerId) {
        self.0.state.lock().timers.retain(|(_, id), _| *id != timer.0);
    }
}

impl Executor {
    /// An executor at time 1 s.
    pub fn new() -> Arc<Executor> {
        let clock = Arc::new(ManualClock(AtomicI64::new(1_000_000_000)));
        Arc::new(Executor { state: Mutex::default(), clock })
    }

    /// Its clock.
    pub fn clock(&self) -> Arc<ManualClock> {
        self.clock.clone()
    }

    /// Runs until nothing can run any more and no timer is armed, or `steps` polls were made.
    /// False when the steps ran out.
    pub fn run(self: &Arc<Self>, steps: usize) -> bool {
        for _ in 0..steps {
            if !self.step() {
                return true;
            }
        }
        false
    }

    fn step(self: &Arc<Self>) -> bool {
        let next = {
            let mut state = self.state.lock();
            let id = state.ready.pop_front();
            id.map(|id| (id, state.tasks.remove(&id)))
        };
        match next {
            Some((id, Some(mut task))) => {
                let waker = Waker::from(Arc::new(Wakeup { executor: self.clone(), id }));
                if task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                    self.state.lock().tasks.insert(id, task);
                }
                true
            }
            Some((_, None)) => true,
            None => self.advance(),
        }
    }

    fn advance(&self) -> bool {
        let due = self.state.lock().timers.pop_first();
        let Some(((at, _), waker)) = due else { return false };
        self.clock.0.fetch_max(at, Ordering::Relaxed);
        waker.wake();
        true
    }

    /// Futures that have not ended.
    pub fn left(&self) -> usize {
        self.state.lock().tasks.len()
    }
}
