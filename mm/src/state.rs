//! What the manager's lock protects, and the transaction in which it is changed.

use crate::config::{Layout, Limits};
use crate::pma::{Installed, Kind, Pma, Pmas};
use crate::range_map::{Entry, Free, RangeMap};
use crate::seam::{FileRange, MappedObject, OutOfMemory};
use crate::vma::{Vma, VmaFlags};
use crate::{MemoryManager, MlockallFlags};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Access, Addr, AddrRange, PAGE_SIZE};
use smallvec::SmallVec;
use sync::RwLockWriteGuard;
use syserr::Errno;

/// Sums over the vmas and pmas, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) total: u64,
    pub(crate) data: u64,
    pub(crate) stack: u64,
    pub(crate) exec: u64,
    pub(crate) locked: u64,
    pub(crate) committed: u64,
    pub(crate) rss_anon: u64,
    pub(crate) rss_file: u64,
    pub(crate) peak_rss: u64,
    pub(crate) peak_total: u64,
}

impl Counters {
    fn each(&mut self, v: &Vma, f: impl Fn(&mut u64)) {
        f(&mut self.total);
        if v.is_data() {
            f(&mut self.data);
        }
        if v.flags.contains(VmaFlags::GROWSDOWN) {
            f(&mut self.stack);
        } else if v.perms.contains(Access::EXEC) && !v.perms.contains(Access::WRITE) {
            f(&mut self.exec);
        }
        if v.is_locked() {
            f(&mut self.locked);
        }
        if v.flags.contains(VmaFlags::ACCOUNTED) {
            f(&mut self.committed);
        }
    }

    pub(crate) fn add(&mut self, v: &Vma, len: u64) {
        self.each(v, |c| *c += len);
        self.peak_total = self.peak_total.max(self.total);
    }

    pub(crate) fn sub(&mut self, v: &Vma, len: u64) {
        self.each(v, |c| *c -= len);
    }

    fn rss(&mut self, kind: Kind) -> Option<&mut u64> {
        match kind {
            Kind::Owned => Some(&mut self.rss_anon),
            Kind::Borrowed | Kind::Shared => Some(&mut self.rss_file),
            Kind::Guard => None,
        }
    }

    pub(crate) fn add_rss(&mut self, kind: Kind, len: u64) {
        if let Some(c) = self.rss(kind) {
            *c += len;
        }
        self.peak_rss = self.peak_rss.max(self.rss_anon + self.rss_file);
    }

    pub(crate) fn sub_rss(&mut self, kind: Kind, len: u64) {
        if let Some(c) = self.rss(kind) {
            *c -= len;
        }
    }
}

pub(crate) struct State {
    pub(crate) vmas: RangeMap<Vma>,
    pub(crate) pmas: Pmas,
    pub(crate) installed: RangeMap<Installed>,
    /// Vmas, roughly, in which private memory was mapped writable since the last fork.
    pub(crate) writable: RangeMap<()>,
    pub(crate) counters: Counters,
    pub(crate) layout: Layout,
    pub(crate) limits: Limits,
    pub(crate) brk: AddrRange,
    /// How often this address space or an ancestor forked; see [`Pma::epoch`].
    pub(crate) epoch: u64,
    /// Where the last copy-on-write break ended, and how many pages it copied.
    pub(crate) cow_hint: (u64, u64),
    pub(crate) lock_future: MlockallFlags,
    pub(crate) ever_pinned: bool,
}

impl State {
    /// Whether a private page with this pma may be written in place.
    pub(crate) fn is_own(&self, p: &Pma) -> bool {
        p.kind == Kind::Owned && p.epoch == self.epoch
    }

    /// Notes that private memory in `lo..hi`, a part of `vma`, is mapped writable.
    pub(crate) fn note_writable(&mut self, lo: u64, hi: u64, vma: (u64, u64)) {
        if self.writable.find(lo).is_none_or(|e| e.end < hi) {
            let (start, end) = (vma.0.min(lo), vma.1.max(hi));
            let _ = self.writable.set(Entry { start, end, value: () }, &Free, |_| ());
        }
    }

    pub(crate) fn vma(&self, at: u64) -> Option<&Entry<Vma>> {
        self.vmas.find(at)
    }

    /// Whether all of `lo..hi` lies in vmas.
    pub(crate) fn is_covered(&self, lo: u64, hi: u64) -> bool {
        let mut at = lo;
        for e in self.vmas.range(lo, hi) {
            if e.start > at {
                return false;
            }
            at = e.end;
        }
        at >= hi
    }

    /// Bytes of `lo..hi` that lie in vmas.
    pub(crate) fn mapped_bytes(&self, lo: u64, hi: u64) -> u64 {
        match self.vmas.ending_after(lo) {
            Some(e) if e.start < hi && e.end < hi => {
                self.vmas.range(lo, hi).map(|e| e.end.min(hi) - e.start.max(lo)).sum()
            }
            Some(e) if e.start < hi => hi - e.start.max(lo),
            _ => 0,
        }
    }
}

/// Exclusive access to the state. Dropped memory and names are let go of at its end: memory is
/// handed to the address space under the lock, names are dropped after it.
pub(crate) struct Tx<'a> {
    pub(crate) mm: &'a MemoryManager,
    pub(crate) st: RwLockWriteGuard<'a, State>,
    pub(crate) retired: Vec<FileRange>,
    /// What this transaction has mapped already while it broke copy-on-write.
    pub(crate) mapped_now: (u64, u64),
    // After `st`, so that it is dropped when the lock is free.
    pub(crate) garbage: SmallVec<[Arc<MappedObject>; 2]>,
}

