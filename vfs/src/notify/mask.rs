//! What happened, and what is to be told: the `IN_*` bits of inotify(7).

bitflags::bitflags! {
    /// `IN_*` bits.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct Mask: u32 {
        /// `IN_ACCESS`: it was read.
        const ACCESS = 0x1;
        /// `IN_MODIFY`: it was written or its size changed.
        const MODIFY = 0x2;
        /// `IN_ATTRIB`: its attributes changed.
        const ATTRIB = 0x4;
        /// `IN_CLOSE_WRITE`: a description that could write was closed.
        const CLOSE_WRITE = 0x8;
        /// `IN_CLOSE_NOWRITE`: one that could not was closed.
        const CLOSE_NOWRITE = 0x10;
        /// `IN_OPEN`: it was opened.
        const OPEN = 0x20;
        /// `IN_MOVED_FROM`: a name moved away.
        const MOVED_FROM = 0x40;
        /// `IN_MOVED_TO`: a name moved here.
        const MOVED_TO = 0x80;
        /// `IN_CREATE`: a name was made.
        const CREATE = 0x100;
        /// `IN_DELETE`: a name was removed.
        const DELETE = 0x200;
        /// `IN_DELETE_SELF`: the watched file is gone.
        const DELETE_SELF = 0x400;
        /// `IN_MOVE_SELF`: the watched file moved.
        const MOVE_SELF = 0x800;
        /// `FS_RENAME` of a name that stayed in its directory, of which only `DN_RENAME` tells.
        const RENAMED = 0x1000;
        /// `IN_UNMOUNT`: its file system was unmounted.
        const UNMOUNT = 0x2000;
        /// `IN_Q_OVERFLOW`: events were lost.
        const Q_OVERFLOW = 0x4000;
        /// `IN_IGNORED`: the watch is gone.
        const IGNORED = 0x8000;
        /// `IN_ONLYDIR`: watch only a directory.
        const ONLYDIR = 0x0100_0000;
        /// `IN_DONT_FOLLOW`: watch a link, not what it leads to.
        const DONT_FOLLOW = 0x0200_0000;
        /// `IN_EXCL_UNLINK`: nothing of files whose name was removed.
        const EXCL_UNLINK = 0x0400_0000;
        /// `IN_MASK_CREATE`: only a new watch.
        const MASK_CREATE = 0x1000_0000;
        /// `IN_MASK_ADD`: add to what is watched.
        const MASK_ADD = 0x2000_0000;
        /// `IN_ISDIR`: it happened to a directory.
        const ISDIR = 0x4000_0000;
        /// `IN_ONESHOT`: one event ends the watch.
        const ONESHOT = 0x8000_0000;
        /// `IN_ALL_EVENTS`.
        const ALL_EVENTS = 0xfff;
        /// Those, and what inotify does not tell.
        const HAPPENED = 0x1fff;
    }
}
