//! Process IDs.

use syserr::Errno;

/// One more than the highest ID of the initial namespace at first (`PID_MAX_DEFAULT`).
const PID_MAX: i32 = 32768;
/// The most that it can be, and what it is at first below (`PID_MAX_LIMIT`).
const PID_MAX_LIMIT: i32 = 4 << 20;
/// Where IDs start again after the highest (`RESERVED_PIDS`).
const RESERVED: i32 = 300;

/// Hands IDs out in rising order, and starts again below when it reaches the end.
#[derive(Debug)]
pub(crate) struct Pids {
    /// One more than the highest ID: `kernel.pid_max`.
    max: i32,
    last: i32,
    /// Started again at least once, or somebody chose an ID: only then can an ID be taken.
    again: bool,
}

impl Default for Pids {
    fn default() -> Pids {
        Pids { max: PID_MAX, last: 0, again: false }
    }
}

impl Pids {
    /// Those of a namespace below the initial one.
    pub(crate) fn below() -> Pids {
        Pids { max: PID_MAX_LIMIT, ..Pids::default() }
    }

    /// One more than the highest ID that is handed out.
    pub(crate) fn max(&self) -> i32 {
        self.max
    }

    /// Sets what [`Pids::max`] says.
    ///
    /// # Errors
    /// `EINVAL` for what leaves nothing behind the reserved ones, or is too much.
    pub(crate) fn set_max(&mut self, max: i32) -> Result<(), Errno> {
        if !(RESERVED + 1..=PID_MAX_LIMIT).contains(&max) {
            return Err(Errno::EINVAL);
        }
        self.max = max;
        Ok(())
    }

    /// Begins anew.
    pub(crate) fn restart(&mut self) {
        (self.last, self.again) = (0, false);
    }

    /// What was handed out last; 0 before the first.
    pub(crate) fn last(&self) -> i32 {
        self.last
    }

    /// The next ID is the one after `last`, or the next that is free.
    pub(crate) fn set_last(&mut self, last: i32) {
        self.last = last;
        self.again = true;
    }

    /// Somebody chose an ID, so the next ones may be taken.
    pub(crate) fn chosen(&mut self) {
        self.again = true;
    }

    /// The next ID that is not `taken`.
    ///
    /// # Errors
    /// `EAGAIN` when every ID is taken.
    pub(crate) fn next(&mut self, taken: impl Fn(i32) -> bool) -> Result<i32, Errno> {
        for _ in 0..self.max {
            let mut id = self.last + 1;
            if id >= self.max {
                id = RESERVED;
                self.again = true;
            }
            self.last = id;
            if !self.again || !taken(id) {
                return Ok(id);
            }
        }
        Err(Errno::EAGAIN)
    }
}
