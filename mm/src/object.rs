//! Objects whose contents are pages of the memory file: shared memory, tmpfs files.

mod allowance;
mod mapping_set;
mod memory_object;
mod saved;
mod shared_anon;

pub use allowance::Allowance;
pub use mapping_set::MappingSet;
pub use memory_object::MemoryObject;
pub use saved::SavedObject;
pub use shared_anon::SharedAnon;
