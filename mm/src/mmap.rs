//! mmap(2), munmap(2) and the limits that mappings obey.

use crate::MemoryManager;
use crate::config::{Limits, MmapArgs};
use crate::flags::{MapFlags, MlockallFlags};
use crate::object::SharedAnon;
use crate::range_map::{Entry, Spot};
use crate::seam::MappedObject;
use crate::state::{Tx, page_align};
use crate::vma::{Vma, VmaFlags};
use alloc::sync::Arc;
use arch::{Access, Addr, HUGE_PAGE_SIZE, PAGE_SIZE};
use syserr::Errno;

/// The largest offset of a file mapping's end (`MAX_LFS_FILESIZE`).
const MAX_OFFSET: u64 = i64::MAX as u64;

/// The flags that `MAP_SHARED_VALIDATE` knows (`LEGACY_MAP_MASK`, in which `FIXED_NOREPLACE` is
/// missing).
const KNOWN: MapFlags = MapFlags::SHARED_VALIDATE
    .union(MapFlags::FIXED)
    .union(MapFlags::ANONYMOUS)
    .union(MapFlags::DENYWRITE)
    .union(MapFlags::EXECUTABLE)
    .union(MapFlags::UNINITIALIZED)
    .union(MapFlags::GROWSDOWN)
    .union(MapFlags::LOCKED)
    .union(MapFlags::NORESERVE)
    .union(MapFlags::POPULATE)
    .union(MapFlags::NONBLOCK)
    .union(MapFlags::STACK)
    .union(MapFlags::HUGETLB)
    .union(MapFlags::LOW_2G)
    .union(HUGE_SIZES);

/// The bits that say how a mapping is shared; `MAP_TYPE`.
const MAP_TYPE: MapFlags = MapFlags::from_bits_retain(0xf);

/// `MAP_HUGE_2MB` and `MAP_HUGE_1GB`.
const HUGE_SIZES: MapFlags = MapFlags::from_bits_retain(21 << 26 | 30 << 26);

impl MemoryManager {
    /// Maps memory: mmap(2), `do_mmap` of `mm/mmap.c`. Returns where.
    ///
    /// # Errors
    /// As mmap(2): `EINVAL` for a zero length, an unaligned offset or fixed address, or not
    /// exactly one kind of sharing; `ENOMEM` for what does not fit or exceeds a limit; `EEXIST`
    /// with `FIXED_NOREPLACE`; `EPERM` below the lowest address or for locked memory without the
    /// right to lock; `EAGAIN` over `RLIMIT_MEMLOCK`; `EACCES` when `prot` exceeds `max_prot` or
    /// [`crate::Mdwe`] refuses it; `EOVERFLOW` for an offset past the largest file; `EOPNOTSUPP`
    /// for flags that `SHARED_VALIDATE` does not know; what the object answers.
    pub fn mmap(&self, args: MmapArgs<'_>) -> Result<Addr, Errno> {
        if !args.offset.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::EINVAL);
        }
        if args.len == 0 {
            return Err(Errno::EINVAL);
        }
        if args.flags.contains(MapFlags::DROPPABLE | MapFlags::HUGETLB) {
            return Err(Errno::EINVAL);
        }
        if args.flags.contains(MapFlags::HUGETLB) {
            return Err(no_huge_pages(&args));
        }
        let len = page_align(args.len).ok_or(Errno::ENOMEM)?;
        self.lock().map(args, len)
    }

    /// Unmaps memory: munmap(2).
    ///
    /// # Errors
    /// `EINVAL` for an unaligned address, zero length or an end past the address space; `ENOMEM`
    /// when it would make more vmas than allowed; `EPERM` for sealed memory.
    pub fn munmap(&self, addr: Addr, len: u64) -> Result<(), Errno> {
        let mut tx = self.lock();
        let max = tx.st.layout.max.0;
        if !addr.is_page_aligned() || addr.0 > max || len > max - addr.0 {
            return Err(Errno::EINVAL);
        }
        let len = page_align(len).filter(|&l| l != 0).ok_or(Errno::EINVAL)?;
        tx.checked_unmap(addr.0, addr.0 + len)
    }
}

