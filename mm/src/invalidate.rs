//! Contents that an object takes away.

use crate::MemoryManager;
use crate::pma::Kind;
use crate::seam::MappingSpace;
use arch::AddrRange;

impl MappingSpace for MemoryManager {
    /// Ranges in which something else is mapped by now lose at most pages that fault back in.
    fn invalidate(&self, at: AddrRange, private_copies: bool) {
        let mut tx = self.lock();
        let vmas: alloc::vec::Vec<_> = tx
            .st
            .vmas
            .range(at.start.0, at.end.0)
            .filter(|v| v.value.object.is_some())
            .filter_map(|v| v.clip(at.start.0, at.end.0))
            .map(|v| (v.start, v.end))
            .collect();
        for (lo, hi) in vmas {
            let gone: alloc::vec::Vec<_> = tx
                .st
                .pmas
                .range(lo, hi)
                .filter(|p| match p.value.kind {
                    Kind::Shared | Kind::Borrowed => true,
                    Kind::Owned => private_copies,
                    Kind::Guard => false,
                })
                .filter_map(|p| p.clip(lo, hi))
                .map(|p| (p.start, p.end))
                .collect();
            for (lo, hi) in gone {
                // A full reference counter keeps a stale page here rather than losing count.
                let _ = tx.zap(lo, hi);
            }
        }
    }
}
