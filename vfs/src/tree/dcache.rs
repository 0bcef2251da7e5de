//! How many names are kept: a clock over all cached dentries.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use sync::Mutex;

use super::Dentry;

/// Keeps dentries that nobody uses now, up to a limit.
pub(crate) struct Dcache {
    ring: Mutex<VecDeque<Arc<Dentry>>>,
    limit: usize,
}

impl Dcache {
    pub(crate) fn new(limit: usize) -> Dcache {
        Dcache { ring: Mutex::new(VecDeque::new()), limit }
    }

    /// Keeps `d`; lets go of others that were not used lately, at most a few at a time.
    pub(crate) fn keep(&self, d: &Arc<Dentry>) {
        let mut out: smallvec::SmallVec<[Arc<Dentry>; 8]> = smallvec::SmallVec::new();
        let mut ring = self.ring.lock();
        ring.push_back(d.clone());
        let mut looked = 0;
        while ring.len() > self.limit && looked < 64 && out.len() < 8 {
            looked += 1;
            let Some(old) = ring.pop_front() else { break };
            // In use means referenced by more than the ring: an open file, a child, a walk.
            if old.take_used() || Arc::strong_count(&old) > 1 && !old.is_dead() {
                ring.push_back(old);
            } else {
                out.push(old);
            }
        }
        drop(ring);
    }
}
