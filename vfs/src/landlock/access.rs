//! What a ruleset can be about.

use crate::mode;

/// The version of the interface: files, TCP ports, ioctl(2) of devices.
pub const ABI: u64 = 5;

bitflags::bitflags! {
    /// `LANDLOCK_ACCESS_NET_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct PortAccess: u64 {
        /// bind(2) of a TCP socket.
        const BIND_TCP = 1;
        /// connect(2) of a TCP socket.
        const CONNECT_TCP = 2;
    }
}

bitflags::bitflags! {
    /// `LANDLOCK_ACCESS_FS_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct Access: u64 {
        /// Run it.
        const EXECUTE = 1;
        /// Open it to write.
        const WRITE_FILE = 1 << 1;
        /// Open it to read.
        const READ_FILE = 1 << 2;
        /// Open a directory.
        const READ_DIR = 1 << 3;
        /// Remove a directory.
        const REMOVE_DIR = 1 << 4;
        /// Remove what is no directory.
        const REMOVE_FILE = 1 << 5;
        /// Make a character device.
        const MAKE_CHAR = 1 << 6;
        /// Make a directory.
        const MAKE_DIR = 1 << 7;
        /// Make a regular file.
        const MAKE_REG = 1 << 8;
        /// Make a socket.
        const MAKE_SOCK = 1 << 9;
        /// Make a named pipe.
        const MAKE_FIFO = 1 << 10;
        /// Make a block device.
        const MAKE_BLOCK = 1 << 11;
        /// Make a symbolic link.
        const MAKE_SYM = 1 << 12;
        /// Link or rename a file to or from another directory.
        const REFER = 1 << 13;
        /// Change its size.
        const TRUNCATE = 1 << 14;
        /// ioctl(2) of a device.
        const IOCTL_DEV = 1 << 15;
    }
}

impl Access {
    /// Those that a file can have that is no directory.
    pub const OF_FILES: Access =
        Access::EXECUTE.union(Access::WRITE_FILE).union(Access::READ_FILE).union(Access::LATER);
    /// Those that an open settles for what is done with the description.
    pub(crate) const LATER: Access = Access::TRUNCATE.union(Access::IOCTL_DEV);

    /// To make a file of an `S_IFMT` type.
    pub(crate) fn to_make(kind: u32) -> Access {
        match kind & mode::IFMT {
            mode::IFLNK => Access::MAKE_SYM,
            mode::IFDIR => Access::MAKE_DIR,
            mode::IFCHR => Access::MAKE_CHAR,
            mode::IFBLK => Access::MAKE_BLOCK,
            mode::IFIFO => Access::MAKE_FIFO,
            mode::IFSOCK => Access::MAKE_SOCK,
            _ => Access::MAKE_REG,
        }
    }

    /// To remove a file of an `S_IFMT` type.
    pub(crate) fn to_remove(kind: u32) -> Access {
        if kind & mode::IFMT == mode::IFDIR { Access::REMOVE_DIR } else { Access::REMOVE_FILE }
    }
}
