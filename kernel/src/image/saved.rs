//! Images at rest.

use super::TaskImage;
use crate::{Comm, Registry};
use alloc::sync::Arc;
use arch::{Arch, Os};
use mm::MemoryManager;
use syserr::Errno;

/// An image without anything that lives only in one kernel: the table of its system calls is
/// stored as operating system and architecture, and found again by them. Memory is saved by the
/// memory manager; it is handed in again.
#[derive(Clone, Debug)]
pub struct SavedImage {
    /// The thread's name.
    pub name: Comm,
    /// Registers.
    pub arch: arch::Context,
    /// Operating system of the table.
    pub table_os: Os,
    /// Architecture of the table.
    pub table_arch: Arch,
}

/// Why a saved image cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreError {
    /// This kernel has no table for the operating system and architecture.
    NoSyscallTable {
        /// Operating system that was asked for.
        os: Os,
        /// Architecture that was asked for.
        arch: Arch,
    },
    /// The registers are of another architecture than the table.
    ArchMismatch,
    /// The memory manager has no users any more.
    Released,
}

impl From<RestoreError> for Errno {
    fn from(e: RestoreError) -> Errno {
        match e {
            RestoreError::NoSyscallTable { .. } | RestoreError::ArchMismatch => Errno::ENOEXEC,
            RestoreError::Released => Errno::ESRCH,
        }
    }
}

impl core::fmt::Display for RestoreError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            RestoreError::NoSyscallTable { os, arch } => {
                write!(f, "no syscall table found for {os:?} on {arch:?}")
            }
            RestoreError::ArchMismatch => f.write_str("registers of another architecture"),
            RestoreError::Released => f.write_str("the address space was released"),
        }
    }
}

impl core::error::Error for RestoreError {}

impl TaskImage {
    /// The image without memory and futexes.
    pub fn save(&self) -> SavedImage {
        SavedImage {
            name: self.name,
            arch: self.arch.clone(),
            table_os: self.table.os(),
            table_arch: self.table.arch(),
        }
    }
}

impl SavedImage {
    /// The image again, over `mm`, of which it takes one more user.
    ///
    /// # Errors
    /// [`RestoreError`].
    pub fn restore(
        &self,
        tables: Registry,
        mm: Arc<MemoryManager>,
        futex: futex::Manager,
    ) -> Result<TaskImage, RestoreError> {
        let (os, arch) = (self.table_os, self.table_arch);
        let table = tables.lookup(os, arch).ok_or(RestoreError::NoSyscallTable { os, arch })?;
        if self.arch.arch() != arch {
            return Err(RestoreError::ArchMismatch);
        }
        if !mm.inc_users() {
            return Err(RestoreError::Released);
        }
        Ok(TaskImage::new(self.name, self.arch.clone(), mm, futex, table))
    }
}
