//! Timers of the kernel: one service that fires them, interval timers, POSIX timers.

mod interval;
mod posix;
mod service;

pub use interval::{IntervalTimer, Which};
pub use posix::{Notify, PosixTimer, TimerClock};
pub(crate) use service::{Armed, Fire, TimerService};

use alloc::collections::BTreeMap;

/// How long an interval timer whose signal nobody has taken yet waits for its next shot at least,
/// in nanoseconds. Taking the signal arms the timer for its real time again, so only the kernel
/// notices; without it an interval of a nanosecond would leave time for nothing else.
const UNTAKEN: i64 = 4_000_000;

/// Moves `deadline` past `now` in steps of `interval`, or to 0 when that is 0, and returns how
/// often it was reached. 0 is no deadline.
fn advance(deadline: &mut i64, interval: i64, now: i64) -> i64 {
    if *deadline == 0 || *deadline > now {
        return 0;
    }
    if interval <= 0 {
        *deadline = 0;
        return 1;
    }
    let n = (now - *deadline) / interval + 1;
    *deadline = deadline.saturating_add(n.saturating_mul(interval));
    n
}

/// The timers of a thread group.
#[derive(Default)]
pub(crate) struct GroupTimers {
    pub(crate) real: interval::Real,
    pub(crate) virt: interval::Cpu,
    pub(crate) prof: interval::Cpu,
    /// Processor time in nanoseconds at which `RLIMIT_CPU` speaks up; 0 for never.
    pub(crate) limit: u64,
    /// The next look at processor time.
    pub(crate) watch: Option<Armed>,
    pub(crate) posix: BTreeMap<i32, PosixTimer>,
    pub(crate) next_posix: i32,
}

#[cfg(test)]
mod tests {
    use super::advance;

    #[test]
    fn deadlines_move_past_now() {
        for (deadline, interval, now, n, then) in [
            (0, 5, 100, 0, 0),
            (101, 5, 100, 0, 101),
            (100, 5, 100, 1, 105),
            (90, 0, 100, 1, 0),
            (90, 5, 100, 3, 105),
            (1, 1, i64::MAX, i64::MAX, i64::MAX),
        ] {
            let mut d = deadline;
            assert_eq!((advance(&mut d, interval, now), d), (n, then));
        }
    }
}
