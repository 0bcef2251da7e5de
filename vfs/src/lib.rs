//! File descriptions, descriptor tables, path walk, mounts, page cache and file systems of a Linux
//! guest.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod anon;
mod creds;
pub mod dev;
mod env;
pub mod epoll;
pub mod eventfd;
mod fd;
mod flags;
mod host;
mod inode;
pub mod locks;
mod memfs;
mod ops;
pub mod perm;
pub mod pipe;
pub mod proc;
mod seam;
pub mod socket;
mod sysfs;
mod tree;
pub mod tty;
mod vfs;

pub use creds::{Creds, cap};
pub use env::{Env, TimeSource, makedev, split_dev};
pub use fd::{FdTable, File, FileOwner, NR_OPEN, OwnerKind};
pub use flags::{OpenFlags, mode};
pub use host::{HostFs, HostInode, HostNode, HostOptions};
pub use inode::{
    Create, FileSystemType, Inode, InodeState, Link, Lower, Perm, RenameFlags, SetAttr,
    SpecialFiles, StatFs, SuperBlock, Validity, XattrSet,
};
pub use memfs::{MemOptions, TmpfsType, overlay, tmpfs};
pub use ops::{OpenHow, SetTime};
pub use seam::{Caller, DirEntry, FileOps, Nanos, Stat, Whence};
pub use sysfs::sysfs;
pub use tree::{AT_FDCWD, Dentry, FsContext, LookupFlags, Mount, MountFlags, Path, PathCx};
pub use vfs::Vfs;
