//! A chain: the waiters of one key, in the order in which they came.
//!
//! Nodes live in a slab of the chain and are linked by index, so that queueing reuses memory, and
//! all of it is safe code. A waiter knows its chain and its index there, not its bucket: requeueing
//! all waiters of a key moves the chain as it is, and no waiter is touched.

mod moving;
mod wake;

pub(crate) use wake::{Wakers, wake_all};

use crate::budget::Budget;
use crate::homes::{Home, Homes};
use crate::key::Key;
use crate::pi::PiTask;
use crate::slot::{Place, Slot};
use alloc::vec::Vec;
use core::task::Waker;
use sync::Arc;
use syserr::Errno;

/// No node.
pub(crate) const NIL: u32 = u32::MAX;

/// An empty chain keeps room for this many waiters.
const KEPT_NODES: usize = 16;

/// What kind of sleep a node stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Until a wake.
    Plain,
    /// Until it owns the PI futex on which it is queued.
    Pi(PiTask),
    /// Until a requeue to the PI futex `to`, and then as `Pi`.
    RequeuePi { task: PiTask, to: Key },
}

/// What a waiter is queued as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sleep {
    pub(crate) kind: Kind,
    /// Not 0.
    pub(crate) bitset: u32,
    /// Which of the slot's places is this node's.
    pub(crate) entry: u32,
}

/// A queued waiter, or room for one.
struct Node {
    prev: u32,
    next: u32,
    /// With a bitset of 0, the node is free.
    sleep: Sleep,
    /// Whose the node is. A free node keeps the slot of the last waiter, because the next is often
    /// the same, and then no reference is counted.
    slot: Arc<Slot>,
    waker: Option<Waker>,
}

/// What all chains of a table share.
pub(crate) struct Store {
    pub(crate) homes: Homes,
    budget: Budget,
}

impl Store {
    pub(crate) fn new() -> Store {
        Store { homes: Homes::new(), budget: Budget::default() }
    }
}

/// The waiters of one key.
pub(crate) struct Chain {
    pub(crate) key: Key,
    id: u32,
    head: u32,
    tail: u32,
    free: u32,
    len: u32,
    /// How many of them are there for a PI operation.
    for_pi: u32,
    nodes: Vec<Node>,
    /// Room that this chain has taken from the budget.
    kept: usize,
    store: Arc<Store>,
}

impl Drop for Chain {
    fn drop(&mut self) {
        self.store.budget.give_back(self.kept);
        self.store.homes.release(self.id);
    }
}

impl Chain {
    /// # Errors
    /// `ENOMEM`.
    pub(crate) fn new(store: &Arc<Store>, key: Key) -> Result<Chain, Errno> {
        let id = store.homes.allocate()?;
        let (head, tail, free) = (NIL, NIL, NIL);
        let (nodes, store) = (Vec::new(), store.clone());
        Ok(Chain { key, id, head, tail, free, len: 0, for_pi: 0, nodes, kept: 0, store })
    }

    /// Tells where the chain is now. Its bucket, old and new, is locked.
    pub(crate) fn set_home(&self, home: Home) {
        self.store.homes.set(self.id, home);
    }

    #[inline]
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Room for more waiters.
    ///
    /// # Errors
    /// `ENOMEM`.
    #[inline]
    pub(crate) fn reserve(&mut self, additional: u32) -> Result<(), Errno> {
        if self.free != NIL && additional == 1 {
            return Ok(());
        }
        self.nodes.try_reserve(additional as usize).map_err(|_| Errno::ENOMEM)
    }

    /// Appends a waiter and tells its slot where it is.
    #[inline]
    pub(crate) fn push(&mut self, sleep: Sleep, slot: &Arc<Slot>) {
        let index = self.occupy(sleep, slot);
        self.link_last(index);
        slot.set(sleep.entry as usize, Place::Queued { chain: self.id, index });
    }

