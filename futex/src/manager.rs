//! The manager: one address space's view of the futex table.

use crate::key::{Key, Scope};
use crate::pi::{NoInheritance, PriorityInheritance};
use crate::table::Table;
use crate::target::{Backing, Target};
use alloc::boxed::Box;
use arch::Addr;
use sync::Arc;
use sync::atomic::Ordering;
use syserr::Errno;

/// How many times an operation faults a word in before it gives up with `EAGAIN`, which every
/// caller of futex(2) must be ready for.
pub(crate) const RETRIES: u32 = 64;

/// The number of buckets of [`Manager::new`].
pub const DEFAULT_BUCKETS: usize = 1024;

/// The futexes of one address space.
///
/// [`Manager::new`] makes the root of a kernel; [`Manager::fork`] makes the manager of another
/// address space, which meets the others only on shared memory. A clone is the same manager
/// (`CLONE_VM`). Forking and cloning count a reference and allocate nothing.
#[derive(Clone)]
pub struct Manager {
    pub(crate) table: Arc<Table>,
    id: u64,
}

impl core::fmt::Debug for Manager {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Manager").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Manager {
    /// The root manager of a kernel without priorities. `seed` keys the hash: pass random bits, so
    /// that no guest can aim waiters at one bucket.
    pub fn new(seed: u64) -> Manager {
        Manager::with(seed, DEFAULT_BUCKETS, Box::new(NoInheritance))
    }

    /// As [`Manager::new`], with a number of buckets (rounded up to a power of two) and the
    /// embedder's tasks and priorities.
    pub fn with(seed: u64, buckets: usize, hook: Box<dyn PriorityInheritance>) -> Manager {
        Manager { table: Arc::new(Table::new(seed, buckets, hook)), id: 0 }
    }

    /// The manager of a new address space of the same kernel.
    pub fn fork(&self) -> Manager {
        let id = self.table.next_manager.fetch_add(1, Ordering::Relaxed);
        Manager { table: self.table.clone(), id }
    }

    /// Whether both are the same manager: whether private futexes meet.
    pub fn is_same(&self, other: &Manager) -> bool {
        self.id == other.id && core::ptr::eq(&*self.table, &*other.table)
    }

    #[inline]
    pub(crate) fn key<T: Target>(
        &self,
        target: &T,
        addr: Addr,
        scope: Scope,
        write: bool,
    ) -> Result<Key, Errno> {
        if !addr.0.is_multiple_of(4) {
            return Err(Errno::EINVAL);
        }
        target.check(addr)?;
        match scope {
            Scope::Private => Ok(Key::private(self.id, addr)),
            Scope::Shared => match target.shared_key(addr, write)? {
                Backing::Private => Ok(Key::shared_private_memory(self.id, addr)),
                Backing::Shared(key) => Key::shared(key),
            },
        }
    }
}
