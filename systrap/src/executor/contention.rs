//! Whether others want the processors that sentry and stubs poll on.
//!
//! Polling pays while both sides have a processor of their own. A thread that polls uses up its
//! share of a processor that it has to share; then its host makes it wait for milliseconds, and the
//! other side with it. One that sleeps between two answers is let run at once when it is woken. So,
//! once this thread was made to wait, both sides sleep for a while, longer each time it happens again.

/// A pause between two rounds of the loop that may be somebody else's doing, in microseconds.
const PAUSE_US: u64 = 1_000;
/// How long nobody polls after one, and at most.
const FIRST_US: u64 = 3_000;
const LONGEST_US: u64 = 400_000;
/// The next one within so long after that makes it twice as long.
const SOON_US: u64 = 30_000;

/// What is remembered of it; times in cycles.
pub(super) struct Contention {
    cycles_per_us: u64,
    /// When the loop's last round was; never, after a sleep.
    last: Option<u64>,
    /// How often this thread had had to leave its processor when that last counted.
    preemptions: u64,
    /// Until when nobody polls, and how long that was from its start.
    until: u64,
    length: u64,
}

impl Contention {
    pub(super) fn new(cycles_per_us: u64) -> Contention {
        Contention { cycles_per_us, last: None, preemptions: 0, until: 0, length: 0 }
    }

    /// Before a sleep: what follows is no pause.
    pub(super) fn sleeps(&mut self) {
        self.last = None;
    }

    /// At each round of the loop: whether nobody should poll now. `preemptions` says how often this
    /// thread has had to leave its processor so far.
    pub(super) fn look(&mut self, now: u64, preemptions: impl FnOnce() -> u64) -> bool {
        let pause = self.last.map_or(0, |last| now.saturating_sub(last));
        self.last = Some(now);
        if pause > PAUSE_US * self.cycles_per_us {
            let before = std::mem::replace(&mut self.preemptions, preemptions());
            if self.preemptions != before {
                self.begin(now);
            }
        }
        now < self.until
    }

    fn begin(&mut self, now: u64) {
        let soon = self.until != 0 && now < self.until + SOON_US * self.cycles_per_us;
        let (first, longest) = (FIRST_US * self.cycles_per_us, LONGEST_US * self.cycles_per_us);
        self.length = if soon { (self.length * 2).min(longest) } else { first };
        self.until = now + self.length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One cycle is a microsecond.
    fn polling() -> Contention {
        let mut c = Contention::new(1);
        assert!(!c.look(10, || 0));
        c
    }

    #[test]
    fn long_work_and_short_waits_are_no_contention() {
        let mut c = polling();
        assert!(!c.look(900, || unreachable!("nothing to ask")));
        assert!(!c.look(90_000, || 0), "nobody took the processor");
        c.sleeps();
        assert!(!c.look(900_000, || unreachable!("it has slept")));
    }

    #[test]
    fn a_wait_ends_polling_for_longer_each_time() {
        let mut c = polling();
        let mut now = 20_000;
        let mut lengths = Vec::new();
        for waits in 1..10 {
            assert!(c.look(now, || waits));
            let start = now;
            while c.look(now, || waits) {
                now += 500;
            }
            lengths.push(now - start);
            now += 2_000;
        }
        assert_eq!(lengths[..4], [3_000, 6_000, 12_000, 24_000]);
        assert_eq!(lengths[8], LONGEST_US);
        // After a time without, it starts anew.
        now += SOON_US;
        assert!(c.look(now, || 100));
        assert!(!c.look(now + FIRST_US, || 100));
    }
}
