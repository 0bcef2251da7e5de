//! How many pages of host files are kept.

use alloc::collections::VecDeque;
use alloc::sync::Weak;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use sync::Mutex;

use super::HostInode;

/// Pages of all files of a view, in the order in which they came; the oldest that nobody maps go
/// first.
pub(super) struct PageBudget {
    limit: u64,
    used: AtomicU64,
    order: Mutex<VecDeque<(Weak<HostInode>, u64)>>,
}

/// How many extents one allocation looks at before it gives up.
const LOOK: usize = 64;

impl PageBudget {
    pub(super) fn new(limit: u64) -> PageBudget {
        PageBudget { limit, used: AtomicU64::new(0), order: Mutex::default() }
    }

    /// How many bytes may be kept.
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether `more` bytes fit.
    pub(super) fn fits(&self, more: u64) -> bool {
        self.used.load(Relaxed).saturating_add(more) <= self.limit
    }

    /// Notes an extent of `len` bytes at `offset` of a file.
    pub(super) fn add(&self, inode: &Weak<HostInode>, offset: u64, len: u64) {
        self.used.fetch_add(len, Relaxed);
        self.order.lock().push_back((inode.clone(), offset));
    }

    /// Notes that `len` bytes were let go.
    pub(super) fn sub(&self, len: u64) {
        self.used.fetch_sub(len, Relaxed);
    }

    /// Lets extents go until `more` bytes fit, as far as it can be done at once.
    pub(super) fn make_room(&self, more: u64) {
        for _ in 0..LOOK {
            if self.fits(more) || !self.drop_one() {
                return;
            }
        }
    }

    /// Looks at the oldest extent: lets it go, or puts it at the end when it is in use. False when
    /// there is none.
    pub(super) fn drop_one(&self) -> bool {
        let Some((inode, offset)) = self.order.lock().pop_front() else { return false };
        if let Some(i) = inode.upgrade()
            && !i.drop_extent(offset)
        {
            self.order.lock().push_back((inode, offset));
        }
        true
    }
}
