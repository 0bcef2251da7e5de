//! Where kernel code gets bytes from and puts them to: guests' iovecs, kernel buffers.

use crate::{Addr, AddrRange, Partial, Permissions, UserMemory};
use core::ops::Range;
use smallvec::SmallVec;
use syserr::Errno;

/// Where a read delivers its bytes: a guest's iovecs or a kernel buffer.
pub trait IoDst {
    /// Bytes that still fit.
    fn remaining(&self) -> u64;
    /// Takes a prefix of `bytes` and says how long it was; short only at the end of room.
    ///
    /// # Errors
    /// `EFAULT` when not even one byte could be delivered.
    fn put(&mut self, bytes: &[u8]) -> Result<usize, Errno>;
    /// Takes `len` zero bytes and says how many it took.
    ///
    /// # Errors
    /// As [`IoDst::put`].
    fn put_zeros(&mut self, len: u64) -> Result<u64, Errno> {
        let zeros = [0u8; 4096];
        let mut done = 0;
        while done < len {
            let n = (len - done).min(4096) as usize;
            match self.put(&zeros[..n]) {
                Ok(0) => break,
                Ok(k) => done += k as u64,
                Err(e) if done == 0 => return Err(e),
                Err(_) => break,
            }
        }
        Ok(done)
    }
}

/// Where a write takes its bytes from: a guest's iovecs or a kernel buffer.
pub trait IoSrc {
    /// Bytes that are left.
    fn remaining(&self) -> u64;
    /// Fills a prefix of `buf` and says how long it was; short only at the end of the source.
    ///
    /// # Errors
    /// `EFAULT` when not even one byte could be taken.
    fn take(&mut self, buf: &mut [u8]) -> Result<usize, Errno>;
    /// Puts the last `n` bytes taken back, after a write that accepted fewer.
    fn untake(&mut self, n: usize);
}

/// A guest's iovecs as source or destination. Zero-length ranges count for nothing.
pub struct UserIo<'a> {
    mem: &'a dyn UserMemory,
    ranges: SmallVec<[AddrRange; 2]>,
    /// The range at the current position, and how much of it is behind: never all of it.
    at: usize,
    within: u64,
    pos: u64,
    total: u64,
}

impl<'a> UserIo<'a> {
    /// One buffer of `len` bytes at `at`; wrapping is caught as a fault on access.
    pub fn new(mem: &'a dyn UserMemory, at: Addr, len: u64) -> UserIo<'a> {
        let end = Addr(at.0.saturating_add(len));
        UserIo::from_ranges(mem, [AddrRange { start: at, end }].into_iter())
    }

    /// Several buffers, used in order. What is longer than `u64::MAX` bytes together is cut.
    pub fn from_ranges(
        mem: &'a dyn UserMemory,
        ranges: impl Iterator<Item = AddrRange>,
    ) -> UserIo<'a> {
        let ranges: SmallVec<[AddrRange; 2]> = ranges.filter(|r| r.start < r.end).collect();
        let total = ranges.iter().fold(0u64, |sum, r| sum.saturating_add(r.len()));
        UserIo { mem, ranges, at: 0, within: 0, pos: 0, total }
    }

    /// Bytes moved so far.
    pub fn position(&self) -> u64 {
        self.pos
    }

    /// Passes over the next `n` bytes, or all that are left.
    pub fn skip(&mut self, n: u64) {
        let n = n.min(self.total - self.pos);
        self.pos += n;
        self.within = self.within.saturating_add(n);
        while let Some(r) = self.ranges.get(self.at).filter(|r| r.len() <= self.within) {
            self.within -= r.len();
            self.at += 1;
        }
    }

    /// Goes back over the last `n` bytes, or to the start.
    fn back(&mut self, n: u64) {
        let mut n = n.min(self.pos);
        self.pos -= n;
        while n > self.within && self.at > 0 {
            n -= self.within;
            self.at -= 1;
            self.within = self.ranges.get(self.at).map_or(0, |r| r.len());
        }
        self.within = self.within.saturating_sub(n);
    }

    /// The contiguous range at the current position.
    fn head(&self) -> Option<AddrRange> {
        let r = self.ranges.get(self.at)?;
        Some(AddrRange { start: r.start.wrapping_add(self.within), end: r.end })
    }

    /// Moves `len` bytes, range by range: `copy` gets an address and which of the bytes go there.
    /// Short only at the end of the ranges and where memory faults.
    fn transfer(
        &mut self,
        len: usize,
        mut copy: impl FnMut(&dyn UserMemory, Addr, Range<usize>) -> Result<(), Partial>,
    ) -> Result<usize, Errno> {
        let mut done = 0;
        while done < len {
            let Some(r) = self.head() else { break };
            let n = ((len - done) as u64).min(r.len()) as usize;
            let copied = copy(self.mem, r.start, done..done + n);
            let n = copied.map_or_else(|p| p.done, |()| n);
            done += n;
            self.skip(n as u64);
            match copied {
                Ok(()) => {}
                Err(p) if done == 0 => return Err(p.errno),
                Err(_) => break,
            }
        }
        Ok(done)
    }
}

impl IoDst for UserIo<'_> {
    fn remaining(&self) -> u64 {
        self.total - self.pos
    }

    fn put(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        self.transfer(bytes.len(), |mem, at, part| {
            mem.copy_out(at, &bytes[part], Permissions::Obey)
        })
    }
}

impl IoSrc for UserIo<'_> {
    fn remaining(&self) -> u64 {
        self.total - self.pos
    }

    fn take(&mut self, buf: &mut [u8]) -> Result<usize, Errno> {
        self.transfer(buf.len(), |mem, at, part| mem.copy_in(at, &mut buf[part], Permissions::Obey))
    }

    fn untake(&mut self, n: usize) {
        self.back(n as u64);
    }
}

/// A kernel buffer as destination.
pub struct BufDst<'a> {
    buf: &'a mut [u8],
    pos: usize,
}

impl<'a> BufDst<'a> {
    /// Delivers into `buf` from its start.
    pub fn new(buf: &'a mut [u8]) -> BufDst<'a> {
        BufDst { buf, pos: 0 }
    }

    /// Bytes delivered so far.
    pub fn position(&self) -> usize {
        self.pos
    }
}

impl IoDst for BufDst<'_> {
    fn remaining(&self) -> u64 {
        (self.buf.len() - self.pos) as u64
    }

    fn put(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        let n = bytes.len().min(self.buf.len() - self.pos);
        self.buf[self.pos..self.pos + n].copy_from_slice(&bytes[..n]);
        self.pos += n;
        Ok(n)
    }
}

/// A kernel buffer as source.
pub struct BufSrc<'a> {
    buf: &'a [u8],
    pos: usize,
}

impl<'a> BufSrc<'a> {
    /// Takes from `buf` from its start.
    pub fn new(buf: &'a [u8]) -> BufSrc<'a> {
        BufSrc { buf, pos: 0 }
    }
}

impl IoSrc for BufSrc<'_> {
    fn remaining(&self) -> u64 {
        (self.buf.len() - self.pos) as u64
    }

    fn take(&mut self, buf: &mut [u8]) -> Result<usize, Errno> {
        let n = buf.len().min(self.buf.len() - self.pos);
        buf[..n].copy_from_slice(&self.buf[self.pos..self.pos + n]);
        self.pos += n;
        Ok(n)
    }

    fn untake(&mut self, n: usize) {
        self.pos -= n.min(self.pos);
    }
}
