//! Where a waiter is, and what became of it.

use smallvec::SmallVec;
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
pub(crate) struct Slot(SmallVec<[AtomicU64; 1]>);

impl Slot {
    pub(crate) fn new(entries: usize) -> Slot {
        Slot((0..entries).map(|_| AtomicU64::new(Place::Idle.pack())).collect())
    }

    #[inline]
    pub(crate) fn entries(&self) -> usize {
        self.0.len()
    }

    #[inline]
    pub(crate) fn place(&self, entry: usize) -> Place {
        match self.0.get(entry) {
            Some(p) => Place::unpack(p.load(Ordering::Acquire)),
            None => Place::Idle,
        }
    }

    #[inline]
    pub(crate) fn set(&self, entry: usize, place: Place) {
        if let Some(p) = self.0.get(entry) {
            p.store(place.pack(), Ordering::Release);
        }
    }
}

/// What a thread needs to wait: kept from one wait to the next, so that waiting allocates nothing.
///
/// Costs nothing until the first wait. A waiter that is in use elsewhere (a forgotten [`crate::Wait`])
/// is simply replaced.
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

    #[inline]
    pub(crate) fn take(&mut self) -> Arc<Slot> {
        self.0.take().unwrap_or_else(|| Arc::new(Slot::new(1)))
    }

    #[inline]
    pub(crate) fn put_back(&mut self, slot: Arc<Slot>) {
        if slot.entries() == 1 {
            self.0 = Some(slot);
        }
    }
}
