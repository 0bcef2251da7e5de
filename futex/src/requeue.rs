//! `FUTEX_REQUEUE` and `FUTEX_CMP_REQUEUE`.

use crate::abi::MATCH_ANY;
use crate::chain::{Store, Wakers, wake_all};
use crate::key::{Key, Scope};
use crate::manager::{Manager, RETRIES};
use crate::table::Pair;
use crate::target::Target;
use arch::Addr;
use sync::Arc;
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
            let mut pair = self.table.lock_two(key, key2)?;
            pair.announce();
            match expected.map(|e| target.load_nofault(from.addr).map(|v| v == e)) {
                None | Some(Ok(true)) => {}
                Some(Ok(false)) => return Err(Errno::EAGAIN),
                Some(Err(_)) => {
                    drop(pair);
                    target.fault_in(from.addr, false)?;
                    continue;
                }
            }
            let mut wakers = Wakers::new();
            let moved = self.move_waiters(&mut pair, key, key2, counts, &mut wakers);
            drop(pair);
            wake_all(wakers);
            return moved;
        }
        Err(Errno::EAGAIN)
    }

    fn move_waiters(
        &self,
        pair: &mut Pair<'_>,
        key: Key,
        key2: Key,
        counts: Counts,
        wakers: &mut Wakers,
    ) -> Result<u32, Errno> {
        let (wake, requeue) = (counts.wake as u32, counts.requeue as u32);
        let Some(chain) = pair.from().chain(key) else { return Ok(0) };
        let (len, plain) = (chain.len(), chain.plain());
        let moving = requeue.min(plain.saturating_sub(wake));
        if key != key2 && moving > 0 {
            reserve(pair, &self.table.store, (key, key2), moving, len - wake)?;
        }
        let woken = match wake {
            0 => 0,
            n => pair.from().wake(key, n, MATCH_ANY, wakers)?,
        };
        if key != key2 && moving > 0 {
            move_first(pair, key, key2, moving);
        }
        // A waiter for a PI operation ends it, where one would have been next.
        if plain < len && wake.saturating_add(requeue) > plain {
            return Err(Errno::EINVAL);
        }
        Ok(woken + moving)
    }
}

/// Makes sure that there is a chain for `key2`, and that `moving` of the `left` waiters on `key`
/// can go there.
///
/// # Errors
/// `ENOMEM`.
fn reserve(
    pair: &mut Pair<'_>,
    store: &Arc<Store>,
    (key, key2): (Key, Key),
    moving: u32,
    left: u32,
) -> Result<(), Errno> {
    let b = pair.to().prepare(store, key2)?;
    let Some(a) = pair.from().position(key) else { return Ok(()) };
    let Some([from, to]) = pair.chains(a, b) else { return Ok(()) };
    if moving < left || moving <= to.len() { to.reserve(moving) } else { from.reserve(to.len()) }
}

/// Moves the first `moving` waiters of `key`, for whom there is room, behind those of `key2`.
///
/// If these are all, the chains change places and nobody is touched but those who wait on `key2`
/// already, if they are fewer.
fn move_first(pair: &mut Pair<'_>, key: Key, key2: Key, moving: u32) {
    let Some(a) = pair.from().position(key) else { return };
    let Some(b) = pair.to().position(key2) else { return };
    let Some([from, to]) = pair.chains(a, b) else { return };
    if moving == from.len() && to.len() < moving {
        from.take_all_before(to);
        (from.key, to.key) = (key2, key);
        pair.swap(a, b);
    } else {
        (0..moving).for_each(|_| to.take_first_of(from, |kind| kind));
    }
    pair.from().retire(a);
}
