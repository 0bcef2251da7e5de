//! A sleeping waiter: its future, and how it stops.

use crate::bucket::Queue;
use crate::homes::{Home, HomeOf};
use crate::manager::Manager;
use crate::pi::Fixup;
use crate::slot::{Place, Slot, Waiter};
use crate::table::Table;
use crate::target::Target;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use sync::{Arc, MutexGuard};
use syserr::Errno;

/// What [`Wait::cancel`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a wake that was consumed must not be lost"]
pub enum Outcome {
    /// Nobody had woken the waiter: it is unlinked, and whatever made the caller cancel stands.
    Withdrawn,
    /// As `Withdrawn`, from the PI futex to which a `WAIT_REQUEUE_PI` had been requeued.
    WithdrawnRequeued,
    /// The wait had ended before, with this result: a wake was spent on it, so it is the call's
    /// result whatever the deadline or a signal say.
    Finished(Result<u32, Errno>),
}

impl Outcome {
    /// The call's result when a deadline made the caller cancel.
    ///
    /// # Errors
    /// `ETIMEDOUT`, or the wait's own error.
    pub fn on_timeout(self) -> Result<u32, Errno> {
        match self {
            Outcome::Finished(r) => r,
            Outcome::Withdrawn | Outcome::WithdrawnRequeued => Err(Errno::ETIMEDOUT),
        }
    }
}

/// Borrowed while a caller's frame holds it, owned once it must outlive that.
pub(crate) enum Hold<'a> {
    Borrowed(&'a Manager, &'a mut Waiter),
    /// The waiter is of this wait alone.
    Given(&'a Manager, Waiter),
    Owned(Manager, Waiter),
}

impl Hold<'_> {
    #[inline]
    fn manager(&self) -> &Manager {
        match self {
            Hold::Borrowed(m, _) | Hold::Given(m, _) => m,
            Hold::Owned(m, _) => m,
        }
    }

    #[inline]
    fn waiter(&mut self) -> &mut Waiter {
        match self {
            Hold::Borrowed(_, w) => w,
            Hold::Given(_, w) | Hold::Owned(_, w) => w,
        }
    }

    /// `None` once the wait has moved to another `Wait`.
    #[inline]
    fn slot(&self) -> Option<&Arc<Slot>> {
        match self {
            Hold::Borrowed(_, w) => w.slot(),
            Hold::Given(_, w) | Hold::Owned(_, w) => w.slot(),
        }
    }
}

/// A sleeping waiter.
///
/// As a future it is ready with what the system call returns: 0, or the index of a woken futex for
/// a wait on several. Deadlines and interruption are composed outside: whoever stops waiting calls
/// [`Wait::cancel`] and obeys its [`Outcome`]. Dropping it unlinks the waiter from wherever it is
/// by then.
///
/// `T` is only kept by the PI operations, whose waiter may have to write the futex word.
#[must_use = "a wait that is dropped is cancelled"]
pub struct Wait<'a, T: Target> {
    hold: Hold<'a>,
    /// Where its only entry was queued, which is most often where it still is.
    queued: Option<Home>,
    result: Option<Result<u32, Errno>>,
    fixup: Option<Fixup<T>>,
}

// Nothing is pinned structurally.
impl<T: Target> Unpin for Wait<'_, T> {}

impl<T: Target> core::fmt::Debug for Wait<'_, T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Wait").field("result", &self.result).finish_non_exhaustive()
    }
}

