//! The buffers of a pipe: a queue of slots of one page each, as in `fs/pipe.c`.
//!
//! Capacity is counted in slots, not in bytes: a short write that does not fit behind the last one
//! takes a page of its own. That is how Linux decides when a pipe is full, and what keeps a write
//! of at most `PIPE_BUF` bytes in one piece.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use arch::{IoDst, IoSrc};
use syserr::Errno;

/// Bytes in a slot, and `PIPE_BUF`.
pub(super) const SLOT: usize = 4096;

type Page = Box<[u8; SLOT]>;

struct Slot {
    page: Page,
    start: usize,
    len: usize,
    /// Written in packet mode: one read takes it, whole or cut.
    packet: bool,
}

impl Slot {
    fn bytes(&self) -> &[u8] {
        &self.page[self.start..self.start + self.len]
    }
}

/// The slots that hold bytes, oldest first.
pub(super) struct Ring {
    slots: VecDeque<Slot>,
    limit: usize,
    /// Pages of emptied slots, so that a ping-pong allocates nothing.
    spare: [Option<Page>; 2],
}

impl Ring {
    pub(super) fn new(limit: usize) -> Ring {
        Ring { slots: VecDeque::new(), limit, spare: [None, None] }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.slots.len() >= self.limit
    }

    /// Bytes that wait to be read.
    pub(super) fn len(&self) -> usize {
        self.slots.iter().map(|s| s.len).sum()
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Changes the number of slots; `EBUSY` when more are in use.
    pub(super) fn set_limit(&mut self, limit: usize) -> Result<(), Errno> {
        if self.slots.len() > limit {
            return Err(Errno::EBUSY);
        }
        self.limit = limit;
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.spare = [None, None];
    }

    fn page(&mut self) -> Page {
        self.spare.iter_mut().find_map(Option::take).unwrap_or_else(|| Box::new([0; SLOT]))
    }

    fn recycle(&mut self, page: Page) {
        if let Some(room) = self.spare.iter_mut().find(|s| s.is_none()) {
            *room = Some(page);
        }
    }

    /// Appends what fits. A page that the source cannot fill because of a fault is not appended.
    pub(super) fn write(&mut self, src: &mut dyn IoSrc, packet: bool) -> Result<usize, Errno> {
        let mut done = 0;
        let odd = (src.remaining() % SLOT as u64) as usize;
        if odd > 0
            && let Some(last) = self.slots.back_mut()
            && !last.packet
            && last.start + last.len + odd <= SLOT
        {
            let at = last.start + last.len;
            if src.take(&mut last.page[at..at + odd])? < odd {
                return Err(Errno::EFAULT);
            }
            last.len += odd;
            done += odd;
        }
        while src.remaining() > 0 {
            if self.is_full() {
                return if done > 0 { Ok(done) } else { Err(Errno::EAGAIN) };
            }
            let want = src.remaining().min(SLOT as u64) as usize;
            let mut page = self.page();
            match src.take(&mut page[..want]) {
                Ok(n) if n == want => {
                    self.slots.push_back(Slot { page, start: 0, len: n, packet });
                    done += n;
                }
                _ => {
                    self.recycle(page);
                    return if done > 0 { Ok(done) } else { Err(Errno::EFAULT) };
                }
            }
        }
        Ok(done)
    }

    /// Takes bytes out, up to the end of `dst` or of a packet. A slot that cannot be delivered
    /// because of a fault stays.
    pub(super) fn read(&mut self, dst: &mut dyn IoDst) -> Result<usize, Errno> {
        let mut done = 0;
        while dst.remaining() > 0 {
            let Some(slot) = self.slots.front_mut() else { break };
            let want = dst.remaining().min(slot.len as u64) as usize;
            match dst.put(&slot.bytes()[..want]) {
                Ok(n) if n == want => {}
                _ => return if done > 0 { Ok(done) } else { Err(Errno::EFAULT) },
            }
            done += want;
            slot.start += want;
            slot.len -= want;
            let packet = slot.packet;
            if (packet || slot.len == 0)
                && let Some(s) = self.slots.pop_front()
            {
                self.recycle(s.page);
            }
            if packet {
                break;
            }
        }
        Ok(done)
    }

    /// Copies bytes from the front without taking them.
    pub(super) fn peek(&self, mut to: &mut [u8]) -> usize {
        let mut done = 0;
        for slot in &self.slots {
            let n = slot.len.min(to.len());
            to[..n].copy_from_slice(&slot.bytes()[..n]);
            to = &mut to[n..];
            done += n;
        }
        done
    }

    /// Drops bytes from the front.
    pub(super) fn consume(&mut self, mut n: usize) {
        while n > 0 {
            let Some(slot) = self.slots.front_mut() else { return };
            let k = n.min(slot.len);
            slot.start += k;
            slot.len -= k;
            n -= k;
            if slot.len == 0
                && let Some(s) = self.slots.pop_front()
            {
                self.recycle(s.page);
            }
        }
    }
}
