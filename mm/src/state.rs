//! What the manager's lock protects, and the transaction in which it is changed.

use crate::config::{Layout, Limits};
use crate::pma::{Installed, Kind, Pma, Pmas};
use crate::range_map::{Entry, Free, RangeMap, Spot};
use crate::seam::{FileRange, MappedObject, OutOfMemory};
use crate::vma::{Vma, VmaFlags};
use crate::{Asker, Mdwe, MemoryManager, MlockallFlags, Reservation};
use alloc::sync::Arc;
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
        self.note_peak();
    }

    fn note_peak(&mut self) {
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
    pub(crate) mdwe: Mdwe,
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
}

/// Exclusive access to the state. Dropped memory and names are let go of at its end: memory is
/// handed to the address space under the lock, names are dropped after it.
pub(crate) struct Tx<'a> {
    pub(crate) mm: &'a MemoryManager,
    pub(crate) st: RwLockWriteGuard<'a, State>,
    pub(crate) retired: SmallVec<[FileRange; 4]>,
    /// What this transaction has mapped already while it broke copy-on-write.
    pub(crate) mapped_now: (u64, u64),
    /// What it backs, nobody has asked for yet.
    pub(crate) eager: bool,
    // After `st`, so that it is dropped when the lock is free.
    pub(crate) garbage: SmallVec<[Arc<MappedObject>; 2]>,
}

