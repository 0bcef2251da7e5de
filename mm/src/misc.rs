//! msync(2), mincore(2), NUMA policies and names of anonymous vmas.

use crate::MemoryManager;
use crate::config::NumaPolicy;
use crate::flags::MsyncFlags;
use crate::pma::Kind;
use crate::range_map::Entry;
use crate::seam::MappedObject;
use crate::state::page_align;
use crate::vma::{Vma, VmaFlags};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, PAGE_SIZE};
use syserr::Errno;

/// The longest name of an anonymous vma, terminator included (`ANON_VMA_NAME_MAX_LEN`).
pub const ANON_VMA_NAME_MAX: usize = 80;

impl MemoryManager {
    /// Writes shared mappings back: msync(2). Objects are called without the lock.
    ///
    /// # Errors
    /// `EINVAL` for an unaligned address or both ways of syncing; `ENOMEM` for holes, after the
    /// rest was synced; `EBUSY` to invalidate locked memory; `EIO` from an object.
    pub fn msync(&self, addr: Addr, len: u64, flags: MsyncFlags) -> Result<(), Errno> {
        if !addr.is_page_aligned() || flags.contains(MsyncFlags::SYNC | MsyncFlags::ASYNC) {
            return Err(Errno::EINVAL);
        }
        // PAGE_ALIGN wraps to zero, which is nothing to do.
        let len = page_align(len).unwrap_or(0);
        let end = addr.checked_add(len).ok_or(Errno::ENOMEM)?.0;
        let mut at = addr.0;
        let mut holes = false;
        while at < end {
            let part = {
                let st = self.read();
                let Some(e) = st.vmas.ending_after(at).and_then(|e| e.clip(at, end)) else {
                    return Err(Errno::ENOMEM);
                };
                holes |= e.start > at;
                e
            };
            if flags.contains(MsyncFlags::INVALIDATE) && part.value.is_locked() {
                return Err(Errno::EBUSY);
            }
            if flags.contains(MsyncFlags::SYNC)
                && part.value.is_shared()
                && let Some(o) = &part.value.object
            {
                o.object.sync(part.value.offset..part.value.offset.saturating_add(part.len()))?;
            }
            at = part.end;
        }
        if holes { Err(Errno::ENOMEM) } else { Ok(()) }
    }

    /// Which pages from `addr` are resident, one byte each: mincore(2). Memory of an object counts
    /// whoever uses it; of one that the caller `may_ask` nothing about, all counts.
    ///
    /// # Errors
    /// `EINVAL` for an unaligned address; `ENOMEM` when some of it is not mapped.
    pub fn mincore(
        &self,
        addr: Addr,
        pages: &mut [u8],
        may_ask: &dyn Fn(&MappedObject) -> bool,
    ) -> Result<(), Errno> {
        if !addr.is_page_aligned() {
            return Err(Errno::EINVAL);
        }
        let len = (pages.len() as u64).checked_mul(PAGE_SIZE).ok_or(Errno::ENOMEM)?;
        let end = addr.checked_add(len).ok_or(Errno::ENOMEM)?.0;
        let st = self.read();
        if !st.is_covered(addr.0, end) {
            return Err(Errno::ENOMEM);
        }
        pages.fill(0);
        let mut mark = |lo: u64, hi: u64| {
            let (from, to) = ((lo - addr.0) / PAGE_SIZE, (hi - addr.0) / PAGE_SIZE);
            if let Some(p) = pages.get_mut(from as usize..to as usize) {
                p.fill(1);
            }
        };
        for vma in st.vmas.range(addr.0, end).filter_map(|e| e.clip(addr.0, end)) {
            match &vma.value.object {
                Some(o) if !may_ask(o) => {
                    mark(vma.start, vma.end);
                    continue;
                }
                Some(o) => self.mark_object(o, &vma, &mut mark),
                None => {}
            }
            let there = st.pmas.range(vma.start, vma.end).filter(|e| e.value.kind != Kind::Guard);
            for e in there.filter_map(|e| e.clip(vma.start, vma.end)) {
                if !e.value.ahead || vma.value.is_locked() {
                    mark(e.start, e.end);
                    continue;
                }
                let mut at = e.start;
                while at < e.end {
                    if self.is_in_use(e.value.file + (at - e.start)) {
                        mark(at, at + PAGE_SIZE);
                    }
                    at += PAGE_SIZE;
                }
            }
        }
        Ok(())
    }

    /// Marks what an object has memory for.
    fn mark_object(&self, o: &MappedObject, vma: &Entry<Vma>, mark: &mut impl FnMut(u64, u64)) {
        let (mut at, end) = (vma.value.offset, vma.value.offset.saturating_add(vma.len()));
        while at < end
            && let Some(t) = o.object.resident(at..end)
        {
            self.memory.dec_ref(t.file);
            let hi = (t.offset + t.file.len()).min(end);
            mark(
                vma.start + (t.offset.max(at) - vma.value.offset),
                vma.start + (hi - vma.value.offset),
            );
            at = hi.max(at + PAGE_SIZE);
        }
    }

