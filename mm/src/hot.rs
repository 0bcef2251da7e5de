//! Where the kernel's last accesses went: a few translations that need no look at the trees.
//!
//! They are valid for as long as the manager's lock is not taken alone, which begins a new epoch.
//! Whoever holds that lock with others uses them as they are. Reads need no lock at all: they look
//! whether the epoch is the same afterwards, and what they read in another one is thrown away.
//!
//! Readers put translations in while others read them: each slot has a sequence number that is odd
//! while it is written.
//!
//! What is written cannot be thrown away. So who writes without the lock holds a slot meanwhile, and
//! whoever takes the lock alone waits for that. This costs a barrier each time the lock is taken, so
//! it is done only where there were such writes since it was last taken: the first one takes the
//! lock.

use sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use sync::hint::spin_loop;

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
    /// Somebody writes without the lock.
    held: AtomicU32,
    epoch: AtomicU64,
    lo: AtomicU64,
    hi: AtomicU64,
    /// The lowest bit says whether it can be written.
    file: AtomicU64,
}

#[derive(Default)]
pub(crate) struct Hot {
    epoch: AtomicU64,
    /// Whoever takes the lock alone looks whether slots are held.
    open: AtomicU32,
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

    /// Writes through the place that holds `at..end`, without the lock; `write` gets the offset of
    /// `at` in the memory file, and is short: others may wait for it. Nothing is written if the place
    /// is not valid, or another writer is there.
    #[inline]
    pub(crate) fn write<R>(&self, at: u64, end: u64, write: impl FnOnce(u64) -> R) -> Option<R> {
        if !self.is_open() {
            return None;
        }
        // Found before the slot is held, so that only the epoch is left to look at afterwards:
        // a place that was valid in this epoch is.
        let epoch = self.epoch.load(Ordering::Acquire);
        let p = self.find_in(epoch, at, true).filter(|p| end <= p.hi)?;
        let slot = self.slot(at);
        let taken = slot.held.compare_exchange(0, 1, Ordering::SeqCst, Ordering::Relaxed);
        if taken.is_err() {
            return None;
        }
        // On x86 that is the barrier already; elsewhere the loads below must not pass it. Either
        // they see what `close` stored, or `close` sees that the slot is held.
        #[cfg(any(loom, not(target_arch = "x86_64")))]
        fence(Ordering::SeqCst);
        let valid = self.is_open() && self.epoch.load(Ordering::Relaxed) == epoch;
        let r = valid.then(|| write(p.file + (at - p.lo)));
        slot.held.store(0, Ordering::Release);
        r
    }

    fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed) != 0
    }

    /// Lets the next write go without the lock; for whoever holds the lock with others.
    pub(crate) fn open(&self) {
        self.open.store(1, Ordering::Relaxed);
    }

    /// Waits for those who write without the lock. Others do not begin.
    #[cold]
    fn close(&self) {
        // As in `write`, on x86 that is the barrier already.
        self.open.swap(0, Ordering::SeqCst);
        #[cfg(any(loom, not(target_arch = "x86_64")))]
        fence(Ordering::SeqCst);
        for slot in &self.slots {
            while slot.held.load(Ordering::Acquire) != 0 {
                spin_loop();
            }
        }
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
        if self.is_open() {
            self.close();
        }
        // Nothing that is done to memory from here on is seen by one who does not see the epoch.
        fence(Ordering::Release);
    }
}
