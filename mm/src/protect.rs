//! mprotect(2) and mseal(2).

use crate::MemoryManager;
use crate::config::Limits;
use crate::pma::{Installed, Kind};
use crate::range_map::Free;
use crate::state::{Tx, page_align, range};
use crate::vma::VmaFlags;
use arch::{Access, Addr};
use syserr::Errno;

impl MemoryManager {
    /// Changes permissions: mprotect(2). `grows_down` is `PROT_GROWSDOWN`. Like Linux, a failure
    /// leaves the vmas before the culprit changed.
    ///
    /// # Errors
    /// `EINVAL` for an unaligned address, or `grows_down` on what does not; `ENOMEM` for a hole or
    /// over a limit; `EACCES` beyond the mapping's maximum or for what [`crate::Mdwe`] refuses;
    /// `EPERM` for sealed memory.
    pub fn mprotect(
        &self,
        addr: Addr,
        len: u64,
        prot: Access,
        grows_down: bool,
        limits: &Limits,
    ) -> Result<(), Errno> {
        if !addr.is_page_aligned() {
            return Err(Errno::EINVAL);
        }
        if len == 0 {
            return Ok(());
        }
        let len = page_align(len).ok_or(Errno::ENOMEM)?;
        let end = addr.checked_add(len).filter(|e| *e > addr).ok_or(Errno::ENOMEM)?.0;
        let mut tx = self.lock();
        let mut at = addr.0;
        if grows_down {
            let first = tx.st.vmas.ending_after(at).filter(|e| e.start < end);
            let first = first.ok_or(Errno::ENOMEM)?;
            if !first.value.flags.contains(VmaFlags::GROWSDOWN) {
                return Err(Errno::EINVAL);
            }
            at = first.start;
        }
        while at < end {
            at = tx.protect_one(at, end, prot, limits)?;
        }
        Ok(())
    }

    /// Forbids to unmap, move, shrink or change the permissions of memory: mseal(2).
    ///
    /// # Errors
    /// `EINVAL` for an unaligned address or a wrapping length; `ENOMEM` for a hole.
    pub fn mseal(&self, addr: Addr, len: u64) -> Result<(), Errno> {
        if !addr.is_page_aligned() {
            return Err(Errno::EINVAL);
        }
        let len = page_align(len).ok_or(Errno::EINVAL)?;
        let end = addr.checked_add(len).ok_or(Errno::EINVAL)?.0;
        if len == 0 {
            return Ok(());
        }
        let mut tx = self.lock();
        if !tx.st.is_covered(addr.0, end) || !tx.room_to_split(addr.0, end) {
            return Err(Errno::ENOMEM);
        }
        tx.modify_vmas(addr.0, end, |v| v.flags |= VmaFlags::SEALED);
        Ok(())
    }
}

impl Tx<'_> {
    /// `mprotect_fixup` for the vma at `at`; returns where it ends.
    fn protect_one(
        &mut self,
        at: u64,
        end: u64,
        prot: Access,
        limits: &Limits,
    ) -> Result<u64, Errno> {
        let vmas = &self.st.vmas;
        let (spot, e) = match vmas.spot(at, end, true) {
            Some((spot, [e, ..])) if e.start <= at => (Some(spot), e),
            _ => (None, vmas.find(at).ok_or(Errno::ENOMEM)?),
        };
        let (v, end) = (&e.value, end.min(e.end));
        if !v.max.contains(prot) || self.st.mdwe.denies(v.perms, prot) {
            return Err(Errno::EACCES);
        }
        if v.is_sealed() {
            return Err(Errno::EPERM);
        }
        if v.perms == prot {
            return Ok(end);
        }
        let (old, len) = (v.perms, end - at);
        let writes = prot.contains(Access::WRITE) && !v.perms.contains(Access::WRITE);
        if writes && !v.flags.intersects(VmaFlags::SHARED | VmaFlags::GROWSDOWN) {
            let c = &self.st.counters;
            if c.data.saturating_add(len) > limits.data {
                return Err(Errno::ENOMEM);
            }
        }
        let uncharged = VmaFlags::SHARED | VmaFlags::NORESERVE | VmaFlags::ACCOUNTED;
        let charge = prot.contains(Access::WRITE) && !v.flags.intersects(uncharged);
        let populates = writes && v.is_locked() && !v.is_shared();
        if !self.room_to_split(at, end) {
            return Err(Errno::ENOMEM);
        }
        if charge {
            self.charge(len, limits)?;
        }
        let spot = spot.or_else(|| self.st.vmas.spot(at, end, true).map(|s| s.0));
        self.modify_vmas_at(spot, at, end, |v| {
            v.perms = prot;
            if charge {
                v.flags |= VmaFlags::ACCOUNTED;
            }
        });
        self.protect_installed(at, end, old.effective(), prot.effective());
        if populates && let Some(vma) = self.st.vma(at).cloned() {
            // Locked memory is there before it is written; errors show when it is.
            let _ = self.populate(at, end, &vma);
        }
        Ok(end)
    }

    /// Brings what is mapped in line with new permissions. Losses are applied at once; gains too
    /// where every page of a mapping can have them, else they come with the next fault.
    fn protect_installed(&mut self, lo: u64, hi: u64, old: Access, new: Access) {
        let st = &mut *self.st;
        if st.installed.is_free(lo, hi) {
            return;
        }
        // What every page of the range can have without a fault of its own.
        let allowed = st.pmas.range(lo, hi).fold(Access::ALL, |a, e| match e.value.kind {
            Kind::Owned if st.is_own(&e.value) => a,
            Kind::Owned | Kind::Borrowed | Kind::Guard => a - Access::WRITE,
            Kind::Shared => a & e.value.access,
        });
        let access = new & (old | allowed);
        // A mapping that lacked permissions for copy-on-write keeps lacking them.
        let epoch = st.epoch;
        let keep = |i: &Installed| {
            let i = i.access(epoch);
            if old.contains(Access::WRITE) && !i.contains(Access::WRITE) {
                access - Access::WRITE
            } else {
                access
            }
        };
        let mut at = lo;
        while at < hi
            && let Some(e) = st.installed.ending_after(at).filter(|e| e.start < hi)
        {
            let (from, to, now) = (e.start.max(lo), e.end.min(hi), keep(&e.value));
            if now != e.value.access(epoch) {
                self.mm.space.protect(range(from, to), now);
            }
            at = to;
        }
        let mut writable = false;
        let _ = st.installed.modify(lo, hi, &Free, |_, _, i| {
            let now = keep(i);
            *i = Installed::new(now, i.is_private(), epoch);
            writable |= i.is_private() && now.contains(Access::WRITE);
        });
        if writable {
            st.note_writable(lo, hi, (lo, hi));
        }
    }
}
