//! Where the kernel's last accesses went: a few translations that need no look at the trees.
//!
//! They are valid for as long as the manager's lock is not taken alone, which begins a new epoch.
//! Whoever holds that lock with others uses them as they are. Reads need no lock at all: they look
//! whether the epoch is the same afterwards, and what they read in another one is thrown away.
//!
//! Readers put translations in while others read them: each slot has a sequence number that is odd
//! while it is written.

use sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

const SLOTS: usize = 4;

/// `lo..hi` lies at `file` in the memory file, and the guest may read it.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) lo: u64,
    pub(crate) hi: u64,
    pub(crate) file: u64,
    /// Write it, too.
    pub(crate) write: bool,
}

#[derive(Default)]
struct Slot {
    seq: AtomicU32,
    epoch: AtomicU64,
    lo: AtomicU64,
    hi: AtomicU64,
    /// The lowest bit says whether it can be written.
    file: AtomicU64,
}

#[derive(Default)]
pub(crate) struct Hot {
    epoch: AtomicU64,
    slots: [Slot; SLOTS],
}

impl Hot {
    fn slot(&self, at: u64) -> &Slot {
        let [a, b, c, d] = &self.slots;
        match ((at >> 16) ^ (at >> 28)) & 3 {
            0 => a,
            1 => b,
            2 => c,
            _ => d,
        }
    }

    /// A place that holds `at` and permits the access; for whoever holds the lock, alone or not.
    pub(crate) fn find(&self, at: u64, write: bool) -> Option<Place> {
        self.find_in(self.epoch.load(Ordering::Acquire), at, write)
    }

    fn find_in(&self, epoch: u64, at: u64, write: bool) -> Option<Place> {
        let s = self.slot(at);
        let seq = s.seq.load(Ordering::Acquire);
        let (lo, hi) = (s.lo.load(Ordering::Relaxed), s.hi.load(Ordering::Relaxed));
        let word = s.file.load(Ordering::Relaxed);
        let of = s.epoch.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        let p = Place { lo, hi, file: word & !1, write: word & 1 != 0 };
        let valid = of == epoch && seq & 1 == 0 && s.seq.load(Ordering::Relaxed) == seq;
        (valid && lo <= at && at < hi && (p.write || !write)).then_some(p)
    }

    /// Reads through the place that holds `at..end`, without the lock. `read` gets the offset of
    /// `at` in the memory file, of memory that may have gone: what it returns counts only if the
    /// place was valid all the time.
    pub(crate) fn read<R>(
        &self,
        at: u64,
        end: u64,
        read: impl FnOnce(u64) -> Option<R>,
    ) -> Option<R> {
        let epoch = self.epoch.load(Ordering::Acquire);
        let p = self.find_in(epoch, at, false).filter(|p| end <= p.hi)?;
        let r = read(p.file + (at - p.lo))?;
        fence(Ordering::Acquire);
        (self.epoch.load(Ordering::Relaxed) == epoch).then_some(r)
    }

    /// Remembers a place for accesses around `at`, unless somebody else does so right now; for
    /// whoever holds the lock with others.
    pub(crate) fn put(&self, at: u64, p: Place) {
        let s = self.slot(at);
        let seq = s.seq.load(Ordering::Relaxed);
        let odd = seq.wrapping_add(1);
        let mine = seq & 1 == 0
            && s.seq.compare_exchange(seq, odd, Ordering::Acquire, Ordering::Relaxed).is_ok();
        if !mine {
            return;
        }
        fence(Ordering::Release);
        s.lo.store(p.lo, Ordering::Relaxed);
        s.hi.store(p.hi, Ordering::Relaxed);
        s.file.store(p.file | u64::from(p.write), Ordering::Relaxed);
        s.epoch.store(self.epoch.load(Ordering::Relaxed), Ordering::Relaxed);
        s.seq.store(seq.wrapping_add(2), Ordering::Release);
    }

    /// Forgets everything; only for the one who holds the lock alone, before anything changes.
    pub(crate) fn clear(&self) {
        let next = self.epoch.load(Ordering::Relaxed) + 1;
        self.epoch.store(next, Ordering::Relaxed);
        // Nothing that is done to memory from here on is seen by one who does not see the epoch.
        fence(Ordering::Release);
    }
}
