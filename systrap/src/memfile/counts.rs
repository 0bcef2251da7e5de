//! One reference counter a page.

use super::array::Array;
use std::io;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

/// The counters of all pages.
pub(super) struct Counts(Array<AtomicU32>);

impl Counts {
    pub(super) fn new(pages: u64) -> io::Result<Counts> {
        Array::new(pages).map(Counts)
    }

    pub(super) fn get(&self, page: u64) -> u32 {
        self.0.get(page).map_or(0, |c| c.load(Acquire))
    }

    /// Gives each page, free until now, its first reference.
    pub(super) fn set(&self, start: u64, pages: u64) {
        for page in start..start + pages {
            if let Some(c) = self.0.get(page) {
                c.store(1, Release);
            }
        }
    }

    /// One more, unless the counter is full or the page is free.
    pub(super) fn inc(&self, page: u64) -> bool {
        let Some(c) = self.0.get(page) else { return false };
        let more = |n: u32| {
            debug_assert_ne!(n, 0, "page {page} is free");
            n.checked_add(1).filter(|_| n != 0)
        };
        c.fetch_update(AcqRel, Relaxed, more).is_ok()
    }

    /// One fewer; whether that was the last one.
    pub(super) fn dec(&self, page: u64) -> bool {
        let Some(c) = self.0.get(page) else { return false };
        let before = c.fetch_update(AcqRel, Relaxed, |n| n.checked_sub(1));
        debug_assert!(before.is_ok(), "page {page} is free");
        before == Ok(1)
    }
}
