//! Names and mounts: the tree that a walk goes through.

mod context;
mod dcache;
mod dentry;
mod graft;
mod mount;
mod mounts;
mod namespace;
mod path;
mod peers;
mod placing;
mod visible;
mod walk;

pub use context::{AT_FDCWD, FsContext, PathCx};
pub use dentry::Dentry;
pub use mount::{Mount, MountFlags, Propagation, UNIQUE_ID_OFFSET};
pub use namespace::MountNs;
pub use path::Path;
pub use placing::PropagationKind;
pub use walk::LookupFlags;

pub(crate) use dcache::Dcache;
pub(crate) use mounts::MountTable;
pub(crate) use walk::{Last, Walker};
