//! madvise(2).

use crate::MemoryManager;
use crate::config::FaultError;
use crate::flags::Advice;
use crate::pma::{Kind, Pma};
use crate::range_map::Entry;
use crate::state::{Tx, page_align};
use crate::vma::{Vma, VmaFlags};
use arch::{Access, Addr, AddrRange, HUGE_PAGE_SIZE};
use syserr::Errno;

impl MemoryManager {
    /// Takes advice about memory: madvise(2). Holes are skipped, and reported at the end, as
    /// Linux does.
    ///
    /// # Errors
    /// As madvise(2): `EINVAL` for a bad range or advice that does not fit the mapping, `ENOMEM`
    /// for holes, `EPERM` for sealed memory, `EACCES`, `EFAULT`, what the object answers.
    pub fn madvise(&self, addr: Addr, len: u64, advice: Advice) -> Result<(), Errno> {
        if !addr.is_page_aligned() {
            return Err(Errno::EINVAL);
        }
        let len = page_align(len).ok_or(Errno::EINVAL)?;
        let end = addr.checked_add(len).ok_or(Errno::EINVAL)?.0;
        if len == 0 {
            return Ok(());
        }
        match advice {
            Advice::PopulateRead => self.lock().populate_range(addr.0, end, false),
            Advice::PopulateWrite => self.lock().populate_range(addr.0, end, true),
            Advice::Remove => self.remove_range(addr.0, end),
            _ => {
                let mut tx = self.lock();
                if matches!(
                    advice,
                    Advice::DontNeed | Advice::DontNeedLocked | Advice::Free | Advice::GuardInstall
                ) {
                    // What can fail for lack of memory fails before anything is dropped.
                    tx.st.pmas.unshare(addr.0, end)?;
                }
                tx.for_vmas(addr.0, end, |tx, e| tx.advise(e, advice))
            }
        }
    }

