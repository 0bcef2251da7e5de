//! `/proc/PID/map_files`: a link for each mapping of a file, named by its addresses.

use super::node::{Node, What};
use super::source::{MappedFile, ProcSource};
use crate::{DirEntry, FileOps, Stat, mode};
use alloc::format;
use alloc::sync::Arc;
use arch::PAGE_SIZE;
use core::any::Any;
use syserr::Errno;

/// Mappings that are asked for at once.
const BATCH: usize = 64;

/// A name as it would be written: two numbers in hexadecimal digits (`dname_to_vma_addr`).
pub(super) fn range(name: &[u8]) -> Option<(u64, u64)> {
    let text = core::str::from_utf8(name).ok()?;
    let (start, end) = text.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let (start, end) = (number(start)?, number(end)?);
    (format!("{start:x}-{end:x}") == text).then_some((start, end))
}

/// The file that is mapped from exactly `start` to `end`.
pub(super) fn find(source: &dyn ProcSource, tid: i32, start: u64, end: u64) -> Option<MappedFile> {
    let found = source.mapped_files(tid, start, 1).into_iter().next()?;
    ((found.start, found.end) == (start, end)).then_some(found)
}

/// The directory.
pub(super) struct Dir {
    pub(super) node: Arc<Node>,
    pub(super) tid: i32,
}

impl FileOps for Dir {
    fn seekable(&self) -> bool {
        true
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(self.node.status())
    }

    /// An entry's position is the number of its first page, behind those of the dots.
    fn read_dir(&self, from: u64, emit: &mut dyn FnMut(&DirEntry) -> bool) -> Result<(), Errno> {
        let (node, tid) = (&self.node, self.tid);
        node.alive()?;
        for (at, name) in [(1, "."), (2, "..")] {
            let e = DirEntry { ino: node.ino(), kind: mode::IFDIR, name: name.into(), next: at };
            if from < at && !emit(&e) {
                return Ok(());
            }
        }
        // The page behind the last one that was told.
        let mut next = if from <= 2 { 0 } else { (from - 2).saturating_mul(PAGE_SIZE) };
        loop {
            let batch = node.source.mapped_files(tid, next, BATCH);
            for m in &batch {
                next = m.end;
                let (start, end) = (m.start, m.end);
                let at = start / PAGE_SIZE + 3;
                if at <= from {
                    continue;
                }
                let child =
                    Node { source: node.source.clone(), what: What::Mapped { tid, start, end } };
                let name = format!("{start:x}-{end:x}").into_bytes();
                if !emit(&DirEntry { ino: child.ino(), kind: mode::IFLNK, name, next: at }) {
                    return Ok(());
                }
            }
            if batch.len() < BATCH {
                return Ok(());
            }
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