/// Why a new mapping is backed at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Populate {
    No,
    Asked,
    SavesFaults,
}

/// The pool of huge pages is empty, and no file is made of them.
fn no_huge_pages(a: &MmapArgs<'_>) -> Errno {
    let fixed = a.flags.intersects(MapFlags::FIXED | MapFlags::FIXED_NOREPLACE);
    let unaligned = fixed && !a.addr.0.is_multiple_of(HUGE_PAGE_SIZE);
    let wraps = a.len.checked_next_multiple_of(HUGE_PAGE_SIZE).is_none();
    if a.object.is_some() || unaligned || wraps { Errno::EINVAL } else { Errno::ENOMEM }
}

impl Tx<'_> {
    /// mmap(2) of `len` bytes, whole pages, with arguments that are sound in themselves.
    #[inline]
    pub(crate) fn map(&mut self, args: MmapArgs<'_>, len: u64) -> Result<Addr, Errno> {
        if self.st.vmas.len() > self.mm.max_map_count.get() {
            return Err(Errno::ENOMEM);
        }
        let fixed = args.flags.intersects(MapFlags::FIXED | MapFlags::FIXED_NOREPLACE);
        let at = if fixed {
            self.st.check_fixed(args.addr.0, len, args.limits)?;
            args.addr.0
        } else {
            self.st.place(args.addr.0, len, args.flags)?
        };
        if args.flags.contains(MapFlags::FIXED_NOREPLACE) && !self.st.vmas.is_free(at, at + len) {
            return Err(Errno::EEXIST);
        }
        let locked = args.flags.contains(MapFlags::LOCKED);
        if locked && args.limits.memlock == 0 && !args.limits.can_lock {
            return Err(Errno::EPERM);
        }
        let vma = self.new_vma(&args, len)?;
        if vma.flags.contains(VmaFlags::LOCKED) {
            self.check_lock_limit(len, args.limits, Errno::EAGAIN)?;
        }
        let populate = self.wants_pages(&vma, len, args.flags);
        self.replace_with(at, len, vma, args.limits)?;
        self.populate_new(at, at + len, populate);
        Ok(Addr(at))
    }

    /// The vma that the arguments ask for.
    fn new_vma(&self, args: &MmapArgs<'_>, len: u64) -> Result<Vma, Errno> {
        if args.object.is_some() && args.offset.checked_add(len).is_none_or(|e| e > MAX_OFFSET) {
            return Err(Errno::EOVERFLOW);
        }
        let sharing = args.flags & MAP_TYPE;
        let droppable = sharing == MapFlags::DROPPABLE && args.object.is_none();
        let shared = match sharing {
            MapFlags::PRIVATE => false,
            MapFlags::DROPPABLE if droppable => {
                if args.flags.intersects(MapFlags::LOCKED | MapFlags::GROWSDOWN) {
                    return Err(Errno::EINVAL);
                }
                false
            }
            MapFlags::SHARED => true,
            MapFlags::SHARED_VALIDATE if args.object.is_some() => {
                if !KNOWN.contains(args.flags) {
                    return Err(Errno::EOPNOTSUPP);
                }
                true
            }
            _ => return Err(Errno::EINVAL),
        };
        if args.object.is_none() && !args.flags.contains(MapFlags::ANONYMOUS) {
            return Err(Errno::EBADF);
        }
        let grows = args.flags.contains(MapFlags::GROWSDOWN);
        if !args.max_prot.contains(args.prot) {
            return Err(Errno::EACCES);
        }
        if grows && (shared || args.object.is_some()) {
            return Err(Errno::EINVAL);
        }
        if self.st.mdwe.denies(args.prot, args.prot) {
            return Err(Errno::EACCES);
        }
        let mut flags = VmaFlags::empty();
        flags.set(VmaFlags::SHARED, shared);
        flags.set(VmaFlags::GROWSDOWN, grows);
        let unreserved = args.flags.contains(MapFlags::NORESERVE) && !self.counts_all();
        flags.set(VmaFlags::NORESERVE, unreserved);
        if droppable {
            flags |= VmaFlags::DROPPABLE
                | VmaFlags::NORESERVE
                | VmaFlags::WIPEONFORK
                | VmaFlags::DONTDUMP;
        }
        let future = self.st.lock_future;
        let locked =
            args.flags.contains(MapFlags::LOCKED) || future.contains(MlockallFlags::FUTURE);
        flags.set(VmaFlags::LOCKED, locked);
        flags.set(VmaFlags::LOCKONFAULT, future.contains(MlockallFlags::ONFAULT) && locked);
        let (object, offset) = match (&args.object, shared) {
            (Some(o), _) => (Some(Arc::new(o.clone())), args.offset),
            (None, true) => {
                flags |= VmaFlags::SHARED_ANON;
                let reserved = if unreserved { None } else { self.reserve(len, args.limits)? };
                let o = SharedAnon::mapped(self.mm.memory.clone(), len, reserved);
                (Some(Arc::new(o)), 0)
            }
            (None, false) => (None, 0),
        };
        Ok(Vma {
            perms: args.prot,
            max: args.max_prot,
            flags,
            offset,
            object,
            name: None,
            numa: None,
        })
    }

    /// `mlock_future_ok`: whether `more` bytes can be locked.
    pub(crate) fn check_lock_limit(
        &self,
        more: u64,
        limits: &Limits,
        error: Errno,
    ) -> Result<(), Errno> {
        let fits = self.st.counters.locked.saturating_add(more) <= limits.memlock;
        if fits || limits.can_lock { Ok(()) } else { Err(error) }
    }

    /// `may_expand_vm`: whether `more` bytes fit under `RLIMIT_AS` and `RLIMIT_DATA`, after `less`
    /// bytes have gone.
    pub(crate) fn may_expand(&self, v: &Vma, more: u64, less: u64, limits: &Limits) -> bool {
        let c = &self.st.counters;
        let more = more.saturating_sub(less);
        c.total.saturating_add(more) <= limits.as_
            && (!v.is_data() || c.data.saturating_add(more) <= limits.data)
    }

    /// Puts a new vma in the place of whatever is there.
    fn replace_with(
        &mut self,
        at: u64,
        len: u64,
        mut vma: Vma,
        limits: &Limits,
    ) -> Result<(), Errno> {
        let end = at + len;
        let (spot, replaced) = self.check_unmap(at, end, true)?;
        if !self.may_expand(&vma, len, replaced, limits) {
            return Err(Errno::ENOMEM);
        }
        let charge = if vma.is_accountable() { len } else { 0 };
        self.charge(charge, limits)?;
        vma.flags.set(VmaFlags::ACCOUNTED, charge > 0);
        let e = Entry { start: at, end, value: vma };
        if let Some(o) = &e.value.object
            && let Err(error) = o.object.add_mapping(&e.mapping(&self.mm.mapping_space()))
        {
            self.uncharge(charge);
            return Err(error);
        }
        if replaced > 0
            && let Err(error) = self.zap(at, end)
        {
            if let Some(o) = &e.value.object {
                o.object.remove_mapping(&e.mapping(&self.mm.mapping_space()));
            }
            self.uncharge(charge);
            return Err(error.into());
        }
        self.replace_vmas(spot, e);
        Ok(())
    }

    /// Where the vmas of a range lie, with `touching` also those that adjoin it, and how many of
    /// its bytes they have; or what forbids to unmap them.
    fn check_unmap(&self, lo: u64, hi: u64, touching: bool) -> Result<(Option<Spot>, u64), Errno> {
        let vmas = &self.st.vmas;
        Ok(match vmas.spot(lo, hi, touching) {
            Some((spot, rest)) => (Some(spot), self.check_each(rest.iter(), lo, hi)?),
            None => (None, self.check_each(vmas.range(lo, hi), lo, hi)?),
        })
    }

    fn check_each<'a>(
        &self,
        vmas: impl Iterator<Item = &'a Entry<Vma>>,
        lo: u64,
        hi: u64,
    ) -> Result<u64, Errno> {
        let full = self.st.vmas.len() >= self.mm.max_map_count.get();
        let (mut bytes, mut sealed) = (0, false);
        for e in vmas.take_while(|e| e.start < hi) {
            if full && e.start < lo && hi < e.end {
                return Err(Errno::ENOMEM);
            }
            bytes += e.end.min(hi) - e.start.max(lo);
            sealed |= e.value.is_sealed();
        }
        if sealed { Err(Errno::EPERM) } else { Ok(bytes) }
    }

    pub(crate) fn checked_unmap(&mut self, lo: u64, hi: u64) -> Result<(), Errno> {
        let (spot, there) = self.check_unmap(lo, hi, false)?;
        // Pmas lie under vmas.
        if there > 0 {
            self.zap(lo, hi)?;
            self.remove_vmas(spot, lo, hi);
        }
        Ok(())
    }

    /// Whether a new mapping is backed at once.
    fn wants_pages(&self, v: &Vma, len: u64, flags: MapFlags) -> Populate {
        let asked = flags.contains(MapFlags::POPULATE) && !flags.contains(MapFlags::NONBLOCK);
        let locked = v.is_locked();
        let small = v.is_anon() && len / PAGE_SIZE <= self.mm.tuning.eager;
        if asked || locked {
            Populate::Asked
        } else if small && v.perms.contains(Access::WRITE) || !v.is_anon() && !v.perms.is_empty() {
            Populate::SavesFaults
        } else {
            Populate::No
        }
    }

    /// Backs a new mapping. Errors are ignored, as `mm_populate` does.
    fn populate_new(&mut self, lo: u64, hi: u64, how: Populate) {
        if how == Populate::No {
            return;
        }
        let Some(vma) = self.st.vma(lo).cloned() else { return };
        if how == Populate::Asked {
            let _ = self.populate(lo, hi, &vma);
        } else if vma.value.is_anon() {
            self.eager = true;
            let _ = self.back(lo, hi, true, &vma);
            self.eager = false;
            let _ = self.install(lo, hi, &vma, None, false);
        } else {
            self.map_ahead(lo, hi, &vma);
        }
    }

    /// `populate_vma_page_range`: backs and maps a part of a vma, unless its pages are locked only
    /// once they are there.
    pub(crate) fn populate(
        &mut self,
        lo: u64,
        hi: u64,
        vma: &Entry<Vma>,
    ) -> Result<(), crate::FaultError> {
        if vma.value.flags.contains(VmaFlags::LOCKONFAULT) {
            return Ok(());
        }
        self.fault_in(lo, hi, vma)
    }

    /// Somebody has asked for the memory of a range, which is there.
    pub(crate) fn note_asked(&mut self, lo: u64, hi: u64) {
        if self.st.pmas.range(lo, hi).any(|e| e.value.ahead) {
            // Where that fails, it looks as if it were not in use; nothing else depends on it.
            let _ = self.st.pmas.modify(lo, hi, |p| p.ahead = false);
        }
    }

    /// Backs and maps a part of a vma, for writing where the vma is private and writable.
    pub(crate) fn fault_in(
        &mut self,
        lo: u64,
        hi: u64,
        vma: &Entry<Vma>,
    ) -> Result<(), crate::FaultError> {
        if vma.value.perms.is_empty() {
            return Err(crate::FaultError::Denied);
        }
        let write = vma.value.perms.contains(Access::WRITE) && !vma.value.is_shared();
        let mut at = lo;
        while at < hi {
            at = self.back(at, hi, write, vma)?;
        }
        self.note_asked(lo, hi);
        Ok(self.install(lo, hi, vma, None, true)?)
    }
}

/// An object and the name under which this crate maps its own.
pub(crate) fn own_object<T>(o: Arc<T>) -> MappedObject
where
    T: crate::seam::Mappable + crate::seam::MappingIdentity + 'static,
{
    MappedObject { object: o.clone(), identity: o }
}
