//! Pages of one host file, in the memory file.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;
use arch::{IoDst, PAGE_SIZE};
use core::ops::Range;
use mm::{FileRange, MappingSet, MemoryFile};
use sync::Mutex;
use syserr::Errno;

use super::HostInode;
use super::cache::PageBudget;
use crate::CacheStat;

/// How much is read from the host at a time, in bytes.
const CHUNK: u64 = 64 << 10;
/// How much of a file a first fault brings into memory, and one in a run of sequential ones.
const WINDOW: u64 = 256 << 10;
const WINDOW_MAX: u64 = 2 << 20;
/// Files up to this size are read whole when they are mapped: programs and libraries are used all
/// over, and a page costs less than a fault.
const WHOLE: u64 = 2 << 20;

#[derive(Default)]
pub(super) struct Inner {
    /// Extents by offset in the file; each lies in one piece of the memory file.
    extents: BTreeMap<u64, FileRange>,
    /// Pages that may have been written through a mapping and not to the host yet.
    pub(super) dirty: BTreeSet<u64>,
    /// Counts how often contents were forgotten, so that what was read before does not come back.
    generation: u64,
}

#[derive(Default)]
pub(super) struct Pages {
    pub(super) inner: Mutex<Inner>,
    pub(super) mappings: MappingSet,
    /// One reads from the host at a time.
    filling: Mutex<()>,
}

impl Inner {
    /// What is cached at `offset`: the part of the memory file from there on.
    fn at(&self, offset: u64) -> Option<FileRange> {
        let (start, r) = self.extents.range(..=offset).next_back()?;
        let skip = offset - start;
        (skip < r.len()).then(|| FileRange { start: r.start + skip, end: r.end })
    }

    /// The extent around `offset`, with where it starts.
    pub(super) fn around(&self, offset: u64) -> Option<(u64, FileRange)> {
        let (start, r) = self.extents.range(..=offset).next_back()?;
        (offset - start < r.len()).then_some((*start, *r))
    }

    /// Takes `lo..hi` out; returns the memory, and what is left of an extent above it.
    fn cut(&mut self, lo: u64, hi: u64) -> (Vec<FileRange>, Option<(u64, u64)>) {
        let (mut gone, mut rest) = (Vec::new(), None);
        if lo >= hi {
            return (gone, rest);
        }
        self.dirty.retain(|page| !(lo..hi).contains(page));
        let first = self.around(lo).map_or(lo, |(start, _)| start);
        let starts: Vec<u64> = self.extents.range(first..hi).map(|(start, _)| *start).collect();
        for start in starts {
            let Some(r) = self.extents.remove(&start) else { continue };
            let at = |offset: u64| r.start + (offset - start);
            let (from, to) = (lo.max(start), hi.min(start + r.len()));
            if start < from {
                self.extents.insert(start, FileRange { start: r.start, end: at(from) });
            }
            if at(to) < r.end {
                self.extents.insert(to, FileRange { start: at(to), end: r.end });
                rest = Some((to, r.end - at(to)));
            }
            gone.push(FileRange { start: at(from), end: at(to) });
        }
        (gone, rest)
    }

    fn next_start(&self, offset: u64) -> u64 {
        self.extents.range(offset..).next().map_or(u64::MAX, |(s, _)| *s)
    }
}

impl Pages {
    pub(super) fn clear(&self, memory: &dyn MemoryFile, budget: &PageBudget) {
        let gone = core::mem::take(&mut self.inner.lock().extents);
        for r in gone.into_values() {
            budget.sub(r.len());
            memory.dec_ref(r);
        }
    }
}

impl HostInode {
    fn memory(&self) -> &dyn MemoryFile {
        &**self.fs().env.memory()
    }

    /// Brings the page at `offset` of a mapping into memory, with what lies around it.
    pub(super) fn fill_mapped(&self, offset: u64) -> Result<(), Errno> {
        let size = self.size();
        let before = offset.checked_sub(1).and_then(|o| self.pages.inner.lock().around(o));
        let window = match before {
            _ if size <= WHOLE => WHOLE,
            // A run goes on: the further it has come, the more.
            Some((_, r)) => (r.len() * 2).next_power_of_two().clamp(WINDOW, WINDOW_MAX),
            None => WINDOW,
        };
        let low = offset & !(window - 1);
        self.fill(offset, low..low.saturating_add(window))
    }

