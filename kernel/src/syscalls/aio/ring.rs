//! The ring of completions in user memory: what the kernel and libaio both read.
//!
//! The guest may write anything into it. Only its head is ever read back, and that modulo the
//! ring's size.

use super::abi::{AIO_RING_MAGIC, HEAD_OFFSET, IoEvent, RingHead, TAIL_OFFSET};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{BufDst, BufSrc, PAGE_SIZE};
use mm::{MemoryFile, MemoryObject};
use syserr::Errno;
use zerocopy::{FromBytes, IntoBytes};

const HEADER: u64 = size_of::<RingHead>() as u64;
const EVENT: u64 = size_of::<IoEvent>() as u64;

/// The memory of a ring.
pub(super) struct Ring {
    pub(super) memory: MemoryObject,
    /// How many events there is room for.
    pub(super) slots: u32,
    /// In bytes, a multiple of the page size.
    pub(super) len: u64,
}

impl Ring {
    /// A ring for at least `requests` requests (`aio_setup_ring`).
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(super) fn new(memory: Arc<dyn MemoryFile>, requests: u32) -> Result<Ring, Errno> {
        let len = (HEADER + EVENT * (u64::from(requests) + 2)).next_multiple_of(PAGE_SIZE);
        let memory = MemoryObject::new(memory, len);
        memory.allocate(0..len).map_err(|_| Errno::ENOMEM)?;
        let slots = ((len - HEADER) / EVENT) as u32;
        let ring = Ring { memory, slots, len };
        let head = RingHead {
            id: u32::MAX,
            nr: slots,
            head: 0,
            tail: 0,
            magic: AIO_RING_MAGIC,
            compat_features: 1,
            incompat_features: 0,
            header_length: HEADER as u32,
        };
        ring.put(0, head.as_bytes());
        Ok(ring)
    }

    fn put(&self, offset: u64, bytes: &[u8]) {
        // All pages were allocated with the ring, so nothing can fail.
        let _ = self.memory.write_at(offset, &mut BufSrc::new(bytes));
    }

    fn get<const N: usize>(&self, offset: u64) -> [u8; N] {
        let mut bytes = [0; N];
        // As above.
        let _ = self.memory.read_at(offset, &mut BufDst::new(&mut bytes));
        bytes
    }

    /// The next event that is not read yet.
    pub(super) fn head(&self) -> u32 {
        u32::from_ne_bytes(self.get(HEAD_OFFSET)) % self.slots
    }

    /// Says up to where events were read.
    pub(super) fn set_head(&self, head: u32) {
        self.put(HEAD_OFFSET, head.as_bytes());
    }

    /// Events between `head` and `tail`.
    pub(super) fn between(&self, head: u32, tail: u32) -> u32 {
        (tail + self.slots - head) % self.slots
    }

    /// Stores an event at `tail`, makes it visible, and returns the new tail.
    pub(super) fn push(&self, tail: u32, event: &IoEvent) -> u32 {
        self.put(HEADER + u64::from(tail) * EVENT, event.as_bytes());
        let tail = (tail + 1) % self.slots;
        self.put(TAIL_OFFSET, tail.as_bytes());
        tail
    }

    /// `count` events from `head` on.
    pub(super) fn read(&self, head: u32, count: u32) -> Vec<IoEvent> {
        let slots = (0..count).map(|i| (head + i) % self.slots);
        slots
            .map(|slot| {
                let bytes: [u8; EVENT as usize] = self.get(HEADER + u64::from(slot) * EVENT);
                IoEvent::read_from_bytes(&bytes).unwrap_or_default()
            })
            .collect()
    }
}
