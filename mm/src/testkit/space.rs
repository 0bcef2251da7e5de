//! Page tables that are a map, and can tell what they were asked for.

use crate::seam::{AddressSpace, FileRange, MemoryFile, OutOfMemory};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Access, Addr, AddrRange, PAGE_SIZE};
use core::any::Any;
use core::task::{Context, Poll};
use sync::Mutex;

/// One operation that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// [`AddressSpace::map`].
    Map(AddrRange, u64, Access),
    /// [`AddressSpace::protect`].
    Protect(AddrRange, Access),
    /// [`AddressSpace::unmap`].
    Unmap(AddrRange),
}

/// An [`AddressSpace`] that models what is mapped. What is queued takes effect at
/// [`AddressSpace::flush`] only, so that memory that is freed too early is found: a flush checks
/// that every mapped page is alive.
pub struct RecordingSpace {
    inner: Mutex<Inner>,
    memory: Arc<dyn MemoryFile>,
}

#[derive(Default)]
struct Inner {
    pages: BTreeMap<u64, (u64, Access)>,
    queue: Vec<Op>,
    retired: Vec<FileRange>,
    log: Vec<Op>,
    fail_maps: bool,
}

impl Inner {
    fn apply(&mut self) {
        for op in core::mem::take(&mut self.queue) {
            let each = |r: AddrRange| (r.start.0..r.end.0).step_by(PAGE_SIZE as usize);
            match op {
                Op::Map(at, offset, access) => {
                    for a in each(at) {
                        self.pages.insert(a, (offset + (a - at.start.0), access));
                    }
                }
                Op::Protect(at, access) => {
                    for p in self.pages.range_mut(at.start.0..at.end.0) {
                        p.1.1 = access;
                    }
                }
                Op::Unmap(at) => self.pages.retain(|a, _| !at.contains(Addr(*a))),
            }
        }
    }
}

impl RecordingSpace {
    /// Nothing mapped.
    pub fn new(memory: Arc<dyn MemoryFile>) -> Arc<RecordingSpace> {
        Arc::new(RecordingSpace { inner: Mutex::default(), memory })
    }

    /// What is mapped at `addr` once the queue is worked off: offset in the memory file of that
    /// byte, and permissions.
    pub fn mapped(&self, addr: Addr) -> Option<(u64, Access)> {
        self.flush();
        let inner = self.inner.lock();
        let p = inner.pages.get(&addr.round_down().0)?;
        Some((p.0 + addr.page_offset(), p.1))
    }

    /// Every mapped page: address, offset, permissions.
    pub fn pages(&self) -> Vec<(Addr, u64, Access)> {
        self.flush();
        self.inner.lock().pages.iter().map(|(a, p)| (Addr(*a), p.0, p.1)).collect()
    }

    /// What was asked for since the last call.
    pub fn take_log(&self) -> Vec<Op> {
        core::mem::take(&mut self.inner.lock().log)
    }

    /// Lets every `map` fail, or not.
    pub fn fail_maps(&self, fail: bool) {
        self.inner.lock().fail_maps = fail;
    }

    fn push(&self, op: Op) {
        let mut inner = self.inner.lock();
        inner.queue.push(op);
        inner.log.push(op);
    }
}

impl AddressSpace for RecordingSpace {
    fn map(&self, at: AddrRange, offset: u64, access: Access, _: bool) -> Result<(), OutOfMemory> {
        assert!(!at.is_empty() && at.start.is_page_aligned() && at.end.is_page_aligned());
        if self.inner.lock().fail_maps {
            return Err(OutOfMemory);
        }
        self.push(Op::Map(at, offset, access));
        Ok(())
    }

    fn protect(&self, at: AddrRange, access: Access) {
        self.push(Op::Protect(at, access));
    }

    fn unmap(&self, at: AddrRange) {
        self.push(Op::Unmap(at));
    }

    fn retire(&self, ranges: &[FileRange]) {
        self.inner.lock().retired.extend_from_slice(ranges);
    }

    fn flush(&self) {
        let retired = {
            let mut inner = self.inner.lock();
            for (_, p) in inner.pages.iter() {
                assert!(self.memory.ref_count(p.0) > 0, "freed while mapped: {:#x}", p.0);
            }
            inner.apply();
            core::mem::take(&mut inner.retired)
        };
        retired.into_iter().for_each(|r| self.memory.dec_ref(r));
        for (_, p) in self.inner.lock().pages.iter() {
            assert!(self.memory.ref_count(p.0) > 0, "mapped but free: {:#x}", p.0);
        }
    }

    fn poll_flushed(&self, _: &mut Context<'_>) -> Poll<()> {
        self.flush();
        Poll::Ready(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for RecordingSpace {
    fn drop(&mut self) {
        self.flush();
    }
}
