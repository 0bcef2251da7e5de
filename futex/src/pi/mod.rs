//! Priority-inheritance futexes: locks whose owner is named in the word.

mod exit;
pub(crate) mod graph;
mod lock;
mod requeue;
mod unlock;

pub(crate) use graph::Graph;
pub use lock::Step;

use crate::abi::{OWNER_DIED, WAITERS};
use crate::bucket::Queue;
use crate::key::Key;
use crate::manager::RETRIES;
use crate::table::Table;
use crate::target::Target;
use arch::Addr;
use syserr::Errno;

/// Names a task for as long as the kernel lives, whatever PID namespace looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u64);

/// How urgent a task is; larger is more urgent. Tasks of equal priority are served in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Priority(pub i32);

/// The task that performs a PI operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PiTask {
    /// The task.
    pub id: TaskId,
    /// Its thread id as it sees it itself: what it writes into futex words.
    pub tid: u32,
    /// Its priority without any boost.
    pub priority: Priority,
}

/// What PI futexes need to know and to do about the embedder's tasks.
///
/// Called with locks of this crate held: implementations neither block for long nor call back.
pub trait PriorityInheritance: Send + Sync {
    /// The task that `caller` knows by thread id `tid`.
    ///
    /// `None` (the operation fails with `ESRCH`) for a task that does not exist or for which
    /// [`crate::Manager::exit_pi_state`] has been, or is about to be, called: were it still found
    /// after that, its waiters would sleep for ever.
    fn find(&self, caller: TaskId, tid: u32) -> Option<TaskId>;

    /// From now on `owner` is to run at no less than `priority`, or, with `None`, just at its own.
    fn boost(&self, owner: TaskId, priority: Option<Priority>);
}

/// An embedder without priorities: every thread id exists and names the same task everywhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoInheritance;

impl PriorityInheritance for NoInheritance {
    fn find(&self, _: TaskId, tid: u32) -> Option<TaskId> {
        Some(TaskId(u64::from(tid)))
    }

    fn boost(&self, _: TaskId, _: Option<Priority>) {}
}

/// What a PI waiter needs to write its futex word, should it get the lock by a death.
pub(crate) struct Fixup<T> {
    pub(crate) target: T,
    pub(crate) addr: Addr,
    pub(crate) key: Key,
    pub(crate) task: PiTask,
    /// The wait began as a `WAIT_REQUEUE_PI`.
    pub(crate) requeued_from_plain: bool,
}

impl<T: Target> Fixup<T> {
    /// Makes the word name this task, which owns the lock already. Only the waiter can do this:
    /// the word may not be mapped where its owner died. Source: `fixup_pi_state_owner`.
    pub(crate) fn write_word(&self, table: &Table) -> Result<u32, Errno> {
        let r = self.try_write_word(table);
        let Ok(bucket) = table.of(self.key) else { return r };
        let mut queue = bucket.lock();
        if let Some(s) = queue.pi_state(self.key)
            && s.unfixed
            && s.owner_tid == self.task.tid
        {
            s.unfixed = false;
            drop_idle_state(table, &mut queue, self.key);
        }
        r
    }

    fn try_write_word(&self, table: &Table) -> Result<u32, Errno> {
        for _ in 0..RETRIES {
            let queue = table.of(self.key)?.lock();
            let swapped = self.target.load_nofault(self.addr).and_then(|old| {
                let new = OWNER_DIED | WAITERS | self.task.tid;
                Ok(self.target.compare_exchange_nofault(self.addr, old, new)? == old)
            });
            drop(queue);
            match swapped {
                Ok(true) => return Ok(0),
                Ok(false) => {}
                Err(_) => self.target.fault_in(self.addr, true)?,
            }
        }
        Err(Errno::EAGAIN)
    }
}

/// Forgets a waiter that left the queue of `key` without the lock.
pub(crate) fn withdraw(table: &Table, queue: &mut Queue, key: Key, task: PiTask) {
    if let Some(s) = queue.pi_state(key) {
        s.waiters = s.waiters.saturating_sub(1);
        table.graph.lock().remove_waiter(s.id, task.id, &*table.hook);
    }
    drop_idle_state(table, queue, key);
}

/// Forgets the state of a key that nobody needs any more.
pub(crate) fn drop_idle_state(table: &Table, queue: &mut Queue, key: Key) {
    if let Some(i) = queue.pi.iter().position(|s| s.key == key && s.waiters == 0 && !s.unfixed) {
        let state = queue.pi.swap_remove(i);
        table.graph.lock().remove_state(state.id, &*table.hook);
    }
}
