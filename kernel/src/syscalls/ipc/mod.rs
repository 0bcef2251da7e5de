//! System V shared memory, semaphores and message queues; sysvipc(7).
//!
//! Everything belongs to one kernel (`Ipc`). Identifiers are Linux's: a slot number with a
//! sequence number above it, so that an old identifier does not name a new object.

mod abi;
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

use crate::{ClockId, Kernel, TaskCx};
use table::Table;

/// The IPC objects of one kernel.
#[derive(Default)]
pub(crate) struct Ipc {
    shm: Table<shm::Segment>,
    sem: Table<sem::Set>,
    msg: Table<msg::MsgQueue>,
}

impl Ipc {
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

fn ipc(cx: &TaskCx) -> &Ipc {
    cx.kernel().ipc()
}
