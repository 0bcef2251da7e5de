//! One bit a page: what has host memory anyway.

use super::array::Array;
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Which pages were part of a long run in memory when they were handed out. A hint.
pub(super) struct Resident(Array<AtomicU64>);

impl Resident {
    pub(super) fn new(pages: u64) -> io::Result<Resident> {
        Array::new(pages.div_ceil(64)).map(Resident)
    }

    pub(super) fn holds(&self, page: u64) -> bool {
        self.0.get(page / 64).is_some_and(|w| w.load(Relaxed) & 1 << (page % 64) != 0)
    }

    /// Sets or clears the bits of a run.
    pub(super) fn set(&self, start: u64, pages: u64, value: bool) {
        let end = start + pages;
        let mut page = start;
        while page < end {
            let next = (page / 64 * 64 + 64).min(end);
            let mask = (u64::MAX >> (64 - (next - page))) << (page % 64);
            if let Some(word) = self.0.get(page / 64) {
                // Most pages are in no such run and have never been: their word is not touched.
                if value {
                    word.fetch_or(mask, Relaxed);
                } else if word.load(Relaxed) & mask != 0 {
                    word.fetch_and(!mask, Relaxed);
                }
            }
            page = next;
        }
    }
}
