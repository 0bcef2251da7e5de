//! File status of files without a name.

use crate::{Stat, env::makedev};

/// Device number of the file system that pipes are on (`pipefs`).
pub const PIPE_DEV: u64 = makedev(0, 14);
/// Device number of the file system that sockets are on (`sockfs`).
pub const SOCKET_DEV: u64 = makedev(0, 8);
/// Device number of the file system of event files (`anon_inodefs`).
pub const ANON_DEV: u64 = makedev(0, 15);

/// Device number of the file system of message queues (`mqueue`).
pub const MQUEUE_DEV: u64 = makedev(0, 19);

/// Device number of the file system of namespaces (`nsfs`).
pub(crate) const NSFS_DEV: u64 = makedev(0, 4);

/// The one inode number that all event files share.
const ANON_INO: u64 = 1024;

/// What stat(2) says of an eventfd, epoll, timerfd, signalfd or inotify file: no type at all.
pub fn anon_stat() -> Stat {
    Stat { dev: ANON_DEV, ino: ANON_INO, mode: 0o600, nlink: 1, blksize: 4096, ..Stat::default() }
}
