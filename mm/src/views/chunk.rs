//! `/proc/PID/maps` and `/proc/PID/smaps` piece by piece, as `fs/seq_file.c` makes them: whoever
//! reads keeps an address and a piece of text, however many mappings there are.

use super::VmaInfo;
use crate::MemoryManager;
use alloc::vec::Vec;
use arch::Addr;

/// How many vmas are looked at under the lock at once.
const BATCH: usize = 16;

/// Which of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapsFile {
    /// `/proc/PID/maps`.
    Maps,
    /// `/proc/PID/smaps`.
    Smaps,
}

/// A piece of `/proc/PID/maps` or `smaps`: whole lines about whole vmas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapsChunk {
    /// The text.
    pub text: Vec<u8>,
    /// Where to go on; `None` after the last vma.
    pub next: Option<Addr>,
}

impl MemoryManager {
    /// The text about the vmas that end after `from`: about `size` bytes, one vma at least.
    ///
    /// What changes between two pieces shows as in Linux: each vma that exists all the time is
    /// there exactly once.
    pub fn maps_chunk(&self, file: MapsFile, from: Addr, size: usize) -> MapsChunk {
        let mut text = Vec::new();
        let mut at = from;
        loop {
            let batch = self.vmas_from(at, BATCH, file == MapsFile::Smaps);
            let last = batch.len() < BATCH;
            for v in batch {
                if text.len() >= size {
                    return MapsChunk { text, next: Some(at) };
                }
                at = v.range.end;
                text.extend(match file {
                    MapsFile::Maps => v.maps_line(),
                    MapsFile::Smaps => v.smaps_block(),
                });
            }
            if last {
                return MapsChunk { text, next: None };
            }
        }
    }

    /// At most `most` vmas that end after `from`, in order; see [`MemoryManager::vmas`].
    pub fn vmas_from(&self, from: Addr, most: usize, counts: bool) -> Vec<VmaInfo> {
        let meta = self.meta();
        let st = self.read();
        let memory = counts.then_some(&*self.memory);
        let vmas = st.vmas.range(from.0, u64::MAX).take(most);
        vmas.map(|e| VmaInfo::new(e, &st, &meta, memory)).collect()
    }

    /// All of `/proc/PID/maps`: for a few mappings, or a test.
    pub fn maps_text(&self) -> Vec<u8> {
        self.maps_chunk(MapsFile::Maps, Addr::NULL, usize::MAX).text
    }

    /// All of `/proc/PID/smaps`, likewise.
    pub fn smaps_text(&self) -> Vec<u8> {
        self.maps_chunk(MapsFile::Smaps, Addr::NULL, usize::MAX).text
    }
}