    /// Whether somebody has written to a page that was backed ahead of its use.
    pub(crate) fn is_in_use(&self, memory: u64) -> bool {
        let mut bytes = [0; 512];
        (0..PAGE_SIZE / 512).any(|i| {
            self.memory.read(memory + i * 512, &mut bytes);
            bytes != [0; 512]
        })
    }

    /// Stores a NUMA policy: mbind(2). Nothing is placed by it.
    ///
    /// # Errors
    /// `EINVAL` for an unaligned address or a wrapping range; `EFAULT` for a hole; `ENOMEM` for
    /// too many vmas.
    pub fn set_numa_policy(
        &self,
        addr: Addr,
        len: u64,
        policy: Option<NumaPolicy>,
    ) -> Result<(), Errno> {
        if !addr.is_page_aligned() {
            return Err(Errno::EINVAL);
        }
        let len = page_align(len).ok_or(Errno::EINVAL)?;
        let end = addr.checked_add(len).ok_or(Errno::EINVAL)?.0;
        if len == 0 {
            return Ok(());
        }
        let mut tx = self.lock();
        if !tx.st.is_covered(addr.0, end) {
            return Err(Errno::EFAULT);
        }
        if !tx.room_to_split(addr.0, end) {
            return Err(Errno::ENOMEM);
        }
        let policy = policy.map(Arc::new);
        tx.modify_vmas(addr.0, end, |v| v.numa = policy.clone());
        Ok(())
    }

    /// The NUMA policy stored for `addr`; `None` for the default one.
    ///
    /// # Errors
    /// `EFAULT` when nothing is mapped there.
    pub fn numa_policy(&self, addr: Addr) -> Result<Option<NumaPolicy>, Errno> {
        let st = self.read();
        let e = st.vma(addr.0).ok_or(Errno::EFAULT)?;
        Ok(e.value.numa.as_deref().copied())
    }

    /// Whether a home node can be had for the policies of a range: set_mempolicy_home_node(2).
    ///
    /// # Errors
    /// `EINVAL` for a wrapping range; `EOPNOTSUPP` for a policy that has none, `ENOENT` when there
    /// is no policy.
    pub fn check_home_node(&self, addr: Addr, len: u64) -> Result<(), Errno> {
        const BIND: u32 = 2;
        const PREFERRED_MANY: u32 = 5;
        const MODE_FLAGS: u32 = 0xe000;
        // A length that wraps when it is rounded up is none.
        let len = page_align(len).unwrap_or(0);
        let end = addr.checked_add(len).ok_or(Errno::EINVAL)?.0;
        if len == 0 {
            return Ok(());
        }
        let st = self.read();
        let mut found = Err(Errno::ENOENT);
        for policy in st.vmas.range(addr.0, end).filter_map(|e| e.value.numa.as_deref()) {
            match policy.mode & !MODE_FLAGS {
                BIND | PREFERRED_MANY => found = Ok(()),
                _ => return Err(Errno::EOPNOTSUPP),
            }
        }
        found
    }

    /// Whether there is memory at an address: move_pages(2).
    ///
    /// # Errors
    /// `EFAULT` when nothing is mapped there.
    pub fn has_page(&self, addr: Addr) -> Result<bool, Errno> {
        let st = self.read();
        st.vma(addr.0).ok_or(Errno::EFAULT)?;
        Ok(st.pmas.find(addr.0).is_some_and(|e| e.value.kind != Kind::Guard))
    }

    /// Names anonymous memory: prctl(2) `PR_SET_VMA_ANON_NAME`. `None` takes the name away.
    ///
    /// # Errors
    /// `EINVAL` for a bad range, a name of 80 bytes or more, or with bytes that are not
    /// printable or one of ``\`$[]``; `EBADF` for a file's mapping; `ENOMEM` for holes.
    pub fn set_vma_anon_name(
        &self,
        addr: Addr,
        len: u64,
        name: Option<&[u8]>,
    ) -> Result<(), Errno> {
        let bad = |b: &u8| !(b' '..=b'~').contains(b) || b"\\`$[]".contains(b);
        if name.is_some_and(|n| n.len() >= ANON_VMA_NAME_MAX || n.iter().any(bad)) {
            return Err(Errno::EINVAL);
        }
        if !addr.is_page_aligned() {
            return Err(Errno::EINVAL);
        }
        let len = page_align(len).ok_or(Errno::EINVAL)?;
        let end = addr.checked_add(len).ok_or(Errno::EINVAL)?.0;
        let name: Option<Arc<Vec<u8>>> = name.map(|n| Arc::new(n.to_vec()));
        self.lock().for_vmas(addr.0, end, |tx, e| {
            if !e.value.is_anon() && !e.value.flags.contains(VmaFlags::SHARED_ANON) {
                return Err(Errno::EBADF);
            }
            if !tx.room_to_split(e.start, e.end) {
                return Err(Errno::EAGAIN);
            }
            tx.modify_vmas(e.start, e.end, |v| v.name = name.clone());
            Ok(())
        })
    }
}
