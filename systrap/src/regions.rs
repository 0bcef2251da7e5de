//! The file of regions: the doorbell page, the template's command page, and one region a stub.
//!
//! The sentry reserves addresses for all of it once and maps a region when it is first used, so a
//! region's pointer is arithmetic and stays valid for the sentry's life.

use crate::cpu::Xsave;
use crate::handshake::Bell;
use crate::shared::{
    BellPage, CONTROL_SIZE, Command, Control, MAX_SLOTS, Report, SLOTS_OFFSET, Slot, XSAVE_OFFSET,
};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FallocateFlags, MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use std::io;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::Ordering::Relaxed;
use sync::Mutex;

/// Stub processes that one sandbox can have at a time.
pub(crate) const MAX_STUBS: u32 = 8192;
/// Room for the pages that are not a region's.
const HEAD: u64 = 0x1_0000;

/// The file and the sentry's mapping of it.
pub(crate) struct Regions {
    fd: OwnedFd,
    base: NonNull<u8>,
    slot_size: u64,
    report_size: u64,
    xsave_size: u32,
    features: u64,
    free: Mutex<Free>,
}

struct Free {
    list: Vec<u32>,
    fresh: u32,
}

// SAFETY: the window is valid until drop, and all access to it is by atomics or by raw copies whose
// tearing is harmless.
unsafe impl Send for Regions {}
// SAFETY: as above.
unsafe impl Sync for Regions {}

impl Regions {
    pub(crate) fn new(xsave: &Xsave) -> io::Result<Regions> {
        let slot_size = (XSAVE_OFFSET as u64 + u64::from(xsave.size)).next_multiple_of(4096);
        let report_size = SLOTS_OFFSET + MAX_SLOTS as u64 * slot_size;
        let len = HEAD + u64::from(MAX_STUBS) * (CONTROL_SIZE + report_size);
        let fd = memfd_create(c"tessera-regions", MemfdFlags::CLOEXEC)?;
        ftruncate(&fd, len)?;
        // SAFETY: a fresh reservation.
        let base = unsafe {
            mmap_anonymous(
                null_mut(),
                len as usize,
                ProtFlags::empty(),
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )?
        };
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let free = Mutex::new(Free { list: Vec::new(), fresh: 0 });
        let Xsave { features, size: xsave_size } = *xsave;
        let regions = Regions { fd, base, slot_size, report_size, xsave_size, features, free };
        regions.map(0, HEAD)?;
        Ok(regions)
    }

    fn map(&self, offset: u64, len: u64) -> io::Result<()> {
        // SAFETY: inside our own reservation, over pages that nothing refers to yet.
        unsafe {
            mmap(
                self.base.as_ptr().add(offset as usize).cast(),
                len as usize,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED | MapFlags::FIXED,
                &self.fd,
                offset,
            )?;
        }
        Ok(())
    }

    fn len(&self) -> u64 {
        HEAD + u64::from(MAX_STUBS) * (CONTROL_SIZE + self.report_size)
    }

    fn offset(&self, index: u32) -> u64 {
        HEAD + u64::from(index) * (CONTROL_SIZE + self.report_size)
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn bell_page(&self) -> &BellPage {
        // SAFETY: the head is mapped until drop; the type is made of atomics.
        unsafe { self.base.cast().as_ref() }
    }

    pub(crate) fn bell(&self) -> Bell<'_> {
        self.bell_page().bell()
    }

    /// Says on which processor the sentry is.
    pub(crate) fn set_processor(&self, processor: u32) {
        let word = &self.bell_page().processor;
        if word.load(Relaxed) != processor {
            word.store(processor, Relaxed);
        }
    }

    pub(crate) fn command(&self) -> &Command {
        // SAFETY: as for the bell; the second page of the head.
        unsafe { self.base.add(4096).cast().as_ref() }
    }

