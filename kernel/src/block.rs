//! Blocking, in one place: whatever waits is composed here with interruption and a deadline.

use crate::{Attention, Task, TimerId, Timers};
use alloc::sync::Arc;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::sync::atomic::Ordering::Relaxed;
use core::task::{Poll, Waker};
use sync::waitq::{Events, Queue, Ticket};
use syserr::{Errno, Restart};

/// Why a wait ended without its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// A signal, a stop or the end of the task.
    Interrupted,
    /// The deadline.
    TimedOut,
}

/// Why an operation that waits for a file ended without success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockError {
    /// The wait ended.
    Wait(Blocked),
    /// The operation failed.
    Failed(Errno),
}

impl BlockError {
    /// The outcome of a system call that restarts with `SA_RESTART` and times out with `EAGAIN`,
    /// as reads and writes do.
    pub fn into_outcome(self) -> crate::Outcome {
        match self {
            BlockError::Wait(Blocked::Interrupted) => crate::Outcome::Restart(Restart::Sys),
            BlockError::Wait(Blocked::TimedOut) => Errno::EAGAIN.into(),
            BlockError::Failed(e) => e.into(),
        }
    }
}

/// An armed timer that is taken back when it is dropped.
struct Alarm<'a> {
    timers: &'a Arc<dyn Timers>,
    armed: Option<(TimerId, Waker)>,
}

impl Alarm<'_> {
    fn arm(&mut self, deadline: i64, waker: &Waker) {
        if self.armed.as_ref().is_some_and(|(_, w)| w.will_wake(waker)) {
            return;
        }
        if let Some((id, _)) = self.armed.take() {
            self.timers.cancel(id);
        }
        self.armed = Some((self.timers.arm(deadline, waker.clone()), waker.clone()));
    }
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if let Some((id, _)) = self.armed.take() {
            self.timers.cancel(id);
        }
    }
}

/// A registration in a wait queue that is taken back when it is dropped.
pub struct Registration<'a> {
    queue: &'a Queue,
    entry: Option<(Ticket, Waker)>,
    mask: Events,
}

impl<'a> Registration<'a> {
    /// Will wait on `queue` for `mask`.
    pub fn new(queue: &'a Queue, mask: Events) -> Registration<'a> {
        Registration { queue, entry: None, mask }
    }

    /// Makes sure that `waker` is told. To be called before the try that may find nothing.
    pub fn register(&mut self, waker: &Waker) {
        if self.entry.as_ref().is_some_and(|(_, w)| w.will_wake(waker)) {
            return;
        }
        self.clear();
        self.entry = Some((self.queue.register(self.mask, waker), waker.clone()));
    }

    fn clear(&mut self) {
        if let Some((ticket, _)) = self.entry.take() {
            self.queue.unregister(ticket);
        }
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Waits on `queue` until `try_it` gives something.
pub async fn wait_on<T>(queue: &Queue, mask: Events, mut try_it: impl FnMut() -> Option<T>) -> T {
    let mut entry = Registration::new(queue, mask);
    poll_fn(|cx| {
        entry.register(cx.waker());
        match try_it() {
            Some(v) => Poll::Ready(v),
            None => Poll::Pending,
        }
    })
    .await
}

impl Task {
    /// Waits for `fut`, until a signal can be delivered or `CLOCK_MONOTONIC` reaches `deadline`
    /// (nanoseconds). A result that is there counts for more than an interruption, and that for
    /// more than the deadline.
    ///
    /// # Errors
    /// [`Blocked`].
    pub async fn block<T>(
        self: &Arc<Self>,
        deadline: Option<i64>,
        fut: impl Future<Output = T>,
    ) -> Result<T, Blocked> {
        self.block_until(Attention::INTERRUPTING, deadline, fut).await
    }

    /// [`Task::block`], but only the end of the task interrupts (`TASK_KILLABLE`).
    ///
    /// # Errors
    /// [`Blocked::Interrupted`].
    pub async fn block_killable<T>(
        self: &Arc<Self>,
        fut: impl Future<Output = T>,
    ) -> Result<T, Blocked> {
        self.killable.store(true, Relaxed);
        let r = self.block_until(Attention::EXIT, None, fut).await;
        self.killable.store(false, Relaxed);
        r
    }

    /// Sleeps until `CLOCK_MONOTONIC` reaches `deadline` (nanoseconds); only the end of the task
    /// interrupts.
    ///
    /// # Errors
    /// [`Blocked::Interrupted`].
    pub(crate) async fn pause(self: &Arc<Self>, deadline: i64) -> Result<(), Blocked> {
        let never = core::future::pending::<()>();
        match self.block_until(Attention::EXIT, Some(deadline), never).await {
            Err(Blocked::Interrupted) => Err(Blocked::Interrupted),
            _ => Ok(()),
        }
    }

    async fn block_until<T>(
        self: &Arc<Self>,
        why: Attention,
        deadline: Option<i64>,
        fut: impl Future<Output = T>,
    ) -> Result<T, Blocked> {
        let mut fut = pin!(fut);
        let embedder = self.kernel().embedder();
        let mut alarm = Alarm { timers: &embedder.timers, armed: None };
        poll_fn(|cx| {
            if let Poll::Ready(v) = fut.as_mut().poll(cx) {
                return Poll::Ready(Ok(v));
            }
            self.park(cx.waker());
            if self.attention().intersects(why) {
                return Poll::Ready(Err(Blocked::Interrupted));
            }
            if let Some(at) = deadline {
                if embedder.clock.now(crate::ClockId::Monotonic) >= at {
                    return Poll::Ready(Err(Blocked::TimedOut));
                }
                alarm.arm(at, cx.waker());
            }
            Poll::Pending
        })
        .await
    }
}

/// Tries an operation on a file again whenever the file says that it may go on, while it answers
/// `EAGAIN`.
///
/// # Errors
/// [`BlockError`].
pub async fn block_on_file<T>(
    task: &Arc<Task>,
    file: &Arc<vfs::File>,
    events: Events,
    deadline: Option<i64>,
    mut try_it: impl FnMut() -> Result<T, Errno>,
) -> Result<T, BlockError> {
    let mut attempt = || match try_it() {
        Err(Errno::EAGAIN) => None,
        r => Some(r),
    };
    let result = match file.queue() {
        // Errors and hang-ups end every wait, as in poll(2).
        Some(q) => {
            let mask = events | Events::ERR | Events::HUP;
            task.block(deadline, wait_on(q, mask, attempt)).await
        }
        // Nobody will ever tell: what would block, fails.
        None => Ok(attempt().unwrap_or(Err(Errno::EAGAIN))),
    };
    result.map_err(BlockError::Wait)?.map_err(BlockError::Failed)
}
