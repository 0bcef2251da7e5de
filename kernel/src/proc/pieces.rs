//! Texts whose length a task decides: made in pieces of about a page.

use crate::Task;
use alloc::vec::Vec;
use arch::{Addr, AddrRange, PAGE_SIZE, Permissions, UserMemory};
use mm::{MapsFile, MemoryManager};
use vfs::proc::{Piece, TaskFile};

/// Bytes of a piece, about; what fs/seq_file.c begins with.
const SIZE: usize = PAGE_SIZE as usize;

/// The piece that begins at `from`, of files that are made so.
pub(super) fn piece(task: &Task, file: TaskFile, from: u64) -> Option<Piece> {
    let make: fn(&MemoryManager, u64) -> Piece = match file {
        TaskFile::Maps => |mm, from| maps(mm, MapsFile::Maps, from),
        TaskFile::Smaps => |mm, from| maps(mm, MapsFile::Smaps, from),
        TaskFile::Cmdline => |mm, from| strings(mm, mm.meta().argv, from),
        TaskFile::Environ => |mm, from| strings(mm, mm.meta().envv, from),
        _ => return None,
    };
    Some(task.mm().map(|mm| make(&mm, from)).unwrap_or_default())
}

/// The whole text.
pub(super) fn all(task: &Task, file: TaskFile) -> Vec<u8> {
    let (mut text, mut from) = (Vec::new(), Some(0));
    while let Some(at) = from {
        let Some(piece) = piece(task, file, at) else { break };
        text.extend(piece.text);
        from = piece.next;
    }
    text
}

fn maps(mm: &MemoryManager, file: MapsFile, from: u64) -> Piece {
    let chunk = mm.maps_chunk(file, Addr(from), SIZE);
    Piece { text: chunk.text, next: chunk.next.map(|a| a.0) }
}

/// The bytes `from` bytes into a range of memory, as far as they can be read.
fn strings(mm: &MemoryManager, range: AddrRange, from: u64) -> Piece {
    let len = range.len().saturating_sub(from).min(SIZE as u64);
    let mut text = alloc::vec![0; len as usize];
    let whole = match mm.copy_in(range.start.wrapping_add(from), &mut text, Permissions::Ignore) {
        Ok(()) => true,
        Err(p) => {
            text.truncate(p.done);
            false
        }
    };
    let end = from + len;
    Piece { text, next: (whole && end < range.len()).then_some(end) }
}
