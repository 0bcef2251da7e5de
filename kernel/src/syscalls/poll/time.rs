//! Timeouts of waits.

use crate::{ClockId, TaskCx};
use arch::{Addr, UserMemoryExt};
use syserr::Errno;

const SECOND: i64 = 1_000_000_000;

/// `CLOCK_MONOTONIC` now, in nanoseconds.
pub(super) fn now(cx: &TaskCx) -> i64 {
    cx.kernel().now(ClockId::Monotonic)
}

/// How long a call may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timeout {
    /// For ever.
    Never,
    /// Not at all.
    Now,
    /// Until `CLOCK_MONOTONIC` is there.
    At(i64),
}

impl Timeout {
    /// For [`crate::Task::block`].
    pub(super) fn deadline(self) -> Option<i64> {
        match self {
            Timeout::Never => None,
            Timeout::Now => Some(i64::MIN),
            Timeout::At(t) => Some(t),
        }
    }

    /// After a span in nanoseconds.
    pub(super) fn after(cx: &TaskCx, span: i64) -> Timeout {
        if span <= 0 { Timeout::Now } else { Timeout::At(now(cx).saturating_add(span)) }
    }

    /// Milliseconds, negative for ever; poll(2), epoll_wait(2).
    pub(super) fn millis(cx: &TaskCx, ms: u64) -> Timeout {
        match ms as i32 {
            ..0 => Timeout::Never,
            ms => Timeout::after(cx, i64::from(ms) * 1_000_000),
        }
    }

    /// A `struct timespec`, or none at all for ever.
    ///
    /// # Errors
    /// `EFAULT`; `EINVAL` for a negative or denormal time.
    pub(super) fn spec(cx: &TaskCx, at: u64) -> Result<Timeout, Errno> {
        if at == 0 {
            return Ok(Timeout::Never);
        }
        let [sec, nsec]: [i64; 2] = cx.mm().read_obj(Addr(at))?;
        if sec < 0 || !(0..SECOND).contains(&nsec) {
            return Err(Errno::EINVAL);
        }
        Ok(Timeout::after(cx, sec.saturating_mul(SECOND).saturating_add(nsec)))
    }

    /// A `struct timeval`, or none at all for ever. Microseconds may be more than a second.
    ///
    /// # Errors
    /// As [`Timeout::spec`].
    pub(super) fn val(cx: &TaskCx, at: u64) -> Result<Timeout, Errno> {
        if at == 0 {
            return Ok(Timeout::Never);
        }
        let [sec, usec]: [i64; 2] = cx.mm().read_obj(Addr(at))?;
        let sec = sec.checked_add(usec / 1_000_000).ok_or(Errno::EINVAL)?;
        let usec = usec % 1_000_000;
        if sec < 0 || usec < 0 {
            return Err(Errno::EINVAL);
        }
        Ok(Timeout::after(cx, sec.saturating_mul(SECOND).saturating_add(usec * 1000)))
    }
}

/// Where the time that is left goes when the call ends.
#[derive(Clone, Copy)]
pub(super) enum Remaining {
    /// A `struct timespec`.
    Spec(u64),
    /// A `struct timeval`.
    Val(u64),
}

impl Remaining {
    /// Writes it; a place that cannot be written is no error (`poll_select_finish`).
    pub(super) fn write(self, mem: &dyn arch::UserMemory, timeout: Timeout, now: i64) {
        let left = match timeout {
            Timeout::Never => return,
            Timeout::Now => 0,
            Timeout::At(t) => t.saturating_sub(now).max(0),
        };
        let (sec, nsec) = (left / SECOND, left % SECOND);
        let _ = match self {
            Remaining::Spec(0) | Remaining::Val(0) => Ok(()),
            Remaining::Spec(at) => mem.write_obj(Addr(at), &[sec, nsec]),
            Remaining::Val(at) => mem.write_obj(Addr(at), &[sec, nsec / 1000]),
        };
    }
}
