//! What the host supplies.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use syserr::Errno;

use crate::{Create, DirEntry, RenameFlags, SetAttr, Stat, StatFs, XattrSet};

/// One file of the host, named by its directory and never left by following a link.
///
/// Errors are the host's. `stat` and the like give the host's device numbers. Implementations keep
/// few host descriptors open, and open them again when they are needed; a file that is not the one
/// it was is `ESTALE`.
pub trait HostNode: Send + Sync + Any {
    /// Attributes now.
    ///
    /// # Errors
    /// The host's.
    fn stat(&self) -> Result<Stat, Errno>;
    /// A child and its attributes.
    ///
    /// # Errors
    /// The host's; `ENOENT` when there is none.
    fn child(self: Arc<Self>, name: &[u8]) -> Result<(Arc<dyn HostNode>, Stat), Errno>;
    /// Only the attributes of a child.
    ///
    /// # Errors
    /// As [`HostNode::child`].
    fn child_stat(&self, name: &[u8]) -> Result<Stat, Errno>;
    /// Entries of a directory after position `from`, with `.` and `..`; positions are the host's.
    ///
    /// # Errors
    /// The host's.
    fn read_dir(&self, from: u64, emit: &mut dyn FnMut(&DirEntry) -> bool) -> Result<(), Errno>;
    /// The text of a symbolic link.
    ///
    /// # Errors
    /// The host's.
    fn read_link(&self) -> Result<Vec<u8>, Errno>;
    /// Checks that contents can be read, or with `write` written too.
    ///
    /// # Errors
    /// The host's, such as `EACCES`.
    fn open(&self, write: bool) -> Result<(), Errno>;
    /// Reads until `buf` is full or the file ends.
    ///
    /// # Errors
    /// The host's.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize, Errno>;
    /// Writes.
    ///
    /// # Errors
    /// The host's; `EROFS` for a view that is only read, here and below.
    fn write_at(&self, buf: &[u8], offset: u64) -> Result<usize, Errno>;
    /// Changes the size.
    ///
    /// # Errors
    /// The host's.
    fn truncate(&self, size: u64) -> Result<(), Errno>;
    /// fallocate(2).
    ///
    /// # Errors
    /// The host's.
    fn allocate(&self, how: u32, offset: u64, len: u64) -> Result<(), Errno>;
    /// fsync(2) or fdatasync(2).
    ///
    /// # Errors
    /// The host's.
    fn sync(&self, data_only: bool) -> Result<(), Errno>;
    /// `SEEK_DATA` or, with `hole`, `SEEK_HOLE`.
    ///
    /// # Errors
    /// `ENXIO` past the end.
    fn seek(&self, offset: u64, hole: bool) -> Result<u64, Errno>;
    /// Makes a child.
    ///
    /// # Errors
    /// The host's.
    fn create(
        self: Arc<Self>,
        name: &[u8],
        what: &Create<'_>,
    ) -> Result<(Arc<dyn HostNode>, Stat), Errno>;
    /// Makes another name of `target`, a node of the same implementation.
    ///
    /// # Errors
    /// The host's.
    fn link(&self, name: &[u8], target: &dyn HostNode) -> Result<(), Errno>;
    /// Removes the name of `child`, which stays usable.
    ///
    /// # Errors
    /// The host's.
    fn remove(&self, name: &[u8], child: &dyn HostNode, directory: bool) -> Result<(), Errno>;
    /// Renames a child, which is `child`, to a name of `to`, which may be `other`'s now. Both stay
    /// usable.
    ///
    /// # Errors
    /// The host's.
    fn rename(
        &self,
        name: &[u8],
        child: &dyn HostNode,
        to: Arc<dyn HostNode>,
        new_name: &[u8],
        other: Option<&dyn HostNode>,
        flags: RenameFlags,
    ) -> Result<(), Errno>;
    /// Changes attributes.
    ///
    /// # Errors
    /// The host's.
    fn set_attr(&self, set: &SetAttr) -> Result<(), Errno>;
    /// statfs(2).
    ///
    /// # Errors
    /// The host's.
    fn statfs(&self) -> Result<StatFs, Errno>;
    /// An extended attribute.
    ///
    /// # Errors
    /// The host's.
    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>, Errno>;
    /// Sets, or with `None` removes, an extended attribute.
    ///
    /// # Errors
    /// The host's.
    fn set_xattr(&self, name: &[u8], value: Option<&[u8]>, how: XattrSet) -> Result<(), Errno>;
    /// Names of extended attributes.
    ///
    /// # Errors
    /// The host's.
    fn list_xattr(&self) -> Result<Vec<Box<[u8]>>, Errno>;
    /// For the implementation, to find its own type again.
    fn as_any(&self) -> &dyn Any;
}
