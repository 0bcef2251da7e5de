//! One bucket: a queue of waiters whose keys share a hash, and the PI state of those keys.
//!
//! Nodes live in a slab and are linked by index, so that queueing reuses memory, requeueing moves
//! a node and its owner's [`Place`], and all of it is safe code.

use crate::key::Key;
use crate::pi::{PiTask, graph::StateId};
use crate::slot::{Place, Slot};
use alloc::vec::Vec;
use core::task::Waker;
use smallvec::SmallVec;
use sync::atomic::{AtomicU32, AtomicUsize, Ordering, fence};
use sync::{Arc, Mutex, MutexGuard};
use syserr::Errno;

/// No node.
pub(crate) const NIL: u32 = u32::MAX;

/// A bucket whose queue is empty again keeps room for this many waiters.
const KEPT_NODES: usize = 64;

/// All buckets of a table together keep room for this many more; the rest is given back. So
/// bursts on a few words reuse memory, and a guest that fills one bucket after the other cannot
/// make the kernel hold it all.
const KEPT_BY_ALL: usize = 1 << 14;

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

/// A queued waiter.
pub(crate) struct Node {
    pub(crate) key: Key,
    pub(crate) kind: Kind,
    pub(crate) bitset: u32,
    /// Which of the slot's places is this node's.
    pub(crate) entry: u32,
    pub(crate) slot: Arc<Slot>,
    pub(crate) waker: Option<Waker>,
}

struct Links {
    prev: u32,
    next: u32,
    node: Option<Node>,
}

/// The kernel's knowledge of a PI futex that somebody waits for.
pub(crate) struct PiState {
    pub(crate) key: Key,
    pub(crate) id: StateId,
    /// The owner's thread id as the futex word holds it.
    pub(crate) owner_tid: u32,
    pub(crate) waiters: u32,
    /// The owner got it by a death and has not written the word yet.
    pub(crate) unfixed: bool,
}

/// What the lock of a bucket protects.
pub(crate) struct Queue {
    links: Vec<Links>,
    head: u32,
    tail: u32,
    free: u32,
    len: u32,
    bucket: u32,
    /// Room that this queue has taken from `budget`.
    kept: usize,
    budget: Arc<Budget>,
    pub(crate) pi: Vec<PiState>,
}

/// The room beyond [`KEPT_NODES`] that the queues of a table keep while they are empty.
#[derive(Default)]
pub(crate) struct Budget(AtomicUsize);

impl Budget {
    fn take(&self, n: usize) -> bool {
        let fits = |taken: usize| taken.checked_add(n).filter(|t| *t <= KEPT_BY_ALL);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn give_back(&self, n: usize) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }
}

/// A queue with its lock and the count that lets a wake pass by without the lock.
pub(crate) struct Bucket {
    /// Nodes queued, or about to be. Changes only under the lock.
    count: AtomicU32,
    queue: Mutex<Queue>,
}

/// Wakers of unlinked waiters, called once all locks are dropped.
pub(crate) type Wakers = SmallVec<[Waker; 8]>;

/// Calls what was collected.
pub(crate) fn wake_all(wakers: Wakers) {
    wakers.into_iter().for_each(Waker::wake);
}

impl Bucket {
    pub(crate) fn new(bucket: u32, budget: Arc<Budget>) -> Bucket {
        let queue = Queue {
            links: Vec::new(),
            head: NIL,
            tail: NIL,
            free: NIL,
            len: 0,
            bucket,
            kept: 0,
            budget,
            pi: Vec::new(),
        };
        Bucket { count: AtomicU32::new(0), queue: Mutex::new(queue) }
    }

    /// Whether nobody waits here. Pairs with [`Bucket::announce`]: whoever changed the futex word
    /// before asking either sees the waiter here, or the waiter sees the changed word.
    pub(crate) fn is_idle(&self) -> bool {
        fence(Ordering::SeqCst);
        self.count.load(Ordering::SeqCst) == 0
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock()
    }

    /// Makes the caller, who holds `queue`'s lock, visible to [`Bucket::is_idle`]; to be done
    /// before it looks at the futex word.
    pub(crate) fn announce(&self, queue: &Queue) {
        self.count.swap(queue.len + 1, Ordering::SeqCst);
        // On x86 the swap is the barrier already; elsewhere the word's load must not pass it.
        #[cfg(any(loom, not(target_arch = "x86_64")))]
        fence(Ordering::SeqCst);
    }

    /// Makes the count true again after a change to `queue`, whose lock the caller holds.
    pub(crate) fn settle(&self, queue: &Queue) {
        self.count.store(queue.len, Ordering::Release);
    }
}

