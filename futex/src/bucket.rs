//! One bucket: the chains of the keys that share a hash, and the PI state of those keys.

use crate::chain::{Chain, Kind, Store, Wakers};
use crate::homes::Home;
use crate::key::Key;
use crate::pi::graph::StateId;
use crate::slot::Place;
use alloc::vec::Vec;
use sync::atomic::{AtomicU32, Ordering, fence};
use sync::{Arc, Mutex, MutexGuard};
use syserr::Errno;

/// A bucket keeps this many chains, though nobody waits there. Models see them come and go.
const KEPT_CHAINS: usize = if cfg!(loom) { 1 } else { 4 };

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
    /// At most one for each key; empty ones wait for the next waiter.
    chains: Vec<Chain>,
    bucket: u32,
    pub(crate) pi: Vec<PiState>,
}

/// A queue with its lock and the mark that lets a wake pass by without the lock.
pub(crate) struct Bucket {
    /// Whether somebody may be queued. Changes only under the lock.
    busy: AtomicU32,
    queue: Mutex<Queue>,
}

impl Bucket {
    pub(crate) fn new(bucket: u32) -> Bucket {
        let queue = Queue { chains: Vec::new(), bucket, pi: Vec::new() };
        Bucket { busy: AtomicU32::new(0), queue: Mutex::new(queue) }
    }

    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.busy.load(Ordering::SeqCst) == 0
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock()
    }

    /// Makes the caller, who holds the lock, visible to [`Bucket::is_idle`]; to be done before it
    /// looks at the futex word. The mark stays until a wake finds nobody, since who waits once
    /// waits again.
    #[inline]
    pub(crate) fn announce(&self) {
        if self.busy.load(Ordering::Relaxed) == 0 {
            self.busy.swap(1, Ordering::SeqCst);
            // On x86 the swap is the barrier already; elsewhere the word's load must not pass it.
            #[cfg(any(loom, not(target_arch = "x86_64")))]
            fence(Ordering::SeqCst);
        }
    }

    /// Takes the mark away if nobody is queued. The caller holds the lock.
    pub(crate) fn settle(&self, queue: &Queue) {
        if queue.chains.iter().all(Chain::is_empty) {
            self.busy.store(0, Ordering::Release);
        }
    }
}

/// Orders a change of a futex word before a look at [`Bucket::is_idle`]: either the change is seen
/// by the waiter, or the waiter is seen here. Pairs with [`Bucket::announce`].
pub(crate) fn barrier() {
    fence(Ordering::SeqCst);
}

impl Queue {
    #[inline]
    pub(crate) fn position(&self, key: Key) -> Option<usize> {
        self.chains.iter().position(|c| c.key == key)
    }

    /// The position of the chain for `key`, with room for one more waiter.
    ///
    /// # Errors
    /// `ENOMEM`.
    #[inline]
    pub(crate) fn prepare(&mut self, store: &Arc<Store>, key: Key) -> Result<usize, Errno> {
        let at = match self.position(key) {
            Some(at) => at,
            None => self.chain_for(store, key)?,
        };
        self.chains.get_mut(at).ok_or(Errno::ENOMEM)?.reserve(1)?;
        Ok(at)
    }

    /// Gives `key`, which has none, a chain: one that is empty, or a new one.
    fn chain_for(&mut self, store: &Arc<Store>, key: Key) -> Result<usize, Errno> {
        if let Some(at) = self.chains.iter().position(Chain::is_empty)
            && let Some(chain) = self.chains.get_mut(at)
        {
            chain.key = key;
            return Ok(at);
        }
        self.chains.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.chains.push(Chain::new(store, key)?);
        self.tell_home(self.chains.len() - 1);
        Ok(self.chains.len() - 1)
    }

    /// Makes it known which chain is at a position.
    pub(crate) fn tell_home(&self, at: usize) {
        if let Some(chain) = self.chains.get(at) {
            chain.set_home(self.home(at));
        }
    }

    /// Whether the chain with this id is at this position.
    #[inline]
    pub(crate) fn holds(&self, at: usize, chain: u32) -> bool {
        self.chains.get(at).is_some_and(|c| c.id() == chain)
    }

    /// Where the chain at a position is, among all of the table.
    #[inline]
    pub(crate) fn home(&self, at: usize) -> Home {
        Home { bucket: self.bucket, at: at as u32 }
    }

    #[inline]
    pub(crate) fn at(&mut self, at: usize) -> Option<&mut Chain> {
        self.chains.get_mut(at)
    }

    /// Two chains at once.
    pub(crate) fn two(&mut self, a: usize, b: usize) -> Option<[&mut Chain; 2]> {
        self.chains.get_disjoint_mut([a, b]).ok()
    }

    pub(crate) fn chain(&mut self, key: Key) -> Option<&mut Chain> {
        self.chains.iter_mut().find(|c| c.key == key)
    }

    /// Lets a chain go if it is empty and there are enough others.
    #[inline]
    pub(crate) fn retire(&mut self, at: usize) {
        if self.chains.len() > KEPT_CHAINS && self.chains.get(at).is_some_and(Chain::is_empty) {
            drop(self.chains.swap_remove(at));
            self.tell_home(at);
        }
    }

    /// The first waiter on `key`: its index in the chain, and what it waits for.
    pub(crate) fn first(&mut self, key: Key) -> Option<(u32, Kind)> {
        self.chain(key)?.first()
    }

    /// Unlinks a waiter on `key` with its fate, and collects its waker.
    pub(crate) fn finish(&mut self, key: Key, index: u32, fate: Place, wakers: &mut Wakers) {
        let Some(at) = self.position(key) else { return };
        if let Some(chain) = self.chains.get_mut(at) {
            chain.finish(index, fate, wakers);
        }
        self.retire(at);
    }

    /// How many a wake of up to `limit` waiters on `key` may wake.
    pub(crate) fn at_most(&mut self, key: Key, limit: u32) -> usize {
        self.chain(key).map_or(0, |c| c.len().min(limit) as usize)
    }

    /// Wakes up to `limit` waiters on `key`, as [`Chain::wake`] does.
    ///
    /// # Errors
    /// Those of [`Chain::wake`].
    pub(crate) fn wake(
        &mut self,
        key: Key,
        limit: u32,
        bitset: u32,
        wakers: &mut Wakers,
    ) -> Result<u32, Errno> {
        let Some(at) = self.position(key) else { return Ok(0) };
        let woken = self.chains.get_mut(at).map_or(Ok(0), |c| c.wake(limit, bitset, wakers));
        self.retire(at);
        woken
    }

    pub(crate) fn pi_state(&mut self, key: Key) -> Option<&mut PiState> {
        self.pi.iter_mut().find(|s| s.key == key)
    }
}
