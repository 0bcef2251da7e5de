//! The host's clocks, and the guests' clocks that follow them.
//!
//! Kernel and guests compute the time from one set of numbers, which lies in a page of the memory
//! file, so they never disagree. The numbers are valid from the start and are brought back to the
//! host's clocks about once a second while guests run: by another slope, not by a jump, unless the
//! host's own clock has jumped forward. Nothing ticks for it.

use crate::memfile::MemFile;
use crate::sys;
use core::arch::x86_64::__cpuid;
use kernel::{Clock, ClockId};
use loader::vdso::{ClockParams, VdsoParams};
use mm::{FileRange, MemoryFile, OutOfMemory};
use rustix::time::ClockId as HostId;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::fence;
use sync::Mutex;

const SECOND: i64 = 1_000_000_000;
/// A clock this far behind its host's jumps.
const JUMP: i64 = 50_000_000;
/// Slopes change by at most one part in this.
const SLEW: i64 = 2000;
/// The first measurement of the counter's speed takes this long.
const CALIBRATION: i64 = 300_000;

fn host(clock: HostId) -> i64 {
    let t = rustix::time::clock_gettime(clock);
    t.tv_sec * SECOND + t.tv_nsec
}

/// `CLOCK_MONOTONIC` of the host in nanoseconds.
pub(crate) fn host_monotonic() -> i64 {
    host(HostId::Monotonic)
}

/// A reading of a host clock with the cycle counter at that moment: the closest of a few.
fn sample(clock: HostId) -> (u64, i64) {
    let mut best = (u64::MAX, 0, 0);
    for _ in 0..5 {
        let before = sys::tsc();
        let ns = host(clock);
        let after = sys::tsc();
        let width = after.wrapping_sub(before);
        if width < best.0 {
            best = (width, before + width / 2, ns);
        }
    }
    (best.1, best.2)
}

/// The cycle counter and the host's monotonic clock at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Reading((u64, i64));

impl Reading {
    pub(crate) fn now() -> Reading {
        Reading(sample(HostId::Monotonic))
    }
}

/// Whether the host itself trusts the time-stamp counter.
fn counter_is_good() -> bool {
    let invariant =
        __cpuid(0x8000_0000).eax >= 0x8000_0007 && __cpuid(0x8000_0007).edx & 1 << 8 != 0;
    let source = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    invariant && std::fs::read(source).is_ok_and(|s| s.trim_ascii() == b"tsc")
}

/// The guests' clocks.
pub(crate) struct HostClock {
    memory: Arc<MemFile>,
    page: FileRange,
    state: Mutex<State>,
    /// Time-stamp of the next look at the host's clocks.
    due: AtomicU64,
    cycles_per_second: u64,
}

struct State {
    params: VdsoParams,
    /// The first reading of the host's monotonic clock.
    anchor: (u64, i64),
}

impl HostClock {
    /// The counter's speed is measured from `first` on: the longer ago that was, the less time it
    /// takes now.
    pub(crate) fn new(memory: Arc<MemFile>, first: Reading) -> Result<HostClock, OutOfMemory> {
        let page = memory.allocate_own(arch::PAGE_SIZE)?;
        let Reading(anchor) = first;
        let mut now = sample(HostId::Monotonic);
        while now.1 - anchor.1 < CALIBRATION {
            now = sample(HostId::Monotonic);
        }
        let mult = slope(anchor, now);
        let params = |clock| {
            let (base_cycles, ns) = sample(clock);
            ClockParams { base_cycles, base_ns: ns as u64, mult }
        };
        let mode = if counter_is_good() { VdsoParams::MODE_TSC } else { VdsoParams::MODE_SYSCALL };
        let next = VdsoParams {
            mode,
            cpu: VdsoParams::CPU_SYSCALL,
            realtime: params(HostId::Realtime),
            monotonic: params(HostId::Monotonic),
            ..VdsoParams::default()
        };
        let cycles_per_second = (((SECOND as u128) << 32) / u128::from(mult.max(1))) as u64;
        let due = AtomicU64::new(sys::tsc() + cycles_per_second / 10);
        let state = State { params: VdsoParams::default(), anchor };
        let clock = HostClock { memory, page, state: Mutex::new(state), due, cycles_per_second };
        clock.publish(&mut clock.state.lock(), next);
        Ok(clock)
    }

