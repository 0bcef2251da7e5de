//! What `/proc/PID` shows of mappings: maps, smaps, statistics.

mod info;
mod stats;
mod text;

pub use info::VmaInfo;
pub use stats::MmStats;
