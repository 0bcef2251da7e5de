//! Operations on paths, one file for each family of system calls.

mod attr;
mod change;
mod cwd;
mod mount;
mod open;
mod rename;
mod xattr;

pub use attr::{FoundIn, SetTime};
pub use open::OpenHow;
