//! Files in memory: tmpfs, and the overlay that lets a guest change a tree that stays as it is.
//!
//! Both are one thing. A node of the overlay may have a node of another file system beneath it,
//! its lower: a directory then shows the lower's names beside its own, except those that were
//! removed, and a file shows the lower's bytes until it is first opened for writing. The lower is
//! only ever looked at. Since a node keeps its lower wherever it goes, renaming a directory is as
//! cheap here as in any file system, and hard links stay links after they are written.

mod acl;
mod content;
mod dir;
mod file;
mod fs;
mod lower;
mod memfd;
mod node;
mod open;
mod types;
mod xattr;

pub use fs::{MemOptions, overlay, tmpfs};
pub use types::{RamfsType, TmpfsType};

pub(crate) use fs::{MemFs, for_sysfs};
pub(crate) use node::Node;
