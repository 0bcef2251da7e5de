//! The memory file: one memfd that all guest memory comes from, mapped whole into the sentry.
//!
//! The file is sparse and twice as long as the limit, so that fragmentation does not count against
//! guests; the window onto it costs addresses, not memory. A byte's pointer is arithmetic.
//!
//! Pages read as zero when they are handed out. Pages that come back keep their host memory for a
//! while and are cleared when they are handed out again, which costs a third of a hole and a
//! fault. How much is kept is bounded, counts against the limit when memory gets short, and goes
//! back to the host once nobody has needed it for some time: see [`MemFile::trim`].

mod array;
mod counts;
mod free;
mod hints;
mod runs;
#[cfg(test)]
mod tests;

use crate::heap;
use counts::Counts;
use free::{Free, SMALL, Source};
use hints::Hints;
use mm::{FileRange, MemoryFile, OutOfMemory};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FallocateFlags, MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::io;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use sync::Mutex;

const PAGE: u64 = arch::PAGE_SIZE;
/// Bytes from which on a write is a system call.
const LONG_WRITE: usize = 32 << 10;
/// Bytes of free memory that keep their host memory, at most, and the part of the limit.
const KEPT_MAX: u64 = 128 << 20;
const KEPT_PART: u64 = 8;
/// Pages that one trim gives back to the host: about a millisecond's work.
const TRIM: u64 = 2048;
/// What the kernel may keep for guests in memory of its own without it counting, in bytes: caches
/// of names and the like, which have bounds of their own.
const KERNEL_FREE: u64 = 64 << 20;
/// The part of the limit that it may keep beyond that.
const KERNEL_PART: u64 = 2;
/// The part of the limit by which guests and the kernel together may exceed it, since what the
/// kernel has to keep is not asked for beforehand.
const EXCESS_PART: u64 = 8;

/// Guest memory in a memfd.
pub struct MemFile {
    fd: OwnedFd,
    base: NonNull<u8>,
    window: u64,
    limit: u64,
    used: AtomicU64,
    /// What the program had allocated for itself before there were guests, in bytes.
    own: u64,
    /// An allocation has failed.
    short: AtomicBool,
    /// Bytes that are given back once no stub maps them any more.
    retired: AtomicU64,
    counts: Counts,
    /// Pages of long runs that were in memory when they were handed out.
    resident: Hints,
    /// Pages that a long write has gone to since they have had host memory.
    written: Hints,
    free: Mutex<Free>,
}

// SAFETY: the window is valid until drop. What lies in it is shared with guests and is only copied
// or accessed by atomics.
unsafe impl Send for MemFile {}
// SAFETY: as above.
unsafe impl Sync for MemFile {}

impl MemFile {
    /// A file that gives out at most `limit` bytes at a time.
    ///
    /// # Errors
    /// What memfd_create(2), ftruncate(2) and mmap(2) say.
    pub fn new(limit: u64) -> io::Result<MemFile> {
        let limit = limit.clamp(PAGE, 1 << 45).next_multiple_of(PAGE);
        let window = (limit * 2).max(1 << 30);
        let fd = memfd_create(c"tessera-memory", MemfdFlags::CLOEXEC)?;
        ftruncate(&fd, window)?;
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::NORESERVE;
        // SAFETY: a fresh mapping where the kernel likes.
        let base = unsafe { mmap(null_mut(), window as usize, prot, flags, &fd, 0)? };
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let counts = Counts::new(window / PAGE)?;
        let resident = Hints::new(window / PAGE)?;
        let written = Hints::new(window / PAGE)?;
        let free = Mutex::new(Free::new(window / PAGE));
        let (used, retired) = (AtomicU64::new(0), AtomicU64::new(0));
        let short = AtomicBool::new(false);
        Ok(MemFile {
            fd,
            base,
            window,
            limit,
            used,
            own: heap::live(),
            short,
            retired,
            counts,
            resident,
            written,
            free,
        })
    }

    /// Memory that is the sentry's own and stays: it counts neither as used nor against the limit.
    pub(crate) fn allocate_own(&self, len: u64) -> Result<FileRange, OutOfMemory> {
        let r = self.allocate(len)?;
        self.used.fetch_sub(r.len(), Relaxed);
        Ok(r)
    }

    /// Whether an allocation has failed since this was last asked.
    pub(crate) fn was_short(&self) -> bool {
        self.short.load(Relaxed) && self.short.swap(false, Relaxed)
    }

    /// Memory is going to be given back by [`MemFile::unretire`], once no stub maps it any more.
    pub(crate) fn retire(&self, ranges: &[FileRange]) {
        self.retired.fetch_add(ranges.iter().map(|r| r.len()).sum(), Relaxed);
    }

