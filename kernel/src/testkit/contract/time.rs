//! Clocks and timers.

use crate::{Clock, ClockId, TimerId, Timers};
use alloc::sync::Arc;
use alloc::task::Wake;
use core::future::poll_fn;
use core::task::{Poll, Waker};
use sync::Mutex;
use sync::atomic::{AtomicUsize, Ordering};

/// Checks a [`Clock`]: the monotonic clock never goes back, and the parameters for the vDSO are one
/// page.
///
/// # Panics
/// When a promise is broken.
pub fn check_clock(clock: &dyn Clock) {
    let mut last = clock.now(ClockId::Monotonic);
    assert!(last >= 0, "monotonic time before its origin");
    for _ in 0..10_000 {
        let now = clock.now(ClockId::Monotonic);
        assert!(now >= last, "monotonic time went back from {last} to {now}");
        last = now;
    }
    assert!(clock.now(ClockId::Realtime) > 0, "real time before 1970");
    if let Some(page) = clock.vdso_params() {
        assert_eq!(page.len(), arch::PAGE_SIZE);
        assert!(page.start.is_multiple_of(arch::PAGE_SIZE));
    }
}

/// Counts how often it is woken, and passes it on.
struct Counter {
    woken: AtomicUsize,
    next: Mutex<Waker>,
}

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, Ordering::SeqCst);
        self.next.lock().wake_by_ref();
    }
}

/// A timer that counts.
struct Armed {
    counter: Arc<Counter>,
    deadline: i64,
    id: TimerId,
}

impl Armed {
    fn new(timers: &dyn Timers, deadline: i64) -> Armed {
        let next = Mutex::new(Waker::noop().clone());
        let counter = Arc::new(Counter { woken: AtomicUsize::new(0), next });
        let id = timers.arm(deadline, Waker::from(counter.clone()));
        Armed { counter, deadline, id }
    }

    fn woken(&self) -> usize {
        self.counter.woken.load(Ordering::SeqCst)
    }

    async fn fired(&self) {
        poll_fn(|cx| {
            self.counter.next.lock().clone_from(cx.waker());
            if self.woken() > 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Checks [`Timers`] by `clock`, on the executor to which they belong: they wake once and not
/// before their time, in whatever order they were armed, and never once they are taken back.
///
/// # Panics
/// When a promise is broken.
pub async fn check_timers(clock: Arc<dyn Clock>, timers: Arc<dyn Timers>) {
    const MS: i64 = 1_000_000;
    let now = || clock.now(ClockId::Monotonic);
    let start = now();
    let past = Armed::new(&*timers, start - 1);
    past.fired().await;
    timers.cancel(past.id);

    let delays = [9, 3, 6, 3];
    let armed = delays.map(|ms| Armed::new(&*timers, start + ms * MS));
    let gone = Armed::new(&*timers, start + 4 * MS);
    timers.cancel(gone.id);
    timers.cancel(gone.id);
    let never = Armed::new(&*timers, i64::MAX);
    for a in &armed {
        a.fired().await;
        assert!(now() >= a.deadline, "woken {} ns too early", a.deadline - now());
    }
    assert!(armed.iter().all(|a| a.woken() == 1), "woken more than once");
    assert_eq!(gone.woken(), 0, "a timer that was taken back fired");
    assert_eq!(never.woken(), 0, "a timer fired at the end of time");
    timers.cancel(never.id);
    for a in &armed {
        // It is no error that it has fired.
        timers.cancel(a.id);
    }
}
