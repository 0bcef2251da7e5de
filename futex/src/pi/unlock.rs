//! `FUTEX_UNLOCK_PI`.

use super::{PiTask, drop_idle_state, lock::Refused};
use crate::abi::{TID_MASK, WAITERS};
use crate::bucket::Queue;
use crate::chain::{Kind, Wakers, wake_all};
use crate::key::{Key, Scope};
use crate::manager::{Manager, RETRIES};
use crate::slot::Place;
use crate::table::Table;
use crate::target::Target;
use arch::Addr;
use syserr::Errno;

/// The queue index and the task of the waiter that is to own `key` next.
pub(super) fn next_owner(table: &Table, queue: &mut Queue, key: Key) -> Option<(u32, PiTask)> {
    let id = queue.pi_state(key)?.id;
    let top = table.graph.lock().top(id)?;
    queue.chain(key)?.find_pi(top)
}

/// Gives `key` to the waiter at `index`, which wakes with `fate`.
pub(super) fn hand_over(
    table: &Table,
    queue: &mut Queue,
    key: Key,
    (index, task): (u32, PiTask),
    fate: Place,
    wakers: &mut Wakers,
) {
    queue.finish(key, index, fate, wakers);
    if let Some(state) = queue.pi_state(key) {
        state.waiters = state.waiters.saturating_sub(1);
        state.owner_tid = task.tid;
        state.unfixed = fate == Place::GrantedByDeath;
        table.graph.lock().hand_over(state.id, task.id, &*table.hook);
    }
    drop_idle_state(table, queue, key);
}

impl Manager {
    /// Unlocks the PI futex at `addr`, or gives it to its most urgent waiter. Source: futex(2);
    /// `futex_unlock_pi` and `wake_futex_pi` in `kernel/futex/pi.c`.
    ///
    /// # Errors
    /// `EPERM` when the word does not name `task`; `EINVAL` when word and waiters contradict each
    /// other, or for an unaligned address; `EAGAIN`; `EFAULT`.
    pub fn unlock_pi<T: Target>(
        &self,
        target: T,
        addr: Addr,
        scope: Scope,
        task: PiTask,
    ) -> Result<u32, Errno> {
        for _ in 0..RETRIES {
            match self.try_unlock(&target, addr, scope, task) {
                Ok(()) => return Ok(0),
                Err(Refused::Fault) => target.fault_in(addr, true)?,
                Err(Refused::Changed) => {}
                Err(Refused::Errno(e)) => return Err(e),
            }
        }
        Err(Errno::EAGAIN)
    }

    fn try_unlock<T: Target>(
        &self,
        target: &T,
        addr: Addr,
        scope: Scope,
        task: PiTask,
    ) -> Result<(), Refused> {
        // Linux reads the word before it looks at the address's alignment: on x86-64 an unaligned
        // word that names somebody else is EPERM, elsewhere it is EINVAL. We say EINVAL.
        let key = self.key(target, addr, scope, true).map_err(Refused::Errno)?;
        let word = target.load_nofault(addr)?;
        if word & TID_MASK != task.tid {
            return Err(Refused::Errno(Errno::EPERM));
        }
        if word == task.tid && self.table.busy(key).is_none() {
            // Nobody is queued, and nobody can be before the word has WAITERS.
            return release(target, addr, word);
        }
        let bucket = self.table.of(key).map_err(Refused::Errno)?;
        let mut queue = bucket.lock();
        let Some((_, first)) = queue.first(key) else {
            bucket.settle(&queue);
            return release(target, addr, word);
        };
        let owner = queue.pi_state(key).and_then(|s| self.table.graph.lock().owner(s.id));
        if !matches!(first, Kind::Pi(_)) || owner != Some(task.id) {
            return Err(Refused::Errno(Errno::EINVAL));
        }
        let next = next_owner(&self.table, &mut queue, key).ok_or(Refused::Errno(Errno::EINVAL))?;
        let seen = target.compare_exchange_nofault(addr, word, WAITERS | next.1.tid)?;
        if seen != word {
            // As Linux: only somebody who added bits to a bare tid is worth another look.
            let again = seen & TID_MASK == word;
            return Err(if again { Refused::Changed } else { Refused::Errno(Errno::EINVAL) });
        }
        let mut wakers = Wakers::new();
        hand_over(&self.table, &mut queue, key, next, Place::Granted, &mut wakers);
        drop(queue);
        wake_all(wakers);
        Ok(())
    }
}

fn release<T: Target>(target: &T, addr: Addr, word: u32) -> Result<(), Refused> {
    if target.compare_exchange_nofault(addr, word, 0)? == word {
        Ok(())
    } else {
        Err(Refused::Changed)
    }
}
