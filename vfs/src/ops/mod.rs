//! Operations on paths, one file for each family of system calls.

mod attr;
mod change;
mod cwd;
mod handle;
mod mount;
mod mount_context;
mod mount_tree;
mod open;
mod rename;
mod xattr;

pub use attr::{FoundIn, SetTime};
pub use handle::HANDLE_WORDS;
pub use mount_context::MountContext;
pub use mount_tree::{AttrChange, MovePlace};
pub use open::OpenHow;
