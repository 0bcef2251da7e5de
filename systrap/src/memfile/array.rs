//! A long array of zeroes that costs host memory only where it is used.

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::io;
use std::ptr::{NonNull, null_mut};
use zerocopy::FromZeros;

/// `len` elements.
pub(super) struct Array<T> {
    base: NonNull<T>,
    len: u64,
}

// SAFETY: the array is valid until drop and gives out shared references only.
unsafe impl<T: Sync> Send for Array<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Array<T> {}

impl<T: FromZeros> Array<T> {
    pub(super) fn new(len: u64) -> io::Result<Array<T>> {
        // SAFETY: a fresh mapping; zero is a valid element.
        let base = unsafe {
            mmap_anonymous(
                null_mut(),
                len as usize * size_of::<T>(),
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )?
        };
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Array { base, len })
    }

    pub(super) fn get(&self, index: u64) -> Option<&T> {
        debug_assert!(index < self.len, "{index} is outside the array");
        // SAFETY: inside the array, as just checked.
        (index < self.len).then(|| unsafe { self.base.add(index as usize).as_ref() })
    }
}

impl<T> Drop for Array<T> {
    fn drop(&mut self) {
        // SAFETY: our own mapping; all users borrow from `self`.
        unsafe {
            let _ = munmap(self.base.as_ptr().cast(), self.len as usize * size_of::<T>());
        }
    }
}
