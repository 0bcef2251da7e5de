//! Host operations on their way to a stub's mapper.

use crate::shared::{Control, MAX_OPS, op};
use mm::FileRange;
use std::collections::VecDeque;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::task::Waker;

/// Bytes that may wait for their acknowledgement before one is asked for.
const RETIRED_BYTES: u64 = 256 << 10;
/// Operations after which an acknowledgement is asked for, so that the ring never stands still.
const ACK_EVERY: u64 = MAX_OPS as u64 / 4;

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
pub(super) struct Queue {
    staged: Vec<HostOp>,
    /// Operations that went into the ring so far; the first is the zygote's.
    published: u64,
    /// Operations up to the last acknowledgement that was asked for.
    asked: u64,
    /// Operations that are known to be performed.
    acked: u64,
    retired: VecDeque<(u64, FileRange)>,
    /// Bytes retired since an acknowledgement was last asked for.
    retired_bytes: u64,
    waiting: Vec<(u64, Waker)>,
}

impl Default for Queue {
    fn default() -> Queue {
        Queue {
            staged: Vec::new(),
            published: 1,
            asked: 0,
            acked: 0,
            retired: VecDeque::new(),
            retired_bytes: 0,
            waiting: Vec::new(),
        }
    }
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

    /// Queues the start of a host thread.
    pub(super) fn push_thread(&mut self, index: u64) {
        self.staged.push(HostOp { kind: op::THREAD, prot: 0, addr: index, len: 0, offset: 0 });
    }

    /// The number of operations so far, in the ring or not; too high if staged ones merge later.
    fn total(&self) -> u64 {
        self.published + self.staged.len() as u64
    }

    /// Whether something is not known to be performed.
    pub(super) fn is_behind(&self) -> bool {
        !self.staged.is_empty() || self.published != self.acked
    }

    /// Whether an acknowledgement is on its way.
    pub(super) fn is_awaited(&self) -> bool {
        self.asked > self.acked
    }

    /// Whether somebody is told when operations are performed.
    pub(super) fn is_waited_for(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether memory waits for an acknowledgement that nobody has asked for.
    pub(super) fn is_holding(&self) -> bool {
        self.retired.back().is_some_and(|(at, _)| *at > self.asked)
    }

    /// Moves what fits into the ring, with an acknowledgement by the name of `token` at the end if
    /// one is due or `flush` asks for it. `false` if something is left.
    pub(super) fn publish(&mut self, control: &Control, token: u64, flush: bool) -> bool {
        let old = self.published;
        // One place is kept for the acknowledgement that makes room.
        let room = (MAX_OPS - 1).saturating_sub((self.published - self.acked) as usize);
        let n = room.min(self.staged.len());
        for o in self.staged.drain(..n) {
            put(control, self.published, o);
            self.published += 1;
        }
        let due = self.published - self.asked >= ACK_EVERY
            || self.retired_bytes >= RETIRED_BYTES
            || flush && self.published != self.asked;
        if due && self.published - self.acked < MAX_OPS as u64 {
            let seq = self.published + 1;
            let ack = HostOp { kind: op::ACK, prot: 0, addr: token, len: seq, offset: 0 };
            put(control, self.published, ack);
            (self.published, self.asked, self.retired_bytes) = (seq, seq, 0);
        }
        if self.published != old {
            control.ops_tail.store(self.published as u32, SeqCst);
        }
        self.staged.is_empty()
    }

    /// The kernel says that the mapper has performed `seq` operations. Returns what may go back to
    /// the memory file and who is to be told.
    pub(super) fn acknowledge(&mut self, seq: u64) -> (Vec<FileRange>, Vec<Waker>) {
        self.acked = self.acked.max(seq.min(self.published));
        // Operations that were merged after somebody began to wait make their number too high.
        let done = if self.is_behind() { self.acked } else { u64::MAX };
        let mut free = Vec::new();
        while let Some((at, _)) = self.retired.front()
            && *at <= done
        {
            free.extend(self.retired.pop_front().map(|(_, r)| r));
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

    /// Keeps `ranges` until everything so far is performed; `false` if it is already.
    pub(super) fn retire(&mut self, ranges: &[FileRange]) -> bool {
        if !self.is_behind() {
            return false;
        }
        let total = self.total();
        self.retired_bytes += ranges.iter().map(|r| r.len()).sum::<u64>();
        self.retired.extend(ranges.iter().map(|r| (total, *r)));
        true
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
        self.asked = self.acked;
        let free = self.retired.drain(..).map(|(_, r)| r).collect();
        let wake = self.waiting.drain(..).map(|(_, w)| w).collect();
        (free, wake)
    }
}

fn put(control: &Control, number: u64, o: HostOp) {
    let to = &control.ops[number as usize % MAX_OPS];
    to.kind.store(o.kind, Relaxed);
    to.prot.store(o.prot, Relaxed);
    to.addr.store(o.addr, Relaxed);
    to.len.store(o.len, Relaxed);
    to.offset.store(o.offset, Relaxed);
}
