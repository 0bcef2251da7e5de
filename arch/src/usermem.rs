//! Access to a guest's memory from the kernel.

use crate::{Addr, AddrRange};
use alloc::vec::Vec;
use smallvec::SmallVec;
use syserr::Errno;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes};

/// A copy that stopped early: how far it came, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial {
    /// Bytes that were copied.
    pub done: usize,
    /// What stopped it: `EFAULT` for everything that a guest can cause.
    pub errno: Errno,
}

impl From<Partial> for Errno {
    fn from(p: Partial) -> Errno {
        p.errno
    }
}

/// Which permissions an access obeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Permissions {
    /// Those of the mapping: what the guest itself may do.
    #[default]
    Obey,
    /// Only the mapping's maximum: ptrace, `/proc/pid/mem`, the loader.
    Ignore,
}

/// Byte-wise access to one guest address space.
///
/// Accesses fault pages in as the guest's own would. Other threads may write the same bytes at the
/// same time: what is read is a snapshot without any guarantee, so read once and check the copy.
/// Every failure a guest can cause is `EFAULT`. Implemented by `mm::MemoryManager`.
pub trait UserMemory: Send + Sync {
    /// Reads `to.len()` bytes at `from`.
    ///
    /// # Errors
    /// [`Partial`] with the bytes that were read before the first address that faults.
    fn copy_in(&self, from: Addr, to: &mut [u8], perms: Permissions) -> Result<(), Partial>;
    /// Writes `from` at `to`.
    ///
    /// # Errors
    /// As [`UserMemory::copy_in`].
    fn copy_out(&self, to: Addr, from: &[u8], perms: Permissions) -> Result<(), Partial>;
    /// Writes `len` zero bytes at `to`.
    ///
    /// # Errors
    /// As [`UserMemory::copy_in`].
    fn zero_out(&self, to: Addr, len: u64, perms: Permissions) -> Result<(), Partial>;
    /// Reads an aligned word atomically.
    ///
    /// # Errors
    /// `EFAULT`; `EINVAL` when `at` is not a multiple of 4.
    fn load_u32(&self, at: Addr) -> Result<u32, Errno>;
    /// Replaces an aligned word atomically, and returns the old value.
    ///
    /// # Errors
    /// As [`UserMemory::load_u32`].
    fn swap_u32(&self, at: Addr, new: u32) -> Result<u32, Errno>;
    /// Replaces an aligned word atomically if it is `old`; returns what was there.
    ///
    /// # Errors
    /// As [`UserMemory::load_u32`].
    fn compare_exchange_u32(&self, at: Addr, old: u32, new: u32) -> Result<u32, Errno>;
}

/// What can be built from [`UserMemory`]'s primitives.
pub trait UserMemoryExt: UserMemory {
    /// Reads a plain-data value.
    ///
    /// # Errors
    /// `EFAULT`.
    fn read_obj<T: FromBytes + IntoBytes>(&self, at: Addr) -> Result<T, Errno> {
        let mut v = T::new_zeroed();
        self.copy_in(at, v.as_mut_bytes(), Permissions::Obey)?;
        Ok(v)
    }

    /// Writes a plain-data value.
    ///
    /// # Errors
    /// `EFAULT`.
    fn write_obj<T: IntoBytes + Immutable>(&self, at: Addr, v: &T) -> Result<(), Errno> {
        Ok(self.copy_out(at, v.as_bytes(), Permissions::Obey)?)
    }

    /// Reads `count` plain-data values. The caller bounds `count`.
    ///
    /// # Errors
    /// `EFAULT`.
    fn read_vec<T: FromZeros + FromBytes + IntoBytes + Clone>(
        &self,
        at: Addr,
        count: usize,
    ) -> Result<Vec<T>, Errno> {
        let mut v = alloc::vec![T::new_zeroed(); count];
        let mut a = at;
        for item in &mut v {
            self.copy_in(a, item.as_mut_bytes(), Permissions::Obey)?;
            a = a.wrapping_add(size_of::<T>() as u64);
        }
        Ok(v)
    }