impl<'a, T: Target> Wait<'a, T> {
    #[inline]
    pub(crate) fn new(
        hold: Hold<'a>,
        queued: Option<Home>,
        fixup: Option<Fixup<T>>,
    ) -> Wait<'a, T> {
        Wait { hold, queued, result: None, fixup }
    }

    /// The same wait, without its borrows.
    pub fn into_owned(mut self) -> Wait<'static, T> {
        let manager = self.hold.manager().clone();
        Wait {
            hold: Hold::Owned(manager, core::mem::take(self.hold.waiter())),
            queued: self.queued,
            result: self.result,
            fixup: self.fixup.take(),
        }
    }

    /// Ends the wait, unless it has ended.
    ///
    /// The waiter is unlinked from the bucket that holds it now, wherever it has been requeued to.
    /// Calling it again gives the same answer for a finished wait, and `Finished(EINTR)` for one
    /// that was withdrawn.
    #[inline]
    pub fn cancel(&mut self) -> Outcome {
        if let Some(r) = self.result {
            return Outcome::Finished(r);
        }
        if self.entries() > 1 {
            return match self.withdraw_all() {
                Some(index) => Outcome::Finished(self.end(Ok(index))),
                None => {
                    self.result = Some(Err(Errno::EINTR));
                    Outcome::Withdrawn
                }
            };
        }
        match self.unlink(0) {
            Unlinked::Withdrawn { requeued } => {
                self.result = Some(Err(Errno::EINTR));
                if requeued { Outcome::WithdrawnRequeued } else { Outcome::Withdrawn }
            }
            Unlinked::Already(fate) => Outcome::Finished(self.complete(fate)),
        }
    }

    #[inline]
    fn entries(&self) -> usize {
        self.hold.slot().map_or(0, |slot| slot.entries())
    }

    /// Locks the bucket where an entry is now; its fate if it is not queued any more.
    #[inline]
    fn find(&self, entry: usize) -> Result<Found<'_>, Place> {
        let slot = self.hold.slot().ok_or(Place::Idle)?;
        find(&self.hold.manager().table, slot, entry, self.queued)
    }

    /// Unlinks one queue entry from where it is.
    #[inline]
    fn unlink(&self, entry: usize) -> Unlinked {
        let mut found = match self.find(entry) {
            Ok(found) => found,
            Err(Place::Idle) => return Unlinked::Withdrawn { requeued: false },
            Err(fate) => return Unlinked::Already(fate),
        };
        found.slot.set(entry, Place::Idle);
        let (at, index) = (found.at, found.index);
        let Some(chain) = found.queue.at(at) else {
            return Unlinked::Withdrawn { requeued: false };
        };
        let (key, task) = (chain.key, chain.pi_task(index));
        let waker = chain.take(index);
        found.queue.retire(at);
        let mut requeued = false;
        if let Some(task) = task {
            requeued = self.fixup.as_ref().is_some_and(|f| f.requeued_from_plain);
            crate::pi::withdraw(&self.hold.manager().table, &mut found.queue, key, task);
        }
        // A waker's drop is the embedder's code: not under the lock.
        drop(found);
        drop(waker);
        Unlinked::Withdrawn { requeued }
    }

    /// Unlinks all entries; the highest index of those that were woken, as in Linux's
    /// `futex_unqueue_multiple`.
    fn withdraw_all(&mut self) -> Option<u32> {
        let mut woken = None;
        for entry in 0..self.entries() {
            if let Unlinked::Already(_) = self.unlink(entry) {
                woken = Some(entry as u32);
            }
        }
        woken
    }

    fn end(&mut self, r: Result<u32, Errno>) -> Result<u32, Errno> {
        self.result = Some(r);
        r
    }

    /// The result of a wait that others ended.
    fn complete(&mut self, fate: Place) -> Result<u32, Errno> {
        let r = match (fate, &self.fixup) {
            (Place::GrantedByDeath, Some(f)) => f.write_word(&self.hold.manager().table),
            _ => Ok(0),
        };
        self.end(r)
    }

    /// Leaves `waker` with a queued entry; the entry's fate if it is not queued any more.
    fn register(&self, entry: usize, waker: &Waker) -> Option<Place> {
        let mut found = match self.find(entry) {
            Ok(found) => found,
            Err(fate) => return Some(fate),
        };
        let (at, index) = (found.at, found.index);
        let old = found.queue.at(at).and_then(|chain| chain.set_waker(index, waker));
        // A waker's drop is the embedder's code: not under the lock.
        drop(found);
        drop(old);
        None
    }

    fn poll_entries(&mut self, waker: &Waker) -> Poll<Result<u32, Errno>> {
        let entries = self.entries();
        for entry in 0..entries {
            let Some(fate) = self.register(entry, waker) else { continue };
            if entries == 1 {
                return Poll::Ready(self.complete(fate));
            }
            if let Some(index) = self.withdraw_all() {
                return Poll::Ready(self.end(Ok(index)));
            }
        }
        Poll::Pending
    }

    /// The waiter for the thread's next wait; ends this one.
    pub fn into_waiter(mut self) -> Waiter {
        let _ = self.cancel();
        self.hold.waiter().reuse()
    }
}

/// Where a queued entry is: the locked queue, the chain's position, and the index there.
struct Found<'a> {
    slot: &'a Slot,
    queue: MutexGuard<'a, Queue>,
    at: usize,
    index: u32,
}

/// Locks the bucket where a queued entry is now, at `guess` or elsewhere; its fate if it is not
/// queued any more.
#[inline]
fn find<'a>(
    table: &'a Table,
    slot: &'a Slot,
    entry: usize,
    mut guess: Option<Home>,
) -> Result<Found<'a>, Place> {
    loop {
        let seen = slot.place(entry);
        let Place::Queued { chain, index } = seen else { return Err(seen) };
        // A chain that has ended is not in its waiters' places any more.
        let home = || table.store.homes.of(chain).and_then(HomeOf::get);
        let Some(home) = guess.take().or_else(home) else { continue };
        let Some(bucket) = table.bucket(home.bucket) else { continue };
        let (queue, at) = (bucket.lock(), home.at as usize);
        // Neither a place nor the home of its chain changes but under the lock of the bucket.
        if slot.place(entry) == seen && queue.holds(at, chain) {
            return Ok(Found { slot, queue, at, index });
        }
    }
}

enum Unlinked {
    Withdrawn { requeued: bool },
    Already(Place),
}

impl<T: Target> Future for Wait<'_, T> {
    type Output = Result<u32, Errno>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.result {
            Some(r) => Poll::Ready(r),
            None => self.poll_entries(cx.waker()),
        }
    }
}

impl<T: Target> Drop for Wait<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.result.is_none() && self.hold.slot().is_some() {
            let _ = self.cancel();
        }
    }
}