    /// Brings the page at `offset`, and what is missing of `window` around it, into memory.
    fn fill(&self, offset: u64, window: Range<u64>) -> Result<(), Errno> {
        let _one = self.pages.filling.lock();
        let size = self.size().next_multiple_of(PAGE_SIZE);
        let budget = &self.fs().budget;
        // No single file may push all others out.
        let most = (budget.limit() / 4 / PAGE_SIZE).max(1) * PAGE_SIZE;
        let window = if window.end - window.start > most {
            let start = offset - offset % most;
            start..start.saturating_add(most)
        } else {
            window
        };
        let (start, end, generation) = {
            let inner = self.pages.inner.lock();
            if inner.at(offset).is_some() || offset >= size {
                return Ok(());
            }
            let before = inner.extents.range(..=offset).next_back();
            let start = before.map_or(window.start, |(s, r)| window.start.max(s + r.len()));
            let end = window.end.min(size).min(inner.next_start(offset));
            (start, end.max(offset + PAGE_SIZE), inner.generation)
        };
        budget.make_room(end - start);
        if !budget.fits(end - start) {
            return Err(Errno::ENOMEM);
        }
        let mut got = self.memory().allocate(end - start);
        for _ in 0..4 {
            if got.is_ok() || !budget.drop_one() {
                break;
            }
            got = self.memory().allocate(end - start);
        }
        let range = got?;
        if let Err(e) = self.load(start, range) {
            self.memory().dec_ref(range);
            return Err(e);
        }
        let mut inner = self.pages.inner.lock();
        if inner.generation != generation {
            drop(inner);
            self.memory().dec_ref(range);
            return Ok(());
        }
        inner.extents.insert(start, range);
        drop(inner);
        budget.add(&self.this, start, range.len());
        Ok(())
    }

    /// Reads from `offset` on into memory of zeroes, which stay behind the end of the file.
    fn load(&self, offset: u64, to: FileRange) -> Result<(), Errno> {
        let mut buf = vec![0; to.len().min(CHUNK) as usize];
        let mut done = 0;
        while done < to.len() {
            let want = (to.len() - done).min(CHUNK) as usize;
            let Some(part) = buf.get_mut(..want) else { break };
            let n = self.node.read_at(part, offset + done)?;
            self.memory().write(to.start + done, part.get(..n).unwrap_or(&[]));
            if n < want {
                break;
            }
            done += n as u64;
        }
        Ok(())
    }

    /// How many pages of `range` are cached, and how many of them may differ from the host's.
    pub(super) fn count_cached(&self, range: Range<u64>) -> CacheStat {
        let inner = self.pages.inner.lock();
        let first = inner.around(range.start).map_or(range.start, |(start, _)| start);
        let part = |(start, r): (&u64, &FileRange)| {
            let (lo, hi) = (range.start.max(*start), range.end.min(start + r.len()));
            hi.div_ceil(PAGE_SIZE).saturating_sub(lo / PAGE_SIZE)
        };
        CacheStat {
            cached: inner.extents.range(first..range.end).map(part).sum(),
            dirty: inner.dirty.range(range.start & !(PAGE_SIZE - 1)..range.end).count() as u64,
        }
    }

    /// What is cached of `range`: the first piece at or after its start, with where it starts.
    pub(super) fn cached(&self, range: Range<u64>) -> Option<(u64, FileRange)> {
        if range.is_empty() {
            return None;
        }
        let inner = self.pages.inner.lock();
        let (start, r) = match inner.around(range.start) {
            Some(found) => found,
            None => inner.extents.range(range.clone()).next().map(|(s, r)| (*s, *r))?,
        };
        let (lo, hi) = (start.max(range.start), (start + r.len()).min(range.end));
        let file = FileRange { start: r.start + (lo - start), end: r.start + (hi - start) };
        self.memory().inc_ref(file).ok()?;
        Some((lo, file))
    }

    /// Reads what mappings have brought into memory from there, and the rest from the host, whose
    /// own cache is as good: a page of ours costs more than a call.
    pub(super) fn read_through(
        &self,
        dst: &mut dyn IoDst,
        offset: u64,
        size: u64,
    ) -> Result<usize, Errno> {
        let mut buf = Vec::new();
        let mut done = 0u64;
        while dst.remaining() > 0 {
            let at = offset.saturating_add(done);
            let n = size.saturating_sub(at).min(dst.remaining()).min(CHUNK);
            if n == 0 {
                break;
            }
            buf.resize(n as usize, 0);
            let got = self.copy_out(at, &mut buf);
            let taken = match got.and_then(|n| dst.put(buf.get(..n).unwrap_or(&[]))) {
                Ok(0) => break,
                Ok(k) => k,
                Err(e) if done == 0 => return Err(e),
                Err(_) => break,
            };
            done += taken as u64;
        }
        Ok(done as usize)
    }

    /// Copies bytes that lie before the end: a prefix of `buf`, as long as is there in one piece.
    fn copy_out(&self, at: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        let until = {
            let inner = self.pages.inner.lock();
            if let Some(r) = inner.at(at) {
                let n = r.len().min(buf.len() as u64) as usize;
                if let Some(part) = buf.get_mut(..n) {
                    self.memory().read(r.start, part);
                }
                return Ok(n);
            }
            inner.next_start(at)
        };
        let n = (until - at).min(buf.len() as u64) as usize;
        self.node.read_at(buf.get_mut(..n).unwrap_or_default(), at)
    }

