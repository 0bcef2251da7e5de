//! The sentry's own memory, counted: what guests make the kernel keep counts against their limit.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

/// What a thread allocates or frees before others see it, in bytes.
const STEP: i64 = 64 << 10;

/// Bytes that are allocated, but for what threads have not told.
static LIVE: AtomicI64 = AtomicI64::new(0);
/// [`LIVE`] has grown since somebody said that it may.
static GROWN: AtomicBool = AtomicBool::new(false);

std::thread_local! {
    /// What this thread has not told. Neither made nor dropped: it is used where nothing may be
    /// allocated.
    static UNTOLD: Cell<i64> = const { Cell::new(0) };
}

/// The system's allocator, counting. A program that makes it its `#[global_allocator]` has what the
/// kernel keeps for guests counted against [`crate::HostConfig::memory_limit`]; without it, that is
/// bounded by the limits of each kind of object alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountedHeap;

// SAFETY: the system's allocator does everything.
unsafe impl GlobalAlloc for CountedHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        told(unsafe { System.alloc(layout) }, layout.size() as i64)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        told(unsafe { System.alloc_zeroed(layout) }, layout.size() as i64)
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        told(unsafe { System.realloc(at, layout, size) }, size as i64 - layout.size() as i64)
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) };
        count(-(layout.size() as i64));
    }
}

/// Counts what has been allocated, if it has.
#[inline]
fn told(at: *mut u8, by: i64) -> *mut u8 {
    if !at.is_null() {
        count(by);
    }
    at
}

#[inline]
fn count(by: i64) {
    UNTOLD.with(|untold| {
        let sum = untold.get() + by;
        let tell = sum.abs() >= STEP;
        untold.set(if tell { 0 } else { sum });
        if tell {
            LIVE.fetch_add(sum, Relaxed);
            if sum > 0 {
                GROWN.store(true, Relaxed);
            }
        }
    });
}

/// Bytes that the program has allocated; 0 unless [`CountedHeap`] allocates them.
pub(crate) fn live() -> u64 {
    LIVE.load(Relaxed).try_into().unwrap_or(0)
}

/// Whether there is more than when this was last settled.
#[inline]
pub(crate) fn has_grown() -> bool {
    GROWN.load(Relaxed)
}

/// What there is may be there.
pub(crate) fn settle() {
    GROWN.store(false, Relaxed);
}
