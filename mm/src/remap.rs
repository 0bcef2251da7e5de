//! remap_file_pages(2), as Linux does it since there are no nonlinear mappings any more.

use crate::manager::MemoryManager;
use crate::state::State;
use crate::vma::{Vma, VmaFlags};
use crate::{Limits, MapFlags, MappedObject, MmapArgs};
use arch::{Addr, PAGE_SIZE};
use syserr::Errno;

impl State {
    /// The first of the vmas in `lo..hi`, which show one object alike and are shared.
    fn one_shared(&self, lo: u64, hi: u64) -> Result<Vma, Errno> {
        let mut all = self.vmas.range(lo, hi).map(|e| &e.value);
        let first = all.next().filter(|v| v.is_shared()).ok_or(Errno::EINVAL)?;
        let same = |v: &Vma| {
            let flags = |v: &Vma| v.flags - VmaFlags::ACCOUNTED;
            let alike = v.perms == first.perms && flags(v) == flags(first);
            let object = |v: &Vma| v.object.as_ref().map(|o| o.object.object_id());
            alike && object(v) == object(first)
        };
        if all.all(same) && self.is_covered(lo, hi) {
            Ok(first.clone())
        } else {
            Err(Errno::EINVAL)
        }
    }
}

impl MemoryManager {
    /// Shows other pages of the object that is mapped shared at `addr`, from its page `page` on:
    /// remap_file_pages(2). With `now` they are populated.
    ///
    /// # Errors
    /// `EINVAL` for what is not all of one shared mapping, for nothing and for what wraps; those of
    /// [`MemoryManager::mmap`].
    pub fn remap_file_pages(
        &self,
        addr: Addr,
        len: u64,
        page: u64,
        now: bool,
        limits: &Limits,
    ) -> Result<(), Errno> {
        let start = addr.0 & !(PAGE_SIZE - 1);
        let len = len & !(PAGE_SIZE - 1);
        let end = start.checked_add(len).filter(|e| *e > start).ok_or(Errno::EINVAL)?;
        page.checked_add(len / PAGE_SIZE).ok_or(Errno::EINVAL)?;
        let offset = page.checked_mul(PAGE_SIZE).ok_or(Errno::EOVERFLOW)?;
        let mut tx = self.lock();
        let first = tx.st.one_shared(start, end)?;
        let (Some(object), locked) = (&first.object, first.is_locked()) else {
            return Err(Errno::EINVAL);
        };
        let mut flags = MapFlags::SHARED | MapFlags::FIXED;
        flags.set(MapFlags::POPULATE, now);
        flags.set(MapFlags::LOCKED, locked);
        flags.set(MapFlags::NORESERVE, first.flags.contains(VmaFlags::NORESERVE));
        let object =
            MappedObject { object: object.object.clone(), identity: object.identity.clone() };
        let args = MmapArgs {
            addr: Addr(start),
            len,
            prot: first.perms,
            flags,
            max_prot: first.max,
            object: Some(object),
            offset,
            limits,
        };
        tx.map(args, len)?;
        if first.flags.contains(VmaFlags::SHARED_ANON) {
            tx.modify_vmas(start, end, |v| v.flags |= VmaFlags::SHARED_ANON);
        }
        Ok(())
    }
}
