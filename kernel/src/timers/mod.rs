//! Timers of the kernel: one service that fires them, interval timers, POSIX timers.

mod interval;
mod posix;
mod service;

pub use interval::{IntervalTimer, Which};
pub use posix::{Notify, PosixTimer, TimerClock};
pub(crate) use service::{Armed, Fire, TimerService};

use alloc::collections::BTreeMap;

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
