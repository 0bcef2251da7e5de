//! What an embedder supplies: bytes, paths, an address space, random numbers.

use crate::auxv::Credentials;
use crate::vdso::Vdso;
use alloc::sync::Arc;
use arch::{Access, Addr, AddrRange, PAGE_SIZE};
use core::any::Any;
use syserr::Errno;

/// A source of bytes: a file, a page cache, a slice.
pub trait ReadAt {
    /// Reads at byte offset `offset`; short only at the end of the file.
    ///
    /// # Errors
    /// Whatever reading gives: `EIO`, `EISDIR`.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, Errno>;
    /// Length in bytes.
    fn size(&self) -> u64;
}

/// An opened executable file. The embedder has checked already that it may be executed: a regular
/// file, execute permission, no `noexec` mount.
pub trait Executable: ReadAt + Send + Sync {
    /// For the embedder's [`Mapper`], to find its own file type again.
    fn as_any(&self) -> &dyn Any;
}

impl core::fmt::Debug for dyn Executable {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Executable({} bytes)", self.size())
    }
}

/// Opens the interpreters that scripts and programs name.
pub trait Resolve {
    /// Opens `path` for execution, relative to the caller's working directory. The path has no NUL
    /// and is not empty; it need not be UTF-8.
    ///
    /// # Errors
    /// As execve(2) gives for a path: `ENOENT`, `EACCES`, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`.
    fn open(&mut self, path: &[u8]) -> Result<Arc<dyn Executable>, Errno>;
    /// Who the program runs as, once it is known which file that is: of a script its last
    /// interpreter. `None` leaves it at what the loader was given.
    ///
    /// # Errors
    /// `EPERM`, when it may not be run.
    fn credentials(&mut self, program: &dyn Executable) -> Result<Option<Credentials>, Errno> {
        let _ = program;
        Ok(None)
    }
}

/// Where in the address space a range is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Wherever mmap(2) without a hint would put it.
    Any,
    /// There if it is free, else as [`Place::Any`]: mmap(2) with an address and no `MAP_FIXED`.
    Hint(Addr),
    /// There or not at all: `MAP_FIXED_NOREPLACE`.
    Exact(Addr),
}

/// A fresh address space that receives an image.
///
/// The loader maps into a space that nobody runs in yet, so that it can be thrown away when a step
/// fails. All addresses and lengths are page-aligned unless said otherwise, lengths are not zero,
/// and every range lies below the layout's `task_size`.
pub trait Mapper {
    /// Finds `len` free bytes. Nothing is mapped by this: the operations that follow fill (parts
    /// of) the range before the next `reserve`.
    ///
    /// # Errors
    /// `EEXIST` when [`Place::Exact`] overlaps a mapping, `ENOMEM` when there is no room.
    fn reserve(&mut self, place: Place, len: u64) -> Result<Addr, Errno>;
    /// Maps `len` bytes of `file` from byte `offset` privately at `at`, in place of what is there
    /// (`MAP_PRIVATE | MAP_FIXED`). The range may go past the end of the file.
    ///
    /// # Errors
    /// As mmap(2): `ENOMEM`, `ENODEV`, `EACCES`.
    fn map_file(
        &mut self,
        file: &dyn Executable,
        at: Addr,
        len: u64,
        offset: u64,
        access: Access,
    ) -> Result<(), Errno>;
    /// Maps zero-filled private memory at `at`, in place of what is there.
    ///
    /// # Errors
    /// As mmap(2): `ENOMEM`.
    fn map_anon(&mut self, at: Addr, len: u64, access: Access) -> Result<(), Errno>;
    /// Maps the stack, which grows down from `range.start` as long as the stack limit allows.
    ///
    /// # Errors
    /// As mmap(2): `ENOMEM`, and `EEXIST` when something is in the way.
    fn map_stack(&mut self, range: AddrRange, access: Access) -> Result<(), Errno>;
    /// Writes `len` zero bytes at `at`; neither is aligned. Obeys the mapping's permissions.
    ///
    /// # Errors
    /// `EFAULT`, among others for a page past the end of the mapped file.
    fn zero(&mut self, at: Addr, len: u64) -> Result<(), Errno>;
    /// Writes `bytes` at `at`, which is not aligned, whatever the mapping's permissions are.
    ///
    /// # Errors
    /// `EFAULT`, `ENOMEM`.
    fn write(&mut self, at: Addr, bytes: &[u8]) -> Result<(), Errno>;
    /// Tells where the heap begins and ends: brk(2) starts from here.
    fn set_brk(&mut self, start: Addr);
    /// Maps the vDSO's parameter page at `at`, read-only, and its image after it, readable and
    /// executable. The default writes private copies; an embedder whose clock changes maps one
    /// shared page into every space instead.
    ///
    /// # Errors
    /// As [`Mapper::map_anon`] and [`Mapper::write`].
    fn map_vdso(&mut self, at: Addr, vdso: &Vdso) -> Result<(), Errno> {
        let code = at.checked_add(PAGE_SIZE).ok_or(Errno::ENOMEM)?;
        self.map_anon(at, PAGE_SIZE, Access::READ)?;
        self.map_anon(code, vdso.image_len(), Access::READ | Access::EXEC)?;
        self.write(code, vdso.image())
    }
}

/// A source of random bytes.
pub trait Random {
    /// Fills `buf` with bytes a guest cannot predict.
    fn fill(&mut self, buf: &mut [u8]);
}
