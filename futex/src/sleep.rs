//! `FUTEX_WAIT` and `FUTEX_WAIT_BITSET`: from the word's value to a queued waiter.

use crate::abi::MATCH_ANY;
use crate::chain::{Kind, Sleep};
use crate::homes::Home;
use crate::key::{Key, Scope};
use crate::manager::{Manager, RETRIES};
use crate::slot::{Slot, Waiter};
use crate::target::Target;
use crate::wait::{Hold, Wait};
use arch::Addr;
use sync::Arc;
use syserr::Errno;

/// Where to queue, and on what condition.
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) addr: Addr,
    pub(crate) val: u32,
    pub(crate) sleep: Sleep,
}

/// Why an entry is not queued.
pub(crate) enum NotQueued {
    /// The word is not resident; nothing is locked any more.
    Fault,
    Errno(Errno),
}

impl Manager {
    /// Sleeps on the word at `addr` while it is `val`.
    ///
    /// The word is compared with its bucket locked, so a wake after a change of the word finds
    /// either the waiter or a waiter that has seen the change. Source: futex(2), `FUTEX_WAIT`.
    ///
    /// # Errors
    /// `EAGAIN` when the word is not `val`; `EINVAL` for an unaligned address; `EFAULT`; `ENOMEM`.
    #[inline]
    pub fn wait<'a, T: Target>(
        &'a self,
        waiter: &'a mut Waiter,
        target: T,
        addr: Addr,
        scope: Scope,
        val: u32,
    ) -> Result<Wait<'a, T>, Errno> {
        self.wait_bitset(waiter, target, addr, scope, val, MATCH_ANY)
    }

    /// As [`Manager::wait`], for wakes whose bitset meets `bitset`. Source: futex(2),
    /// `FUTEX_WAIT_BITSET`.
    ///
    /// # Errors
    /// As [`Manager::wait`]; `EINVAL` for an empty bitset.
    #[inline]
    pub fn wait_bitset<'a, T: Target>(
        &'a self,
        waiter: &'a mut Waiter,
        target: T,
        addr: Addr,
        scope: Scope,
        val: u32,
        bitset: u32,
    ) -> Result<Wait<'a, T>, Errno> {
        if bitset == 0 {
            return Err(Errno::EINVAL);
        }
        let key = self.key(&target, addr, scope, false)?;
        let sleep = Sleep { kind: Kind::Plain, bitset, entry: 0 };
        let queued = self.enqueue(&target, &Entry { key, addr, val, sleep }, waiter.ready())?;
        Ok(Wait::new(Hold::Borrowed(self, waiter), Some(queued), None))
    }

    /// Queues one entry if its word has the expected value, faulting the word in as needed; where.
    pub(crate) fn enqueue<T: Target>(
        &self,
        target: &T,
        entry: &Entry,
        slot: &Arc<Slot>,
    ) -> Result<Home, Errno> {
        for _ in 0..RETRIES {
            match self.try_enqueue(target, entry, slot) {
                Ok(home) => return Ok(home),
                Err(NotQueued::Errno(e)) => return Err(e),
                Err(NotQueued::Fault) => target.fault_in(entry.addr, false)?,
            }
        }
        Err(Errno::EAGAIN)
    }

    /// As [`Manager::enqueue`], without faulting anything in.
    #[inline]
    pub(crate) fn try_enqueue<T: Target>(
        &self,
        target: &T,
        entry: &Entry,
        slot: &Arc<Slot>,
    ) -> Result<Home, NotQueued> {
        let bucket = self.table.of(entry.key).map_err(NotQueued::Errno)?;
        let mut queue = bucket.lock();
        let at = queue.prepare(&self.table.store, entry.key).map_err(NotQueued::Errno)?;
        bucket.announce();
        let queued = match target.load_nofault(entry.addr) {
            Ok(v) if v == entry.val => Ok(queue.home(at)),
            Ok(_) => Err(NotQueued::Errno(Errno::EAGAIN)),
            Err(_) => Err(NotQueued::Fault),
        };
        if queued.is_err() {
            queue.retire(at);
        } else if let Some(chain) = queue.at(at) {
            chain.push(entry.sleep, slot);
        }
        queued
    }
}
