//! Open file descriptions and tables of descriptors.

pub(crate) mod anon;
mod file;
mod io;
mod path_only;
mod table;

pub(crate) use file::{Counted, Unfinished};
pub use file::{File, FileOwner, OwnerKind};
pub use io::DirSink;
pub(crate) use path_only::PathOnly;
pub(crate) use table::NR_OPEN_MAX;
pub use table::{FdTable, NR_OPEN};
