//! System V shared memory, semaphores and message queues; sysvipc(7).
//!
//! Everything belongs to one IPC namespace (`Ipc`). Identifiers are Linux's: a slot number with a
//! sequence number above it, so that an old identifier does not name a new object.

mod abi;
mod limits;
mod listing;
mod msg;
mod msgctl;
mod sem;
mod semctl;
mod shm;
mod shmctl;
mod table;
#[cfg(test)]
mod tests;
mod undo;

pub(crate) use msg::{sys_msgget, sys_msgrcv, sys_msgsnd};
pub(crate) use msgctl::sys_msgctl;
pub(crate) use sem::{sys_semget, sys_semop, sys_semtimedop};
pub(crate) use semctl::sys_semctl;
pub(crate) use shm::{sys_shmat, sys_shmdt, sys_shmget};
pub(crate) use shmctl::sys_shmctl;

use crate::ns::IpcNs;
use crate::syscalls::mqueue::Accounts;
use crate::{ClockId, Kernel, TaskCx};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};
use syserr::Errno;
use table::{Asker, Table};
use vfs::proc::IpcKind;
use vfs::{Budget, Creds};

/// What the namespaces of one kernel have together: however many there are, what guests can make
/// the kernel store is bounded.
pub(crate) struct Bounds {
    /// Segments, sets and queues.
    objects: Budget,
    /// Semaphores in all sets.
    semaphores: Budget,
    /// Bytes of all messages of System V, each with what it costs to keep it.
    message_bytes: Budget,
    /// POSIX message queues.
    pub(crate) queues: Arc<Accounts>,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            objects: Budget::new(1 << 16),
            semaphores: Budget::new(1 << 21),
            message_bytes: Budget::new(256 << 20),
            queues: Arc::default(),
        }
    }
}

/// The IPC objects of one namespace.
pub(crate) struct Ipc {
    bounds: Arc<Bounds>,
    pub(crate) limits: limits::Limits,
    shm: Table<shm::Segment>,
    sem: Table<sem::Set>,
    msg: Table<msg::MsgQueue>,
}

impl Ipc {
    /// Without objects.
    pub(crate) fn new(bounds: &Arc<Bounds>) -> Ipc {
        Ipc {
            bounds: bounds.clone(),
            limits: limits::Limits::default(),
            shm: Table::new(bounds),
            sem: Table::new(bounds),
            msg: Table::new(bounds),
        }
    }

    /// The identifier that the next object of a kind is to have; -1 for any.
    pub(crate) fn next_id(&self, kind: IpcKind) -> i32 {
        self.next(kind).load(Relaxed)
    }

    /// Sets what [`Ipc::next_id`] says.
    ///
    /// # Errors
    /// `EINVAL` for what is no identifier.
    pub(crate) fn set_next_id(&self, kind: IpcKind, to: i64) -> Result<(), Errno> {
        let to = i32::try_from(to).ok().filter(|to| *to >= 0).ok_or(Errno::EINVAL)?;
        self.next(kind).store(to, Relaxed);
        Ok(())
    }

    fn next(&self, kind: IpcKind) -> &AtomicI32 {
        match kind {
            IpcKind::Msg => &self.msg.next_id,
            IpcKind::Sem => &self.sem.next_id,
            IpcKind::Shm => &self.shm.next_id,
        }
    }

    /// Takes back what a process that ended did with `SEM_UNDO`.
    pub(crate) fn process_ended(&self, tgid: i32) {
        for set in self.sem.all() {
            set.undo(tgid);
        }
    }
}

/// Seconds since the epoch.
fn now(kernel: &Kernel) -> i64 {
    kernel.now(ClockId::Realtime).div_euclid(1_000_000_000)
}

impl IpcNs {
    /// Somebody with `creds` who asks for what is in it.
    fn asker<'a>(&'a self, creds: &'a Creds) -> Asker<'a> {
        Asker { creds, owner: self.owner_ns() }
    }
}

/// The namespace of the caller.
fn ipc(cx: &TaskCx) -> Arc<IpcNs> {
    cx.namespaces().ipc.clone()
}
