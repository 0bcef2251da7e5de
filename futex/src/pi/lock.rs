//! `FUTEX_LOCK_PI`, `FUTEX_LOCK_PI2` and `FUTEX_TRYLOCK_PI`.

use super::{Fixup, PiTask, TaskId, drop_idle_state};
use crate::abi::{OWNER_DIED, TID_MASK, WAITERS};
use crate::bucket::{PiState, Queue};
use crate::chain::{Kind, Sleep};
use crate::key::{Key, Scope};
use crate::manager::{Manager, RETRIES};
use crate::slot::{Slot, Waiter};
use crate::table::Table;
use crate::target::Target;
use crate::wait::{Hold, Wait};
use arch::Addr;
use sync::Arc;
use syserr::Errno;

/// How far an operation came.
#[derive(Debug)]
pub enum Step<'a, T: Target> {
    /// It is done: the system call's result.
    Done(u32),
    /// The caller sleeps until this future is ready.
    Block(Wait<'a, T>),
}

/// Why an attempt has to be made again, or has failed.
pub(crate) enum Refused {
    /// The word must be faulted in for writing.
    Fault,
    /// The word changed in between.
    Changed,
    Errno(Errno),
}

impl From<crate::target::Fault> for Refused {
    fn from(_: crate::target::Fault) -> Refused {
        Refused::Fault
    }
}

/// What an attempt to lock found.
pub(crate) enum Attempt {
    /// The task owns the lock now.
    Acquired,
    /// Somebody else does; the key has a [`PiState`].
    Owned,
}

/// Tries to take the lock for `task`; otherwise marks it contended and finds its owner. The
/// bucket of `key` is locked. Source: `futex_lock_pi_atomic` in `kernel/futex/pi.c`.
///
/// `shared_ownership` asks for a [`PiState`] in any case, since others are about to wait.
pub(crate) fn attempt<T: Target>(
    table: &Table,
    queue: &mut Queue,
    target: &T,
    addr: Addr,
    key: Key,
    task: PiTask,
    shared_ownership: bool,
) -> Result<Attempt, Refused> {
    let word = target.load_nofault(addr)?;
    if word & TID_MASK == task.tid {
        return Err(Refused::Errno(Errno::EDEADLK));
    }
    if queue.first(key).is_some_and(|(_, kind)| !matches!(kind, Kind::Pi(_))) {
        return Err(Refused::Errno(Errno::EINVAL));
    }
    if let Some(state) = queue.pi_state(key) {
        return check_owner(state, word).map(|()| Attempt::Owned).map_err(Refused::Errno);
    }
    // Nothing may fail once the word is changed.
    queue.pi.try_reserve(1).map_err(|_| Refused::Errno(Errno::ENOMEM))?;
    if word & TID_MASK == 0 {
        // WAITERS is not kept: nobody is queued, and a bit without a waiter only slows user space.
        let waiters = if shared_ownership { WAITERS } else { 0 };
        replace(target, addr, word, word & OWNER_DIED | task.tid | waiters)?;
        if shared_ownership {
            add_state(table, queue, key, task.tid, task.id);
        }
        return Ok(Attempt::Acquired);
    }
    replace(target, addr, word, word | WAITERS)?;
    let tid = word & TID_MASK;
    match table.hook.find(task.id, tid) {
        Some(owner) => add_state(table, queue, key, tid, owner),
        // The owner may just have ended and marked the word.
        None if target.load_nofault(addr)? != word | WAITERS => return Err(Refused::Changed),
        None => return Err(Refused::Errno(Errno::ESRCH)),
    }
    Ok(Attempt::Owned)
}

fn replace<T: Target>(target: &T, addr: Addr, old: u32, new: u32) -> Result<(), Refused> {
    if target.compare_exchange_nofault(addr, old, new)? == old {
        Ok(())
    } else {
        Err(Refused::Changed)
    }
}

fn add_state(table: &Table, queue: &mut Queue, key: Key, owner_tid: u32, owner: TaskId) {
    let id = table.graph.lock().add_state(key, owner);
    queue.pi.push(PiState { key, id, owner_tid, waiters: 0, unfixed: false });
}

/// Whether the word agrees with the kernel's knowledge. Source: `attach_to_pi_state`.
fn check_owner(state: &PiState, word: u32) -> Result<(), Errno> {
    let tid = word & TID_MASK;
    let died = word & OWNER_DIED != 0;
    let agrees = match (died, state.unfixed) {
        (true, true) => tid == 0,
        (true, false) => tid == 0 || tid == state.owner_tid,
        (false, true) => false,
        (false, false) => tid == state.owner_tid,
    };
    if agrees { Ok(()) } else { Err(Errno::EINVAL) }
}

/// Makes the word name its owner again.
fn rename<T: Target>(target: &T, addr: Addr, task: PiTask) -> Result<(), Refused> {
    let word = target.load_nofault(addr)?;
    replace(target, addr, word, word & OWNER_DIED | WAITERS | task.tid)
}

