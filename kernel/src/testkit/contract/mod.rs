//! What the kernel's seams promise, as checks that panic.

mod futex;
mod platform;
mod spawn;
mod time;

pub use self::futex::check_futex_memory;
pub use platform::{UserCode, check_platform};
pub use spawn::check_spawn;
pub use time::{check_clock, check_timers};

use crate::Random;
use alloc::vec;
use core::task::Poll;

/// Checks a [`Random`]: it fills buffers of every length, and never twice with the same bytes.
///
/// # Panics
/// When a promise is broken.
pub fn check_random(random: &dyn Random) {
    for len in [0, 1, 7, 256, 257, 70_000] {
        let mut guarded = vec![0x5a; len + 2];
        if let Some(inner) = guarded.get_mut(1..=len) {
            random.fill(inner);
        }
        assert_eq!((guarded.first(), guarded.last()), (Some(&0x5a), Some(&0x5a)), "in bounds");
    }
    let mut drawn = vec![];
    for _ in 0..64 {
        let mut key = [0u8; 16];
        random.fill(&mut key);
        assert!(!drawn.contains(&key), "the same sixteen bytes twice");
        drawn.push(key);
    }
    let all: usize = drawn.iter().flatten().map(|b| b.count_ones() as usize).sum();
    assert!((3500..4700).contains(&all), "{all} of 8192 bits are set");
}

/// Lets others run once.
async fn pause() {
    let mut paused = false;
    core::future::poll_fn(|cx| {
        if core::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
