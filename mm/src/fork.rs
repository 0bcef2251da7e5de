//! fork(2): the child shares the tree of pmas, and whoever writes first copies.

use crate::MemoryManager;
use crate::flags::MlockallFlags;
use crate::pma::{Pma, Pmas};
use crate::range_map::{Entry, Free, RangeMap};
use crate::seam::{AddressSpace, OutOfMemory};
use crate::state::{Counters, State, Tx, range};
use crate::vma::{Vma, VmaFlags};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::Access;
use smallvec::SmallVec;
use sync::atomic::Ordering;
use syserr::Errno;

const PER_PROCESS: VmaFlags = VmaFlags::LOCKED.union(VmaFlags::LOCKONFAULT);

impl MemoryManager {
    /// A copy of this address space over `space`, with one user. Private memory is shared until
    /// one of the two writes it.
    ///
    /// # Errors
    /// `ENOMEM`; what an object answers to another mapping. The parent is unchanged then.
    pub fn fork(&self, space: Arc<dyn AddressSpace>) -> Result<Arc<MemoryManager>, Errno> {
        let meta = self.meta.lock().clone();
        let mut tx = self.lock();
        let snapshot = tx.st.vmas.clone();
        let mut plan = ChildPlan::of(&snapshot, tx.st.counters);
        let committed = plan.counters.committed;
        tx.charge(committed, &tx.st.limits)?;
        let st = &*tx.st;
        let state = State {
            vmas: core::mem::take(&mut plan.vmas),
            pmas: Pmas::new(self.memory.clone()),
            installed: RangeMap::default(),
            writable: RangeMap::default(),
            counters: plan.counters,
            layout: st.layout,
            limits: st.limits,
            brk: st.brk,
            epoch: st.epoch,
            cow_hint: (0, 0),
            lock_future: MlockallFlags::empty(),
            mdwe: st.mdwe.inherited(),
            ever_pinned: false,
        };
        space.inherit(&*self.space);
        let config = self.child_config(space, st.layout, st.limits);
        let child = MemoryManager::with_state(config, state, meta);
        child.membarrier.store(self.membarrier_registrations(), Ordering::Relaxed);
        // Objects hear of the child before it gets any page, so that what they take away from
        // here on is taken away from the child too.
        let r = tell_objects(&snapshot, &child).and_then(|()| Ok(tx.share_pmas(&child, &plan)?));
        if let Err(e) = r {
            // Not yet visible to anybody: takes its mappings and its charge back.
            child.dec_users();
            return Err(e);
        }
        Ok(child)
    }
}

/// What differs between parent and child.
pub(crate) struct ChildPlan {
    vmas: RangeMap<Vma>,
    counters: Counters,
    /// Ranges whose pmas the child does not get.
    without: Vec<(u64, u64)>,
}

impl ChildPlan {
    /// Whether the child has no copy of a part of `lo..hi`.
    pub(crate) fn leaves_out(&self, lo: u64, hi: u64) -> bool {
        self.without.iter().any(|&(start, end)| start < hi && lo < end)
    }

    fn of(parent: &RangeMap<Vma>, counters: Counters) -> ChildPlan {
        let mut plan = ChildPlan { vmas: parent.clone(), counters, without: Vec::new() };
        for e in parent.marked() {
            let f = e.value.flags;
            if f.intersects(VmaFlags::DONTFORK | VmaFlags::WIPEONFORK) {
                plan.without.push((e.start, e.end));
            }
            if f.contains(VmaFlags::DONTFORK) {
                plan.counters.sub(&e.value, e.len());
                let _ = plan.vmas.remove(e.start, e.end, &Free, |_| ());
            } else if f.intersects(PER_PROCESS) {
                plan.counters.sub(&e.value, e.len());
                let c = &mut plan.counters;
                // Vmas that only this kept apart stay so in the child (`dup_mmap`).
                let _ = plan.vmas.update(e.start, &Free, |e| {
                    e.value.flags -= PER_PROCESS;
                    c.add(&e.value, e.len());
                });
            }
        }
        plan.counters.locked = 0;
        (plan.counters.peak_rss, plan.counters.peak_total) = (0, plan.counters.total);
        plan
    }
}

