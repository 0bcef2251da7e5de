//! Names and mounts: the tree that a walk goes through.

mod context;
mod dcache;
mod dentry;
mod mount;
mod path;
mod walk;

pub use context::{AT_FDCWD, FsContext, PathCx};
pub use dentry::Dentry;
pub use mount::{Mount, MountFlags};
pub use path::Path;
pub use walk::LookupFlags;

pub(crate) use dcache::Dcache;
pub(crate) use mount::MountTable;
pub(crate) use walk::{Last, Walker};
