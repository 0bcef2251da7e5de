//! Memory use for getrusage(2).

use mm::MemoryManager;

/// The most resident memory an address space ever had, in bytes.
pub(crate) fn max_rss(mm: &MemoryManager) -> u64 {
    mm.stats().peak_rss
}
