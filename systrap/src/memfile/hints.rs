//! One bit a page, of what is likely and saves time if it is so.

use super::array::Array;
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// A bit for each page.
pub(super) struct Hints(Array<AtomicU64>);

impl Hints {
    pub(super) fn new(pages: u64) -> io::Result<Hints> {
        Array::new(pages.div_ceil(64)).map(Hints)
    }

    fn holds(&self, page: u64) -> bool {
        self.0.get(page / 64).is_some_and(|w| w.load(Relaxed) & 1 << (page % 64) != 0)
    }

    /// Whether the first and the last page of a run have it.
    pub(super) fn hold(&self, start: u64, pages: u64) -> bool {
        self.holds(start) && self.holds(start + pages.max(1) - 1)
    }

    /// Sets or clears the bits of a run.
    pub(super) fn set(&self, start: u64, pages: u64, value: bool) {
        let end = start + pages;
        let mut page = start;
        while page < end {
            let next = (page / 64 * 64 + 64).min(end);
            let mask = (u64::MAX >> (64 - (next - page))) << (page % 64);
            if let Some(word) = self.0.get(page / 64) {
                // Most pages have no bit and never had: their word is not touched.
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