impl Drop for Tx<'_> {
    fn drop(&mut self) {
        if !self.retired.is_empty() {
            self.mm.space.retire(core::mem::take(&mut self.retired));
        }
    }
}

pub(crate) fn range(lo: u64, hi: u64) -> AddrRange {
    AddrRange { start: Addr(lo), end: Addr(hi) }
}

impl Tx<'_> {
    /// Inserts a vma where none is. Its object has heard of it already.
    pub(crate) fn insert_vma(&mut self, e: Entry<Vma>) {
        let st = &mut *self.st;
        st.counters.add(&e.value, e.len());
        // Vmas own nothing that could refuse to be shared.
        let _ = st.vmas.insert(e, &Free);
    }

    /// Removes the vmas of a range whose pmas are gone, and tells their objects.
    pub(crate) fn remove_vmas(&mut self, lo: u64, hi: u64) {
        let st = &mut *self.st;
        let (counters, garbage, mm) = (&mut st.counters, &mut self.garbage, self.mm);
        let mut committed = 0;
        let _ = st.vmas.remove(lo, hi, &Free, |e| {
            counters.sub(&e.value, e.len());
            if e.value.flags.contains(VmaFlags::ACCOUNTED) {
                committed += e.len();
            }
            if let Some(o) = &e.value.object {
                o.object.remove_mapping(&e.mapping(&mm.mapping_space()));
            }
            if let Some(o) = e.value.object {
                garbage.push(o);
            }
        });
        self.uncharge(committed);
    }

    /// Changes the vmas of a range.
    pub(crate) fn modify_vmas(&mut self, lo: u64, hi: u64, f: impl Fn(&mut Vma)) {
        let st = &mut *self.st;
        let counters = &mut st.counters;
        let _ = st.vmas.modify(lo, hi, &Free, |start, end, v| {
            counters.sub(v, end - start);
            f(v);
            counters.add(v, end - start);
        });
    }

    /// Whether `lo..hi` can be cut out or changed without more vmas than allowed.
    pub(crate) fn room_to_split(&self, lo: u64, hi: u64) -> bool {
        let inside = |at: u64| self.st.vma(at).is_some_and(|e| e.start < at);
        if self.st.vmas.len().saturating_add(2) <= self.mm.max_map_count {
            return true;
        }
        let more = usize::from(inside(lo)) + usize::from(inside(hi));
        self.st.vmas.len() + more <= self.mm.max_map_count
    }

    pub(crate) fn charge(&self, bytes: u64) -> Result<(), Errno> {
        match &self.mm.overcommit {
            Some(o) if bytes > 0 => o.charge(bytes, self.st.counters.committed),
            _ => Ok(()),
        }
    }

    pub(crate) fn uncharge(&self, bytes: u64) {
        if let Some(o) = &self.mm.overcommit
            && bytes > 0
        {
            o.uncharge(bytes);
        }
    }

    /// Adds a pma; its reference becomes the map's, or is dropped on error.
    pub(crate) fn put_pma(&mut self, e: Entry<Pma>) -> Result<(), OutOfMemory> {
        let st = &mut *self.st;
        let r = st.pmas.insert(e);
        match r {
            Ok(()) => st.counters.add_rss(e.value.kind, e.len()),
            Err(_) => {
                if let Some(r) = e.file_range() {
                    self.mm.memory.dec_ref(r);
                }
            }
        }
        r
    }

    /// Takes the pmas of a range out; their references are the caller's.
    pub(crate) fn take_pmas(
        &mut self,
        lo: u64,
        hi: u64,
    ) -> Result<SmallVec<[Entry<Pma>; 4]>, OutOfMemory> {
        let st = &mut *self.st;
        if st.pmas.is_free(lo, hi) {
            return Ok(SmallVec::new());
        }
        st.pmas.unshare(lo, hi)?;
        let mut taken = SmallVec::new();
        let counters = &mut st.counters;
        st.pmas.remove(lo, hi, |e| {
            counters.sub_rss(e.value.kind, e.len());
            taken.push(e);
        })?;
        Ok(taken)
    }

    /// Lets go of memory, after it is unmapped if it may be `mapped`.
    pub(crate) fn let_go(&mut self, pmas: &[Entry<Pma>], mapped: bool) {
        for r in pmas.iter().filter_map(Entry::file_range) {
            if mapped { self.retired.push(r) } else { self.mm.memory.dec_ref(r) }
        }
    }

    /// Unmaps what may be mapped in a range; says whether anything was.
    pub(crate) fn uninstall(&mut self, lo: u64, hi: u64) -> bool {
        let st = &mut *self.st;
        if st.installed.is_free(lo, hi) {
            return false;
        }
        self.mm.space.unmap(range(lo, hi));
        let _ = st.installed.remove(lo, hi, &Free, |_| ());
        true
    }

    /// Drops the memory of a range. On error nothing has changed.
    pub(crate) fn zap(&mut self, lo: u64, hi: u64) -> Result<(), OutOfMemory> {
        let taken = self.take_pmas(lo, hi)?;
        let mapped = self.uninstall(lo, hi);
        self.let_go(&taken, mapped);
        Ok(())
    }

    /// Removes everything from a range. On error nothing has changed.
    pub(crate) fn unmap(&mut self, lo: u64, hi: u64) -> Result<(), OutOfMemory> {
        self.zap(lo, hi)?;
        self.remove_vmas(lo, hi);
        Ok(())
    }
}

/// `len` rounded up to whole pages; `None` when that wraps.
pub(crate) fn page_align(len: u64) -> Option<u64> {
    Some(len.checked_add(PAGE_SIZE - 1)? & !(PAGE_SIZE - 1))
}
