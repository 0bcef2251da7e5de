//! What an IPC namespace lets its processes make: `/proc/sys/kernel/{msg,sem,shm}*`.

use super::msg::{MSGMAX, MSGMNB, MSGMNI};
use super::sem::{SEMMNI, SEMMNS, SEMMSL, SEMOPM};
use super::shm::{SHMMAX, SHMMNI};
use alloc::string::String;
use core::fmt::Write;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use syserr::Errno;
use vfs::proc::IpcLimit;

/// The largest message and the most bytes of a queue that can be asked for: what is sent is copied
/// as a whole.
const MESSAGE_MAX: u64 = 1 << 20;

/// Each with the most that it can be set to, which bounds what guests can store.
const LIMITS: [(u64, u64); 10] = [
    (MSGMAX, MESSAGE_MAX),
    (MSGMNB, MESSAGE_MAX),
    (MSGMNI as u64, MSGMNI as u64),
    (SEMMSL as u64, SEMMSL as u64),
    (SEMMNS as u64, SEMMNS as u64),
    (SEMOPM, SEMOPM),
    (SEMMNI as u64, SEMMNI as u64),
    (SHMMAX, u64::MAX),
    (SHMMAX, u64::MAX),
    (SHMMNI as u64, SHMMNI as u64),
];

/// The limits of one namespace.
pub(crate) struct Limits([AtomicU64; LIMITS.len()]);

impl Default for Limits {
    fn default() -> Limits {
        Limits(LIMITS.map(|(at_first, _)| AtomicU64::new(at_first)))
    }
}

/// Where a limit is, and how many numbers it has.
fn place(limit: IpcLimit) -> (usize, usize) {
    match limit {
        IpcLimit::MsgMax => (0, 1),
        IpcLimit::MsgMnb => (1, 1),
        IpcLimit::MsgMni => (2, 1),
        IpcLimit::Sem => (3, 4),
        IpcLimit::ShmAll => (7, 1),
        IpcLimit::ShmMax => (8, 1),
        IpcLimit::ShmMni => (9, 1),
    }
}

impl Limits {
    /// A limit, the first number where there are more.
    pub(crate) fn get(&self, limit: IpcLimit) -> u64 {
        self.0[place(limit).0].load(Relaxed)
    }

    /// `SEMMSL`, `SEMMNS`, `SEMOPM`, `SEMMNI`.
    pub(super) fn sem(&self) -> [u64; 4] {
        let (first, _) = place(IpcLimit::Sem);
        core::array::from_fn(|i| self.0[first + i].load(Relaxed))
    }

    /// The file's text.
    pub(crate) fn text(&self, limit: IpcLimit) -> String {
        let (first, count) = place(limit);
        let mut out = String::new();
        for n in self.0.iter().skip(first).take(count) {
            let separator = if out.is_empty() { "" } else { "\t" };
            // Writing to a string cannot fail.
            let _ = write!(out, "{separator}{}", n.load(Relaxed));
        }
        out
    }

    /// Takes numbers that were written; those that are left out stay.
    pub(crate) fn set(&self, limit: IpcLimit, numbers: &[u64]) -> Result<(), Errno> {
        let (first, count) = place(limit);
        let new = || (first..first + count).zip(numbers);
        if new().any(|(at, n)| *n > LIMITS[at].1) {
            return Err(Errno::EINVAL);
        }
        for (at, n) in new() {
            self.0[at].store(*n, Relaxed);
        }
        Ok(())
    }
}
