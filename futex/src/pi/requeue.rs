//! `FUTEX_WAIT_REQUEUE_PI` and `FUTEX_CMP_REQUEUE_PI`: condition variables over PI mutexes.

use super::lock::{Attempt, Refused, attempt};
use super::{Fixup, PiTask, drop_idle_state};
use crate::chain::{Kind, Sleep, Wakers, wake_all};
use crate::key::Key;
use crate::manager::{Manager, RETRIES};
use crate::requeue::{Counts, Word};
use crate::sleep::Entry;
use crate::slot::{Place, Waiter};
use crate::table::Pair;
use crate::target::Target;
use crate::wait::{Hold, Wait};
use syserr::Errno;

impl Manager {
    /// Sleeps on the word at `on` while it is `val`, to be requeued to the PI futex `to` by
    /// [`Manager::cmp_requeue_pi`]; ready once `task` owns that. Source: futex(2),
    /// `FUTEX_WAIT_REQUEUE_PI`.
    ///
    /// # Errors
    /// `EINVAL` when both words are the same, for an empty bitset or an unaligned address;
    /// `EAGAIN` when the word is not `val`; `EFAULT`; `ENOMEM`.
    #[expect(clippy::too_many_arguments, reason = "they are the system call's")]
    pub fn wait_requeue_pi<'a, T: Target>(
        &'a self,
        waiter: &'a mut Waiter,
        target: T,
        on: Word,
        to: Word,
        val: u32,
        bitset: u32,
        task: PiTask,
    ) -> Result<Wait<'a, T>, Errno> {
        if on.addr == to.addr || bitset == 0 {
            return Err(Errno::EINVAL);
        }
        let key2 = self.key(&target, to.addr, to.scope, true)?;
        let key = self.key(&target, on.addr, on.scope, false)?;
        if key == key2 {
            return Err(Errno::EINVAL);
        }
        let sleep = Sleep { kind: Kind::RequeuePi { task, to: key2 }, bitset, entry: 0 };
        let entry = Entry { key, addr: on.addr, val, sleep };
        let queued = self.enqueue(&target, &entry, waiter.ready())?;
        let addr = to.addr;
        let fixup = Fixup { target, addr, key: key2, task, requeued_from_plain: true };
        Ok(Wait::new(Hold::Borrowed(self, waiter), Some(queued), Some(fixup)))
    }

    /// If the word at `from` is still `expected`, takes the PI futex `to` for the first waiter if
    /// it is free, and moves up to `counts.requeue` others behind its owner. `counts.wake` must be one. Returns how many waiters were given the lock or moved.
    ///
    /// Source: futex(2), `FUTEX_CMP_REQUEUE_PI`; `futex_requeue` in `kernel/futex/requeue.c`.
    ///
    /// # Errors
    /// `EINVAL` for other counts, equal words, unaligned addresses, or a waiter that is not there
    /// for a requeue to `to`; `EAGAIN` when the word is not `expected`; `ESRCH` when the owner of
    /// `to` does not exist; `EDEADLK`; `EFAULT`; `ENOMEM`.
    pub fn cmp_requeue_pi<T: Target>(
        &self,
        target: T,
        from: Word,
        to: Word,
        counts: Counts,
        expected: u32,
    ) -> Result<u32, Errno> {
        if counts.wake < 0 || counts.requeue < 0 || from.addr == to.addr || counts.wake != 1 {
            return Err(Errno::EINVAL);
        }
        let key = self.key(&target, from.addr, from.scope, false)?;
        let key2 = self.key(&target, to.addr, to.scope, true)?;
        if key == key2 {
            return Err(Errno::EINVAL);
        }
        for _ in 0..RETRIES {
            let mut pair = self.table.lock_two(key, key2)?;
            pair.announce();
            match target.load_nofault(from.addr) {
                Ok(v) if v == expected => {}
                Ok(_) => return Err(Errno::EAGAIN),
                Err(_) => {
                    drop(pair);
                    target.fault_in(from.addr, false)?;
                    continue;
                }
            }
            let mut wakers = Wakers::new();
            let r =
                self.requeue_pi_locked(&mut pair, &target, (key, key2), to, counts, &mut wakers);
            drop_idle_state(&self.table, pair.to(), key2);
            drop(pair);
            wake_all(wakers);
            match r {
                Ok(n) => return Ok(n),
                Err(Refused::Fault) => target.fault_in(to.addr, true)?,
                Err(Refused::Changed) => {}
                Err(Refused::Errno(e)) => return Err(e),
            }
        }
        Err(Errno::EAGAIN)
    }

    fn requeue_pi_locked<T: Target>(
        &self,
        pair: &mut Pair<'_>,
        target: &T,
        (key, key2): (Key, Key),
        to: Word,
        counts: Counts,
        wakers: &mut Wakers,
    ) -> Result<u32, Refused> {
        // Linux touches the target word even when nobody waits.
        target.load_nofault(to.addr)?;
        let Some((index, first)) = pair.from().first(key) else { return Ok(0) };
        let task = requeue_task(first, key2).map_err(Refused::Errno)?;
        let more = counts.requeue > 0;
        let mut count = 0u32;
        match attempt(&self.table, pair.to(), target, to.addr, key2, task, more)? {
            Attempt::Acquired => {
                pair.from().finish(key, index, Place::Granted, wakers);
                count = 1;
            }
            Attempt::Owned => {}
        }
        let limit = i64::from(counts.requeue) + i64::from(counts.wake);
        while i64::from(count) < limit
            && let Some((_, first)) = pair.from().first(key)
        {
            let task = requeue_task(first, key2).map_err(Refused::Errno)?;
            self.requeue_first(pair, key, key2, task).map_err(Refused::Errno)?;
            count += 1;
        }
        Ok(count)
    }

    /// Moves the first waiter on `key` behind the owner of `key2`. Who would deadlock stays where
    /// it is, and the caller learns of it.
    fn requeue_first(
        &self,
        pair: &mut Pair<'_>,
        key: Key,
        key2: Key,
        task: PiTask,
    ) -> Result<(), Errno> {
        let b = pair.to().prepare(&self.table.store, key2)?;
        let state = pair.to().pi_state(key2).ok_or(Errno::EINVAL)?;
        self.table.graph.lock().add_waiter(state.id, task, &*self.table.hook)?;
        state.waiters += 1;
        let a = pair.from().position(key).ok_or(Errno::EINVAL)?;
        if let Some([from, to]) = pair.chains(a, b) {
            to.take_first_of(from, |_| Kind::Pi(task));
        }
        pair.from().retire(a);
        Ok(())
    }
}

/// The task that waits as `kind` to be requeued to `key2`.
fn requeue_task(kind: Kind, key2: Key) -> Result<PiTask, Errno> {
    match kind {
        Kind::RequeuePi { task, to } if to == key2 => Ok(task),
        _ => Err(Errno::EINVAL),
    }
}