impl Drop for Tx<'_> {
    fn drop(&mut self) {
        if !self.retired.is_empty() {
            self.mm.space.retire(&self.retired);
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

    /// Removes the vmas of a range whose pmas are gone, and tells their objects. `spot` is where
    /// they lie.
    pub(crate) fn remove_vmas(&mut self, spot: Option<Spot>, lo: u64, hi: u64) {
        if spot.is_some_and(|spot| self.cut_vma(spot, lo, hi)) {
            return;
        }
        let (vmas, mut removal) = self.removal();
        let _ = vmas.remove_at(spot, lo, hi, &Free, |e| removal.take(e));
        let committed = removal.committed;
        self.uncharge(committed);
    }

    /// Takes `lo..hi` from the vma that `spot` names, if that is its end and there is no object to
    /// be told. Says whether it did.
    fn cut_vma(&mut self, spot: Spot, lo: u64, hi: u64) -> bool {
        let State { vmas, counters, .. } = &mut *self.st;
        let mut committed = 0;
        let cut = vmas.move_end(spot, lo, &Free, |e| {
            let cuts = e.start < lo && e.end == hi && e.value.object.is_none();
            if cuts {
                counters.sub(&e.value, hi - lo);
                committed = if e.value.flags.contains(VmaFlags::ACCOUNTED) { hi - lo } else { 0 };
            }
            cuts
        });
        self.uncharge(committed);
        cut == Ok(true)
    }

    /// Lets the vma that `spot` names, which has no object, go on to `end`: nothing lies there or
    /// begins there, and what it costs is charged.
    pub(crate) fn stretch_vma(&mut self, spot: Spot, end: u64) {
        let State { vmas, counters, .. } = &mut *self.st;
        // Vmas own nothing that could refuse to be shared.
        let _ = vmas.move_end(spot, end, &Free, |e| {
            counters.add(&e.value, end - e.end);
            true
        });
    }

    /// Puts a vma, of which its object has heard already, in the place of those of which the pmas
    /// are gone; they lie where `spot` says.
    pub(crate) fn replace_vmas(&mut self, spot: Option<Spot>, e: Entry<Vma>) {
        let (vmas, mut removal) = self.removal();
        removal.counters.each(&e.value, |c| *c += e.len());
        let _ = vmas.set_at(spot, e, &Free, |e| removal.take(e));
        removal.counters.note_peak();
        let committed = removal.committed;
        self.uncharge(committed);
    }

    fn removal(&mut self) -> (&mut RangeMap<Vma>, Removal<'_>) {
        let State { vmas, counters, .. } = &mut *self.st;
        (vmas, Removal { mm: self.mm, counters, garbage: &mut self.garbage, committed: 0 })
    }

    /// Changes the vmas of a range.
    pub(crate) fn modify_vmas(&mut self, lo: u64, hi: u64, f: impl Fn(&mut Vma)) {
        let spot = self.st.vmas.spot(lo, hi, true).map(|s| s.0);
        self.modify_vmas_at(spot, lo, hi, f);
    }

    /// Changes the vmas of a range; with what adjoins them they lie where `spot` says.
    pub(crate) fn modify_vmas_at(
        &mut self,
        spot: Option<Spot>,
        lo: u64,
        hi: u64,
        f: impl Fn(&mut Vma),
    ) {
        let State { vmas, counters, .. } = &mut *self.st;
        let _ = vmas.modify_at(spot, lo, hi, &Free, |start, end, v| {
            counters.sub(v, end - start);
            f(v);
            counters.add(v, end - start);
        });
    }

    /// Whether `lo..hi` can be cut out or changed without more vmas than allowed.
    pub(crate) fn room_to_split(&self, lo: u64, hi: u64) -> bool {
        let inside = |at: u64| self.st.vma(at).is_some_and(|e| e.start < at);
        if self.st.vmas.len().saturating_add(2) <= self.mm.max_map_count.get() {
            return true;
        }
        let more = usize::from(inside(lo)) + usize::from(inside(hi));
        self.st.vmas.len() + more <= self.mm.max_map_count.get()
    }

    fn asker(&self, limits: &Limits) -> Asker {
        Asker { mapped: self.st.counters.total, is_admin: limits.is_admin }
    }

    pub(crate) fn charge(&self, bytes: u64, limits: &Limits) -> Result<(), Errno> {
        match &self.mm.overcommit {
            Some(o) if bytes > 0 => o.charge(bytes, self.asker(limits)),
            _ => Ok(()),
        }
    }

    /// Reserves memory for an object.
    pub(crate) fn reserve(
        &self,
        bytes: u64,
        limits: &Limits,
    ) -> Result<Option<Reservation>, Errno> {
        let policy = self.mm.overcommit.clone();
        policy.map(|o| Reservation::new(o, bytes, self.asker(limits))).transpose()
    }

    /// Whether `MAP_NORESERVE` does nothing.
    pub(crate) fn counts_all(&self) -> bool {
        self.mm.overcommit.as_ref().is_some_and(|o| o.counts_all())
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
        let State { pmas, counters, .. } = &mut *self.st;
        let mut taken = SmallVec::new();
        pmas.take(lo, hi, |e| {
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

    /// Where what may be mapped in a range lies; `None` if nothing is.
    fn mapped_at(&self, lo: u64, hi: u64) -> Option<Option<Spot>> {
        let installed = &self.st.installed;
        match installed.spot(lo, hi, false) {
            Some((_, rest)) if rest.first().is_none_or(|e| e.start >= hi) => None,
            Some((spot, _)) => Some(Some(spot)),
            None if installed.is_free(lo, hi) => None,
            None => Some(None),
        }
    }

    fn uninstall_at(&mut self, spot: Option<Spot>, lo: u64, hi: u64) {
        let _ = self.st.installed.remove_at(spot, lo, hi, &Free, |_| ());
        self.mm.space.unmap(range(lo, hi));
    }

    /// Unmaps what may be mapped in a range; says whether anything was. Until the queue is worked
    /// off it may be mapped yet, so its memory is retired, by this same transaction.
    pub(crate) fn uninstall(&mut self, lo: u64, hi: u64) -> bool {
        let mapped = self.mapped_at(lo, hi);
        if let Some(spot) = mapped {
            self.uninstall_at(spot, lo, hi);
        }
        mapped.is_some()
    }

    /// Drops the memory of a range. On error it is there as before.
    pub(crate) fn zap(&mut self, lo: u64, hi: u64) -> Result<(), OutOfMemory> {
        let mapped = self.mapped_at(lo, hi);
        let State { pmas, counters, .. } = &mut *self.st;
        pmas.take(lo, hi, |e| {
            counters.sub_rss(e.value.kind, e.len());
            match e.file_range() {
                Some(r) if mapped.is_some() => self.retired.push(r),
                Some(r) => self.mm.memory.dec_ref(r),
                None => {}
            }
        })?;
        // Not before that may have failed: memory of which nothing is known to be mapped is given
        // back at once, though the queue may not be worked off.
        if let Some(spot) = mapped {
            self.uninstall_at(spot, lo, hi);
        }
        Ok(())
    }
}

/// Takes account of vmas that are taken out.
struct Removal<'a> {
    mm: &'a MemoryManager,
    counters: &'a mut Counters,
    garbage: &'a mut SmallVec<[Arc<MappedObject>; 2]>,
    committed: u64,
}

impl Removal<'_> {
    fn take(&mut self, e: Entry<Vma>) {
        self.counters.sub(&e.value, e.len());
        if e.value.flags.contains(VmaFlags::ACCOUNTED) {
            self.committed += e.len();
        }
        if let Some(o) = &e.value.object {
            o.object.remove_mapping(&e.mapping(&self.mm.mapping_space()));
        }
        if let Some(o) = e.value.object {
            self.garbage.push(o);
        }
    }
}

/// `len` rounded up to whole pages; `None` when that wraps.
pub(crate) fn page_align(len: u64) -> Option<u64> {
    Some(len.checked_add(PAGE_SIZE - 1)? & !(PAGE_SIZE - 1))
}
