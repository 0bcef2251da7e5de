//! Use of memory and time, in the units that programs are told it in.

use mm::MemoryManager;

/// Nanoseconds in a tick of times(2), `SIGCHLD` and /proc: `USER_HZ` is 100 on every architecture.
pub(crate) const TICK: i64 = 10_000_000;

/// A span in ticks.
pub(crate) fn ticks(ns: u64) -> i64 {
    (ns / TICK as u64) as i64
}

/// The most resident memory an address space ever had, in bytes.
pub(crate) fn max_rss(mm: &MemoryManager) -> u64 {
    mm.stats().peak_rss
}