/// Tells the objects of their mappings in the child; on error those told so far hear that it is
/// off again when the child is torn down.
fn tell_objects(parent: &RangeMap<Vma>, child: &MemoryManager) -> Result<(), Errno> {
    let space = child.mapping_space();
    let mut told: SmallVec<[&Entry<Vma>; 16]> = SmallVec::new();
    for e in parent.marked().filter(|e| !e.value.flags.contains(VmaFlags::DONTFORK)) {
        let Some(o) = &e.value.object else { continue };
        if let Err(error) = o.object.copy_mapping(&e.mapping(&space)) {
            for e in told {
                if let Some(o) = &e.value.object {
                    o.object.remove_mapping(&e.mapping(&space));
                }
            }
            // Nothing is left for the teardown to tell.
            child.lock().st.vmas = RangeMap::default();
            return Err(error);
        }
        told.push(e);
    }
    Ok(())
}

impl Tx<'_> {
    fn share_pmas(&mut self, child: &MemoryManager, plan: &ChildPlan) -> Result<(), OutOfMemory> {
        let mut theirs = child.lock();
        theirs.st.pmas = self.st.pmas.share();
        for &(lo, hi) in &plan.without {
            let taken = theirs.take_pmas(lo, hi)?;
            theirs.let_go(&taken, false);
        }
        let epoch = self.st.epoch + 1;
        theirs.st.epoch = epoch;
        let pinned = if self.st.ever_pinned { self.pinned() } else { Vec::new() };
        theirs.copy_pages(&pinned)?;
        let warm = self.warm(plan);
        let copied = warm.iter().take_while(|w| theirs.copy_pages(&w.pages).is_ok()).count();
        // From here on nothing can fail: the parent's pages become copy-on-write.
        theirs.st.counters.peak_rss = theirs.st.counters.rss_anon + theirs.st.counters.rss_file;
        self.st.epoch = epoch;
        let kept = self.keep_warm(warm, copied);
        self.write_protect(epoch - 1);
        for w in kept {
            self.st.note_writable(w.start, w.end, (w.start, w.end));
        }
        for e in &pinned {
            self.keep(e);
        }
        Ok(())
    }

    /// Takes the permission to write from what was mapped up to epoch `before`. What is noted as
    /// installed goes by its epoch, and needs no change.
    fn write_protect(&mut self, before: u64) {
        let writable = core::mem::take(&mut self.st.writable);
        let st = &*self.st;
        for w in writable.iter() {
            for v in st.vmas.range(w.start, w.end).filter_map(|v| v.clip(w.start, w.end)) {
                let perms = v.value.perms.effective();
                if v.value.is_shared() || !perms.contains(Access::WRITE) {
                    continue;
                }
                let mapped = st.installed.range(v.start, v.end).filter_map(|i| {
                    let i = i.clip(v.start, v.end)?;
                    let writable = i.value.access(before).contains(Access::WRITE);
                    (writable && i.value.is_private()).then(|| range(i.start, i.end))
                });
                let (at, access) = (range(v.start, v.end), perms - Access::WRITE);
                self.mm.space.write_protect(at, access, &mut { mapped });
            }
        }
    }

    /// Gives the child copies of pages that stay the parent's own.
    fn copy_pages(&mut self, pages: &[Entry<Pma>]) -> Result<(), OutOfMemory> {
        for e in pages {
            let new = self.mm.memory.allocate_copy(e.value.file, e.len())?;
            let taken = match self.take_pmas(e.start, e.end) {
                Ok(t) => t,
                Err(error) => {
                    self.mm.memory.dec_ref(new);
                    return Err(error);
                }
            };
            self.let_go(&taken, false);
            let value = Pma { file: new.start, epoch: self.st.epoch, ..e.value };
            self.put_pma(Entry { value, ..*e })?;
        }
        Ok(())
    }

    /// Pages of our own that somebody else refers to: with no relative that shares them, that is
    /// a pin.
    fn pinned(&self) -> Vec<Entry<Pma>> {
        let mut out = Vec::new();
        for e in self.st.pmas.iter().filter(|e| self.st.is_own(&e.value)) {
            let mut at = e.start;
            while at < e.end {
                let next = at + arch::PAGE_SIZE;
                if self.mm.memory.ref_count(e.value.file + (at - e.start)) > 1 {
                    out.extend(e.clip(at, next));
                }
                at = next;
            }
        }
        out
    }
}
