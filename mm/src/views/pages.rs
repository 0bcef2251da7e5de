//! Single pages, as `/proc/PID/pagemap` tells of them, and which were used lately.

use crate::MemoryManager;
use crate::pma::{Installed, Kind};
use crate::range_map::Entry;
use crate::state::{State, Tx, range};
use crate::vma::Vma;
use alloc::vec::Vec;
use arch::{Access, Addr, PAGE_SIZE};

/// What is at one page of an address space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageInfo {
    /// Where its memory lies in the memory file; `None` where there is none.
    pub memory: Option<u64>,
    /// It belongs to an object: a file or shared memory.
    pub of_object: bool,
    /// Nobody else maps it.
    pub exclusive: bool,
    /// A guard page of `MADV_GUARD_INSTALL`.
    pub guard: bool,
}

/// What `/proc/PID/clear_refs` forgets the use of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClearRefs {
    /// Of all pages.
    All,
    /// Of mappings of nothing.
    Anonymous,
    /// Of mappings of objects.
    Mapped,
}

impl MemoryManager {
    /// The `count` pages from `from`.
    pub fn pages(&self, from: Addr, count: usize) -> Vec<PageInfo> {
        let mut out = alloc::vec![PageInfo::default(); count];
        let (lo, st) = (from.round_down().0, self.read());
        let hi = lo.saturating_add((count as u64).saturating_mul(PAGE_SIZE));
        for p in st.pmas.range(lo, hi).filter_map(|p| p.clip(lo, hi)) {
            let relatives = st.pmas.sharers(p.start) - 1;
            let of_object = matches!(p.value.kind, Kind::Borrowed | Kind::Shared);
            let mut info = PageInfo { of_object, ..PageInfo::default() };
            let at = ((p.start - lo) / PAGE_SIZE) as usize;
            for (i, page) in
                out.iter_mut().skip(at).take((p.len() / PAGE_SIZE) as usize).enumerate()
            {
                match p.file_range() {
                    Some(file)
                        if p.value.ahead && !self.is_in_use(file.start + i as u64 * PAGE_SIZE) =>
                    {
                        continue;
                    }
                    Some(file) => {
                        let memory = file.start + i as u64 * PAGE_SIZE;
                        let users = self.memory.ref_count(memory).saturating_sub(of_object.into());
                        info.memory = Some(memory);
                        info.exclusive = users.saturating_add(relatives) <= 1;
                    }
                    None => info.guard = true,
                }
                *page = info;
            }
        }
        out
    }

    /// Forgets that pages were used: who uses them again faults first.
    pub fn clear_referenced(&self, which: ClearRefs) {
        let mut tx = self.lock();
        let vmas: Vec<(u64, u64)> =
            tx.st.vmas.iter().filter(|e| which.takes(e)).map(|e| (e.start, e.end)).collect();
        for (lo, hi) in vmas {
            tx.forget_use(lo, hi);
        }
    }

    /// Lets the peak of memory begin anew.
    pub fn reset_peak(&self) {
        let c = &mut self.lock().st.counters;
        c.peak_rss = c.rss_anon + c.rss_file;
    }
}

impl ClearRefs {
    fn takes(self, e: &Entry<Vma>) -> bool {
        match self {
            ClearRefs::All => true,
            ClearRefs::Anonymous => e.value.is_anon(),
            ClearRefs::Mapped => !e.value.is_anon(),
        }
    }
}

impl Tx<'_> {
    /// Takes every permission from what is mapped in a range, which still counts as mapped.
    fn forget_use(&mut self, lo: u64, hi: u64) {
        let st = &mut *self.st;
        if st.installed.is_free(lo, hi) {
            return;
        }
        self.mm.space.protect(range(lo, hi), Access::empty());
        let epoch = st.epoch;
        let _ = st.installed.modify(lo, hi, &crate::range_map::Free, |_, _, i| {
            *i = Installed::new(Access::empty(), i.is_private(), epoch);
        });
    }
}

/// Bytes of `lo..hi` that have been used since that was forgotten last.
pub(super) fn referenced(st: &State, lo: u64, hi: u64) -> u64 {
    let used = st.installed.range(lo, hi).filter(|e| !e.value.access(st.epoch).is_empty());
    used.filter_map(|e| e.clip(lo, hi)).map(|e| e.len()).sum()
}
