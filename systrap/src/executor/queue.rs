//! Ready futures.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Release};
use std::task::{Context, Poll, Wake, Waker};
use sync::Mutex;

/// The same type as `kernel::BoxFuture`.
pub(crate) type BoxFuture<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;

/// Futures that want to be polled, in order.
pub(crate) struct RunQueue {
    ready: Mutex<VecDeque<Arc<Job>>>,
    /// Rings the executor if it sleeps.
    ring: Box<dyn Fn() + Send + Sync>,
}

struct Job {
    queue: Arc<RunQueue>,
    /// In the queue, or about to be.
    queued: AtomicBool,
    future: Mutex<Option<BoxFuture<()>>>,
}

impl RunQueue {
    pub(crate) fn new(ring: Box<dyn Fn() + Send + Sync>) -> RunQueue {
        RunQueue { ready: Mutex::new(VecDeque::new()), ring }
    }

    pub(crate) fn spawn(self: &Arc<Self>, future: BoxFuture<()>) {
        let queued = AtomicBool::new(true);
        let job = Job { queue: self.clone(), queued, future: Mutex::new(Some(future)) };
        self.push(Arc::new(job));
    }

    fn push(&self, job: Arc<Job>) {
        self.ready.lock().push_back(job);
        (self.ring)();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ready.lock().is_empty()
    }

    /// Polls at most `max` futures; whether there was any.
    pub(crate) fn run(&self, max: usize) -> bool {
        for i in 0..max {
            let Some(job) = self.ready.lock().pop_front() else { return i != 0 };
            job.queued.store(false, Release);
            let waker = Waker::from(job.clone());
            let mut slot = job.future.lock();
            if let Some(future) = slot.as_mut()
                && future.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Ready(())
            {
                // Dropped outside the lock: what it holds may wake others, and this one.
                let finished = slot.take();
                drop(slot);
                drop(finished);
            }
        }
        true
    }

    /// Drops what is queued, which may hold references back to this.
    pub(crate) fn clear(&self) {
        loop {
            let jobs = std::mem::take(&mut *self.ready.lock());
            if jobs.is_empty() {
                return;
            }
            for job in jobs {
                let future = job.future.lock().take();
                drop(future);
            }
        }
    }
}

impl Wake for Job {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, AcqRel) {
            let queue = self.queue.clone();
            queue.push(self);
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, AcqRel) {
            self.queue.push(self.clone());
        }
    }
}
