//! A view of a directory of the host.
//!
//! The logic is here, the system calls behind [`HostNode`]. Every inode of the host that is in use
//! has one [`HostInode`], whatever names lead to it, so that all who map or read a file share its
//! pages. Attributes are believed for as long as the view says; contents of a view that may be
//! written go to the host at once, and what was changed through mappings when they are synced or
//! unmapped.

mod cache;
mod fs;
mod inode;
mod ops;
mod pages;
mod seam;

pub use fs::{HostFs, HostOptions};
pub use inode::HostInode;
pub use seam::HostNode;
