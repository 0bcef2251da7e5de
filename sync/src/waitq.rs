//! Wait queues: who wants to be told when something becomes ready.
//!
//! The pattern that never loses an event: register, try, and only if the try would block, sleep.
//! [`Queue::notify`] calls wakers outside its lock.

use crate::Mutex;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::task::Waker;

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

impl Notify for WakerSlot {
    fn notify(&self, _: Events) {
        self.0.wake_by_ref();
    }
}

struct WakerSlot(Waker);

struct Entry {
    id: u64,
    mask: Events,
    target: Arc<dyn Notify>,
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
        self.register_target(mask, Arc::new(WakerSlot(waker.clone())))
    }

    /// Registers any target for `mask` (epoll registers itself so).
    pub fn register_target(&self, mask: Events, target: Arc<dyn Notify>) -> Ticket {
        let mut inner = self.inner.lock();
        inner.next += 1;
        let id = inner.next;
        inner.entries.push(Entry { id, mask, target });
        Ticket(id)
    }

    /// Takes a registration back. A ticket that is gone already is no error.
    pub fn unregister(&self, ticket: Ticket) {
        let mut inner = self.inner.lock();
        if let Some(i) = inner.entries.iter().position(|e| e.id == ticket.0) {
            inner.entries.remove(i);
        }
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.inner.lock().entries.is_empty()
    }

    /// Tells everyone whose mask meets `events`. Registrations stay until they are taken back.
    pub fn notify(&self, events: Events) {
        let targets: Vec<Arc<dyn Notify>> = {
            let inner = self.inner.lock();
            if inner.entries.is_empty() {
                return;
            }
            inner.entries.iter().filter(|e| e.mask.intersects(events)).map(|e| e.target.clone()).collect()
        };
        for t in targets {
            t.notify(events);
        }
    }
}
