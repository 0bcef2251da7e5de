//! Sets of signals.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Signals that there are: `1..=64`.
pub const SIGNAL_COUNT: u32 = 64;

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
    pub const UNBLOCKABLE: SignalSet = SignalSet(bit(9) | bit(19));

    /// The set with `signo` alone.
    pub const fn of(signo: u32) -> SignalSet {
        SignalSet(bit(signo))
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

    /// The numbers of the set, ascending.
    pub fn iter(self) -> impl Iterator<Item = u32> {
        let mut left = self.0;
        core::iter::from_fn(move || {
            let n = left.trailing_zeros();
            left &= left.wrapping_sub(1);
            (n < 64).then_some(n + 1)
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