    /// Gives back what was retired.
    pub(crate) fn unretire(&self, ranges: &[FileRange]) {
        ranges.iter().for_each(|r| self.dec_ref(*r));
        self.retired.fetch_sub(ranges.iter().map(|r| r.len()).sum(), Relaxed);
    }

    /// The descriptor, for stubs to map.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The part of what the kernel keeps for guests that counts against the limit.
    fn charged(&self) -> u64 {
        self.overhead().saturating_sub(KERNEL_FREE)
    }

    /// A pointer to `len` bytes at `offset` if the window has them.
    fn at(&self, offset: u64, len: u64) -> Option<*mut u8> {
        let inside = offset.checked_add(len).is_some_and(|end| end <= self.window);
        debug_assert!(inside, "{offset:#x}+{len:#x} is outside the memory file");
        // SAFETY: inside the window, as just checked.
        inside.then(|| unsafe { self.base.as_ptr().add(offset as usize) })
    }

    fn word(&self, offset: u64) -> Option<&AtomicU32> {
        debug_assert_eq!(offset % 4, 0);
        let at = self.at(offset & !3, 4)?;
        // SAFETY: aligned, inside the window, and only accessed atomically while borrowed.
        Some(unsafe { AtomicU32::from_ptr(at.cast()) })
    }

    /// Memory with one reference, and whether it has contents that nobody may see.
    fn take(&self, len: u64) -> Result<(FileRange, bool), OutOfMemory> {
        let len = len.checked_next_multiple_of(PAGE).ok_or(OutOfMemory)?;
        let most = self.limit.saturating_sub(self.charged());
        let fits = |used: u64| used.checked_add(len).filter(|&u| u <= most);
        self.used.fetch_update(Relaxed, Relaxed, fits).map_err(|_| {
            self.short.store(true, Relaxed);
            OutOfMemory
        })?;
        let (taken, excess) = {
            let mut free = self.free.lock();
            let taken = free.take(len / PAGE);
            // With what is kept, clean memory must not come to more than the limit.
            let all = self.used.load(Relaxed) + free.kept() * PAGE;
            let excess = if matches!(taken, Some((_, Source::Clean))) && all > self.limit {
                free.drain((all - self.limit).div_ceil(PAGE))
            } else {
                Vec::new()
            };
            (taken, excess)
        };
        self.give_back(excess);
        let taken = taken.or_else(|| {
            // The file is fragmented: keep nothing and try once more.
            let kept = self.free.lock().drain(u64::MAX);
            self.give_back(kept);
            self.free.lock().take(len / PAGE)
        });
        let Some((start, source)) = taken else {
            self.used.fetch_sub(len, Relaxed);
            return Err(OutOfMemory);
        };
        let r = FileRange { start: start * PAGE, end: start * PAGE + len };
        let dirty = source == Source::Dirty;
        self.resident.set(start, len / PAGE, dirty && len / PAGE > SMALL as u64);
        self.counts.set(start, len / PAGE);
        Ok((r, dirty))
    }

    fn punch(&self, start: u64, pages: u64) {
        self.written.set(start, pages, false);
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if rustix::fs::fallocate(&self.fd, flags, start * PAGE, pages * PAGE).is_err() {
            // Clearing is what matters; that the host gets its memory back is a courtesy.
            self.zero(start * PAGE, pages * PAGE);
        }
    }

    fn release(&self, start: u64, pages: u64) {
        let used = self.used.fetch_sub(pages * PAGE, Relaxed) - pages * PAGE;
        let room = (self.limit / KEPT_PART).min(KEPT_MAX).min(self.limit.saturating_sub(used));
        {
            let mut free = self.free.lock();
            if (free.kept() + pages) * PAGE <= room {
                free.keep(start, pages);
                return;
            }
        }
        self.give_back([(start, pages)]);
    }

    /// Gives the host memory of free runs back. They are on no list meanwhile: someone might get one
    /// and write before the hole is punched.
    fn give_back(&self, runs: impl IntoIterator<Item = (u64, u64)>) {
        for (start, pages) in runs {
            self.punch(start, pages);
            self.free.lock().give(start, pages);
        }
    }

    /// Gives host memory back that has been free since this was last called, a part of it at a time.
    pub(crate) fn trim(&self) {
        let runs = self.free.lock().trim(TRIM);
        self.give_back(runs);
    }

    /// Whether there is free memory that keeps its host memory.
    pub(crate) fn is_keeping(&self) -> bool {
        self.free.lock().kept() != 0
    }

    /// Whether a range is part of a long run that was in memory when it was handed out, so that
    /// entering it into page tables at once costs no memory, and less than a fault for each page.
    pub(crate) fn is_long_resident(&self, r: FileRange) -> bool {
        self.resident.hold(r.start / PAGE, r.len().div_ceil(PAGE))
    }
}

impl MemoryFile for MemFile {
    fn allocate(&self, len: u64) -> Result<FileRange, OutOfMemory> {
        let (r, dirty) = self.take(len)?;
        if dirty {
            self.zero(r.start, r.len());
        }
        Ok(r)
    }

