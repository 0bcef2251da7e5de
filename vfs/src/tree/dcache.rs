//! How many names are kept: a clock over all cached dentries.

use alloc::sync::Arc;
use alloc::vec::Vec;
use sync::Mutex;

use super::Dentry;

/// How many dentries one call looks at to make room.
const LOOK: usize = 64;
/// How many dentries one call lets go of.
const LET_GO: usize = 8;

/// Keeps dentries that nobody uses now, up to a limit.
pub(crate) struct Dcache {
    ring: Mutex<Ring>,
    limit: usize,
}

/// Places of the clock; a dentry knows its own.
#[derive(Default)]
struct Ring {
    slots: Vec<Option<Arc<Dentry>>>,
    free: Vec<usize>,
    hand: usize,
}

impl Ring {
    fn kept(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    fn put(&mut self, d: &Arc<Dentry>) {
        let at = self.free.pop().unwrap_or(self.slots.len());
        match self.slots.get_mut(at) {
            Some(slot) => *slot = Some(d.clone()),
            None => self.slots.push(Some(d.clone())),
        }
        d.set_slot(at);
    }

    fn take(&mut self, at: usize) -> Option<Arc<Dentry>> {
        let d = self.slots.get_mut(at)?.take()?;
        self.free.push(at);
        Some(d)
    }

    /// The dentry under the hand, if it can go; the hand moves on.
    fn sweep(&mut self) -> Option<Arc<Dentry>> {
        let at = self.hand;
        self.hand = if at + 1 < self.slots.len() { at + 1 } else { 0 };
        let d = self.slots.get(at)?.as_ref()?;
        // In use means referenced by more than the ring: an open file, a child, a walk.
        let stays = d.take_used() || Arc::strong_count(d) > 1 && !d.is_dead();
        if stays { None } else { self.take(at) }
    }
}

impl Dcache {
    pub(crate) fn new(limit: usize) -> Dcache {
        Dcache { ring: Mutex::default(), limit }
    }

    /// Keeps `d`; lets go of others that were not used lately, at most a few at a time.
    pub(crate) fn keep(&self, d: &Arc<Dentry>) {
        let mut out: smallvec::SmallVec<[Arc<Dentry>; LET_GO]> = smallvec::SmallVec::new();
        let mut ring = self.ring.lock();
        for _ in 0..LOOK {
            if ring.kept() < self.limit || out.len() == LET_GO {
                break;
            }
            out.extend(ring.sweep());
        }
        ring.put(d);
        drop(ring);
    }

    /// Lets go of a name that was removed, and of what is known of names below it: what it led to
    /// lives only as long as somebody uses it.
    pub(crate) fn forget(&self, d: &Arc<Dentry>) {
        let mut todo = alloc::vec![d.clone()];
        while let Some(d) = todo.pop() {
            todo.extend(d.children());
            let kept = {
                let mut ring = self.ring.lock();
                let at = d.slot();
                let mine = ring.slots.get(at).and_then(Option::as_ref);
                if mine.is_some_and(|k| Arc::ptr_eq(k, &d)) { ring.take(at) } else { None }
            };
            drop(kept);
        }
    }
}