    /// Takes one piece of advice, by its number, about several ranges: process_madvise(2),
    /// `vector_madvise`. `own` says that the caller lives in this address space itself: any advice
    /// will do then. Returns the bytes of the ranges before the first that failed. Of empty
    /// ranges only the very first is looked at, and only if not all are empty.
    ///
    /// # Errors
    /// `EINVAL` for advice that is none, or that one process may not give another; what the first
    /// range answers, as [`MemoryManager::madvise`].
    pub fn process_madvise(
        &self,
        ranges: &[AddrRange],
        advice: i32,
        own: bool,
    ) -> Result<u64, Errno> {
        let advice = Advice::from_raw(advice).ok_or(Errno::EINVAL);
        if !own && !advice?.allowed_for_others() {
            return Err(Errno::EINVAL);
        }
        let mut done = 0;
        if ranges.iter().all(|r| r.is_empty()) {
            return Ok(0);
        }
        for (i, r) in ranges.iter().enumerate() {
            if i > 0 && r.is_empty() {
                continue;
            }
            match advice.and_then(|a| self.madvise(r.start, r.len(), a)) {
                Ok(()) => done += r.len(),
                Err(e) if done == 0 => return Err(e),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    /// `MADV_REMOVE`: the object is called without the lock, since it calls back.
    fn remove_range(&self, lo: u64, hi: u64) -> Result<(), Errno> {
        let mut parts = alloc::vec::Vec::new();
        let r = self.lock().for_vmas(lo, hi, |tx, e| {
            tx.check_discard(&e.value, Advice::Remove)?;
            if e.value.is_locked() {
                return Err(Errno::EINVAL);
            }
            let Some(o) = e.value.object.clone() else { return Err(Errno::EINVAL) };
            if !e.value.is_shared() || !e.value.max.contains(Access::WRITE) {
                return Err(Errno::EACCES);
            }
            parts.push((o, e.value.offset, e.len()));
            Ok(())
        });
        for (o, offset, len) in parts {
            o.object.punch_hole(offset..offset.saturating_add(len))?;
        }
        r
    }
}

/// Whether a huge page could lie in a vma (`thp_vma_suitable_order`).
fn has_huge_page(vma: &Entry<Vma>) -> bool {
    let first = vma.start.checked_next_multiple_of(HUGE_PAGE_SIZE);
    first.and_then(|a| a.checked_add(HUGE_PAGE_SIZE)).is_some_and(|end| end <= vma.end)
}

impl Tx<'_> {
    /// Calls `f` with each vma of a range, clipped; holes are an `ENOMEM` at the end.
    pub(crate) fn for_vmas(
        &mut self,
        lo: u64,
        hi: u64,
        mut f: impl FnMut(&mut Self, Entry<Vma>) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let mut at = lo;
        let mut holes = false;
        while at < hi {
            let Some(e) = self.st.vmas.ending_after(at).and_then(|e| e.clip(at, hi)) else {
                holes = true;
                break;
            };
            holes |= e.start > at;
            at = e.end;
            f(self, e)?;
        }
        if holes { Err(Errno::ENOMEM) } else { Ok(()) }
    }

    /// `can_madvise_modify`: sealed anonymous memory whose contents the guest cannot change must
    /// keep them.
    fn check_discard(&self, v: &Vma, advice: Advice) -> Result<(), Errno> {
        use Advice::*;
        let discards = matches!(
            advice,
            Free | DontNeed | DontNeedLocked | Remove | DontFork | WipeOnFork | GuardInstall
        );
        if v.is_sealed() && discards && v.is_anon() && !v.perms.contains(Access::WRITE) {
            return Err(Errno::EPERM);
        }
        Ok(())
    }

    fn advise(&mut self, e: Entry<Vma>, advice: Advice) -> Result<(), Errno> {
        use Advice::*;
        let v = &e.value;
        self.check_discard(v, advice)?;
        let unless = |wrong: bool| if wrong { Err(Errno::EINVAL) } else { Ok(()) };
        let special = v.flags.contains(VmaFlags::DONTEXPAND);
        let (set, clear) = match advice {
            DontNeed => {
                unless(v.is_locked())?;
                return self.discard(&e);
            }
            DontNeedLocked => return self.discard(&e),
            Free => {
                unless(v.is_locked() || !v.is_anon())?;
                return self.discard(&e);
            }
            Cold | PageOut => return unless(v.is_locked()),
            GuardInstall => {
                unless(v.is_locked() || special)?;
                return self.install_guards(&e);
            }
            GuardRemove => {
                unless(special)?;
                return self.remove_guards(&e);
            }
            WillNeed | PopulateRead | PopulateWrite | Remove => return Ok(()),
            Collapse => {
                let whole = self.st.vma(e.start).is_some_and(has_huge_page);
                return unless(!whole || special || v.flags.contains(VmaFlags::NOHUGEPAGE));
            }
            Normal => (VmaFlags::empty(), VmaFlags::RAND_READ | VmaFlags::SEQ_READ),
            Random => (VmaFlags::RAND_READ, VmaFlags::SEQ_READ),
            Sequential => (VmaFlags::SEQ_READ, VmaFlags::RAND_READ),
            DontFork => (VmaFlags::DONTFORK, VmaFlags::empty()),
            DoFork => (VmaFlags::empty(), VmaFlags::DONTFORK),
            WipeOnFork => {
                unless(!v.is_anon())?;
                (VmaFlags::WIPEONFORK, VmaFlags::empty())
            }
            KeepOnFork => {
                unless(v.flags.contains(VmaFlags::DROPPABLE))?;
                (VmaFlags::empty(), VmaFlags::WIPEONFORK)
            }
            DontDump => (VmaFlags::DONTDUMP, VmaFlags::empty()),
            DoDump => {
                unless(special || v.flags.contains(VmaFlags::DROPPABLE))?;
                (VmaFlags::empty(), VmaFlags::DONTDUMP)
            }
            Mergeable => (VmaFlags::MERGEABLE, VmaFlags::empty()),
            Unmergeable => (VmaFlags::empty(), VmaFlags::MERGEABLE),
            HugePage => (VmaFlags::HUGEPAGE, VmaFlags::NOHUGEPAGE),
            NoHugePage => (VmaFlags::NOHUGEPAGE, VmaFlags::HUGEPAGE),
        };
        if v.flags.contains(set) && !v.flags.intersects(clear) {
            return Ok(());
        }
        if !self.room_to_split(e.start, e.end) {
            return Err(Errno::EAGAIN);
        }
        self.modify_vmas(e.start, e.end, |v| v.flags = (v.flags | set) - clear);
        Ok(())
    }

    /// Drops the memory of a part of a vma; guards stay.
    fn discard(&mut self, e: &Entry<Vma>) -> Result<(), Errno> {
        let guards: alloc::vec::Vec<_> = self.guards(e.start, e.end);
        self.zap(e.start, e.end)?;
        for g in guards {
            self.put_pma(g)?;
        }
        Ok(())
    }

    fn guards(&self, lo: u64, hi: u64) -> alloc::vec::Vec<Entry<Pma>> {
        let pmas = self.st.pmas.range(lo, hi);
        pmas.filter(|p| p.value.kind == Kind::Guard).filter_map(|p| p.clip(lo, hi)).collect()
    }

    fn install_guards(&mut self, e: &Entry<Vma>) -> Result<(), Errno> {
        self.zap(e.start, e.end)?;
        let value =
            Pma { file: 0, epoch: 0, kind: Kind::Guard, access: Access::empty(), ahead: false };
        Ok(self.put_pma(Entry { start: e.start, end: e.end, value })?)
    }

    fn remove_guards(&mut self, e: &Entry<Vma>) -> Result<(), Errno> {
        for g in self.guards(e.start, e.end) {
            self.take_pmas(g.start, g.end)?;
        }
        Ok(())
    }

    /// `madvise_populate`: faults everything in, in order, up to the first that cannot be.
    fn populate_range(&mut self, lo: u64, hi: u64, write: bool) -> Result<(), Errno> {
        let need = if write { Access::WRITE } else { Access::READ };
        let mut at = lo;
        while at < hi {
            let vma = self.st.vma(at).cloned().ok_or(Errno::ENOMEM)?;
            // Not what the hardware would allow: PROT_WRITE alone is not readable here.
            if !vma.value.perms.contains(need) {
                return Err(Errno::EINVAL);
            }
            let end = hi.min(vma.end);
            let from = at;
            while at < end {
                at = self.back(at, end, write, &vma).map_err(|e| match e {
                    FaultError::NoMemory => Errno::ENOMEM,
                    _ => Errno::EFAULT,
                })?;
            }
            at = end;
            self.note_asked(from, end);
            self.install(from, end, &vma, None, true)?;
        }
        Ok(())
    }
}