    /// A region of zeroes, with its constants filled in.
    pub(crate) fn allocate(&self) -> io::Result<RegionIndex> {
        let recycled = {
            let mut free = self.free.lock();
            match free.list.pop() {
                Some(i) => Some(i),
                None if free.fresh == MAX_STUBS => return Err(io::ErrorKind::OutOfMemory.into()),
                None => None,
            }
        };
        let index = match recycled {
            Some(i) => i,
            None => {
                let mut free = self.free.lock();
                let i = free.fresh;
                self.map(self.offset(i), CONTROL_SIZE + self.report_size)?;
                free.fresh += 1;
                i
            }
        };
        let region = RegionIndex(index);
        let control = self.control(region);
        control.xsave_size.store(self.xsave_size, Relaxed);
        control.features.store(self.features, Relaxed);
        control.slot_size.store(self.slot_size as u32, Relaxed);
        Ok(region)
    }

    /// Takes a region back whose process is dead.
    pub(crate) fn release(&self, region: RegionIndex) {
        let len = CONTROL_SIZE + self.report_size;
        let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        // A region that cannot be cleared is not used again.
        if rustix::fs::fallocate(&self.fd, punch, self.offset(region.0), len).is_ok() {
            self.free.lock().list.push(region.0);
        }
    }

    /// Where the region starts in the file, and how much of it a stub may write.
    pub(crate) fn extent(&self, region: RegionIndex) -> (u64, u64) {
        (self.offset(region.0), self.report_size)
    }

    pub(crate) fn control(&self, region: RegionIndex) -> &Control {
        // SAFETY: indices come from `allocate`, which mapped the region until drop.
        unsafe { self.base.add(self.offset(region.0) as usize).cast().as_ref() }
    }

    pub(crate) fn report(&self, region: RegionIndex) -> &Report {
        // SAFETY: as for `control`.
        unsafe { self.base.add((self.offset(region.0) + CONTROL_SIZE) as usize).cast().as_ref() }
    }

    fn slot_ptr(&self, region: RegionIndex, slot: u32) -> NonNull<u8> {
        assert!((slot as usize) < MAX_SLOTS);
        let at =
            self.offset(region.0) + CONTROL_SIZE + SLOTS_OFFSET + u64::from(slot) * self.slot_size;
        // SAFETY: inside the region, by the check above.
        unsafe { self.base.add(at as usize) }
    }

    pub(crate) fn slot(&self, region: RegionIndex, slot: u32) -> &Slot {
        // SAFETY: mapped until drop; the type is made of atomics.
        unsafe { self.slot_ptr(region, slot).cast().as_ref() }
    }

    /// Copies a slot's FPU image out; a guest may change it meanwhile.
    pub(crate) fn read_fpu(&self, region: RegionIndex, slot: u32, to: &mut [u8]) {
        let n = to.len().min(self.xsave_size as usize);
        // SAFETY: the slot has room for the image, and `to` is ours; bytes that a guest tears are
        // bytes of its own image, which is checked afterwards.
        unsafe {
            let from = self.slot_ptr(region, slot).add(XSAVE_OFFSET);
            from.as_ptr().copy_to_nonoverlapping(to.as_mut_ptr(), n);
        }
    }

    /// Copies an FPU image into a slot.
    pub(crate) fn write_fpu(&self, region: RegionIndex, slot: u32, from: &[u8]) {
        let n = from.len().min(self.xsave_size as usize);
        // SAFETY: as for `read_fpu`.
        unsafe {
            let to = self.slot_ptr(region, slot).add(XSAVE_OFFSET);
            to.as_ptr().copy_from_nonoverlapping(from.as_ptr(), n);
        }
    }
}

impl Drop for Regions {
    fn drop(&mut self) {
        // SAFETY: our own window; all users borrow from `self`.
        unsafe {
            let _ = munmap(self.base.as_ptr().cast(), self.len() as usize);
        }
    }
}

/// Names a region in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RegionIndex(u32);
