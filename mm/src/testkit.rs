//! Doubles of the seams, and checks of their contracts that an embedder can run on their own.

mod contract;
mod mappable;
mod memory;
pub mod model;
mod space;

pub use contract::{check_address_space, check_memory_file};
pub use mappable::{MappableSubject, check_mappable};
pub use memory::VecMemoryFile;
pub use space::{Op, RecordingSpace};
