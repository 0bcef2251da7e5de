//! A user stack that grows down.

use crate::{Addr, Permissions, UserMemory};
use syserr::Errno;
use zerocopy::{Immutable, IntoBytes};

/// A user stack: everything pushed goes below what was pushed before.
///
/// The bottom is only an address; where nothing is mapped below it, a push is `EFAULT` and leaves
/// the bottom where it was.
#[derive(Clone, Copy)]
pub struct Stack<'a> {
    mem: &'a dyn UserMemory,
    /// The lowest address in use: the stack pointer.
    pub bottom: Addr,
}

impl<'a> Stack<'a> {
    /// A stack in `mem` whose lowest used address is `bottom`.
    pub fn new(mem: &'a dyn UserMemory, bottom: Addr) -> Stack<'a> {
        Stack { mem, bottom }
    }

    /// The address `len` bytes further down.
    fn below(&self, len: usize) -> Result<Addr, Errno> {
        self.bottom.0.checked_sub(len as u64).map(Addr).ok_or(Errno::EFAULT)
    }

    /// Pushes bytes, and says where they are.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn push_bytes(&mut self, bytes: &[u8]) -> Result<Addr, Errno> {
        let at = self.below(bytes.len())?;
        self.mem.copy_out(at, bytes, Permissions::Obey)?;
        self.bottom = at;
        Ok(at)
    }

    /// Pushes a string and the NUL behind it, and says where it is.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn push_cstr(&mut self, s: &[u8]) -> Result<Addr, Errno> {
        let at = self.below(s.len().checked_add(1).ok_or(Errno::EFAULT)?)?;
        self.mem.copy_out(at, s, Permissions::Obey)?;
        self.mem.copy_out(at.wrapping_add(s.len() as u64), &[0], Permissions::Obey)?;
        self.bottom = at;
        Ok(at)
    }

    /// Pushes a 64-bit word.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn push_u64(&mut self, word: u64) -> Result<Addr, Errno> {
        self.push_bytes(&word.to_le_bytes())
    }

    /// Pushes a plain-data value on its natural boundary.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn push_obj<T: IntoBytes + Immutable>(&mut self, value: &T) -> Result<Addr, Errno> {
        let at = Addr(self.below(size_of::<T>())?.0 & !(align_of::<T>() as u64 - 1));
        self.mem.copy_out(at, value.as_bytes(), Permissions::Obey)?;
        self.bottom = at;
        Ok(at)
    }

    /// Lowers the bottom to a multiple of `align` bytes.
    ///
    /// # Errors
    /// `EINVAL` when `align` is no power of two.
    pub fn align_down(&mut self, align: u64) -> Result<Addr, Errno> {
        if !align.is_power_of_two() {
            return Err(Errno::EINVAL);
        }
        self.bottom = Addr(self.bottom.0 & !(align - 1));
        Ok(self.bottom)
    }

    /// Takes a 64-bit word off.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn pop_u64(&mut self) -> Result<u64, Errno> {
        let mut word = [0; 8];
        self.mem.copy_in(self.bottom, &mut word, Permissions::Obey)?;
        self.bottom = self.bottom.checked_add(8).ok_or(Errno::EFAULT)?;
        Ok(u64::from_le_bytes(word))
    }
}

impl core::fmt::Debug for Stack<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Stack").field("bottom", &self.bottom).finish_non_exhaustive()
    }
}
