//! What chattr(1) sets of a file; ioctl_iflags(2).

use crate::Inode;

bitflags::bitflags! {
    /// `FS_*_FL`, those that tmpfs has.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct FileFlags: u32 {
        /// Nothing of it changes.
        const IMMUTABLE = 0x10;
        /// It only grows.
        const APPEND = 0x20;
        /// dump(8) leaves it out.
        const NODUMP = 0x40;
        /// Reading it leaves no trace.
        const NOATIME = 0x80;
    }
}

impl FileFlags {
    /// Those that files have from their directories.
    pub(crate) const INHERITED: FileFlags = FileFlags::NODUMP.union(FileFlags::NOATIME);
    /// Either keeps names, owners, modes and extended attributes as they are.
    pub(crate) const KEEPING: FileFlags = FileFlags::IMMUTABLE.union(FileFlags::APPEND);
}

/// Whether a file has any of `flags`.
pub(crate) fn has(inode: &dyn Inode, flags: FileFlags) -> bool {
    inode.flags().is_some_and(|f| f.intersects(flags))
}
