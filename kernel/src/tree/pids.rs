//! Process IDs.

use syserr::Errno;

/// One more than the highest ID (`/proc/sys/kernel/pid_max`).
pub(crate) const PID_MAX: i32 = 32768;
/// Where IDs start again after the highest (`RESERVED_PIDS`).
const RESERVED: i32 = 300;

/// Hands IDs out in rising order, and starts again below when it reaches the end.
#[derive(Debug, Default)]
pub(crate) struct Pids {
    last: i32,
    /// Started again at least once, or somebody chose an ID: only then can an ID be taken.
    again: bool,
}

impl Pids {
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
        for _ in 0..PID_MAX {
            let mut id = self.last + 1;
            if id >= PID_MAX {
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
