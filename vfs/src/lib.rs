//! File descriptions, descriptor tables, path walk, mounts, page cache and file systems of a Linux
//! guest.
//!
//! A [`Vfs`] is the tree of one kernel. Its operations take who calls ([`PathCx`]), a directory
//! descriptor and a path, as the `*at` system calls do, and answer with Linux's errnos. A
//! [`File`] is an open file description over [`FileOps`], an [`FdTable`] gives it numbers.
//!
//! The key decision is that nothing here blocks and nothing here knows a task. An operation that
//! cannot go on says `EAGAIN` and names a queue; whoever has a scheduler waits there. So the same
//! code serves an async kernel, a kernel with threads and a test without either, and no lock is
//! ever held while somebody sleeps. The second is that contents have one home: pages of an
//! [`mm::MemoryFile`]. A tmpfs file is its pages, a host file has its pages read into them once for
//! all processes, and mapping a file is handing out pages that are there already. The third is that
//! tmpfs and overlay are one file system, whose nodes may have a node of another beneath them; what
//! a guest changes is simply in memory, and there is no code that could write to what lies beneath.
//!
//! ```
//! use arch::BufSrc;
//! use std::sync::Arc;
//! use vfs::{AT_FDCWD, Creds, Env, FdTable, FsContext, LookupFlags, MemOptions, MountFlags};
//! use vfs::{OpenFlags, OpenHow, PathCx, TimeSource, Vfs, tmpfs};
//!
//! struct Stopped;
//! impl TimeSource for Stopped {
//!     fn realtime(&self) -> i64 { 0 }
//!     fn monotonic(&self) -> i64 { 0 }
//! }
//!
//! # fn main() -> Result<(), syserr::Errno> {
//! let env = Env::new(mm::testkit::VecMemoryFile::new(1 << 20), Arc::new(Stopped));
//! let top = tmpfs(&env, MemOptions::default(), b"tmpfs")?;
//! let vfs = Vfs::new(env, top, MountFlags::empty());
//! let fs = FsContext::new(vfs.root(), vfs.root());
//! let (files, creds) = (FdTable::new(), Creds::root());
//! let cx = PathCx { creds: &creds, fs: &fs, files: &files, tgid: 1, tid: 1 };
//!
//! let flags = OpenFlags::WRONLY | OpenFlags::CREAT;
//! let file = vfs.open(&cx, AT_FDCWD, b"/hello", OpenHow { flags, mode: 0o666, ..OpenHow::default() })?;
//! file.write(&mut BufSrc::new(b"world"), u64::MAX)?;
//! let stat = vfs.stat(&cx, AT_FDCWD, b"/hello", LookupFlags::empty())?;
//! assert_eq!((stat.size, stat.mode), (5, 0o100644));
//! # Ok(())
//! # }
//! ```
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod acl;
pub mod anon;
pub mod bpf;
mod changes;
mod creds;
pub mod dev;
mod env;
pub mod epoll;
pub mod eventfd;
mod fd;
mod file_caps;
mod file_flags;
mod flags;
mod handles;
mod host;
mod inode;
pub mod landlock;
pub mod locks;
mod memfs;
pub mod notify;
pub mod nsfs;
mod ops;
pub mod perm;
pub mod pipe;
pub mod proc;
mod seam;
mod settings;
mod shared;
pub mod socket;
mod super_block;
mod sysfs;
mod tree;
pub mod tty;
mod user_ns;
mod vfs;

pub use changes::Changes;
pub use creds::{Creds, cap, securebits};
pub use env::{Budget, Env, TimeSource, makedev, split_dev};
pub use fd::{DirSink, FdTable, File, FileOwner, NR_OPEN, OwnerKind};
pub use file_caps::{FileCaps, file_caps};
pub use file_flags::FileFlags;
pub use flags::{OpenFlags, mode};
pub use host::{HostFs, HostInode, HostNode, HostOptions};
pub use inode::{
    Create, Inode, InodeState, Link, Lower, Perm, RenameFlags, SetAttr, SpecialFiles, StatFs,
    XattrSet,
};
pub use memfs::{MemOptions, RamfsType, TmpfsType, overlay, tmpfs};
pub use ops::{AttrChange, FoundIn, HANDLE_WORDS, MountContext, MovePlace, OpenHow, SetTime};
pub use seam::{CacheStat, Caller, Cursor, DirEntry, FileOps, Nanos, Stat, Whence};
pub use settings::{Protected, Settings};
pub use shared::SharedType;
pub use super_block::{FileSystemType, OptionError, SuperBlock, SuperState, Validity};
pub use sysfs::sysfs;
pub use tree::{
    AT_FDCWD, Dentry, FsContext, LookupFlags, Mount, MountFlags, MountNs, Path, PathCx,
    Propagation, PropagationKind, UNIQUE_ID_OFFSET,
};
pub use user_ns::{Counts, EXTENTS_MAX, Extent, IdKind, IdMap, OVERFLOW_ID, UserNs, WeakUserNs};
pub use vfs::Vfs;
