//! Futexes over the memory of tasks.

use crate::task::{SCHED_FIFO, SCHED_RR};
use crate::{Kernel, Task, TaskImage};
use alloc::sync::{Arc, Weak};
use arch::{Access, Addr, UserMemory};
use futex::{Backing, Fault, Manager, PiTask, Priority, PriorityInheritance, SharedKey, TaskId};
use mm::{FutexKey, MemoryManager};
use syserr::Errno;

/// An address space as futexes see it.
#[derive(Clone)]
pub(crate) struct Memory(pub(crate) Arc<MemoryManager>);

impl futex::Target for Memory {
    fn check(&self, addr: Addr) -> Result<(), Errno> {
        self.0.futex_key(addr, false).map(drop)
    }

    fn shared_key(&self, addr: Addr, write: bool) -> Result<Backing, Errno> {
        if write {
            self.fault_in(addr, true)?;
        }
        Ok(match self.0.futex_key(addr, true)? {
            FutexKey::Private { .. } => Backing::Private,
            FutexKey::Shared { object, offset } => {
                Backing::Shared(SharedKey { object, offset: offset & !3 })
            }
        })
    }

    // The memory manager never calls futexes, so its lock may be taken inside a bucket's.
    fn load_nofault(&self, addr: Addr) -> Result<u32, Fault> {
        self.0.load_u32(addr).map_err(|_| Fault)
    }

    fn compare_exchange_nofault(&self, addr: Addr, old: u32, new: u32) -> Result<u32, Fault> {
        self.0.compare_exchange_u32(addr, old, new).map_err(|_| Fault)
    }

    fn fault_in(&self, addr: Addr, write: bool) -> Result<(), Errno> {
        let access = if write { Access::WRITE } else { Access::READ };
        self.0.handle_fault(addr, access).map_err(|_| Errno::EFAULT)
    }
}

/// Finds the owners of priority-inheritance futexes. Nothing is boosted: the host schedules.
pub(crate) struct Owners(pub(crate) Weak<Kernel>);

impl PriorityInheritance for Owners {
    fn find(&self, caller: TaskId, tid: u32) -> Option<TaskId> {
        let kernel = self.0.upgrade()?;
        let task = kernel.task(caller.0 as i32)?.find(i32::try_from(tid).ok()?).ok()?;
        (!task.has_exited()).then_some(TaskId(task.tid() as u64))
    }

    fn boost(&self, _: TaskId, _: Option<Priority>) {}
}

impl Task {
    /// The task as priority-inheritance futexes name it.
    pub(crate) fn pi_task(&self) -> PiTask {
        let (id, tid) = (TaskId(self.tid() as u64), self.number() as u32);
        let p = self.policy.lock();
        let urgency =
            if matches!(p.scheduler, SCHED_FIFO | SCHED_RR) { p.priority as i32 } else { 0 };
        PiTask { id, tid, priority: Priority(urgency) }
    }
}

/// What happens to a thread's futexes when it ends or executes another program.
pub(crate) fn exit(task: &Task, image: &TaskImage) {
    let (Some(mm), Some(futex)) = (image.memory_manager(), image.futex()) else { return };
    let (id, tid) = (TaskId(task.tid() as u64), task.number() as u32);
    let head = task.robust_list();
    task.set_robust_list(Addr::NULL);
    futex.exit_robust_list(Memory(mm.clone()), &**mm, head, tid);
    futex.exit_pi_state(id);
}

/// Clears the word that pthread_join(3) waits on, and wakes who waits.
pub(crate) fn clear_child_tid(mm: &Arc<MemoryManager>, futex: &Manager, at: Addr) {
    futex.clear_child_tid(Memory(mm.clone()), &**mm, at);
}
