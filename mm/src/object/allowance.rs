//! How much memory several objects may have together.

use crate::seam::OutOfMemory;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A limit on the memory of several [`MemoryObject`](crate::MemoryObject)s together, as the size of
/// a tmpfs is.
#[derive(Debug)]
pub struct Allowance {
    limit: AtomicU64,
    used: AtomicU64,
}

impl Allowance {
    /// At most `limit` bytes; `u64::MAX` is no limit.
    pub const fn new(limit: u64) -> Allowance {
        Allowance { limit: AtomicU64::new(limit), used: AtomicU64::new(0) }
    }

    /// The limit in bytes.
    pub fn limit(&self) -> u64 {
        self.limit.load(Relaxed)
    }

    /// What the objects have, in bytes.
    pub fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    /// Changes the limit. What is used already stays, even if it is more.
    pub fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Relaxed);
    }

    /// Takes `len` bytes, or nothing.
    ///
    /// # Errors
    /// [`OutOfMemory`] beyond the limit.
    pub fn take(&self, len: u64) -> Result<(), OutOfMemory> {
        let limit = self.limit();
        let more = |used: u64| used.checked_add(len).filter(|n| *n <= limit);
        self.used.fetch_update(Relaxed, Relaxed, more).map(|_| ()).map_err(|_| OutOfMemory)
    }

    /// Gives back what was taken.
    pub fn give(&self, len: u64) {
        self.used.fetch_sub(len, Relaxed);
    }
}
