//! How many tasks use an address space: a count that does not come back from its end.
//!
//! Coming and going are one unconditional addition each, where a loop of compare-and-exchange would
//! have to look first. What a comer or goer should not have added is taken back; the upper half of
//! the numbers, entered once from 0, means the end whatever such strays make of it meanwhile.

use sync::atomic::{AtomicU32, Ordering};

/// More users than this are refused. As many more may try at the same time without harm.
const FULL: u32 = 1 << 30;

/// From here on, the last user has gone.
const OVER: u32 = 1 << 31;

/// What the count is set to when the last user goes: strays in both directions stay in the upper half.
const END: u32 = OVER + FULL;

#[derive(Debug)]
pub(crate) struct Users(AtomicU32);

impl Users {
    /// One user.
    pub(crate) fn one() -> Users {
        Users(AtomicU32::new(1))
    }

    /// One more; refused after the last has gone, and when there are 2^30.
    #[inline]
    pub(crate) fn come(&self) -> bool {
        if self.0.fetch_add(1, Ordering::Relaxed) < FULL {
            return true;
        }
        self.0.fetch_sub(1, Ordering::Relaxed);
        false
    }

    /// One fewer; whether it was the last, which is so for one caller only. Nothing after the end.
    #[inline]
    pub(crate) fn go(&self) -> bool {
        match self.0.fetch_sub(1, Ordering::AcqRel) {
            // Who comes before the end is set down keeps the count alive.
            1 => self.0.compare_exchange(0, END, Ordering::AcqRel, Ordering::Relaxed).is_ok(),
            2..OVER => false,
            _ => {
                self.0.fetch_add(1, Ordering::Relaxed);
                false
            }
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        match self.0.load(Ordering::Relaxed) {
            n @ ..OVER => n,
            _ => 0,
        }
    }

    /// Whether the last one has not gone.
    pub(crate) fn is_alive(&self) -> bool {
        self.0.load(Ordering::Relaxed) < OVER
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_final_whatever_comes_after() {
        let users = Users::one();
        assert!(users.come());
        assert_eq!(users.count(), 2);
        assert!(!users.go());
        assert!(users.go(), "the last");
        for _ in 0..3 {
            assert!(!users.go(), "nobody is left to go");
            assert!(!users.come());
            assert_eq!((users.count(), users.is_alive()), (0, false));
        }
    }

    #[test]
    fn no_more_than_fit() {
        let users = Users(AtomicU32::new(FULL - 1));
        assert!(users.come());
        assert!(!users.come());
        assert_eq!(users.count(), FULL);
        assert!(!users.go());
        assert!(users.come());
    }
}
