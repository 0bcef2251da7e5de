//! The memory that idle queues keep.

use sync::atomic::{AtomicUsize, Ordering};

/// All chains of a table together keep room for this many waiters beyond what each keeps anyway;
/// the rest is given back. So bursts on a few words reuse memory, and a guest that fills one queue
/// after the other cannot make the kernel hold it all.
const KEPT_BY_ALL: usize = 1 << 14;

/// The room for waiters that the chains of a table keep while they are empty.
#[derive(Default)]
pub(crate) struct Budget(AtomicUsize);

impl Budget {
    pub(crate) fn take(&self, n: usize) -> bool {
        let fits = |taken: usize| taken.checked_add(n).filter(|t| *t <= KEPT_BY_ALL);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    pub(crate) fn give_back(&self, n: usize) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }
}
