//! Sums.

use crate::MemoryManager;
use crate::vma::VmaFlags;
use arch::Access;

/// The memory lines of `/proc/PID/status`, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MmStats {
    /// `VmSize`: all vmas.
    pub size: u64,
    /// `VmPeak`: the most `size` ever was.
    pub peak_size: u64,
    /// `VmLck`: locked vmas.
    pub locked: u64,
    /// `VmPin`: always zero, pins are not counted.
    pub pinned: u64,
    /// `VmRSS`: memory that is there.
    pub rss: u64,
    /// `VmHWM`: the most `rss` ever was.
    pub peak_rss: u64,
    /// `RssAnon`: the part of `rss` that belongs to no object.
    pub rss_anon: u64,
    /// `RssFile` and `RssShmem`: the part of `rss` that belongs to objects.
    pub rss_file: u64,
    /// `VmData`: private writable vmas that are not stacks.
    pub data: u64,
    /// `VmStk`: vmas that grow down.
    pub stack: u64,
    /// `VmExe` and `VmLib`: executable vmas that cannot be written.
    pub exec: u64,
    /// `Committed_AS`'s share: what the overcommit policy counted.
    pub committed: u64,
}

impl MemoryManager {
    /// Sums over all mappings; constant time.
    pub fn stats(&self) -> MmStats {
        let c = self.read().counters;
        MmStats {
            size: c.total,
            peak_size: c.peak_total,
            locked: c.locked,
            pinned: 0,
            rss: c.rss_anon + c.rss_file,
            peak_rss: c.peak_rss,
            rss_anon: c.rss_anon,
            rss_file: c.rss_file,
            data: c.data,
            stack: c.stack,
            exec: c.exec,
            committed: c.committed,
        }
    }

    /// The sums counted anew from the mappings: equal to [`MemoryManager::stats`] but for the
    /// peaks. For tests and self-checks.
    pub fn recount(&self) -> MmStats {
        let st = self.read();
        let mut s = MmStats::default();
        for e in st.vmas.iter() {
            let (v, n) = (&e.value, e.end - e.start);
            s.size += n;
            s.data += if v.is_data() { n } else { 0 };
            s.locked += if v.is_locked() { n } else { 0 };
            s.committed += if v.flags.contains(VmaFlags::ACCOUNTED) { n } else { 0 };
            if v.flags.contains(VmaFlags::GROWSDOWN) {
                s.stack += n;
            } else if v.perms.contains(Access::EXEC) && !v.perms.contains(Access::WRITE) {
                s.exec += n;
            }
        }
        for p in st.pmas.iter() {
            use crate::pma::Kind;
            let n = p.end - p.start;
            match p.value.kind {
                Kind::Owned => s.rss_anon += n,
                Kind::Borrowed | Kind::Shared => s.rss_file += n,
                Kind::Guard => {}
            }
            debug_assert!(st.is_covered(p.start, p.end), "a pma without a vma");
        }
        s.rss = s.rss_anon + s.rss_file;
        s
    }
}
