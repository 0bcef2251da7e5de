//! What the file systems need from outside.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use mm::MemoryFile;
use syserr::Errno;

use crate::nsfs::NamespaceKind;
use crate::{Counts, Nanos};

/// Tells file systems the time for their time stamps and caches.
pub trait TimeSource: Send + Sync {
    /// `CLOCK_REALTIME`, nanoseconds since the epoch.
    fn realtime(&self) -> Nanos;
    /// A clock that never goes back, in nanoseconds; how long cached host attributes are valid.
    fn monotonic(&self) -> Nanos;
}

/// Memory, time and device numbers of one kernel's file systems.
pub struct Env {
    memory: Arc<dyn MemoryFile>,
    time: Arc<dyn TimeSource>,
    next_minor: AtomicU64,
    next_inode: AtomicU64,
    next_namespace: AtomicU64,
    namespaces: [Budget; NamespaceKind::COUNT],
    user_namespaces: Arc<Counts>,
    /// Inodes of all file systems in memory.
    pub(crate) inodes: Budget,
    /// Bytes of all their extended attributes and access control lists.
    pub(crate) attributes: Budget,
}

/// The most inodes that file systems in memory have together; each has a limit of its own besides.
const INODES_MAX: u64 = 1 << 20;
/// The most bytes of extended attributes and access control lists.
const ATTRIBUTES_MAX: u64 = 64 << 20;
/// The most namespaces of each kind, beside those that a kernel begins with.
pub(crate) const NAMESPACES_MAX: u64 = 1024;
/// Inode numbers of namespaces begin here (`PROC_DYNAMIC_FIRST`).
const FIRST_NAMESPACE: u64 = 0xf000_0000;

/// Something of which the guest may have only so much, because it is kept in the kernel's own memory.
#[derive(Debug)]
pub struct Budget {
    used: AtomicU64,
    most: u64,
}

impl Budget {
    /// None of `most` are in use.
    pub const fn new(most: u64) -> Budget {
        Budget { used: AtomicU64::new(0), most }
    }

    /// Exchanges `old` of what is in use for `new`; to need less always succeeds.
    ///
    /// # Errors
    /// `ENOSPC`.
    pub fn exchange(&self, old: u64, new: u64) -> Result<(), Errno> {
        let most = self.most;
        let fits = |n: u64| {
            let n = n.saturating_sub(old).saturating_add(new);
            (n <= most || new <= old).then_some(n)
        };
        self.used.fetch_update(Relaxed, Relaxed, fits).map(|_| ()).map_err(|_| Errno::ENOSPC)
    }

    /// Gives back.
    pub fn give(&self, n: u64) {
        self.used.fetch_sub(n, Relaxed);
    }
}

impl Env {
    /// File contents will lie in `memory`.
    pub fn new(memory: Arc<dyn MemoryFile>, time: Arc<dyn TimeSource>) -> Arc<Env> {
        // Anonymous device numbers start where those of a running Linux are likely to be past.
        Arc::new(Env {
            memory,
            time,
            next_minor: AtomicU64::new(20),
            next_inode: AtomicU64::new(1),
            next_namespace: AtomicU64::new(FIRST_NAMESPACE),
            namespaces: [const { Budget::new(NAMESPACES_MAX) }; NamespaceKind::COUNT],
            user_namespaces: Counts::new(NAMESPACES_MAX as u32),
            inodes: Budget::new(INODES_MAX),
            attributes: Budget::new(ATTRIBUTES_MAX),
        })
    }

    /// Where file contents lie.
    pub fn memory(&self) -> &Arc<dyn MemoryFile> {
        &self.memory
    }

    /// The clock.
    pub fn time(&self) -> &Arc<dyn TimeSource> {
        &self.time
    }

    /// `CLOCK_REALTIME` now.
    pub fn now(&self) -> Nanos {
        self.time.realtime()
    }

    /// User namespaces that each user has made.
    pub fn user_namespaces(&self) -> &Arc<Counts> {
        &self.user_namespaces
    }

    /// A device number that no other file system of this kernel has: major 0, as Linux's
    /// `get_anon_bdev`.
    pub fn new_device(&self) -> u64 {
        makedev(0, self.next_minor.fetch_add(1, Relaxed) as u32)
    }

    /// An inode number for a namespace, which is counted until [`Env::namespace_gone`].
    ///
    /// # Errors
    /// `ENOSPC`.
    pub(crate) fn new_namespace(&self, kind: NamespaceKind) -> Result<u64, Errno> {
        self.budget(kind).exchange(0, 1)?;
        Ok(self.next_namespace.fetch_add(1, Relaxed))
    }

    pub(crate) fn namespace_gone(&self, kind: NamespaceKind) {
        self.budget(kind).give(1);
    }

    fn budget(&self, kind: NamespaceKind) -> &Budget {
        // One for each kind.
        &self.namespaces[kind as usize]
    }

    /// An inode number for a file that has no directory entry (pipes, sockets, event files).
    pub fn new_inode_number(&self) -> u64 {
        self.next_inode.fetch_add(1, Relaxed)
    }
}

/// A device number in the encoding of stat(2) on 64-bit Linux (`new_encode_dev`).
pub const fn makedev(major: u32, minor: u32) -> u64 {
    let (ma, mi) = (major as u64, minor as u64);
    (mi & 0xff) | ((ma & 0xfff) << 8) | ((mi & !0xff) << 12) | ((ma & !0xfff) << 32)
}

/// The major and minor number in a `dev_t`.
pub const fn split_dev(dev: u64) -> (u32, u32) {
    let major = ((dev >> 8) & 0xfff) | ((dev >> 32) & !0xfff);
    let minor = (dev & 0xff) | ((dev >> 12) & !0xff);
    (major as u32, minor as u32)
}
