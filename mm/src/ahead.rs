//! Work that is done before it is asked for, because a fault costs more than the work.

use crate::fork::ChildPlan;
use crate::pma::{Installed, Kind, Pma};
use crate::range_map::{Entry, Free};
use crate::state::Tx;
use crate::vma::Vma;
use arch::{Access, PAGE_SIZE};
use smallvec::SmallVec;

/// Pieces of an object's memory that a new mapping begins with.
const PIECES: usize = 8;
/// The longest range that fork copies: what fresh memory comes in is longer, and most of that was
/// never written.
const WARM_MAX: u64 = 8 * PAGE_SIZE;

/// A mapped range that the parent of a fork goes on to write, most likely, and so does the child;
/// what it permits, and its pages.
pub(crate) struct Warm {
    pub(crate) start: u64,
    pub(crate) end: u64,
    access: Access,
    pub(crate) pages: SmallVec<[Entry<Pma>; 1]>,
}

impl Tx<'_> {
    /// Maps what the object of the new mapping `lo..hi` has in memory. A small private copy of a
    /// file that programs are loaded from is made at once: relocation writes all of it.
    pub(crate) fn map_ahead(&mut self, lo: u64, hi: u64, vma: &Entry<Vma>) {
        let t = self.mm.tuning;
        let v = &vma.value;
        let writes = v.perms.contains(Access::WRITE);
        if writes && !v.is_shared() && v.is_constant() && (hi - lo) / PAGE_SIZE <= t.eager_copy {
            let mut at = lo;
            // The mapping may go on past the end of the file.
            while at < hi
                && let Ok(end) = self.back(at, hi, true, vma)
            {
                at = end;
            }
            let _ = self.install(lo, hi, vma, None, true);
        } else if !(writes && v.is_shared()) && t.ahead > 1 {
            self.back_resident(lo, hi.min(lo.saturating_add(t.ahead * PAGE_SIZE)), vma);
            let _ = self.install(lo, hi, vma, None, false);
        }
    }

    /// Maps what the object has in memory after `at`, where a fault for reading has been resolved.
    pub(crate) fn map_after(&mut self, at: u64, vma: &Entry<Vma>) {
        let ahead = self.mm.tuning.ahead;
        let v = &vma.value;
        let written = v.is_shared() && v.perms.contains(Access::WRITE);
        if ahead <= 1 || v.is_anon() || written || at >= vma.end {
            return;
        }
        let next = self.st.pmas.ending_after(at).map_or(u64::MAX, |e| e.start);
        let hi = at.saturating_add(ahead * PAGE_SIZE).min(vma.end).min(next);
        if at < hi {
            self.back_resident(at, hi, vma);
            let _ = self.install(at, hi, vma, None, false);
        }
    }

    /// Backs an empty range with what its object has in memory.
    fn back_resident(&mut self, lo: u64, hi: u64, vma: &Entry<Vma>) {
        let Some(o) = vma.value.object.clone() else { return };
        let kind = if vma.value.is_shared() { Kind::Shared } else { Kind::Borrowed };
        let base = vma.start.wrapping_sub(vma.value.offset);
        let mut at = lo;
        for _ in 0..PIECES {
            let offset = |a: u64| a.wrapping_sub(base);
            if at >= hi || !self.st.pmas.is_free(at, hi) {
                return;
            }
            let Some(t) = o.object.resident(offset(at)..offset(hi)) else { return };
            let start = t.offset.wrapping_add(base);
            let end = start.saturating_add(t.file.len());
            if start < at || end > hi || t.file.is_empty() || !t.access.contains(Access::READ) {
                return self.mm.memory.dec_ref(t.file);
            }
            let value = Pma { file: t.file.start, epoch: 0, kind, access: t.access, ahead: false };
            if self.put_pma(Entry { start, end, value }).is_err() {
                return;
            }
            at = end;
        }
    }

    /// What a fork copies at once. The page tables know what was written since the last fork. Only
    /// for a process without threads: others could write while the copies are made.
    pub(crate) fn warm(&self, plan: &ChildPlan) -> SmallVec<[Warm; 16]> {
        let st = &*self.st;
        let mut left = self.mm.tuning.fork_copies * PAGE_SIZE;
        let mut out = SmallVec::new();
        if st.ever_pinned || self.mm.users() != 1 {
            return out;
        }
        let mapped = st.writable.iter().flat_map(|w| {
            st.installed.range(w.start, w.end).filter_map(|i| i.clip(w.start, w.end))
        });
        for e in mapped {
            if left == 0 {
                break;
            }
            let access = e.value.access(st.epoch);
            let fits = e.len() <= left.min(WARM_MAX);
            let writable = e.value.is_private() && access.contains(Access::WRITE);
            if !fits || !writable || plan.leaves_out(e.start, e.end) {
                continue;
            }
            let pages: SmallVec<[Entry<Pma>; 1]> =
                st.pmas.range(e.start, e.end).filter_map(|p| p.clip(e.start, e.end)).collect();
            let own: u64 = pages.iter().filter(|p| st.is_own(&p.value)).map(Entry::len).sum();
            if own == e.len() {
                left -= own;
                out.push(Warm { start: e.start, end: e.end, access, pages });
            }
        }
        out
    }

    /// In the new epoch, the first `copied` ranges stay what they are: the child has copies.
    /// Returns those of which this is so.
    pub(crate) fn keep_warm(
        &mut self,
        mut warm: SmallVec<[Warm; 16]>,
        copied: usize,
    ) -> SmallVec<[Warm; 16]> {
        warm.truncate(copied);
        warm.retain(|w| w.pages.iter().all(|e| self.keep(e)));
        let st = &mut *self.st;
        for w in &warm {
            let value = Installed::new(w.access, true, st.epoch);
            let _ = st.installed.set(Entry { start: w.start, end: w.end, value }, &Free, |_| ());
        }
        warm
    }
}
