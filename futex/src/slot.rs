//! Where a waiter is, and what became of it.

use alloc::boxed::Box;
use sync::Arc;
use sync::atomic::{AtomicU64, Ordering};

/// Where one queue entry of a waiter is, or how its wait ended.
///
/// Written only under the lock of the bucket where the chain is that it names before or after, read
/// by anyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Not queued.
    Idle,
    /// In `chain`, at `index` of its nodes.
    Queued { chain: u32, index: u32 },
    /// Unlinked by a wake.
    Woken,
    /// Unlinked as the new owner of its PI futex; the word says so already.
    Granted,
    /// As `Granted`, but by the death of the owner: the new owner writes the word.
    GrantedByDeath,
}

const SPECIAL: u32 = u32::MAX;

impl Place {
    #[inline]
    fn pack(self) -> u64 {
        let (high, low) = match self {
            Place::Queued { chain, index } => (chain, index),
            Place::Idle => (SPECIAL, 0),
            Place::Woken => (SPECIAL, 1),
            Place::Granted => (SPECIAL, 2),
            Place::GrantedByDeath => (SPECIAL, 3),
        };
        u64::from(high) << 32 | u64::from(low)
    }

    #[inline]
    fn unpack(v: u64) -> Place {
        let (high, low) = ((v >> 32) as u32, v as u32);
        match (high, low) {
            (SPECIAL, 1) => Place::Woken,
            (SPECIAL, 2) => Place::Granted,
            (SPECIAL, 3) => Place::GrantedByDeath,
            (SPECIAL, _) => Place::Idle,
            (chain, index) => Place::Queued { chain, index },
        }
    }
}

/// The part of a waiter that its queue entries refer to: one place for each entry.
pub(crate) struct Slot {
    first: AtomicU64,
    others: Box<[AtomicU64]>,
}

impl Slot {
    /// One for `entries`, of which there is at least one.
    pub(crate) fn new(entries: usize) -> Slot {
        let idle = || AtomicU64::new(Place::Idle.pack());
        Slot { first: idle(), others: (1..entries).map(|_| idle()).collect() }
    }

    #[inline]
    pub(crate) fn entries(&self) -> usize {
        1 + self.others.len()
    }

    #[inline]
    fn of(&self, entry: usize) -> Option<&AtomicU64> {
        match entry.checked_sub(1) {
            None => Some(&self.first),
            Some(other) => self.others.get(other),
        }
    }

    #[inline]
    pub(crate) fn place(&self, entry: usize) -> Place {
        self.of(entry).map_or(Place::Idle, |p| Place::unpack(p.load(Ordering::Acquire)))
    }

    #[inline]
    pub(crate) fn set(&self, entry: usize, place: Place) {
        if let Some(p) = self.of(entry) {
            p.store(place.pack(), Ordering::Release);
        }
    }
}

/// What a thread needs to wait: kept from one wait to the next, so that waiting allocates nothing.
///
/// Costs nothing until the first wait. A waiter that is still queued (by a forgotten
/// [`crate::Wait`]) is simply replaced.
#[derive(Default)]
pub struct Waiter(Option<Arc<Slot>>);

impl core::fmt::Debug for Waiter {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Waiter").finish_non_exhaustive()
    }
}

impl Waiter {
    /// A waiter that has not waited yet.
    pub fn new() -> Waiter {
        Waiter::default()
    }

    /// A waiter on `entries` futexes at once.
    pub(crate) fn on(entries: usize) -> Waiter {
        Waiter(Some(Arc::new(Slot::new(entries))))
    }

    /// What queues the next wait.
    #[inline]
    pub(crate) fn ready(&mut self) -> &Arc<Slot> {
        if self.0.as_ref().is_some_and(|slot| matches!(slot.place(0), Place::Queued { .. })) {
            self.0 = None;
        }
        self.0.get_or_insert_with(|| Arc::new(Slot::new(1)))
    }

    #[inline]
    pub(crate) fn slot(&self) -> Option<&Arc<Slot>> {
        self.0.as_ref()
    }

    /// Takes the waiter away, if the next wait can use it.
    pub(crate) fn reuse(&mut self) -> Waiter {
        Waiter(self.0.take().filter(|slot| slot.entries() == 1))
    }
}
