//! What `/proc/PID` shows of mappings: maps, smaps, statistics.

mod backed;
mod chunk;
mod info;
mod pages;
mod stats;
mod text;

pub use chunk::{MapsChunk, MapsFile};
pub use info::VmaInfo;
pub use pages::{ClearRefs, PageInfo};
pub use stats::MmStats;
