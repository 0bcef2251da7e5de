//! Waiting by blocking the calling thread.

use crate::target::Target;
use crate::wait::{Outcome, Wait};
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::task::Wake;
use std::thread::Thread;
use std::time::Instant;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

std::thread_local! {
    // One waker for each thread, so that blocking allocates nothing after the first time.
    static WAKER: Waker = Waker::from(Arc::new(Unpark(std::thread::current())));
}

impl<T: Target> Wait<'_, T> {
    /// Blocks the calling thread until the wait ends or `deadline` has passed. `Withdrawn` means
    /// that the deadline came first.
    pub fn block(mut self, deadline: Option<Instant>) -> Outcome {
        WAKER.with(|waker| {
            loop {
                let mut cx = Context::from_waker(waker);
                if let Poll::Ready(r) = pin!(&mut self).poll(&mut cx) {
                    return Outcome::Finished(r);
                }
                match deadline.map(|d| d.saturating_duration_since(Instant::now())) {
                    None => std::thread::park(),
                    Some(left) if left.is_zero() => return self.cancel(),
                    Some(left) => std::thread::park_timeout(left),
                }
            }
        })
    }
}
