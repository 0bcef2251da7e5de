//! The cheapest seams that still do what they promise: real bytes, real counts, no page tables.

use arch::{Access, Addr, AddrRange, PAGE_SIZE};
use mm::*;
use std::any::Any;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll};

pub(crate) const P: u64 = PAGE_SIZE;
pub(crate) const AT: u64 = 0x10_0000_0000;
pub(crate) const LIMITS: Limits = Limits::DEFAULT;
/// A fault backs what it must; nothing is backed in advance.
pub(crate) const LAZY: Tuning = Tuning { eager: 0, ..Tuning::DEFAULT };

/// Pages of the memory file; the host gives memory to those that are written.
const PAGES: u64 = 1 << 20;
/// Runs of at most this many pages are handed out again.
const RUN: usize = 64;

/// Zeros that begin where a page does, as memory of guests and buffers of kernels do: what a copy
/// costs depends on how its ends lie. They are never given back.
pub(crate) fn whole_pages(len: usize) -> &'static mut [u8] {
    let bytes = vec![0; len + P as usize].leak();
    let first = bytes.as_ptr().align_offset(P as usize);
    &mut bytes[first..first + len]
}

static MEMORY: LazyLock<Arc<Memory>> = LazyLock::new(|| Arc::new(Memory::new()));

struct Memory {
    bytes: NonNull<u8>,
    counts: Vec<AtomicU32>,
    /// Written since it was handed out: cleared before it is again.
    dirty: Vec<AtomicBool>,
    free: Mutex<Free>,
}

struct Free {
    next: u64,
    runs: Vec<Vec<u64>>,
}

// SAFETY: the bytes live as long as the process and are accessed by copies and atomics only, of
// pages that the caller holds references on.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    fn new() -> Memory {
        Memory {
            bytes: NonNull::from(whole_pages((PAGES * P) as usize)).cast(),
            counts: (0..PAGES).map(|_| AtomicU32::new(0)).collect(),
            dirty: (0..PAGES).map(|_| AtomicBool::new(false)).collect(),
            free: Mutex::new(Free { next: 0, runs: vec![Vec::new(); RUN + 1] }),
        }
    }

    /// Memory with one reference, of whatever contents.
    fn take(&self, len: u64) -> Result<FileRange, OutOfMemory> {
        let n = len / P;
        let page = {
            let mut free = self.free.lock().unwrap();
            match free.runs.get_mut(n as usize).and_then(Vec::pop) {
                Some(page) => page,
                None if free.next + n > PAGES => return Err(OutOfMemory),
                None => {
                    free.next += n;
                    free.next - n
                }
            }
        };
        for p in page..page + n {
            self.count(p).store(1, Relaxed);
        }
        Ok(FileRange { start: page * P, end: (page + n) * P })
    }

    fn count(&self, page: u64) -> &AtomicU32 {
        &self.counts[page as usize]
    }

    fn at(&self, offset: u64, len: u64) -> *mut u8 {
        assert!(offset + len <= PAGES * P);
        // SAFETY: inside the allocation, as just checked.
        unsafe { self.bytes.as_ptr().add(offset as usize) }
    }

    fn mark(&self, offset: u64, len: u64) {
        for page in offset / P..(offset + len).div_ceil(P) {
            self.dirty[page as usize].store(true, Relaxed);
        }
    }

    fn word(&self, offset: u64) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4));
        // SAFETY: aligned, inside, alive for ever, and accessed as an atomic.
        unsafe { AtomicU32::from_ptr(self.at(offset, 4).cast()) }
    }
}

impl MemoryFile for Memory {
    fn allocate(&self, len: u64) -> Result<FileRange, OutOfMemory> {
        let r = self.take(len)?;
        for p in r.start / P..r.end / P {
            if self.dirty[p as usize].swap(false, Relaxed) {
                // SAFETY: a page that nobody has yet.
                unsafe { self.at(p * P, P).write_bytes(0, P as usize) };
            }
        }
        Ok(r)
    }

    fn allocate_copy(&self, from: u64, len: u64) -> Result<FileRange, OutOfMemory> {
        let r = self.take(len)?;
        self.copy(from, r.start, len);
        Ok(r)
    }

    fn inc_ref(&self, r: FileRange) -> Result<(), OutOfMemory> {
        for p in r.start / P..r.end / P {
            self.count(p).fetch_add(1, Relaxed);
        }
        Ok(())
    }