    fn publish(&self, state: &mut State, next: VdsoParams) {
        let start = self.page.start;
        state.params.publish(next, &mut |at, bytes| {
            self.memory.write(start + at, bytes);
            fence(SeqCst);
        });
    }

    /// Follows the host's clocks if it is time; `now` is the time-stamp counter.
    pub(crate) fn follow(&self, now: u64) {
        if now < self.due.load(Relaxed) {
            return;
        }
        let mut state = self.state.lock();
        self.due.store(now + self.cycles_per_second, Relaxed);
        if state.params.mode != VdsoParams::MODE_TSC {
            return;
        }
        let (realtime, monotonic) = (sample(HostId::Realtime), sample(HostId::Monotonic));
        let mult = slope(state.anchor, monotonic);
        let mut next = state.params;
        next.realtime = corrected(next.realtime, realtime, mult, true);
        next.monotonic = corrected(next.monotonic, monotonic, mult, false);
        self.publish(&mut state, next);
    }
}

/// Nanoseconds per cycle between two readings, as a 32.32 fixed-point number.
fn slope(from: (u64, i64), to: (u64, i64)) -> u64 {
    let (cycles, ns) = (to.0.saturating_sub(from.0).max(1), (to.1 - from.1).max(0) as u128);
    ((ns << 32) / u128::from(cycles)) as u64
}

/// Parameters that go on where `old` is at the reading's moment, and meet the host's clock within a
/// second. A clock that may be set jumps both ways.
fn corrected(old: ClockParams, (cycles, ns): (u64, i64), mult: u64, settable: bool) -> ClockParams {
    let ours = old.cycles_to_ns(cycles);
    let behind = ns.wrapping_sub(ours as i64);
    if behind > JUMP || (settable && behind < -JUMP) {
        return ClockParams { base_cycles: cycles, base_ns: ns as u64, mult };
    }
    let ppb = behind.clamp(-SECOND / SLEW, SECOND / SLEW);
    let change = (i128::from(mult) * i128::from(ppb) / i128::from(SECOND)) as i64;
    ClockParams { base_cycles: cycles, base_ns: ours, mult: mult.saturating_add_signed(change) }
}

impl Clock for HostClock {
    fn now(&self, clock: ClockId) -> i64 {
        let state = self.state.lock();
        let params = match clock {
            ClockId::Realtime => &state.params.realtime,
            ClockId::Monotonic => &state.params.monotonic,
        };
        if state.params.mode == VdsoParams::MODE_TSC {
            return params.cycles_to_ns(sys::tsc()) as i64;
        }
        host(match clock {
            ClockId::Realtime => HostId::Realtime,
            ClockId::Monotonic => HostId::Monotonic,
        })
    }

    fn vdso_params(&self) -> Option<FileRange> {
        Some(self.page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GHZ2: u64 = 1 << 31;

    #[test]
    fn a_correction_is_continuous_and_converges() {
        let old = ClockParams { base_cycles: 1000, base_ns: 5000, mult: GHZ2 };
        let at = 1000 + 2_000_000_000;
        let ours = old.cycles_to_ns(at);
        let new = corrected(old, (at, ours as i64 + 100_000), GHZ2, false);
        assert_eq!(new.cycles_to_ns(at), ours);
        let later = new.cycles_to_ns(at + 2_000_000_000);
        assert!(later.abs_diff(ours + 100_000 + SECOND as u64) < 1000);
    }

    #[test]
    fn monotonic_time_never_goes_back() {
        let old = ClockParams { base_cycles: 0, base_ns: 0, mult: GHZ2 };
        let at = 4_000_000_000;
        let new = corrected(old, (at, 0), GHZ2, false);
        assert_eq!(new.cycles_to_ns(at), old.cycles_to_ns(at));
        assert!(new.mult > 0);
    }
}
