//! Sets of signals.

use super::number::{SIGKILL, SIGNAL_COUNT, SIGSTOP};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A set of signals in the kernel's `sigset_t` form: bit `n - 1` stands for signal `n`.
///
/// Numbers outside `1..=64` are in no set, and putting one in changes nothing.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(transparent)]
pub struct SignalSet(pub u64);

const fn bit(signo: u32) -> u64 {
    if signo >= 1 && signo <= SIGNAL_COUNT { 1 << (signo - 1) } else { 0 }
}

impl SignalSet {
    /// No signal.
    pub const EMPTY: SignalSet = SignalSet(0);
    /// Every signal.
    pub const FULL: SignalSet = SignalSet(u64::MAX);
    /// `SIGKILL` and `SIGSTOP`, which can be neither blocked, caught nor ignored.
    pub const UNBLOCKABLE: SignalSet = SignalSet::of(&[SIGKILL, SIGSTOP]);

    /// The set of the signals listed.
    pub const fn of(mut signals: &[u32]) -> SignalSet {
        let mut bits = 0;
        while let [first, rest @ ..] = signals {
            bits |= bit(*first);
            signals = rest;
        }
        SignalSet(bits)
    }

    /// Adds a signal.
    pub const fn insert(&mut self, signo: u32) {
        self.0 |= bit(signo);
    }

    /// Takes a signal out.
    pub const fn remove(&mut self, signo: u32) {
        self.0 &= !bit(signo);
    }

    /// Whether `signo` is in the set.
    pub const fn contains(self, signo: u32) -> bool {
        self.0 & bit(signo) != 0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many signals are in the set.
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// The signals of both.
    #[must_use]
    pub const fn union(self, other: SignalSet) -> SignalSet {
        SignalSet(self.0 | other.0)
    }

    /// The signals of this one that are not in `other`.
    #[must_use]
    pub const fn difference(self, other: SignalSet) -> SignalSet {
        SignalSet(self.0 & !other.0)
    }

    /// The signals that are in both.
    #[must_use]
    pub const fn intersection(self, other: SignalSet) -> SignalSet {
        SignalSet(self.0 & other.0)
    }

    /// The lowest number of the set.
    pub const fn first(self) -> Option<u32> {
        if self.0 == 0 { None } else { Some(self.0.trailing_zeros() + 1) }
    }

    /// What of this set can be blocked.
    #[must_use]
    pub const fn blockable(self) -> SignalSet {
        self.difference(SignalSet::UNBLOCKABLE)
    }

    /// The numbers of the set, ascending.
    pub fn iter(self) -> impl Iterator<Item = u32> {
        let mut left = self;
        core::iter::from_fn(move || {
            let n = left.first()?;
            left.remove(n);
            Some(n)
        })
    }
}

impl FromIterator<u32> for SignalSet {
    fn from_iter<I: IntoIterator<Item = u32>>(iter: I) -> SignalSet {
        SignalSet(iter.into_iter().fold(0, |set, n| set | bit(n)))
    }
}

impl core::fmt::Debug for SignalSet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