    fn dec_ref(&self, r: FileRange) {
        let (mut page, end) = (r.start / P, r.end / P);
        while page < end {
            let first = page;
            while page < end && self.count(page).fetch_sub(1, Release) == 1 {
                page += 1;
            }
            if page > first
                && let Some(run) = self.free.lock().unwrap().runs.get_mut((page - first) as usize)
            {
                run.push(first);
            }
            page += 1;
        }
    }

    fn ref_count(&self, offset: u64) -> u32 {
        self.count(offset / P).load(Acquire)
    }

    fn read(&self, offset: u64, to: &mut [u8]) {
        let from = self.at(offset, to.len() as u64);
        // SAFETY: both sides hold that many bytes.
        unsafe { from.copy_to_nonoverlapping(to.as_mut_ptr(), to.len()) }
    }

    fn peek(&self, offset: u64, to: &mut [u8]) -> bool {
        self.read(offset, to);
        true
    }

    fn peek_u32(&self, offset: u64) -> Option<u32> {
        Some(self.load_u32(offset))
    }

    fn write(&self, offset: u64, from: &[u8]) {
        self.mark(offset, from.len() as u64);
        let to = self.at(offset, from.len() as u64);
        // SAFETY: as in `read`.
        unsafe { to.copy_from_nonoverlapping(from.as_ptr(), from.len()) }
    }

    fn zero(&self, offset: u64, len: u64) {
        // SAFETY: as in `read`.
        unsafe { self.at(offset, len).write_bytes(0, len as usize) }
    }

    fn copy(&self, from: u64, to: u64, len: u64) {
        self.mark(to, len);
        // SAFETY: as in `read`; the caller's ranges are different pages.
        unsafe { self.at(from, len).copy_to_nonoverlapping(self.at(to, len), len as usize) }
    }

    fn load_u32(&self, offset: u64) -> u32 {
        self.word(offset).load(Acquire)
    }

    fn swap_u32(&self, offset: u64, new: u32) -> u32 {
        self.mark(offset, 4);
        self.word(offset).swap(new, AcqRel)
    }

    fn compare_exchange_u32(&self, offset: u64, old: u32, new: u32) -> u32 {
        self.mark(offset, 4);
        self.word(offset).compare_exchange(old, new, AcqRel, Acquire).unwrap_or_else(|v| v)
    }

    fn used(&self) -> u64 {
        0
    }

    fn limit(&self) -> u64 {
        u64::MAX
    }
}

/// Page tables that forget everything, as they may.
struct Nowhere;

impl AddressSpace for Nowhere {
    fn map(&self, _: AddrRange, _: u64, _: Access, _: bool) -> Result<(), OutOfMemory> {
        Ok(())
    }

    fn protect(&self, _: AddrRange, _: Access) {}

    fn write_protect(&self, _: AddrRange, _: Access, _: &mut dyn Iterator<Item = AddrRange>) {}

    fn unmap(&self, _: AddrRange) {}

    fn retire(&self, ranges: &[FileRange]) {
        ranges.iter().for_each(|r| MEMORY.dec_ref(*r));
    }

    fn flush(&self) {}

    fn poll_flushed(&self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

pub(crate) fn manager(tuning: Tuning) -> Arc<MemoryManager> {
    let memory = MEMORY.clone();
    MemoryManager::new(MmConfig {
        max_map_count: usize::MAX.into(),
        tuning,
        ..MmConfig::new(memory, Arc::new(Nowhere))
    })
}

pub(crate) fn fork(mm: &MemoryManager) -> Arc<MemoryManager> {
    mm.fork(Arc::new(Nowhere)).unwrap()
}

/// Maps private anonymous memory, at `at` if that is not zero.
pub(crate) fn map(mm: &MemoryManager, at: u64, pages: u64) -> Addr {
    let fixed = if at == 0 { MapFlags::empty() } else { MapFlags::FIXED };
    let a = MmapArgs::anonymous(Addr(at), pages * P, Access::RW, &LIMITS);
    mm.mmap(MmapArgs { flags: a.flags | fixed, ..a }).unwrap()
}

/// An address space of `n` vmas of one page, every second page free.
pub(crate) fn many(n: u64) -> Arc<MemoryManager> {
    let mm = manager(LAZY);
    (0..n).for_each(|i| {
        map(&mm, AT + i * 2 * P, 1);
    });
    mm
}

/// One vma in which every second one of `2 n` pages is there and mapped.
pub(crate) fn touched(n: u64) -> Arc<MemoryManager> {
    let mm = manager(Tuning::EXACT);
    map(&mm, AT, n * 2);
    (0..n).for_each(|i| mm.handle_fault(Addr(AT + i * 2 * P), Access::WRITE).unwrap());
    mm
}
