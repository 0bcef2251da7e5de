//! Structures that several system calls share, and ways to read and write them.

use crate::task::CpuTimes;
use arch::{Addr, UserMemory, UserMemoryExt};
use syserr::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Nanoseconds in a second.
pub(crate) const SECOND: i64 = 1_000_000_000;

/// `struct timespec`, and `struct timeval` with microseconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub(crate) struct Pair {
    pub(crate) sec: i64,
    pub(crate) frac: i64,
}

/// `struct itimerspec` and `struct itimerval`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct TimerSpec {
    pub(crate) interval: Pair,
    pub(crate) value: Pair,
}

/// `struct rusage`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Rusage {
    pub(crate) utime: Pair,
    pub(crate) stime: Pair,
    /// In kilobytes.
    pub(crate) maxrss: i64,
    unused: [i64; 3],
    pub(crate) minflt: i64,
    more_unused: [i64; 7],
    pub(crate) nvcsw: i64,
    pub(crate) nivcsw: i64,
}

static_assertions::const_assert_eq!(size_of::<Rusage>(), 144);

impl Rusage {
    pub(crate) fn new(times: CpuTimes, max_rss: u64) -> Rusage {
        Rusage {
            utime: Pair::micros(times.user as i64),
            stime: Pair::micros(times.system as i64),
            maxrss: (max_rss / 1024) as i64,
            minflt: times.faults as i64,
            nvcsw: times.waits as i64,
            nivcsw: times.interruptions as i64,
            ..Rusage::default()
        }
    }
}

impl Pair {
    /// A `timespec` of so many nanoseconds.
    pub(crate) const fn nanos(ns: i64) -> Pair {
        Pair { sec: ns.div_euclid(SECOND), frac: ns.rem_euclid(SECOND) }
    }

    /// A `timeval` of so many nanoseconds.
    pub(crate) const fn micros(ns: i64) -> Pair {
        Pair { sec: ns.div_euclid(SECOND), frac: ns.rem_euclid(SECOND) / 1000 }
    }

    /// Nanoseconds of a `timespec`, at most `i64::MAX`.
    ///
    /// # Errors
    /// `EINVAL` when it is negative or not normalised.
    pub(crate) fn as_timespec(self) -> Result<i64, Errno> {
        self.checked(SECOND, 1)
    }

    /// Nanoseconds of a `timeval`, at most `i64::MAX`.
    ///
    /// # Errors
    /// `EINVAL` when it is negative or not normalised.
    pub(crate) fn as_timeval(self) -> Result<i64, Errno> {
        self.checked(1_000_000, 1000)
    }

    fn checked(self, limit: i64, unit: i64) -> Result<i64, Errno> {
        if self.sec < 0 || !(0..limit).contains(&self.frac) {
            return Err(Errno::EINVAL);
        }
        Ok(self.sec.saturating_mul(SECOND).saturating_add(self.frac * unit))
    }
}

/// Reads an optional `timespec` as nanoseconds.
///
/// # Errors
/// `EFAULT`, `EINVAL`.
pub(crate) fn read_timespec(mm: &dyn UserMemory, at: u64) -> Result<Option<i64>, Errno> {
    if at == 0 {
        return Ok(None);
    }
    mm.read_obj::<Pair>(Addr(at))?.as_timespec().map(Some)
}

/// Writes `value` at `at` unless that is null.
///
/// # Errors
/// `EFAULT`.
pub(crate) fn write_if<T: IntoBytes + Immutable>(
    mm: &dyn UserMemory,
    at: u64,
    value: &T,
) -> Result<(), Errno> {
    if at == 0 { Ok(()) } else { mm.write_obj(Addr(at), value) }
}
