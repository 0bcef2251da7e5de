//! Host operations on their way to a stub.

use crate::shared::{Control, MAX_OPS, Report, op};
use mm::FileRange;
use std::collections::VecDeque;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::task::Waker;

/// One operation, not yet in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HostOp {
    pub(super) kind: u32,
    pub(super) prot: u32,
    pub(super) addr: u64,
    pub(super) len: u64,
    pub(super) offset: u64,
}

impl HostOp {
    fn end(&self) -> u64 {
        self.addr + self.len
    }

    /// Whether doing this alone does all that `earlier` and this would.
    fn covers(&self, earlier: &HostOp) -> bool {
        (self.kind == op::MAP || self.kind == op::UNMAP)
            && earlier.kind != op::THREAD
            && self.addr <= earlier.addr
            && earlier.end() <= self.end()
    }

    /// Whether this goes on where `earlier` ends, in the same way.
    fn continues(&self, earlier: &HostOp) -> bool {
        self.kind == earlier.kind
            && self.prot == earlier.prot
            && self.addr == earlier.end()
            && match self.kind {
                op::MAP => self.offset == earlier.offset + earlier.len,
                op::UNMAP => true,
                // A hole in one part must not undo the other.
                _ => false,
            }
    }
}

/// The queue of one stub.
#[derive(Default)]
pub(super) struct Queue {
    staged: Vec<HostOp>,
    /// Operations that went into the ring so far.
    published: u64,
    /// Operations that the stub says it has performed.
    done: u64,
    retired: VecDeque<(u64, Vec<FileRange>)>,
    waiting: Vec<(u64, Waker)>,
    /// Operations up to which the stub was told to perform them without a context to run.
    flushed: u64,
}

impl Queue {
    pub(super) fn push(&mut self, new: HostOp) {
        while let Some(last) = self.staged.last_mut() {
            if new.covers(last) {
                self.staged.pop();
            } else if new.continues(last) {
                last.len += new.len;
                return;
            } else {
                break;
            }
        }
        self.staged.push(new);
    }

    /// Whether the stub has not been told yet to perform all that is in the ring.
    pub(super) fn start_flush(&mut self) -> bool {
        std::mem::replace(&mut self.flushed, self.published) != self.published
    }

    /// Queues the start of a host thread.
    pub(super) fn push_thread(&mut self, kind: u32, index: u64) {
        self.staged.push(HostOp { kind, prot: 0, addr: index, len: 0, offset: 0 });
    }

    /// The number of operations so far, in the ring or not; too high if staged ones merge later.
    fn total(&self) -> u64 {
        self.published + self.staged.len() as u64
    }

    /// Whether anything is in front of the ring.
    pub(super) fn has_staged(&self) -> bool {
        !self.staged.is_empty()
    }

    /// Whether the stub has yet to perform something.
    pub(super) fn is_behind(&self) -> bool {
        self.has_staged() || self.published != self.done
    }

    /// Whether somebody waits for operations to be performed.
    pub(super) fn is_awaited(&self) -> bool {
        !self.waiting.is_empty() || !self.retired.is_empty()
    }

    /// Moves what fits into the ring. `false` if something is left.
    pub(super) fn publish(&mut self, control: &Control, report: &Report, cookie: [u32; 3]) -> bool {
        if self.staged.is_empty() {
            return true;
        }
        let room = MAX_OPS - (self.published - self.done) as usize;
        let n = room.min(self.staged.len());
        for o in self.staged.drain(..n) {
            let i = self.published as usize % MAX_OPS;
            for (to, word) in report.cookies[i].iter().zip(cookie) {
                to.store(word, Relaxed);
            }
            let to = &control.ops[i];
            to.kind.store(o.kind, Relaxed);
            to.prot.store(o.prot, Relaxed);
            to.addr.store(o.addr, Relaxed);
            to.len.store(o.len, Relaxed);
            to.offset.store(o.offset, Relaxed);
            self.published += 1;
        }
        control.ops_tail.store(self.published as u32, Release);
        self.staged.is_empty()
    }

    /// Takes the stub's word on how far it is. Returns what may go back to the memory file and who
    /// is to be told.
    pub(super) fn progress(&mut self, said: u32) -> (Vec<FileRange>, Vec<Waker>) {
        let ahead = u64::from(said.wrapping_sub(self.done as u32));
        if ahead <= self.published - self.done {
            self.done += ahead;
        }
        // Operations that were merged after somebody began to wait make their number too high.
        let done = if self.is_behind() { self.done } else { u64::MAX };
        let mut free = Vec::new();
        while let Some((at, _)) = self.retired.front()
            && *at <= done
        {
            free.extend(self.retired.pop_front().into_iter().flat_map(|(_, r)| r));
        }
        let mut wake = Vec::new();
        self.waiting.retain(|(at, waker)| {
            let ready = *at <= done;
            if ready {
                wake.push(waker.clone());
            }
            !ready
        });
        (free, wake)
    }

    /// Keeps `ranges` until everything so far is performed; gives them back if it is already.
    pub(super) fn retire(&mut self, ranges: Vec<FileRange>) -> Vec<FileRange> {
        if !self.is_behind() {
            return ranges;
        }
        self.retired.push_back((self.total(), ranges));
        Vec::new()
    }

    /// Wakes `waker` once everything so far is performed; `false` if it is already.
    pub(super) fn wait(&mut self, waker: &Waker) -> bool {
        if !self.is_behind() {
            return false;
        }
        let total = self.total();
        match self.waiting.iter_mut().find(|(_, w)| w.will_wake(waker)) {
            Some((at, _)) => *at = total,
            None => self.waiting.push((total, waker.clone())),
        }
        true
    }

    /// After the process's death: everything is performed.
    pub(super) fn abandon(&mut self) -> (Vec<FileRange>, Vec<Waker>) {
        self.staged.clear();
        let free = self.retired.drain(..).flat_map(|(_, r)| r).collect();
        let wake = self.waiting.drain(..).map(|(_, w)| w).collect();
        (free, wake)
    }
}
