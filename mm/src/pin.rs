//! Pinned memory, and mapping in advance.

use crate::MemoryManager;
use crate::pma::Pma;
use crate::range_map::Entry;
use crate::seam::FileRange;
use crate::state::{Tx, page_align, range};
use alloc::vec::Vec;
use arch::{Access, Addr, AddrRange, PAGE_SIZE};
use syserr::Errno;

/// The least that is mapped in advance of what others have, in bytes: a host operation for less
/// costs more than the faults that it saves.
const PREMAP_MIN: u64 = 4 * PAGE_SIZE;

/// A part of an address space whose memory stays where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// Where it is mapped.
    pub at: AddrRange,
    /// The memory, with one reference of the holder's on each page.
    pub file: FileRange,
}

impl MemoryManager {
    /// Pins memory: it stays the memory behind these addresses, also across a fork, until
    /// [`MemoryManager::unpin`]. Copy-on-write is broken even for reading.
    ///
    /// # Errors
    /// `EFAULT` for what cannot be accessed; `ENOMEM`. Nothing is pinned then.
    pub fn pin(&self, addr: Addr, len: u64, access: Access) -> Result<Vec<Pinned>, Errno> {
        let end = addr.checked_add(len).and_then(Addr::round_up).ok_or(Errno::EFAULT)?.0;
        let mut at = addr.round_down().0;
        let mut out = Vec::new();
        let mut tx = self.lock();
        tx.st.ever_pinned = true;
        while at < end {
            match tx.pin_one(at, end, access) {
                Ok(p) => {
                    at = p.at.end.0;
                    out.push(p);
                }
                Err(e) => {
                    drop(tx);
                    self.unpin(out);
                    return Err(e);
                }
            }
        }
        Ok(out)
    }

    /// Ends a pin.
    pub fn unpin(&self, pinned: Vec<Pinned>) {
        for p in pinned {
            self.memory.dec_ref(p.file);
        }
    }

    /// Maps up to `max_extents` ranges that have memory already, so that their first access does
    /// not fault: for a child after fork, and for a program that was just loaded. Its own memory
    /// comes first.
    pub fn premap(&self, max_extents: usize) {
        let mut tx = self.lock();
        let st = &*tx.st;
        let own = |e: &&Entry<Pma>| st.is_own(&e.value);
        let rest = |e: &&Entry<Pma>| !st.is_own(&e.value) && e.len() >= PREMAP_MIN;
        let extents = st.pmas.iter().filter(own).chain(st.pmas.iter().filter(rest));
        let extents: Vec<(u64, u64)> =
            extents.take(max_extents).map(|e| (e.start, e.end)).collect();
        for (lo, hi) in extents {
            let mut at = lo;
            while let Some(vma) = tx.st.vmas.ending_after(at).filter(|v| v.start < hi).cloned() {
                let part = (at.max(vma.start), hi.min(vma.end));
                // What is shorter than a window of fresh memory has contents.
                let small = part.1 - part.0 < tx.mm.tuning.window * PAGE_SIZE;
                if tx.install(part.0, part.1, &vma, None, small).is_err() {
                    return;
                }
                at = vma.end;
                if at >= hi {
                    break;
                }
            }
        }
    }

    /// Backs and maps a range as if each page were touched.
    ///
    /// # Errors
    /// `EINVAL` for an unaligned address, `ENOMEM` for holes or without memory, `EFAULT` for what
    /// cannot be accessed.
    pub fn populate(&self, addr: Addr, len: u64) -> Result<(), Errno> {
        if !addr.is_page_aligned() {
            return Err(Errno::EINVAL);
        }
        let end = page_align(len).and_then(|l| addr.checked_add(l)).ok_or(Errno::ENOMEM)?.0;
        self.lock().for_vmas(addr.0, end, |tx, e| {
            let vma = tx.st.vma(e.start).cloned().ok_or(Errno::ENOMEM)?;
            tx.fault_in(e.start, e.end, &vma).map_err(|e| match e {
                crate::FaultError::NoMemory => Errno::ENOMEM,
                _ => Errno::EFAULT,
            })
        })
    }
}

impl Tx<'_> {
    fn pin_one(&mut self, at: u64, end: u64, access: Access) -> Result<Pinned, Errno> {
        let limits = self.st.limits;
        let vma = self.find_or_grow(at, &limits).ok_or(Errno::EFAULT)?;
        if !vma.value.perms.effective().contains(access) {
            return Err(Errno::EFAULT);
        }
        let write = access.contains(Access::WRITE) || !vma.value.is_shared();
        let to = self.back(at, end, write, &vma).map_err(|e| match e {
            crate::FaultError::NoMemory => Errno::ENOMEM,
            _ => Errno::EFAULT,
        })?;
        let e = self.st.pmas.find(at).and_then(|e| e.clip(at, to.min(end))).ok_or(Errno::EFAULT)?;
        let file = e.file_range().ok_or(Errno::EFAULT)?;
        self.mm.memory.inc_ref(file)?;
        Ok(Pinned { at: range(e.start, e.end), file })
    }

    /// After a fork, pages of which the child has copies stay the parent's own. One that cannot be
    /// claimed is copied on its next write; `false` then.
    pub(crate) fn keep(&mut self, e: &Entry<Pma>) -> bool {
        let epoch = self.st.epoch;
        self.st.pmas.modify(e.start, e.end, |p| p.epoch = epoch).is_ok()
    }
}