    /// Puts bytes that the host has accepted into pages that are cached.
    pub(super) fn store(&self, offset: u64, bytes: &[u8]) {
        let inner = self.pages.inner.lock();
        let mut at = 0usize;
        while let Some(rest) = bytes.get(at..).filter(|r| !r.is_empty()) {
            let pos = offset + at as u64;
            let n = match inner.at(pos) {
                Some(r) => {
                    let n = r.len().min(rest.len() as u64) as usize;
                    self.memory().write(r.start, rest.get(..n).unwrap_or(&[]));
                    n
                }
                None => (inner.next_start(pos) - pos).min(rest.len() as u64) as usize,
            };
            at += n;
        }
    }

    /// Forgets all pages, also in mappings: the host's file is another now, `size` bytes long.
    pub(super) fn forget_pages(&self, size: u64) {
        self.write_back(0..u64::MAX).unwrap_or(());
        let gone = {
            let mut inner = self.pages.inner.lock();
            inner.generation += 1;
            inner.dirty.clear();
            core::mem::take(&mut inner.extents)
        };
        if gone.is_empty() {
            return;
        }
        let past = size.checked_next_multiple_of(PAGE_SIZE).unwrap_or(u64::MAX);
        self.pages.mappings.invalidate(0..past, false);
        self.pages.mappings.invalidate(past..u64::MAX, true);
        for r in gone.into_values() {
            self.fs().budget.sub(r.len());
            self.memory().dec_ref(r);
        }
    }

    /// Takes `range` out of the cache and from mappings, from their own copies too with
    /// `private_copies`, after the host has made zeroes of it, cut it off, or put other bytes
    /// there. Nothing of it is written back. Where only a part of a page is in it, that part is
    /// cleared.
    pub(super) fn lose_pages(&self, range: Range<u64>, private_copies: bool) {
        let lo = range.start.checked_next_multiple_of(PAGE_SIZE).unwrap_or(u64::MAX);
        let end = range.end.min(!(PAGE_SIZE - 1));
        let hi = end & !(PAGE_SIZE - 1);
        let (gone, rest) = {
            let mut inner = self.pages.inner.lock();
            inner.generation += 1;
            for part in [range.start..lo.min(end), hi.max(range.start)..end] {
                if !part.is_empty()
                    && let Some(r) = inner.at(part.start)
                {
                    self.memory().zero(r.start, part.end - part.start);
                }
            }
            inner.cut(lo, hi)
        };
        if private_copies || !gone.is_empty() {
            self.pages.mappings.invalidate(lo..hi, private_copies);
        }
        let budget = &self.fs().budget;
        for r in gone {
            budget.sub(r.len());
            self.memory().dec_ref(r);
        }
        if let Some((start, len)) = rest {
            // An extent by itself from now on.
            budget.sub(len);
            budget.add(&self.this, start, len);
        }
    }

    /// Lets the extent at `offset` go, unless somebody maps it or it is dirty; false then.
    pub(super) fn drop_extent(&self, offset: u64) -> bool {
        let mut inner = self.pages.inner.lock();
        let Some(r) = inner.extents.get(&offset).copied() else { return true };
        let end = offset + r.len();
        if inner.dirty.range(offset..end).next().is_some() || !self.memory().is_sole(r) {
            return false;
        }
        inner.extents.remove(&offset);
        drop(inner);
        self.fs().budget.sub(r.len());
        self.memory().dec_ref(r);
        true
    }

    /// Writes pages that mappings may have changed to the host.
    pub(super) fn write_back(&self, range: Range<u64>) -> Result<(), Errno> {
        let size = self.size();
        let mut buf = vec![0; PAGE_SIZE as usize];
        let mut from = range.start & !(PAGE_SIZE - 1);
        let mut result = Ok(());
        loop {
            let (page, n) = {
                let mut inner = self.pages.inner.lock();
                let Some(page) = inner.dirty.range(from..range.end).next().copied() else { break };
                // It stays dirty as long as it may be written without our hearing of it.
                if !self.pages.mappings.has_writable() {
                    inner.dirty.remove(&page);
                }
                let n = size.saturating_sub(page).min(PAGE_SIZE) as usize;
                if let (Some(r), Some(part)) = (inner.at(page), buf.get_mut(..n)) {
                    self.memory().read(r.start, part);
                }
                (page, n)
            };
            from = page + PAGE_SIZE;
            let bytes = buf.get(..n).unwrap_or(&[]);
            if let Err(e) = self.node.write_at(bytes, page) {
                result = Err(e);
            }
        }
        result
    }
}
