//! Objects as plain data, for a [`crate::Snapshot`]'s embedder.

use super::{MemoryObject, SharedAnon};
use crate::seam::{FileRange, MemoryFile, OutOfMemory};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::PAGE_SIZE;
use syserr::Errno;

/// An object of this crate as plain data: its size, and where its pages lie in the memory file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedObject {
    /// Size in bytes.
    pub size: u64,
    /// Offset in the object and memory of each extent, in order.
    pub extents: Vec<(u64, FileRange)>,
}

impl MemoryObject {
    /// An object that is as `saved` says; `from` says where its memory is now, with a reference
    /// for the object.
    ///
    /// # Errors
    /// `EINVAL` for what no object can have been; `ENOMEM`.
    pub fn restore(
        memory: Arc<dyn MemoryFile>,
        saved: &SavedObject,
        mut from: impl FnMut(FileRange) -> Result<FileRange, OutOfMemory>,
    ) -> Result<MemoryObject, Errno> {
        let object = MemoryObject::new(memory.clone(), saved.size);
        let mut end = 0;
        for &(at, old) in &saved.extents {
            let fits = at >= end && at.is_multiple_of(PAGE_SIZE) && old.start < old.end;
            let now = if fits { from(old)? } else { return Err(Errno::EINVAL) };
            if now.len() != old.len() || !object.put_extent(at, now) {
                memory.dec_ref(now);
                return Err(Errno::EINVAL);
            }
            end = at.saturating_add(now.len());
        }
        Ok(object)
    }
}

impl SharedAnon {
    /// [`MemoryObject::restore`] for shared anonymous memory.
    ///
    /// # Errors
    /// As there.
    pub fn restore(
        memory: Arc<dyn MemoryFile>,
        saved: &SavedObject,
        from: impl FnMut(FileRange) -> Result<FileRange, OutOfMemory>,
    ) -> Result<SharedAnon, Errno> {
        Ok(SharedAnon::with(MemoryObject::restore(memory, saved, from)?, None))
    }
}