/// Whether `task` owns `key` although the word says that its owner died: locking it again just
/// succeeds, as in Linux's `fixup_pi_owner`.
fn owns(table: &Table, queue: &mut Queue, key: Key, task: PiTask) -> bool {
    let id = queue.pi_state(key).map(|s| s.id);
    id.and_then(|id| table.graph.lock().owner(id)) == Some(task.id)
}

/// Queues `task` behind the owner of `key`.
fn block(
    table: &Table,
    queue: &mut Queue,
    key: Key,
    task: PiTask,
    slot: &Arc<Slot>,
) -> Result<(), Errno> {
    let blocked = queue.prepare(&table.store, key).and_then(|at| {
        let state = queue.pi_state(key).ok_or(Errno::EINVAL)?;
        table.graph.lock().add_waiter(state.id, task, &*table.hook)?;
        state.waiters += 1;
        if let Some(chain) = queue.at(at) {
            chain.push(Sleep { kind: Kind::Pi(task), bitset: !0, entry: 0 }, slot);
        }
        Ok(())
    });
    if blocked.is_err() {
        drop_idle_state(table, queue, key);
    }
    blocked
}

impl Manager {
    /// Locks the PI futex at `addr` for `task`, or sleeps until `task` owns it.
    ///
    /// The deadline is `FUTEX_LOCK_PI`'s (on `CLOCK_REALTIME`) or `FUTEX_LOCK_PI2`'s; an
    /// interrupted wait restarts always (`ERESTARTNOINTR`). Source: futex(2).
    ///
    /// # Errors
    /// `EDEADLK` when `task` owns it, or its owner waits for `task`; `ESRCH` when the owner does
    /// not exist; `EINVAL` when word and waiters contradict each other, or for an unaligned
    /// address; `EFAULT`; `ENOMEM`.
    pub fn lock_pi<'a, T: Target>(
        &'a self,
        waiter: &'a mut Waiter,
        target: T,
        addr: Addr,
        scope: Scope,
        task: PiTask,
    ) -> Result<Step<'a, T>, Errno> {
        let key = self.key(&target, addr, scope, true)?;
        if self.lock_uncontended(&target, addr, key, task) {
            return Ok(Step::Done(0));
        }
        for _ in 0..RETRIES {
            let bucket = self.table.of(key)?;
            let mut queue = bucket.lock();
            bucket.announce();
            let attempt = attempt(&self.table, &mut queue, &target, addr, key, task, false);
            if let Ok(Attempt::Owned) = attempt
                && !owns(&self.table, &mut queue, key, task)
            {
                block(&self.table, &mut queue, key, task, waiter.ready())?;
                drop(queue);
                let fixup = Fixup { target, addr, key, task, requeued_from_plain: false };
                let hold = Hold::Borrowed(self, waiter);
                return Ok(Step::Block(Wait::new(hold, None, Some(fixup))));
            }
            drop(queue);
            match attempt {
                Ok(_) => return Ok(Step::Done(0)),
                Err(Refused::Fault) => target.fault_in(addr, true)?,
                Err(Refused::Changed) => {}
                Err(Refused::Errno(e)) => return Err(e),
            }
        }
        Err(Errno::EAGAIN)
    }

    /// Locks the PI futex at `addr` for `task` if that needs no sleep. Source: futex(2),
    /// `FUTEX_TRYLOCK_PI`.
    ///
    /// # Errors
    /// `EAGAIN` when somebody else owns it; otherwise as [`Manager::lock_pi`].
    pub fn trylock_pi<T: Target>(
        &self,
        target: T,
        addr: Addr,
        scope: Scope,
        task: PiTask,
    ) -> Result<u32, Errno> {
        let key = self.key(&target, addr, scope, true)?;
        if self.lock_uncontended(&target, addr, key, task) {
            return Ok(0);
        }
        for _ in 0..RETRIES {
            let mut queue = self.table.of(key)?.lock();
            let mut attempt = attempt(&self.table, &mut queue, &target, addr, key, task, false);
            if let Ok(Attempt::Owned) = attempt
                && owns(&self.table, &mut queue, key, task)
            {
                // Linux's `fixup_pi_state_owner` finds that the word does not name the owner.
                attempt = rename(&target, addr, task).map(|()| Attempt::Owned);
            }
            drop_idle_state(&self.table, &mut queue, key);
            drop(queue);
            match attempt {
                Ok(Attempt::Acquired) => return Ok(0),
                Ok(Attempt::Owned) => return Err(Errno::EAGAIN),
                Err(Refused::Fault) => target.fault_in(addr, true)?,
                Err(Refused::Changed) => {}
                Err(Refused::Errno(e)) => return Err(e),
            }
        }
        Err(Errno::EAGAIN)
    }

    /// What user space does itself before it calls: 0 → tid. Needs neither lock nor barrier, since
    /// a waiter makes the word something else before it queues; who is queued although the word is
    /// 0 has been for long.
    fn lock_uncontended<T: Target>(&self, target: &T, addr: Addr, key: Key, task: PiTask) -> bool {
        self.table.busy(key).is_none()
            && target.compare_exchange_nofault(addr, 0, task.tid) == Ok(0)
    }
}
