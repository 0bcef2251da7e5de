//! Rings of packets in memory that a program shares: `PACKET_RX_RING` with `TPACKET_V2`; packet(7).

use super::packet::LinkAddr;
use crate::Nanos;
use alloc::sync::Arc;
use alloc::vec;
use arch::{BufDst, BufSrc, PAGE_SIZE};
use mm::{MemoryFile, MemoryObject};
use syserr::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct tpacket_req`; `linux/if_packet.h`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct RingRequest {
    block_size: u32,
    block_count: u32,
    frame_size: u32,
    frame_count: u32,
}
static_assertions::assert_eq_size!(RingRequest, [u8; 16]);

/// `struct tpacket2_hdr`, which begins each frame.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct FrameHeader {
    status: u32,
    len: u32,
    kept: u32,
    link_at: u16,
    network_at: u16,
    sec: u32,
    nsec: u32,
    tag: [u16; 2],
    pad: [u8; 4],
}
static_assertions::assert_eq_size!(FrameHeader, [u8; 32]);

/// `TP_STATUS_USER` and `TP_STATUS_LOSING`; 0 says that the frame is the kernel's.
const USER: u32 = 1;
const LOSING: u32 = 4;
/// `TPACKET_ALIGNMENT`.
const ALIGNMENT: u32 = 16;
/// `TPACKET2_HDRLEN`: the header, and a `struct sockaddr_ll` after it.
const HEADERS: u32 = 52;
/// Where that lies in a frame.
const ADDRESS_AT: usize = 32;
/// Room that the header of a link has at least.
const LINK_ROOM: usize = 16;
/// Size of `struct sockaddr_ll`.
const ADDRESS: usize = 20;
/// The most bytes of a ring; they count as the guest's memory.
const BYTES_MAX: u64 = 256 << 20;

/// Frames that the kernel fills in their order and the program gives back.
pub(super) struct Ring {
    memory: Arc<MemoryObject>,
    request: RingRequest,
    reserve: u32,
    next: u32,
}

impl Ring {
    /// A ring; `None` for what asks for none.
    ///
    /// # Errors
    /// `EINVAL`, `ENOMEM` (`packet_set_ring`).
    pub(super) fn new(
        memory: &Arc<dyn MemoryFile>,
        request: RingRequest,
        reserve: u32,
    ) -> Result<Option<Ring>, Errno> {
        let RingRequest { block_size, block_count, frame_size, frame_count } = request;
        if block_count == 0 {
            return if frame_count == 0 { Ok(None) } else { Err(Errno::EINVAL) };
        }
        let whole = block_size > 0
            && block_size <= i32::MAX as u32
            && u64::from(block_size).is_multiple_of(PAGE_SIZE);
        let least = HEADERS.checked_add(reserve).ok_or(Errno::EINVAL)?;
        if !whole || frame_size < least || !frame_size.is_multiple_of(ALIGNMENT) {
            return Err(Errno::EINVAL);
        }
        let per_block = block_size / frame_size;
        if per_block == 0 || per_block.checked_mul(block_count) != Some(frame_count) {
            return Err(Errno::EINVAL);
        }
        let bytes = u64::from(block_size) * u64::from(block_count);
        if bytes > BYTES_MAX {
            return Err(Errno::ENOMEM);
        }
        let memory = Arc::new(MemoryObject::new(memory.clone(), bytes));
        Ok(Some(Ring { memory, request, reserve, next: 0 }))
    }

    /// What mmap(2) maps.
    pub(super) fn memory(&self) -> &Arc<MemoryObject> {
        &self.memory
    }

    /// Where a frame begins.
    fn place(&self, n: u32) -> u64 {
        let RingRequest { block_size, frame_size, .. } = self.request;
        let per_block = (block_size / frame_size).max(1);
        u64::from(n / per_block) * u64::from(block_size)
            + u64::from(n % per_block) * u64::from(frame_size)
    }

    fn status(&self, n: u32) -> u32 {
        let mut status = [0; 4];
        let read = self.memory.read_at(self.place(n), &mut BufDst::new(&mut status));
        read.map_or(0, |_| u32::from_ne_bytes(status))
    }

    /// Whether the last frame that was filled is the program's still.
    pub(super) fn is_readable(&self) -> bool {
        let last = self.next.checked_sub(1).unwrap_or(self.request.frame_count - 1);
        self.status(last) != 0
    }

    /// Fills the next frame with a packet of `whole` bytes of which `data` is kept, whose network
    /// header begins at `network`; false when the program has not given it back.
    pub(super) fn put(
        &mut self,
        data: &[u8],
        whole: usize,
        network: usize,
        from: LinkAddr,
        now: Nanos,
        losing: bool,
    ) -> bool {
        if self.status(self.next) != 0 {
            return false;
        }
        let size = self.request.frame_size as usize;
        let headers = (HEADERS as usize).next_multiple_of(ALIGNMENT as usize);
        let network_at = headers + LINK_ROOM + self.reserve as usize;
        let at = network_at - network.min(LINK_ROOM);
        let kept = data.get(..size.saturating_sub(at)).unwrap_or(data);
        let header = FrameHeader {
            status: 0,
            len: whole as u32,
            kept: kept.len() as u32,
            link_at: at as u16,
            network_at: network_at as u16,
            sec: now.div_euclid(1_000_000_000) as u32,
            nsec: now.rem_euclid(1_000_000_000) as u32,
            tag: [0; 2],
            pad: [0; 4],
        };
        let mut frame = vec![0; (at + kept.len()).min(size)];
        let mut fill = |at: usize, bytes: &[u8]| {
            if let Some(to) = frame.get_mut(at..at + bytes.len()) {
                to.copy_from_slice(bytes);
            }
        };
        fill(0, header.as_bytes());
        fill(ADDRESS_AT, &from.encode(ADDRESS));
        fill(at, kept);
        let place = self.place(self.next);
        let status = USER | if losing { LOSING } else { 0 };
        // The status comes last: the program looks at nothing else before.
        let write = |bytes: &[u8]| self.memory.write_at(place, &mut BufSrc::new(bytes));
        if write(&frame).is_err() || write(&status.to_ne_bytes()).is_err() {
            return false;
        }
        self.next = (self.next + 1) % self.request.frame_count;
        true
    }
}
