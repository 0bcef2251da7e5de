//! Access to a guest's memory from the kernel.

use crate::Addr;
use alloc::vec::Vec;
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
        self.copy_in(at, v.as_mut_slice().as_mut_bytes(), Permissions::Obey)?;
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
            let n = to_page_end.min(chunk.len()).min(max.saturating_add(1) - out.len());
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
