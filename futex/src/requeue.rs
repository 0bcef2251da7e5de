//! `FUTEX_REQUEUE` and `FUTEX_CMP_REQUEUE`.

use crate::bucket::{Kind, Wakers, wake_all};
use crate::key::{Key, Scope};
use crate::manager::{Manager, RETRIES};
use crate::slot::Place;
use crate::table::Pair;
use crate::target::Target;
use arch::Addr;
use syserr::Errno;

/// One side of a requeue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// Address of the futex word.
    pub addr: Addr,
    /// How it is keyed.
    pub scope: Scope,
}

impl Word {
    /// A word for this address space only.
    pub fn private(addr: Addr) -> Word {
        Word { addr, scope: Scope::Private }
    }

    /// A word for all who map it.
    pub fn shared(addr: Addr) -> Word {
        Word { addr, scope: Scope::Shared }
    }
}

/// How many waiters a requeue may wake and move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// To wake, at most.
    pub wake: i32,
    /// To move, at most.
    pub requeue: i32,
}

impl Manager {
    /// Wakes up to `counts.wake` waiters at `from` and moves up to `counts.requeue` others to
    /// `to`, if the word at `from` is still `expected` (`None`: whatever it is). Returns how many
    /// were woken or moved: Linux counts both, for plain `FUTEX_REQUEUE` too.
    ///
    /// Waiters keep their order and bitsets. Moving to the key where they are counts them and
    /// changes nothing. Source: futex(2); `futex_requeue` in `kernel/futex/requeue.c`.
    ///
    /// # Errors
    /// `EINVAL` for a negative count, an unaligned address, or when a waiter is there for a PI
    /// operation; `EAGAIN` when the word is not `expected`; `EFAULT`; `ENOMEM`.
    pub fn requeue<T: Target>(
        &self,
        target: T,
        from: Word,
        to: Word,
        counts: Counts,
        expected: Option<u32>,
    ) -> Result<u32, Errno> {
        if counts.wake < 0 || counts.requeue < 0 {
            return Err(Errno::EINVAL);
        }
        let key = self.key(&target, from.addr, from.scope, false)?;
        let key2 = self.key(&target, to.addr, to.scope, false)?;
        for _ in 0..RETRIES {
            let mut pair = self.table.lock_two(key, key2);
            if let Some(expected) = expected {
                pair.announce();
                match target.load_nofault(from.addr) {
                    Ok(v) if v == expected => {}
                    Ok(_) => {
                        pair.settle();
                        return Err(Errno::EAGAIN);
                    }
                    Err(_) => {
                        pair.settle();
                        drop(pair);
                        target.fault_in(from.addr, false)?;
                        continue;
                    }
                }
            }
            let mut wakers = Wakers::new();
            let moved = move_waiters(&mut pair, key, key2, counts, &mut wakers);
            pair.settle();
            drop(pair);
            wake_all(wakers);
            return moved;
        }
        Err(Errno::EAGAIN)
    }
}

fn move_waiters(
    pair: &mut Pair<'_>,
    key: Key,
    key2: Key,
    counts: Counts,
    wakers: &mut Wakers,
) -> Result<u32, Errno> {
    let limit = i64::from(counts.wake) + i64::from(counts.requeue);
    let (mut at, mut count) = (pair.from().head(), 0u32);
    // Ends: each step goes on along the queue, and what is moved to its tail has another key.
    while i64::from(count) < limit
        && let Some((index, next)) = pair.from().find(at, key)
    {
        if pair.from().node(index).is_none_or(|n| n.kind != Kind::Plain) {
            return Err(Errno::EINVAL);
        }
        if i64::from(count) < i64::from(counts.wake) {
            pair.from().finish(index, Place::Woken, wakers);
        } else if key != key2 {
            requeue_one(pair, index, key2)?;
        }
        count += 1;
        at = next;
    }
    Ok(count)
}

/// Moves one node to the tail of the target's queue.
pub(crate) fn requeue_one(pair: &mut Pair<'_>, index: u32, key2: Key) -> Result<(), Errno> {
    pair.to().reserve(1)?;
    if let Some(mut node) = pair.from().take(index) {
        node.key = key2;
        pair.to().push(node);
    }
    Ok(())
}
