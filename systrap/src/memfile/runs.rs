//! A set of page runs, neighbours merged, found by length.

use std::collections::{BTreeMap, BTreeSet};

/// Runs of pages, in page numbers.
#[derive(Default)]
pub(super) struct Runs {
    by_start: BTreeMap<u64, u64>,
    by_len: BTreeSet<(u64, u64)>,
}

impl Runs {
    /// Adds a run. Returns it together with the neighbours that it has been merged with.
    pub(super) fn add(&mut self, mut start: u64, mut pages: u64) -> (u64, u64) {
        if let Some((&s, &len)) = self.by_start.range(..start).next_back()
            && s + len == start
        {
            self.remove(s, len);
            start = s;
            pages += len;
        }
        if let Some(&len) = self.by_start.get(&(start + pages)) {
            self.remove(start + pages, len);
            pages += len;
        }
        self.insert(start, pages);
        (start, pages)
    }

    /// Takes `pages` from the start of the shortest run that has them.
    pub(super) fn take(&mut self, pages: u64) -> Option<u64> {
        let &(len, start) = self.by_len.range((pages, 0)..).next()?;
        self.remove(start, len);
        if len > pages {
            self.insert(start + pages, len - pages);
        }
        Some(start)
    }

    /// Takes at most `pages` from the longest run.
    pub(super) fn take_some(&mut self, pages: u64) -> Option<(u64, u64)> {
        let &(len, start) = self.by_len.last()?;
        let pages = len.min(pages);
        self.remove(start, len);
        if len > pages {
            self.insert(start, len - pages);
        }
        Some((start + len - pages, pages))
    }

    pub(super) fn insert(&mut self, start: u64, len: u64) {
        self.by_start.insert(start, len);
        self.by_len.insert((len, start));
    }

    pub(super) fn remove(&mut self, start: u64, len: u64) {
        self.by_start.remove(&start);
        self.by_len.remove(&(len, start));
    }
}