    /// Reads a NUL-terminated string of at most `max` bytes, terminator not counted.
    ///
    /// # Errors
    /// `EFAULT`; `ENAMETOOLONG` when there is no NUL within `max + 1` bytes.
    fn read_cstr(&self, at: Addr, max: usize) -> Result<Vec<u8>, Errno> {
        let mut out = Vec::new();
        let mut a = at;
        let mut chunk = [0u8; 256];
        loop {
            // Never past the page end: the string may end just before an unmapped page.
            let to_page_end = (crate::PAGE_SIZE - a.page_offset()) as usize;
            let n = to_page_end.min(chunk.len()).min(max + 1 - out.len());
            if n == 0 {
                return Err(Errno::ENAMETOOLONG);
            }
            self.copy_in(a, &mut chunk[..n], Permissions::Obey)?;
            if let Some(i) = chunk[..n].iter().position(|&b| b == 0) {
                out.extend_from_slice(&chunk[..i]);
                return Ok(out);
            }
            out.extend_from_slice(&chunk[..n]);
            a = a.wrapping_add(n as u64);
        }
    }
}

impl<M: UserMemory + ?Sized> UserMemoryExt for M {}

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
    pos: u64,
    total: u64,
}

impl<'a> UserIo<'a> {
    /// One buffer of `len` bytes at `at`; wrapping is caught as a fault on access.
    pub fn new(mem: &'a dyn UserMemory, at: Addr, len: u64) -> UserIo<'a> {
        let end = Addr(at.0.saturating_add(len));
        UserIo::from_ranges(mem, [AddrRange { start: at, end }].into_iter())
    }

    /// Several buffers, used in order.
    pub fn from_ranges(
        mem: &'a dyn UserMemory,
        ranges: impl Iterator<Item = AddrRange>,
    ) -> UserIo<'a> {
        let ranges: SmallVec<[AddrRange; 2]> = ranges.collect();
        let total = ranges.iter().map(|r| r.len()).sum();
        UserIo { mem, ranges, pos: 0, total }
    }

    /// Bytes moved so far.
    pub fn position(&self) -> u64 {
        self.pos
    }

    /// Passes over the next `n` bytes, or all that are left.
    pub fn skip(&mut self, n: u64) {
        self.pos += n.min(self.total - self.pos);
    }

    /// The contiguous range at the current position.
    fn head(&self) -> Option<AddrRange> {
        let mut skip = self.pos;
        for r in &self.ranges {
            if skip < r.len() {
                return Some(AddrRange { start: r.start.wrapping_add(skip), end: r.end });
            }
            skip -= r.len();
        }
        None
    }
}

impl IoDst for UserIo<'_> {
    fn remaining(&self) -> u64 {
        self.total - self.pos
    }

    fn put(&mut self, mut bytes: &[u8]) -> Result<usize, Errno> {
        let mut done = 0;
        while !bytes.is_empty() {
            let Some(r) = self.head() else { break };
            let n = (bytes.len() as u64).min(r.len()) as usize;
            match self.mem.copy_out(r.start, &bytes[..n], Permissions::Obey) {
                Ok(()) => {
                    done += n;
                    self.pos += n as u64;
                    bytes = &bytes[n..];
                }
                Err(p) => {
                    done += p.done;
                    self.pos += p.done as u64;
                    if done == 0 {
                        return Err(p.errno);
                    }
                    break;
                }
            }
        }
        Ok(done)
    }
}

impl IoSrc for UserIo<'_> {
    fn remaining(&self) -> u64 {
        self.total - self.pos
    }

    fn take(&mut self, buf: &mut [u8]) -> Result<usize, Errno> {
        let mut done = 0;
        while done < buf.len() {
            let Some(r) = self.head() else { break };
            let n = ((buf.len() - done) as u64).min(r.len()) as usize;
            match self.mem.copy_in(r.start, &mut buf[done..done + n], Permissions::Obey) {
                Ok(()) => {
                    done += n;
                    self.pos += n as u64;
                }
                Err(p) => {
                    done += p.done;
                    self.pos += p.done as u64;
                    if done == 0 {
                        return Err(p.errno);
                    }
                    break;
                }
            }
        }
        Ok(done)
    }

    fn untake(&mut self, n: usize) {
        self.pos -= n as u64;
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
        self.pos -= n;
    }
}
