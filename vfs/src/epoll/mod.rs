//! Event polls; epoll(7).
//!
//! A watched file's queue calls the watch, which puts itself on the ready list once and tells
//! whoever waits. A wait asks each listed file what is true now, so an event that is gone is not
//! reported, and puts level-triggered ones back. Watches hold their file weakly: the last close of
//! a description ends them.

mod check;
mod item;
#[cfg(test)]
mod tests;

use crate::{Caller, File, FileOps, Stat, anon};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::Addr;
use core::any::Any;
use item::Item;
use sync::Mutex;
use sync::waitq::{Events, Queue};
use syserr::Errno;

/// `EPOLLEXCLUSIVE`.
pub const EXCLUSIVE: u32 = 1 << 28;
/// `EPOLLWAKEUP`; accepted and without effect.
pub const WAKEUP: u32 = 1 << 29;
/// `EPOLLONESHOT`.
pub const ONESHOT: u32 = 1 << 30;
/// `EPOLLET`.
pub const EDGE: u32 = 1 << 31;

/// What a watch asks for and brings: `struct epoll_event`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Event {
    /// `EPOLL*` bits.
    pub events: u32,
    /// The caller's own.
    pub data: u64,
}

/// Description and number: what a watch is known by.
type Key = (usize, i32);

/// The file that epoll_create(2) makes.
pub struct Epoll {
    items: Mutex<BTreeMap<Key, Arc<Item>>>,
    ready: Arc<Ready>,
}

/// The ready list, apart from the poll itself so that watches can reach it.
pub(crate) struct Ready {
    list: Mutex<VecDeque<Arc<Item>>>,
    queue: Queue,
}

impl Default for Epoll {
    fn default() -> Epoll {
        Epoll::new()
    }
}

fn key(file: &Arc<File>, fd: i32) -> Key {
    (Arc::as_ptr(file) as usize, fd)
}

impl Epoll {
    /// A poll without watches.
    pub fn new() -> Epoll {
        let ready = Ready { list: Mutex::new(VecDeque::new()), queue: Queue::new() };
        Epoll { items: Mutex::new(BTreeMap::new()), ready: Arc::new(ready) }
    }

    /// Watches `file`, known by the number `fd`: `EPOLL_CTL_ADD`.
    ///
    /// # Errors
    /// `EEXIST`; `EPERM` for a file that is always ready; `EINVAL` for the poll itself or bits
    /// that `EPOLLEXCLUSIVE` forbids; `ELOOP` for a circle of polls or more than five in a row.
    pub fn add(&self, file: &Arc<File>, fd: i32, event: Event) -> Result<(), Errno> {
        if file.queue().is_none() {
            return Err(Errno::EPERM);
        }
        let nested = check::as_epoll(file);
        if nested.is_some_and(|e| core::ptr::eq(e, self)) {
            return Err(Errno::EINVAL);
        }
        check::exclusive(event.events, nested.is_some())?;
        let mut items = self.items.lock();
        self.forget_closed(&mut items);
        if items.contains_key(&key(file, fd)) {
            return Err(Errno::EEXIST);
        }
        drop(items);
        if let Some(inner) = nested {
            check::nesting(self, inner)?;
        }
        let item = Item::new(file, event, &self.ready);
        let mut items = self.items.lock();
        if items.contains_key(&key(file, fd)) {
            return Err(Errno::EEXIST);
        }
        items.insert(key(file, fd), item.clone());
        drop(items);
        item.attach();
        Ok(())
    }

    /// Changes what is asked for: `EPOLL_CTL_MOD`.
    ///
    /// # Errors
    /// `ENOENT`; `EINVAL` when either is exclusive.
    pub fn modify(&self, file: &Arc<File>, fd: i32, event: Event) -> Result<(), Errno> {
        let item = self.items.lock().get(&key(file, fd)).cloned().ok_or(Errno::ENOENT)?;
        if event.events & EXCLUSIVE != 0 || item.event().events & EXCLUSIVE != 0 {
            return Err(Errno::EINVAL);
        }
        item.change(event);
        Ok(())
    }

    /// Ends a watch: `EPOLL_CTL_DEL`.
    ///
    /// # Errors
    /// `ENOENT`.
    pub fn remove(&self, file: &Arc<File>, fd: i32) -> Result<(), Errno> {
        let item = self.items.lock().remove(&key(file, fd)).ok_or(Errno::ENOENT)?;
        item.detach();
        self.ready.list.lock().retain(|i| !Arc::ptr_eq(i, &item));
        Ok(())
    }

    /// Takes up to `max` events. `emit` says whether it could deliver one; where it could not,
    /// that and later ones stay.
    ///
    /// # Errors
    /// What `emit` failed with, if it did so at the first event.
    pub fn take(
        &self,
        max: usize,
        mut emit: impl FnMut(&Event) -> Result<(), Errno>,
    ) -> Result<usize, Errno> {
        // Each listed watch is looked at once, so that level-triggered ones that go back to the
        // end are not reported twice.
        let mut left = self.ready.list.lock().len();
        let mut done = 0;
        while left > 0 && done < max {
            left -= 1;
            let Some(item) = self.ready.list.lock().pop_front() else { break };
            let Some(event) = item.poll_listed() else { continue };
            if let Err(e) = emit(&event) {
                item.requeue(true);
                return if done > 0 { Ok(done) } else { Err(e) };
            }
            done += 1;
            item.delivered();
        }
        Ok(done)
    }

    /// Whether a watch has something to report, with at most `depth` polls below this one.
    fn has_events(&self, depth: u32) -> bool {
        let listed: Vec<Arc<Item>> = self.ready.list.lock().iter().cloned().collect();
        listed.iter().any(|i| !i.current(depth).is_empty())
    }

    /// Drops watches whose description is closed, so that closing and opening in a loop does not
    /// make the table grow.
    fn forget_closed(&self, items: &mut BTreeMap<Key, Arc<Item>>) {
        if items.len().is_power_of_two() {
            items.retain(|_, i| i.is_alive());
        }
    }

    fn watched(&self) -> Vec<Arc<File>> {
        self.items.lock().values().filter_map(|i| i.file()).collect()
    }
}

impl Drop for Epoll {
    fn drop(&mut self) {
        for item in self.items.lock().values() {
            item.detach();
        }
        self.ready.list.lock().clear();
    }
}

impl FileOps for Epoll {
    fn ignores_seeks(&self) -> bool {
        true
    }

    fn readiness(&self) -> Events {
        let mut e = Events::empty();
        e.set(Events::IN | Events::RDNORM, self.has_events(check::MAX_DEPTH));
        e
    }

    fn queue(&self) -> Option<&Queue> {
        Some(&self.ready.queue)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(anon::anon_stat())
    }

    fn ioctl(&self, _: &dyn Caller, _: u32, _: Addr) -> Result<u64, Errno> {
        Err(Errno::EINVAL)
    }

    fn fdinfo(&self, _: &dyn crate::proc::ProcSource, out: &mut Vec<u8>) {
        for ((_, fd), item) in self.items.lock().iter() {
            let Event { events, data } = item.event();
            let line = format!("tfd: {fd:8} events: {events:8x} data: {data:16x} \n");
            out.extend_from_slice(line.as_bytes());
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl core::fmt::Debug for Epoll {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Epoll").field("watches", &self.items.lock().len()).finish_non_exhaustive()
    }
}
