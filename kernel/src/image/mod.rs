//! Task images: the part of a task that a program brings.

mod layout;
mod load;
mod saved;

pub(crate) use layout::lowest_address;
#[cfg(feature = "testkit")]
pub(crate) use load::Space;
pub(crate) use load::VdsoPages;
pub use load::VfsExecutable;
pub use load::{LoadArgs, LoadImageError, LoadedTask};
pub use saved::{RestoreError, SavedImage};

use crate::{Comm, SyscallTable};
use alloc::sync::Arc;
use arch::Addr;
use mm::MemoryManager;
use syserr::Errno;

/// What the loader gives a task: name, registers, address space, futexes and system calls.
///
/// An image holds one counted user of its memory manager and gives it back when it is released or
/// dropped, so an image that is never run leaks nothing. Task identity (IDs, signals, files) is
/// not in it: execve(2) replaces the image and nothing else of the task.
#[derive(Debug)]
pub struct TaskImage {
    /// The thread's name.
    pub name: Comm,
    /// Registers.
    pub arch: arch::Context,
    mm: Option<Arc<MemoryManager>>,
    futex: Option<futex::Manager>,
    table: &'static SyscallTable,
}

/// Why an image cannot be forked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForkError {
    /// The image was released, or its memory manager has no users any more.
    Released,
    /// The new address space cannot be had.
    Memory(Errno),
}

impl From<ForkError> for Errno {
    fn from(e: ForkError) -> Errno {
        match e {
            ForkError::Released => Errno::ESRCH,
            ForkError::Memory(e) => e,
        }
    }
}

impl core::fmt::Display for ForkError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            ForkError::Released => f.write_str("the task image was released"),
            ForkError::Memory(e) => write!(f, "no new address space: {e}"),
        }
    }
}

impl core::error::Error for ForkError {}

impl TaskImage {
    /// An image from its parts. Takes over one counted user of `mm`.
    pub fn new(
        name: Comm,
        arch: arch::Context,
        mm: Arc<MemoryManager>,
        futex: futex::Manager,
        table: &'static SyscallTable,
    ) -> TaskImage {
        TaskImage { name, arch, mm: Some(mm), futex: Some(futex), table }
    }

    /// A duplicate. Its registers are its own always. With `share_address_space` it has the same
    /// memory and futexes (`CLONE_VM`); without, a copy-on-write copy of the memory and the futex
    /// manager of a new address space. `space` makes the page tables of that copy.
    ///
    /// # Errors
    /// [`ForkError`]; nothing has changed then.
    pub fn fork(
        &self,
        share_address_space: bool,
        space: impl FnOnce() -> Result<Arc<dyn mm::AddressSpace>, mm::OutOfMemory>,
    ) -> Result<TaskImage, ForkError> {
        let (Some(mm), Some(futex)) = (&self.mm, &self.futex) else {
            return Err(ForkError::Released);
        };
        let (mm, futex) = if share_address_space {
            if !mm.inc_users() {
                return Err(ForkError::Released);
            }
            (mm.clone(), futex.clone())
        } else {
            let space = space().map_err(|e| ForkError::Memory(e.into()))?;
            (mm.fork(space).map_err(ForkError::Memory)?, futex.fork())
        };
        Ok(TaskImage {
            name: self.name,
            arch: self.arch.fork(),
            mm: Some(mm),
            futex: Some(futex),
            table: self.table,
        })
    }

    /// Gives the memory and the futexes back. A second call does nothing.
    pub fn release(&mut self) {
        self.futex = None;
        if let Some(mm) = self.mm.take() {
            mm.dec_users();
        }
    }

    /// Registers and memory at once, to run with.
    pub(crate) fn parts(&mut self) -> (&mut arch::Context, Option<&Arc<MemoryManager>>) {
        (&mut self.arch, self.mm.as_ref())
    }

    /// The registers.
    pub fn arch(&self) -> &arch::Context {
        &self.arch
    }

    /// The address space; `None` after [`TaskImage::release`].
    pub fn memory_manager(&self) -> Option<&Arc<MemoryManager>> {
        self.mm.as_ref()
    }

    /// The futexes of the address space; `None` after [`TaskImage::release`].
    pub fn futex(&self) -> Option<&futex::Manager> {
        self.futex.as_ref()
    }

    /// The system calls.
    pub fn syscall_table(&self) -> &'static SyscallTable {
        self.table
    }

    /// The user stack, with the stack pointer as its bottom.
    ///
    /// # Errors
    /// [`ForkError::Released`] after [`TaskImage::release`].
    pub fn stack(&self) -> Result<arch::Stack<'_>, ForkError> {
        let mm = self.mm.as_ref().ok_or(ForkError::Released)?;
        Ok(arch::Stack::new(&**mm, Addr(self.arch.sp())))
    }
}

impl Drop for TaskImage {
    fn drop(&mut self) {
        self.release();
    }
}
