//! What `/proc/PID` tells of pages and of files that are mapped.

use crate::VfsExecutable;
use alloc::vec::Vec;
use arch::{Addr, PAGE_SIZE};
use mm::{ClearRefs, MemoryManager, PageInfo};
use syserr::Errno;
use vfs::proc::MappedFile;

/// The first frame: none has the number 0, which says that it is not told.
const FIRST_FRAME: u64 = 0x100;

/// A word of `/proc/PID/pagemap`.
fn word(page: &PageInfo, frames: bool) -> u64 {
    const PRESENT: u64 = 1 << 63;
    const OF_FILE: u64 = 1 << 61;
    const GUARD: u64 = 1 << 58;
    const EXCLUSIVE: u64 = 1 << 56;
    let Some(memory) = page.memory else { return if page.guard { GUARD } else { 0 } };
    let frame = if frames { memory / PAGE_SIZE + FIRST_FRAME } else { 0 };
    let bit = |on: bool, bit| if on { bit } else { 0 };
    PRESENT | bit(page.of_object, OF_FILE) | bit(page.exclusive, EXCLUSIVE) | frame
}

/// Words about `count` pages from page number `first`.
pub(super) fn page_map(mm: &MemoryManager, first: u64, count: usize, frames: bool) -> Vec<u64> {
    let left = (mm.layout().max.0 / PAGE_SIZE).saturating_sub(first);
    let count = count.min(usize::try_from(left).unwrap_or(usize::MAX));
    let pages = mm.pages(Addr(first.saturating_mul(PAGE_SIZE)), count);
    pages.iter().map(|p| word(p, frames)).collect()
}

/// At most `most` mappings of files that end after `from`.
pub(super) fn mapped_files(mm: &MemoryManager, from: u64, most: usize) -> Vec<MappedFile> {
    /// Vmas that are looked at under one lock.
    const BATCH: usize = 64;
    let (mut out, mut at) = (Vec::new(), Addr(from));
    loop {
        let vmas = mm.vmas_from(at, BATCH, false);
        let last = vmas.len() < BATCH;
        for vma in vmas {
            at = vma.range.end;
            let file = vma.object.and_then(|o| VfsExecutable::file_of(&o.identity));
            let Some(file) = file else { continue };
            out.push(MappedFile {
                start: vma.range.start.0,
                end: vma.range.end.0,
                mode: (file.flags().readable(), file.flags().writable()),
                place: file.path().clone(),
            });
            if out.len() == most {
                return out;
            }
        }
        if last {
            return out;
        }
    }
}

/// Somebody writes to `/proc/PID/clear_refs`.
pub(super) fn clear_refs(mm: &MemoryManager, what: i64) -> Result<(), Errno> {
    match what {
        1 => mm.clear_referenced(ClearRefs::All),
        2 => mm.clear_referenced(ClearRefs::Anonymous),
        3 => mm.clear_referenced(ClearRefs::Mapped),
        5 => mm.reset_peak(),
        // Nobody tracks what is written (4).
        _ => return Err(Errno::EINVAL),
    }
    Ok(())
}