    fn is_returning(&self) -> bool {
        self.retired.load(Relaxed) != 0
    }

    fn overhead(&self) -> u64 {
        heap::live().saturating_sub(self.own)
    }

    fn is_exhausted(&self) -> bool {
        if !heap::has_grown() {
            return false;
        }
        let charged = self.charged();
        let all = self.used.load(Relaxed).saturating_add(charged);
        let exhausted = charged > self.limit / KERNEL_PART
            || charged > 0 && all > self.limit + self.limit / EXCESS_PART;
        if !exhausted {
            heap::settle();
        }
        exhausted
    }

    fn allocate_copy(&self, from: u64, len: u64) -> Result<FileRange, OutOfMemory> {
        let (r, dirty) = self.take(len)?;
        if dirty && (len != r.len() || self.at(from, len).is_none()) {
            // What is not copied over must not be seen.
            self.zero(r.start, r.len());
        }
        self.copy(from, r.start, len);
        Ok(r)
    }

    fn inc_ref(&self, r: FileRange) -> Result<(), OutOfMemory> {
        let (from, to) = (r.start / PAGE, r.end.div_ceil(PAGE));
        for page in from..to {
            if !self.counts.inc(page) {
                self.dec_ref(FileRange { start: from * PAGE, end: page * PAGE });
                return Err(OutOfMemory);
            }
        }
        Ok(())
    }

    fn dec_ref(&self, r: FileRange) {
        let (mut page, end) = (r.start / PAGE, r.end.div_ceil(PAGE));
        while page < end {
            let start = page;
            while page < end && self.counts.dec(page) {
                page += 1;
            }
            if page > start {
                self.release(start, page - start);
            }
            // The page that ended the run has had its reference dropped, unless there was none.
            page += 1;
        }
    }

    fn ref_count(&self, offset: u64) -> u32 {
        self.counts.get(offset / PAGE)
    }

    fn read(&self, offset: u64, to: &mut [u8]) {
        if let Some(from) = self.at(offset, to.len() as u64) {
            // SAFETY: both sides hold that many bytes. A guest may write meanwhile, which can only
            // tear bytes whose value nobody relies on.
            unsafe { from.copy_to_nonoverlapping(to.as_mut_ptr(), to.len()) }
        }
    }

    /// The window stays mapped, whoever has the memory behind it.
    fn peek(&self, offset: u64, to: &mut [u8]) -> bool {
        self.read(offset, to);
        true
    }

    fn peek_u32(&self, offset: u64) -> Option<u32> {
        Some(self.load_u32(offset))
    }

    fn write(&self, offset: u64, from: &[u8]) {
        // The first contents of this length mostly go to pages that nobody has touched: the host
        // makes them cheaper for one call than for a fault each. Those after them are copied.
        if from.len() >= LONG_WRITE {
            let pages = (offset / PAGE, (offset % PAGE + from.len() as u64).div_ceil(PAGE));
            if !self.written.hold(pages.0, pages.1)
                && rustix::io::pwrite(&self.fd, from, offset) == Ok(from.len())
            {
                self.written.set(pages.0, pages.1, true);
                return;
            }
        }
        if let Some(to) = self.at(offset, from.len() as u64) {
            // SAFETY: as in `read`.
            unsafe { to.copy_from_nonoverlapping(from.as_ptr(), from.len()) }
        }
    }

    fn zero(&self, offset: u64, len: u64) {
        if let Some(to) = self.at(offset, len) {
            // SAFETY: as in `read`.
            unsafe { to.write_bytes(0, len as usize) }
        }
    }

    fn copy(&self, from: u64, to: u64, len: u64) {
        if let (Some(from), Some(to)) = (self.at(from, len), self.at(to, len)) {
            // SAFETY: as in `read`; ranges that overlap after all are copied right, too.
            unsafe { to.copy_from(from, len as usize) }
        }
    }

    fn load_u32(&self, offset: u64) -> u32 {
        self.word(offset).map_or(0, |w| w.load(Acquire))
    }

    fn swap_u32(&self, offset: u64, new: u32) -> u32 {
        self.word(offset).map_or(0, |w| w.swap(new, AcqRel))
    }

    fn compare_exchange_u32(&self, offset: u64, old: u32, new: u32) -> u32 {
        self.word(offset)
            .map_or(0, |w| w.compare_exchange(old, new, AcqRel, Acquire).unwrap_or_else(|v| v))
    }

    fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    fn limit(&self) -> u64 {
        self.limit
    }
}

impl Drop for MemFile {
    fn drop(&mut self) {
        // SAFETY: our own window; all users borrow from `self`.
        unsafe {
            let _ = munmap(self.base.as_ptr().cast(), self.window as usize);
        }
    }
}
