//! mlock(2) and its family. Locking is accounting: the embedder's memory is not swapped by us.

use crate::MemoryManager;
use crate::config::{FaultError, Limits};
use crate::flags::{MlockFlags, MlockallFlags};
use crate::state::{Tx, page_align};
use crate::vma::VmaFlags;
use arch::{Addr, PAGE_SIZE};
use syserr::Errno;

const BOTH: VmaFlags = VmaFlags::LOCKED.union(VmaFlags::LOCKONFAULT);

/// What is passed over.
const NEVER: VmaFlags = VmaFlags::DONTEXPAND.union(VmaFlags::DROPPABLE);

/// `can_do_mlock`.
fn may_lock(limits: &Limits) -> Result<(), Errno> {
    if limits.memlock == 0 && !limits.can_lock { Err(Errno::EPERM) } else { Ok(()) }
}

fn lock_flags(on_fault: bool) -> VmaFlags {
    if on_fault { BOTH } else { VmaFlags::LOCKED }
}

impl MemoryManager {
    /// Locks memory: mlock(2), mlock2(2).
    ///
    /// # Errors
    /// `EPERM` without any right to lock; `ENOMEM` over the limit, for a hole or inaccessible
    /// pages; `EAGAIN` when there is no memory; `EINVAL` for a wrapping range.
    pub fn mlock(
        &self,
        addr: Addr,
        len: u64,
        flags: MlockFlags,
        limits: &Limits,
    ) -> Result<(), Errno> {
        may_lock(limits)?;
        let (lo, hi) = lock_range(addr, len)?;
        let mut tx = self.lock();
        let already = || {
            let locked = tx.st.vmas.range(lo, hi).filter(|e| e.value.is_locked());
            locked.map(|e| e.end.min(hi) - e.start.max(lo)).sum::<u64>()
        };
        let locked = tx.st.counters.locked.saturating_add(hi - lo);
        if !limits.can_lock
            && locked > limits.memlock
            && locked.saturating_sub(already()) > limits.memlock
        {
            return Err(Errno::ENOMEM);
        }
        let on_fault = flags.contains(MlockFlags::ONFAULT);
        tx.apply_lock(lo, hi, lock_flags(on_fault))?;
        if on_fault { Ok(()) } else { tx.populate_locked(lo, hi) }
    }

    /// Unlocks memory: munlock(2).
    ///
    /// # Errors
    /// `ENOMEM` for a hole; `EINVAL` for a wrapping range.
    pub fn munlock(&self, addr: Addr, len: u64) -> Result<(), Errno> {
        let (lo, hi) = lock_range(addr, len)?;
        self.lock().apply_lock(lo, hi, VmaFlags::empty())
    }

    /// Locks everything, now or in the future: mlockall(2).
    ///
    /// # Errors
    /// `EINVAL` for neither `CURRENT` nor `FUTURE`; `EPERM` without any right to lock; `ENOMEM`
    /// over the limit.
    pub fn mlockall(&self, flags: MlockallFlags, limits: &Limits) -> Result<(), Errno> {
        if !flags.intersects(MlockallFlags::CURRENT | MlockallFlags::FUTURE) {
            return Err(Errno::EINVAL);
        }
        may_lock(limits)?;
        let mut tx = self.lock();
        let current = flags.contains(MlockallFlags::CURRENT);
        if current && tx.st.counters.total > limits.memlock && !limits.can_lock {
            return Err(Errno::ENOMEM);
        }
        let on_fault = flags.contains(MlockallFlags::ONFAULT);
        tx.st.lock_future = if flags.contains(MlockallFlags::FUTURE) {
            flags - MlockallFlags::CURRENT
        } else {
            MlockallFlags::empty()
        };
        if current {
            tx.lock_all(lock_flags(on_fault));
            if !on_fault {
                tx.populate_everything();
            }
        }
        Ok(())
    }

    /// Unlocks everything, now and in the future: munlockall(2).
    pub fn munlockall(&self) {
        let mut tx = self.lock();
        tx.st.lock_future = MlockallFlags::empty();
        tx.lock_all(VmaFlags::empty());
    }
}

fn lock_range(addr: Addr, len: u64) -> Result<(u64, u64), Errno> {
    let len = page_align(len.wrapping_add(addr.page_offset())).unwrap_or(0);
    let lo = addr.round_down();
    Ok((lo.0, lo.checked_add(len).ok_or(Errno::EINVAL)?.0))
}

impl Tx<'_> {
    /// `apply_vma_lock_flags`: in order, up to the first hole.
    fn apply_lock(&mut self, lo: u64, hi: u64, flags: VmaFlags) -> Result<(), Errno> {
        let mut at = lo;
        while at < hi {
            let e = self.st.vma(at).ok_or(Errno::ENOMEM)?;
            let end = e.end.min(hi);
            let change = e.value.flags & BOTH != flags && !e.value.flags.intersects(NEVER);
            if change {
                if !self.room_to_split(at, end) {
                    return Err(Errno::ENOMEM);
                }
                self.modify_vmas(at, end, |v| v.flags = (v.flags - BOTH) | flags);
            }
            at = end;
        }
        Ok(())
    }

    fn lock_all(&mut self, flags: VmaFlags) {
        self.modify_vmas(0, !(PAGE_SIZE - 1), |v| {
            if !v.flags.intersects(NEVER) {
                v.flags = (v.flags - BOTH) | flags;
            }
        });
    }

    /// `__mm_populate` with `__mlock_posix_error_return`.
    fn populate_locked(&mut self, lo: u64, hi: u64) -> Result<(), Errno> {
        let mut at = lo;
        while at < hi {
            let Some(vma) = self.st.vma(at).cloned() else { return Err(Errno::ENOMEM) };
            let end = vma.end.min(hi);
            self.populate(at, end, &vma).map_err(|e| match e {
                FaultError::NoMemory => Errno::EAGAIN,
                _ => Errno::ENOMEM,
            })?;
            at = end;
        }
        Ok(())
    }

    fn populate_everything(&mut self) {
        let all = self.st.vmas.clone();
        for e in all.iter() {
            let _ = self.populate(e.start, e.end, e);
        }
    }
}
