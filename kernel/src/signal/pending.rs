//! Signals that were sent and not yet delivered.

use super::{SIGRTMIN, SYNCHRONOUS, SigInfo, SignalSet, next_of};
use alloc::collections::VecDeque;
use syserr::Errno;

/// Where a pending signal's entry counts against `RLIMIT_SIGPENDING`, and whether that refused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    /// A new entry.
    Entry,
    /// Pending already: standard signals do not queue.
    Merged,
    /// Pending without its info: the queue was full, and the sender may not hear of it.
    Bare,
}

/// One pending set: of a thread, or of a thread group.
///
/// Standard signals are pending once; real-time signals queue in order of sending. An entry can be
/// lost to the queue limit while the signal itself stays pending (`__send_signal_locked` in
/// `kernel/signal.c`).
#[derive(Clone, Debug, Default)]
pub struct Pending {
    set: SignalSet,
    queue: VecDeque<SigInfo>,
}

impl Pending {
    /// What is pending.
    pub fn set(&self) -> SignalSet {
        self.set
    }

    /// Entries that count against the limit.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether no entry is queued.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The entries, oldest first.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &SigInfo> {
        self.queue.iter()
    }

    /// Whether the signal of POSIX timer `id` is among the entries.
    pub(crate) fn holds_timer(&self, id: i32) -> bool {
        self.queue.iter().any(|i| i.code == super::SI_TIMER && i.pid() == id)
    }

    /// Makes `info` pending. `room` tells whether the sender's user may queue one more entry.
    ///
    /// # Errors
    /// `EAGAIN` when there is no room and the sender must know: sigqueue(3) of a real-time signal.
    pub fn push(&mut self, signo: u32, info: SigInfo, room: bool) -> Result<Queued, Errno> {
        let standard = signo < SIGRTMIN;
        if standard && self.set.contains(signo) {
            return Ok(Queued::Merged);
        }
        // What the kernel and kill(2) send may not get lost for want of room.
        let room = room || (standard && info.code >= 0);
        if !room {
            if !standard && info.code != super::SI_USER {
                return Err(Errno::EAGAIN);
            }
            self.set.insert(signo);
            return Ok(Queued::Bare);
        }
        self.set.insert(signo);
        self.queue.push_back(info);
        Ok(Queued::Entry)
    }

    /// Takes the next signal out that is not in `blocked`.
    pub fn pop(&mut self, blocked: SignalSet) -> Option<SigInfo> {
        let signo = next_of(self.set.difference(blocked))?;
        Some(self.take(signo))
    }

    /// Takes a synchronous signal out that an instruction, not a process, caused.
    pub fn pop_synchronous(&mut self, blocked: SignalSet) -> Option<SigInfo> {
        let open = self.set.difference(blocked).intersection(SYNCHRONOUS);
        if open.is_empty() {
            return None;
        }
        let at = self.queue.iter().position(|i| i.code > 0 && open.contains(i.signo as u32))?;
        let signo = self.queue.get(at)?.signo as u32;
        Some(self.take(signo))
    }

    fn take(&mut self, signo: u32) -> SigInfo {
        let is = |i: &SigInfo| i.signo as u32 == signo;
        let at = self.queue.iter().position(is);
        let info = at.and_then(|at| self.queue.remove(at));
        if !self.queue.iter().any(is) {
            self.set.remove(signo);
        }
        // Without an entry, as Linux: sent by nobody in particular.
        info.unwrap_or(SigInfo::user(signo, super::SI_USER, 0, 0))
    }

    /// Drops every signal of `which`.
    pub fn discard(&mut self, which: SignalSet) {
        if !self.set.intersection(which).is_empty() {
            self.set = self.set.difference(which);
            self.queue.retain(|i| !which.contains(i.signo as u32));
        }
    }
}
