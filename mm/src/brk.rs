//! brk(2).

use crate::MemoryManager;
use crate::config::Limits;
use crate::flags::MlockallFlags;
use crate::range_map::{Entry, Value};
use crate::state::{Tx, page_align, range};
use crate::vma::{Vma, VmaFlags};
use arch::{Access, Addr, AddrRange, PAGE_SIZE};
use syserr::Errno;

impl MemoryManager {
    /// Says where the heap starts; it is empty then. The loader calls this.
    pub fn set_brk(&self, start: Addr) {
        self.lock().st.brk = AddrRange { start, end: start };
    }

    /// Says where the heap lies, whatever is mapped there: prctl(2) `PR_SET_MM`.
    pub fn set_brk_range(&self, heap: AddrRange) {
        self.lock().st.brk = heap;
    }

    /// The heap, from its start to the current break, which need not be page-aligned.
    pub fn brk_range(&self) -> AddrRange {
        self.read().brk
    }

    /// Moves the break: brk(2). Returns where it is afterwards, unchanged on any failure.
    pub fn brk(&self, to: Addr, limits: &Limits) -> Addr {
        // What the limit counts beside the heap matters only if there is a limit.
        let data = if limits.data == u64::MAX { 0 } else { self.meta.lock().data.len() };
        let mut tx = self.lock();
        let _ = tx.move_brk(to, data, limits);
        tx.st.brk.end
    }
}

impl Tx<'_> {
    fn move_brk(&mut self, to: Addr, data: u64, limits: &Limits) -> Result<(), Errno> {
        let brk = self.st.brk;
        if to < brk.start || (to.0 - brk.start.0).saturating_add(data) > limits.data {
            return Err(Errno::ENOMEM);
        }
        let new = page_align(to.0).ok_or(Errno::ENOMEM)?;
        let old = page_align(brk.end.0).ok_or(Errno::ENOMEM)?;
        if new < old {
            self.checked_unmap(new, old)?;
        } else if new > old {
            self.grow_brk(old, new, limits)?;
        }
        self.st.brk = range(brk.start.0, to.0);
        Ok(())
    }

    /// `do_brk_flags` with the checks before it.
    fn grow_brk(&mut self, old: u64, new: u64, limits: &Limits) -> Result<(), Errno> {
        let len = new - old;
        self.st.check_fixed(old, len, limits)?;
        let future = self.st.lock_future;
        let locked = future.contains(MlockallFlags::FUTURE);
        if locked {
            self.check_lock_limit(len, limits, Errno::EAGAIN)?;
        }
        let mut flags = VmaFlags::ACCOUNTED;
        flags.set(VmaFlags::LOCKED, locked);
        flags.set(VmaFlags::LOCKONFAULT, locked && future.contains(MlockallFlags::ONFAULT));
        let value = Vma {
            perms: Access::RW,
            max: Access::ALL,
            flags,
            offset: 0,
            object: None,
            name: None,
            numa: None,
        };
        let vmas = &self.st.vmas;
        // The heap so far, if it can just go on, and what comes next.
        let heap = match vmas.spot(old.saturating_sub(1), new, true) {
            Some((spot, [e, rest @ ..])) if e.end == old && e.value.merges(e.len(), &value) => {
                Some((spot, rest.first()))
            }
            _ => None,
        };
        let next = heap.and_then(|(_, next)| next).or_else(|| vmas.ending_after(old));
        let room = next.is_none_or(|e| new + PAGE_SIZE <= e.start.saturating_sub(e.value.guard()));
        let heap = heap.map(|(spot, _)| spot);
        let fits = room
            && self.may_expand(&value, len, 0, limits)
            && vmas.len() <= self.mm.max_map_count.get();
        if !fits {
            return Err(Errno::ENOMEM);
        }
        self.charge(len, limits)?;
        if let Some(spot) = heap {
            self.stretch_vma(spot, new);
        } else {
            let spot = vmas.spot(old, new, true).map(|s| s.0);
            self.replace_vmas(spot, Entry { start: old, end: new, value });
        }
        if locked && let Some(v) = self.st.vma(old).cloned() {
            let _ = self.populate(old, new, &v);
        }
        Ok(())
    }
}