    #[inline]
    fn occupy(&mut self, sleep: Sleep, slot: &Arc<Slot>) -> u32 {
        self.len += 1;
        self.for_pi += u32::from(sleep.kind != Kind::Plain);
        let index = self.free;
        if let Some(n) = self.nodes.get_mut(index as usize) {
            self.free = n.next;
            n.sleep = sleep;
            if !Arc::ptr_eq(&n.slot, slot) {
                n.slot = slot.clone();
            }
            return index;
        }
        let node = Node { prev: NIL, next: NIL, sleep, slot: slot.clone(), waker: None };
        self.nodes.push(node);
        (self.nodes.len() - 1) as u32
    }

    #[inline]
    fn link_last(&mut self, index: u32) {
        let prev = core::mem::replace(&mut self.tail, index);
        if let Some(n) = self.nodes.get_mut(index as usize) {
            (n.prev, n.next) = (prev, NIL);
        }
        match self.nodes.get_mut(prev as usize) {
            Some(n) => n.next = index,
            None => self.head = index,
        }
    }

    /// Unlinks `count` nodes from `first` to `last`, and makes them free.
    #[inline]
    fn release(&mut self, first: u32, last: u32, count: u32) {
        let prev = self.nodes.get(first as usize).map_or(NIL, |n| n.prev);
        let Some(n) = self.nodes.get_mut(last as usize) else { return };
        let next = core::mem::replace(&mut n.next, self.free);
        self.free = first;
        match self.nodes.get_mut(prev as usize) {
            Some(n) => n.next = next,
            None => self.head = next,
        }
        match self.nodes.get_mut(next as usize) {
            Some(n) => n.prev = prev,
            None => self.tail = prev,
        }
        self.len -= count;
        if self.len == 0 && self.nodes.len() > KEPT_NODES + self.kept {
            self.trim();
        }
    }

    /// Keeps the memory of an empty chain within the budget.
    #[cold]
    fn trim(&mut self) {
        let more = self.nodes.len() - KEPT_NODES - self.kept;
        if self.store.budget.take(more) {
            self.kept += more;
        } else {
            self.store.budget.give_back(core::mem::take(&mut self.kept));
            self.nodes = Vec::new();
            self.free = NIL;
        }
    }

    /// Who a waiter is if it is queued on a PI futex.
    #[inline]
    pub(crate) fn pi_task(&self, index: u32) -> Option<PiTask> {
        if self.for_pi == 0 {
            return None;
        }
        match self.nodes.get(index as usize)?.sleep {
            Sleep { kind: Kind::Pi(task), bitset: 1.., .. } => Some(task),
            _ => None,
        }
    }

    /// Unlinks a waiter and takes its waker. Its slot still names the old place: the caller says
    /// what is next.
    #[inline]
    pub(crate) fn take(&mut self, index: u32) -> Option<Waker> {
        let n = self.nodes.get_mut(index as usize)?;
        if n.sleep.bitset == 0 {
            return None;
        }
        n.sleep.bitset = 0;
        self.for_pi -= u32::from(n.sleep.kind != Kind::Plain);
        let waker = n.waker.take();
        self.release(index, index, 1);
        waker
    }

    /// The first waiter, and what it waits for.
    pub(crate) fn first(&self) -> Option<(u32, Kind)> {
        Some((self.head, self.nodes.get(self.head as usize)?.sleep.kind))
    }

    /// The PI waiter `task`.
    pub(crate) fn find_pi(&self, task: crate::TaskId) -> Option<(u32, PiTask)> {
        let mut at = self.head;
        while let Some(n) = self.nodes.get(at as usize) {
            match n.sleep.kind {
                Kind::Pi(t) if t.id == task => return Some((at, t)),
                _ => at = n.next,
            }
        }
        None
    }

    /// Leaves `waker` with a waiter; what is to be dropped once the bucket is unlocked.
    pub(crate) fn set_waker(&mut self, index: u32, waker: &Waker) -> Option<Waker> {
        let n = self.nodes.get_mut(index as usize)?;
        match &n.waker {
            Some(w) if w.will_wake(waker) => None,
            _ => n.waker.replace(waker.clone()),
        }
    }
}
