//! Which pages of the memory file are free.

use super::runs::Runs;

/// Runs up to this many pages are looked for by their very length. It is what a fault backs around a
/// single access: the owner of a longer one goes through memory in order and will use all of it.
pub(super) const SMALL: usize = 16;

/// What a run of pages holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Zeroes, without host memory.
    Clean,
    /// What its last owner left, in host memory.
    Dirty,
}

/// Free runs of pages, in page numbers.
pub(super) struct Free {
    /// First page that was never handed out.
    bump: u64,
    end: u64,
    clean: Runs,
    /// Dirty runs of up to [`SMALL`] pages, by length.
    small: [Vec<u64>; SMALL + 1],
    /// Longer dirty runs.
    long: Runs,
    kept: u64,
    /// The fewest dirty pages since the last trim: so many have not been needed.
    unneeded: u64,
}

impl Free {
    pub(super) fn new(pages: u64) -> Free {
        Free {
            bump: 0,
            end: pages,
            clean: Runs::default(),
            small: Default::default(),
            long: Runs::default(),
            kept: 0,
            unneeded: 0,
        }
    }

    /// Dirty pages: those that are free and have host memory.
    pub(super) fn kept(&self) -> u64 {
        self.kept
    }

    /// A run of `pages`: the one that was used last if there is one of that length, else from the
    /// shortest dirty one that is long enough, then the shortest clean one, else fresh.
    pub(super) fn take(&mut self, pages: u64) -> Option<(u64, Source)> {
        let small = self.small.get_mut(pages as usize).and_then(Vec::pop);
        if let Some(start) = small.or_else(|| self.long.take(pages)) {
            self.kept -= pages;
            self.unneeded = self.unneeded.min(self.kept);
            return Some((start, Source::Dirty));
        }
        if let Some(start) = self.clean.take(pages) {
            return Some((start, Source::Clean));
        }
        let start = self.bump;
        self.bump = start.checked_add(pages).filter(|&e| e <= self.end)?;
        Some((start, Source::Clean))
    }

    /// Keeps a run with its host memory for reuse.
    pub(super) fn keep(&mut self, start: u64, pages: u64) {
        if pages as usize > SMALL {
            self.long.add(start, pages);
        } else if let Some(list) = self.small.get_mut(pages as usize) {
            list.push(start);
        }
        self.kept += pages;
    }

    /// Takes at most `pages` dirty ones, to be given back clean.
    pub(super) fn drain(&mut self, pages: u64) -> Vec<(u64, u64)> {
        let mut left = pages;
        let mut out = Vec::new();
        while left > 0 {
            let run = self.long.take_some(left).or_else(|| {
                let (len, list) =
                    self.small.iter_mut().enumerate().rfind(|(_, l)| !l.is_empty())?;
                Some((list.pop()?, len as u64))
            });
            let Some((start, len)) = run else { break };
            out.push((start, len));
            self.kept -= len;
            left = left.saturating_sub(len);
        }
        self.unneeded = self.unneeded.min(self.kept);
        out
    }

    /// Takes at most `pages` of the dirty ones that nobody has needed since the last time.
    pub(super) fn trim(&mut self, pages: u64) -> Vec<(u64, u64)> {
        let out = self.drain(self.unneeded.min(pages));
        self.unneeded = self.kept;
        out
    }

    /// Takes a clean run back.
    pub(super) fn give(&mut self, start: u64, pages: u64) {
        let (start, pages) = self.clean.add(start, pages);
        if start + pages == self.bump {
            self.clean.remove(start, pages);
            self.bump = start;
        }
    }
}
