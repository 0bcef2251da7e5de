//! Flags and modes of the file system calls, with the numbers of the x86-64 ABI.

bitflags::bitflags! {
    /// Flags of open(2), and status flags of an open file description.
    ///
    /// `O_DIRECTORY`, `O_NOFOLLOW`, `O_DIRECT` and `O_LARGEFILE` have other numbers on arm64; who
    /// reads an arm64 guest's flags translates them first.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct OpenFlags: u32 {
        /// `O_WRONLY`.
        const WRONLY = 0o1;
        /// `O_RDWR`.
        const RDWR = 0o2;
        /// `O_CREAT`.
        const CREAT = 0o100;
        /// `O_EXCL`.
        const EXCL = 0o200;
        /// `O_NOCTTY`.
        const NOCTTY = 0o400;
        /// `O_TRUNC`.
        const TRUNC = 0o1000;
        /// `O_APPEND`.
        const APPEND = 0o2000;
        /// `O_NONBLOCK`.
        const NONBLOCK = 0o4000;
        /// `O_DSYNC`.
        const DSYNC = 0o10000;
        /// `FASYNC`.
        const ASYNC = 0o20000;
        /// `O_DIRECT`.
        const DIRECT = 0o40000;
        /// `O_LARGEFILE`.
        const LARGEFILE = 0o100000;
        /// `O_DIRECTORY`.
        const DIRECTORY = 0o200000;
        /// `O_NOFOLLOW`.
        const NOFOLLOW = 0o400000;
        /// `O_NOATIME`.
        const NOATIME = 0o1000000;
        /// `O_CLOEXEC`; a property of the descriptor, not of the description.
        const CLOEXEC = 0o2000000;
        /// `__O_SYNC`.
        const SYNC = 0o4000000;
        /// `O_PATH`.
        const PATH = 0o10000000;
        /// `__O_TMPFILE`; with [`OpenFlags::DIRECTORY`] it is `O_TMPFILE`.
        const TMPFILE = 0o20000000;
    }
}

impl OpenFlags {
    /// Whether the description may be read.
    pub const fn readable(self) -> bool {
        !self.contains(OpenFlags::PATH) && self.bits() & 3 != OpenFlags::WRONLY.bits()
    }

    /// Whether the description may be written.
    pub const fn writable(self) -> bool {
        !self.contains(OpenFlags::PATH) && self.bits() & 3 != 0
    }
}

/// `S_IFMT` and the file types under it; inode(7).
pub mod mode {
    /// Mask of the type bits.
    pub const IFMT: u32 = 0o170000;
    /// Socket.
    pub const IFSOCK: u32 = 0o140000;
    /// Symbolic link.
    pub const IFLNK: u32 = 0o120000;
    /// Regular file.
    pub const IFREG: u32 = 0o100000;
    /// Block device.
    pub const IFBLK: u32 = 0o060000;
    /// Directory.
    pub const IFDIR: u32 = 0o040000;
    /// Character device.
    pub const IFCHR: u32 = 0o020000;
    /// FIFO.
    pub const IFIFO: u32 = 0o010000;
    /// Set-user-ID.
    pub const ISUID: u32 = 0o4000;
    /// Set-group-ID.
    pub const ISGID: u32 = 0o2000;
    /// Sticky.
    pub const ISVTX: u32 = 0o1000;
}