impl Queue {
    /// Room for one more node.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(crate) fn reserve(&mut self, additional: usize) -> Result<(), Errno> {
        if self.free != NIL && additional <= 1 {
            return Ok(());
        }
        self.links.try_reserve(additional).map_err(|_| Errno::ENOMEM)
    }

    /// Appends a node and tells its slot where it is.
    #[inline]
    pub(crate) fn push(&mut self, node: Node) {
        let prev = self.tail;
        let index = if self.free == NIL {
            self.links.push(Links { prev, next: NIL, node: None });
            (self.links.len() - 1) as u32
        } else {
            self.free
        };
        node.slot.set(node.entry as usize, Place::Queued { bucket: self.bucket, index });
        if let Some(l) = self.links.get_mut(index as usize) {
            if index == self.free {
                self.free = l.next;
            }
            *l = Links { prev, next: NIL, node: Some(node) };
        }
        match self.links.get_mut(prev as usize) {
            Some(l) => l.next = index,
            None => self.head = index,
        }
        self.tail = index;
        self.len += 1;
    }

    /// Unlinks a node. Its slot still names the old place: the caller says what is next.
    #[inline]
    pub(crate) fn take(&mut self, index: u32) -> Option<Node> {
        let l = self.links.get_mut(index as usize)?;
        let node = l.node.take()?;
        let (prev, next) = (l.prev, l.next);
        *l = Links { prev: NIL, next: self.free, node: None };
        self.free = index;
        match self.links.get_mut(prev as usize) {
            Some(l) => l.next = next,
            None => self.head = next,
        }
        match self.links.get_mut(next as usize) {
            Some(l) => l.prev = prev,
            None => self.tail = prev,
        }
        self.len -= 1;
        if self.len == 0 && self.links.len() > KEPT_NODES + self.kept {
            self.trim();
        }
        Some(node)
    }

    /// Keeps the memory of an empty queue within the budget.
    #[cold]
    fn trim(&mut self) {
        let more = self.links.len() - KEPT_NODES - self.kept;
        if self.budget.take(more) {
            self.kept += more;
        } else {
            self.budget.give_back(core::mem::take(&mut self.kept));
            self.links = Vec::new();
            self.free = NIL;
        }
    }

    /// Unlinks a node with its fate, and collects its waker.
    pub(crate) fn finish(&mut self, index: u32, fate: Place, wakers: &mut Wakers) {
        if let Some(mut node) = self.take(index) {
            wakers.extend(node.waker.take());
            node.slot.set(node.entry as usize, fate);
        }
    }

    pub(crate) fn node(&self, index: u32) -> Option<&Node> {
        self.links.get(index as usize)?.node.as_ref()
    }

    pub(crate) fn node_mut(&mut self, index: u32) -> Option<&mut Node> {
        self.links.get_mut(index as usize)?.node.as_mut()
    }

    /// The first node at or after `index` with this key, and the index where to go on after it.
    pub(crate) fn find(&self, mut index: u32, key: Key) -> Option<(u32, u32)> {
        while let Some(l) = self.links.get(index as usize) {
            match &l.node {
                Some(n) if n.key == key => return Some((index, l.next)),
                _ => index = l.next,
            }
        }
        None
    }

    /// Where to start with [`Queue::find`].
    pub(crate) fn head(&self) -> u32 {
        self.head
    }

    /// The queued PI waiter `task` on `key`.
    pub(crate) fn find_pi(&self, key: Key, task: crate::TaskId) -> Option<u32> {
        let mut at = self.head;
        while let Some((index, next)) = self.find(at, key) {
            match self.node(index)?.kind {
                Kind::Pi(t) if t.id == task => return Some(index),
                _ => at = next,
            }
        }
        None
    }

    pub(crate) fn pi_state(&mut self, key: Key) -> Option<&mut PiState> {
        self.pi.iter_mut().find(|s| s.key == key)
    }

    /// Wakes up to `n` waiters (at least one) on `key` whose bitsets meet `bitset`, in the order
    /// in which they came.
    ///
    /// # Errors
    /// `EINVAL` at the first PI waiter; who was met before it is awake nevertheless, as in Linux.
    pub(crate) fn wake(
        &mut self,
        key: Key,
        n: i32,
        bitset: u32,
        wakers: &mut Wakers,
    ) -> Result<u32, Errno> {
        let (mut at, mut woken) = (self.head, 0u32);
        while let Some((index, next)) = self.find(at, key) {
            let Some(node) = self.node(index) else { break };
            if node.kind != Kind::Plain {
                return Err(Errno::EINVAL);
            }
            if node.bitset & bitset != 0 {
                self.finish(index, Place::Woken, wakers);
                woken += 1;
                if i64::from(woken) >= i64::from(n) {
                    break;
                }
            }
            at = next;
        }
        Ok(woken)
    }
}
