//! Where the kernel's last accesses went: a few translations that need no look at the trees.
//!
//! They are valid for as long as the manager's lock is not taken alone, which forgets them all.
//! Readers share that lock, so what one of them puts in another may be reading: each slot has a
//! sequence number that is odd while it is written.

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
    lo: AtomicU64,
    hi: AtomicU64,
    /// The lowest bit says whether it can be written.
    file: AtomicU64,
}

#[derive(Default)]
pub(crate) struct Hot([Slot; SLOTS]);

impl Hot {
    fn slot(&self, at: u64) -> &Slot {
        let [a, b, c, d] = &self.0;
        match ((at >> 16) ^ (at >> 28)) & 3 {
            0 => a,
            1 => b,
            2 => c,
            _ => d,
        }
    }

    /// A place that holds `at` and permits the access.
    pub(crate) fn find(&self, at: u64, write: bool) -> Option<Place> {
        let s = self.slot(at);
        let seq = s.seq.load(Ordering::Acquire);
        let (lo, hi) = (s.lo.load(Ordering::Relaxed), s.hi.load(Ordering::Relaxed));
        let word = s.file.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        let p = Place { lo, hi, file: word & !1, write: word & 1 != 0 };
        let valid = seq & 1 == 0 && s.seq.load(Ordering::Relaxed) == seq;
        (valid && lo <= at && at < hi && (p.write || !write)).then_some(p)
    }

    /// Remembers a place for accesses around `at`, unless somebody else does so right now.
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
        s.seq.store(seq.wrapping_add(2), Ordering::Release);
    }

    /// Forgets everything; only for the one who holds the lock alone.
    pub(crate) fn clear(&mut self) {
        for s in &self.0 {
            s.hi.store(0, Ordering::Relaxed);
        }
    }
}
