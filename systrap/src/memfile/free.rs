//! Which pages of the memory file are free.

use std::collections::{BTreeMap, BTreeSet};

/// Runs up to this many pages are kept with their host memory.
const SMALL: usize = 16;
/// Pages that the cache may hold: 16 MiB.
const CACHE_MAX: u64 = 4096;

/// What a run of pages holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Zeroes.
    Clean,
    /// What its last owner left.
    Dirty,
}

/// Free runs of pages, in page numbers.
pub(super) struct Free {
    /// First page that was never handed out.
    bump: u64,
    end: u64,
    /// Dirty runs by length.
    cached: [Vec<u64>; SMALL + 1],
    cached_pages: u64,
    /// Clean runs: start to length, neighbours merged, and the same by length.
    by_start: BTreeMap<u64, u64>,
    by_len: BTreeSet<(u64, u64)>,
}

impl Free {
    pub(super) fn new(pages: u64) -> Free {
        Free {
            bump: 0,
            end: pages,
            cached: Default::default(),
            cached_pages: 0,
            by_start: BTreeMap::new(),
            by_len: BTreeSet::new(),
        }
    }

    /// A run of `pages`: the one that was used last if there is one of that length, else the
    /// shortest clean one that is long enough, else fresh.
    pub(super) fn take(&mut self, pages: u64) -> Option<(u64, Source)> {
        if let Some(start) = self.cached.get_mut(pages as usize).and_then(Vec::pop) {
            self.cached_pages -= pages;
            return Some((start, Source::Dirty));
        }
        if let Some(&(len, start)) = self.by_len.range((pages, 0)..).next() {
            self.remove(start, len);
            if len > pages {
                self.insert(start + pages, len - pages);
            }
            return Some((start, Source::Clean));
        }
        let start = self.bump;
        let end = start.checked_add(pages).filter(|&e| e <= self.end)?;
        self.bump = end;
        Some((start, Source::Clean))
    }

    /// Keeps a dirty run for reuse; `false` if it is too long or the cache is full.
    pub(super) fn cache(&mut self, start: u64, pages: u64) -> bool {
        if pages as usize > SMALL || self.cached_pages + pages > CACHE_MAX {
            return false;
        }
        self.cached[pages as usize].push(start);
        self.cached_pages += pages;
        true
    }

    /// Everything in the cache, which is empty then.
    pub(super) fn drain_cache(&mut self) -> Vec<(u64, u64)> {
        self.cached_pages = 0;
        let mut all = Vec::new();
        for (pages, list) in self.cached.iter_mut().enumerate() {
            all.extend(list.drain(..).map(|start| (start, pages as u64)));
        }
        all
    }

    /// Takes a clean run back.
    pub(super) fn give(&mut self, mut start: u64, mut pages: u64) {
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
        if start + pages == self.bump {
            self.bump = start;
        } else {
            self.insert(start, pages);
        }
    }

    fn insert(&mut self, start: u64, len: u64) {
        self.by_start.insert(start, len);
        self.by_len.insert((len, start));
    }

    fn remove(&mut self, start: u64, len: u64) {
        self.by_start.remove(&start);
        self.by_len.remove(&(len, start));
    }
}
