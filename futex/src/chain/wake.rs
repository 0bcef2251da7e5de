//! Ending waits: with a fate, one by one or in runs.

use super::{Chain, Kind, NIL};
use crate::slot::Place;
use core::task::Waker;
use smallvec::SmallVec;
use syserr::Errno;

/// Wakers of unlinked waiters, called once all locks are dropped.
pub(crate) type Wakers = SmallVec<[Waker; 8]>;

/// Calls what was collected.
pub(crate) fn wake_all(wakers: Wakers) {
    wakers.into_iter().for_each(Waker::wake);
}

impl Chain {
    /// Unlinks a waiter with its fate, and collects its waker.
    pub(crate) fn finish(&mut self, index: u32, fate: Place, wakers: &mut Wakers) {
        let Some(n) = self.nodes.get(index as usize) else { return };
        n.slot.set(n.sleep.entry as usize, fate);
        wakers.extend(self.take(index));
    }

    /// Wakes up to `limit` waiters whose bitsets meet `bitset`, in the order in which they came.
    ///
    /// # Errors
    /// `EINVAL` at the first PI waiter; who was met before it is awake nevertheless, as in Linux.
    /// `ENOMEM` before anything is done.
    pub(crate) fn wake(
        &mut self,
        limit: u32,
        bitset: u32,
        wakers: &mut Wakers,
    ) -> Result<u32, Errno> {
        let most = limit.min(self.len) as usize;
        wakers.try_reserve(most).map_err(|_| Errno::ENOMEM)?;
        let (mut at, mut woken) = (self.head, 0);
        while woken < limit {
            // A run of neighbours is unlinked at once.
            let (first, mut last, before) = (at, NIL, woken);
            while woken < limit
                && let Some(n) = self.nodes.get_mut(at as usize)
                && n.sleep.bitset & bitset != 0
                && n.sleep.kind == Kind::Plain
            {
                n.sleep.bitset = 0;
                wakers.extend(n.waker.take());
                n.slot.set(n.sleep.entry as usize, Place::Woken);
                (last, at) = (at, n.next);
                woken += 1;
            }
            if last != NIL {
                self.release(first, last, woken - before);
            }
            if woken == limit {
                break;
            }
            match self.nodes.get(at as usize) {
                None => break,
                Some(n) if n.sleep.kind != Kind::Plain => return Err(Errno::EINVAL),
                Some(n) => at = n.next,
            }
        }
        Ok(woken)
    }
}
