//! One reference counter a page, in a lazily populated array.

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::io;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

/// Counters of `pages` pages.
pub(super) struct Counts {
    base: NonNull<AtomicU32>,
    pages: u64,
}

// SAFETY: the array is valid until drop and made of atomics.
unsafe impl Send for Counts {}
// SAFETY: as above.
unsafe impl Sync for Counts {}

impl Counts {
    pub(super) fn new(pages: u64) -> io::Result<Counts> {
        // SAFETY: a fresh mapping; zero is a valid counter.
        let base = unsafe {
            mmap_anonymous(
                null_mut(),
                pages as usize * size_of::<AtomicU32>(),
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )?
        };
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Counts { base, pages })
    }

    fn of(&self, page: u64) -> Option<&AtomicU32> {
        debug_assert!(page < self.pages, "page {page} is outside the memory file");
        // SAFETY: inside the array, as just checked.
        (page < self.pages).then(|| unsafe { self.base.add(page as usize).as_ref() })
    }

    pub(super) fn get(&self, page: u64) -> u32 {
        self.of(page).map_or(0, |c| c.load(Acquire))
    }

    /// Gives each page, free until now, its first reference.
    pub(super) fn set(&self, start: u64, pages: u64) {
        for page in start..start + pages {
            if let Some(c) = self.of(page) {
                c.store(1, Release);
            }
        }
    }

    /// One more, unless the counter is full or the page is free.
    pub(super) fn inc(&self, page: u64) -> bool {
        let Some(c) = self.of(page) else { return false };
        let more = |n: u32| {
            debug_assert_ne!(n, 0, "page {page} is free");
            n.checked_add(1).filter(|_| n != 0)
        };
        c.fetch_update(AcqRel, Relaxed, more).is_ok()
    }

    /// One fewer; whether that was the last one.
    pub(super) fn dec(&self, page: u64) -> bool {
        let Some(c) = self.of(page) else { return false };
        let before = c.fetch_update(AcqRel, Relaxed, |n| n.checked_sub(1));
        debug_assert!(before.is_ok(), "page {page} is free");
        before == Ok(1)
    }
}

impl Drop for Counts {
    fn drop(&mut self) {
        // SAFETY: our own mapping; all users borrow from `self`.
        unsafe {
            let _ = munmap(self.base.as_ptr().cast(), self.pages as usize * size_of::<AtomicU32>());
        }
    }
}
