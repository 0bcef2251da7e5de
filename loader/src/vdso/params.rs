//! The page of numbers from which the vDSO computes the time.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// How the clocks of one family follow the processor's cycle counter.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct ClockParams {
    /// Cycle counter at the base point.
    pub base_cycles: u64,
    /// The clock at the base point, in nanoseconds.
    pub base_ns: u64,
    /// Nanoseconds per cycle as a 32.32 fixed-point number.
    pub mult: u64,
}

impl ClockParams {
    /// `mult` for a cycle counter of `hz` cycles per second; `None` for one that is slower than
    /// 1 Hz.
    pub const fn mult_of(hz: u64) -> Option<u64> {
        match hz {
            0 => None,
            hz => Some(((1_000_000_000u128 << 32) / hz as u128) as u64),
        }
    }

    /// The clock, in nanoseconds, when the cycle counter is `cycles`: the very arithmetic of the
    /// image, so that kernel and program never disagree. A counter behind the base point, as
    /// another processor may show it, counts as the base point.
    pub const fn cycles_to_ns(&self, cycles: u64) -> u64 {
        let delta = cycles.wrapping_sub(self.base_cycles);
        let delta = if delta > i64::MAX as u64 { 0 } else { delta };
        self.base_ns.wrapping_add(((delta as u128 * self.mult as u128) >> 32) as u64)
    }
}

/// The parameter page, which lies directly before the vDSO's image.
///
/// Written by the kernel alone: make `seq` odd, change the rest, make `seq` even again, with
/// release ordering between the steps. The image reads it again until it has seen one even `seq`
/// on both sides.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct VdsoParams {
    /// Odd while the rest changes.
    pub seq: u32,
    /// [`VdsoParams::MODE_SYSCALL`] or [`VdsoParams::MODE_TSC`].
    pub mode: u32,
    /// [`VdsoParams::CPU_SYSCALL`] or [`VdsoParams::CPU_RDTSCP`].
    pub cpu: u32,
    /// Zero.
    pub reserved: u32,
    /// `CLOCK_REALTIME` and `CLOCK_REALTIME_COARSE`, since 1970.
    pub realtime: ClockParams,
    /// `CLOCK_MONOTONIC`, `CLOCK_MONOTONIC_RAW`, `CLOCK_MONOTONIC_COARSE` and `CLOCK_BOOTTIME`.
    pub monotonic: ClockParams,
}

static_assertions::const_assert_eq!(size_of::<VdsoParams>(), 64);
static_assertions::const_assert_eq!(core::mem::offset_of!(VdsoParams, realtime), 16);
static_assertions::const_assert_eq!(core::mem::offset_of!(VdsoParams, monotonic), 40);
static_assertions::const_assert_eq!(size_of::<ClockParams>(), 24);

impl VdsoParams {
    /// Every function makes its system call: the state of a page of zeroes.
    pub const MODE_SYSCALL: u32 = 0;
    /// The time comes from the time-stamp counter.
    pub const MODE_TSC: u32 = 1;

    /// getcpu(2) is a system call.
    pub const CPU_SYSCALL: u32 = 0;
    /// getcpu(2) reports the host's processor, which Linux keeps where `rdtscp` reads it. Only for
    /// a host whose processors have that instruction, and a guest that sees the host's numbers.
    pub const CPU_RDTSCP: u32 = 1;

    /// Replaces what is published, which is `self`, by `next`, whose `seq` does not count. `write`
    /// stores bytes at an offset in the page; each store must be visible to other processors
    /// before the next one is.
    pub fn publish(&mut self, next: VdsoParams, write: &mut dyn FnMut(u64, &[u8])) {
        let even = self.seq & !1;
        write(0, &even.wrapping_add(1).to_le_bytes());
        *self = VdsoParams { seq: even.wrapping_add(2), ..next };
        let bytes = self.as_bytes();
        let (seq, rest) = bytes.split_at(size_of::<u32>());
        write(seq.len() as u64, rest);
        write(0, seq);
    }

    /// `CLOCK_REALTIME` and `CLOCK_MONOTONIC`, in nanoseconds, when the cycle counter is `cycles`.
    pub const fn cycles_to_ns(&self, cycles: u64) -> (u64, u64) {
        (self.realtime.cycles_to_ns(cycles), self.monotonic.cycles_to_ns(cycles))
    }
}
