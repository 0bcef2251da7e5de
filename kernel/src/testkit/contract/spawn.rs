//! Executors.

use super::pause;
use crate::Spawn;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::future::poll_fn;
use core::task::{Poll, Waker};
use sync::Mutex;
use sync::atomic::{AtomicUsize, Ordering};

/// Futures that are spawned at once.
const MANY: usize = 200;

#[derive(Default)]
struct Seen {
    ended: AtomicUsize,
    dropped: AtomicUsize,
    waiting: Mutex<Option<Waker>>,
}

/// Tells when a future is dropped.
struct Guard(Arc<Seen>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
        let waiting = self.0.waiting.lock().take();
        if let Some(w) = waiting {
            w.wake();
        }
    }
}

/// Checks a [`Spawn`], from a future that runs on the same executor: each future runs to its end
/// and is dropped, whether it was spawned from outside or from another, and no wake is lost, be it
/// one from inside the poll that it follows.
///
/// # Panics
/// When a promise is broken. It never ends when a wake is lost.
pub async fn check_spawn(spawn: Arc<dyn Spawn>) {
    let seen = Arc::new(Seen::default());
    for i in 0..MANY {
        let (spawn, guard) = (spawn.clone(), Guard(seen.clone()));
        let inner = spawn.clone();
        spawn.spawn(Box::pin(async move {
            for _ in 0..i % 7 {
                pause().await;
            }
            let second = Guard(guard.0.clone());
            inner.spawn(Box::pin(async move {
                pause().await;
                second.0.ended.fetch_add(1, Ordering::SeqCst);
            }));
            guard.0.ended.fetch_add(1, Ordering::SeqCst);
        }));
    }
    poll_fn(|cx| {
        *seen.waiting.lock() = Some(cx.waker().clone());
        // Looked at after the waker is there: nobody can end in between unseen.
        if seen.dropped.load(Ordering::SeqCst) == 2 * MANY {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    assert_eq!(seen.ended.load(Ordering::SeqCst), 2 * MANY, "a future was dropped half-way");
}
