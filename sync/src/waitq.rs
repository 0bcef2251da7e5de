//! Wait queues: who wants to be told when something becomes ready.
//!
//! The pattern that never loses an event: register, try, and only if the try would block, sleep.
//! Whoever makes the object ready changes it first and calls [`Queue::notify`] then. The queue's
//! lock orders the two: either the registration comes first and the notification finds it, or the
//! notification comes first, and then the try, which comes after the registration, finds the
//! object ready. Trying first and registering then has no such argument, and loses events.
//!
//! [`Queue::notify`] calls wakers outside its lock, in the order of registration, and allocates
//! nothing for up to four of them.

use crate::Mutex;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::task::Waker;
use smallvec::SmallVec;

bitflags::bitflags! {
    /// Readiness, with the numbers of poll(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
    pub struct Events: u32 {
        /// `POLLIN`: there is data to read.
        const IN = 0x1;
        /// `POLLPRI`: an exceptional condition.
        const PRI = 0x2;
        /// `POLLOUT`: writing will not block.
        const OUT = 0x4;
        /// `POLLERR`: an error; always reported.
        const ERR = 0x8;
        /// `POLLHUP`: the other side is gone; always reported.
        const HUP = 0x10;
        /// `POLLNVAL`: not an open descriptor.
        const NVAL = 0x20;
        /// `POLLRDNORM`.
        const RDNORM = 0x40;
        /// `POLLRDBAND`.
        const RDBAND = 0x80;
        /// `POLLWRNORM`.
        const WRNORM = 0x100;
        /// `POLLWRBAND`.
        const WRBAND = 0x200;
        /// `POLLRDHUP`: the peer will write no more.
        const RDHUP = 0x2000;
    }
}

/// What a [`Queue`] calls when an event that an entry asked for happens.
pub trait Notify: Send + Sync {
    /// Called with the events that happened, with no lock of the queue held.
    fn notify(&self, events: Events);
}

/// Whom an entry tells. A waker is kept as it is: registering one allocates nothing of its own.
#[derive(Clone)]
enum Listener {
    Waker(Waker),
    Target(Arc<dyn Notify>),
}

impl Listener {
    fn tell(self, events: Events) {
        match self {
            Listener::Waker(w) => w.wake(),
            Listener::Target(t) => t.notify(events),
        }
    }
}

struct Entry {
    id: u64,
    mask: Events,
    listener: Listener,
}

#[derive(Default)]
struct Inner {
    next: u64,
    entries: Vec<Entry>,
}

/// A list of those who wait for events of one object.
#[derive(Default)]
pub struct Queue {
    inner: Mutex<Inner>,
}

impl core::fmt::Debug for Queue {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

/// Names one registration in one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

impl Queue {
    /// An empty queue.
    pub fn new() -> Queue {
        Queue::default()
    }

    /// Registers `waker` for `mask`.
    pub fn register(&self, mask: Events, waker: &Waker) -> Ticket {
        self.add(mask, Listener::Waker(waker.clone()))
    }

    /// Registers any target for `mask` (epoll registers itself so).
    pub fn register_target(&self, mask: Events, target: Arc<dyn Notify>) -> Ticket {
        self.add(mask, Listener::Target(target))
    }

    fn add(&self, mask: Events, listener: Listener) -> Ticket {
        let mut inner = self.inner.lock();
        inner.next += 1;
        let id = inner.next;
        inner.entries.push(Entry { id, mask, listener });
        Ticket(id)
    }

    /// Takes a registration back. A ticket that is gone already is no error.
    pub fn unregister(&self, ticket: Ticket) {
        let mut inner = self.inner.lock();
        let found = inner.entries.iter().position(|e| e.id == ticket.0);
        let entry = found.map(|i| inner.entries.remove(i));
        drop(inner);
        // Dropping a listener may run foreign code: not under the lock.
        drop(entry);
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.inner.lock().entries.is_empty()
    }

    /// Tells everyone whose mask meets `events`. Registrations stay until they are taken back.
    pub fn notify(&self, events: Events) {
        let told: SmallVec<[Listener; 4]> = {
            let inner = self.inner.lock();
            let met = inner.entries.iter().filter(|e| e.mask.intersects(events));
            met.map(|e| e.listener.clone()).collect()
        };
        for listener in told {
            listener.tell(events);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
