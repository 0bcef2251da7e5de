//! Directories and streams of the host, as `vfs` shows them to guests.
//!
//! No path of a guest ever reaches the host: every call names one component in a directory that is
//! held by a descriptor, never follows a link, and checks afterwards that it got the very file it
//! meant. So a guest cannot leave the directory that it was given, whatever it or others do to
//! links and names meanwhile.

mod change;
mod convert;
mod fds;
mod node;
mod stream;
mod terminal;

pub use node::open_dir;
pub use stream::{HostStream, Watch, Watched};
