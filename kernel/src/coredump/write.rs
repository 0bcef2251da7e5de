//! Writing a dump: headers, notes, memory.

use super::memory::{self, Contents, Piece};
use super::notes::ProcessNotes;
use super::registers::ThreadNotes;
use super::{Dump, elf, file};
use crate::Resource;
use crate::task::TaskCx;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, AddrRange, BufSrc, PAGE_SIZE, Permissions, UserMemory};
use core::future::poll_fn;
use core::task::Poll;
use mm::MemoryManager;
use vfs::File;
use zerocopy::IntoBytes;

/// How much memory is copied before others have their turn, in bytes.
const CHUNK: u64 = 64 << 10;

/// The file cannot or may not grow any more.
struct Cut;

/// The file, and what has been written to it.
struct Out<'a> {
    file: Arc<File>,
    dump: &'a Dump,
    /// Where the next byte goes.
    at: u64,
    /// Bytes that count against `limit`: not those of holes.
    written: u64,
    /// `RLIMIT_CORE`.
    limit: u64,
    /// `RLIMIT_FSIZE`.
    file_limit: u64,
    /// The file ends in a hole.
    in_hole: bool,
}

impl Out<'_> {
    /// Writes all of `bytes`, or nothing (`__dump_emit`).
    fn emit(&mut self, bytes: &[u8]) -> Result<(), Cut> {
        if self.dump.is_killed() || self.left() < bytes.len() as u64 {
            return Err(Cut);
        }
        self.put(bytes)
    }

    fn left(&self) -> u64 {
        self.limit.saturating_sub(self.written)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Cut> {
        let at = i64::try_from(self.at).map_err(|_| Cut)?;
        let n = self.file.pwrite(&mut BufSrc::new(bytes), at, self.file_limit);
        self.written += bytes.len() as u64;
        self.at += bytes.len() as u64;
        self.in_hole = false;
        if n == Ok(bytes.len()) { Ok(()) } else { Err(Cut) }
    }

    fn skip(&mut self, len: u64) {
        self.at = self.at.saturating_add(len);
        self.in_hole |= len > 0;
    }

    /// Writes pages of memory. Those of zeroes count, and are holes all the same.
    fn pages(&mut self, bytes: &[u8]) -> Result<(), Cut> {
        for page in bytes.chunks(PAGE_SIZE as usize) {
            if page.iter().any(|b| *b != 0) {
                self.emit(page)?;
            } else if self.left() < PAGE_SIZE {
                return Err(Cut);
            } else {
                self.written += PAGE_SIZE;
                self.skip(PAGE_SIZE);
            }
        }
        Ok(())
    }

    /// Makes the file as long as what it describes.
    fn end(&mut self) -> Result<(), Cut> {
        if !core::mem::take(&mut self.in_hole) {
            return Ok(());
        }
        self.at -= 1;
        self.emit(&[0])
    }
}

/// A dump of which only the memory is still to be written.
struct Begun<'a> {
    out: Out<'a>,
    pieces: Vec<Piece>,
    mm: Arc<MemoryManager>,
}

/// Makes the dump; whether there is one now, be it cut short.
pub(super) async fn write(cx: &mut TaskCx, dump: &Dump, threads: &[ThreadNotes]) -> bool {
    match begin(cx, dump, threads) {
        Ok(Some(begun)) => {
            // Cut or not, there is a dump.
            let _ = memory(begun).await;
            true
        }
        Ok(None) => false,
        Err(Cut) => true,
    }
}

/// Writes everything that is not memory. `None` without a file to write to.
fn begin<'a>(
    cx: &TaskCx,
    dump: &'a Dump,
    threads: &[ThreadNotes],
) -> Result<Option<Begun<'a>>, Cut> {
    let Ok(file) = file::create(cx, dump) else { return Ok(None) };
    if dump.is_killed() {
        return Ok(None);
    }
    let limit = |r| cx.task.limit(r).0;
    let mut out = Out {
        file,
        dump,
        at: 0,
        written: 0,
        limit: limit(Resource::Core),
        file_limit: limit(Resource::Fsize),
        in_hole: false,
    };
    let mm = cx.mm().clone();
    let filter = cx.task.group_ref().lock().core_filter;
    let pieces = memory::pieces(&mm, filter);
    let notes = ProcessNotes::new(cx, dump);
    headers(&mut out, cx.image.arch.arch(), &pieces, notes.with(threads))?;
    Ok(Some(Begun { out, pieces, mm }))
}

/// Writes the memory.
async fn memory(begun: Begun<'_>) -> Result<(), Cut> {
    let Begun { mut out, pieces, mm } = begun;
    for piece in &pieces {
        contents(&mut out, &mm, piece).await?;
    }
    out.end()
}

fn headers<'a>(
    out: &mut Out<'_>,
    arch: arch::Arch,
    pieces: &[Piece],
    notes: impl Iterator<Item = &'a [u8]> + Clone,
) -> Result<(), Cut> {
    let count = pieces.len() + 1;
    let after = (size_of::<elf::Header>() + count * size_of::<elf::Segment>()) as u64;
    let size: u64 = notes.clone().map(|n| n.len() as u64).sum();
    let data = (after + size).next_multiple_of(PAGE_SIZE);
    out.emit(elf::Header::new(arch, count).as_bytes())?;
    out.emit(elf::Segment::notes(after, size).as_bytes())?;
    let mut offset = data;
    for p in pieces {
        out.emit(elf::Segment::load(p.range, p.perms, offset, p.size).as_bytes())?;
        offset = offset.saturating_add(p.size);
    }
    for note in notes {
        out.emit(note)?;
    }
    out.skip(data - out.at);
    Ok(())
}

/// Writes the contents of a piece.
async fn contents(out: &mut Out<'_>, mm: &MemoryManager, piece: &Piece) -> Result<(), Cut> {
    let end = Addr(piece.range.start.0 + piece.size);
    let base = out.at;
    let mut at = piece.range.start;
    while at < end {
        let rest = AddrRange { start: at, end };
        let next = match piece.contents {
            Contents::Whole => Some(rest),
            Contents::Backed => mm.backed(rest),
        };
        let Some(next) = next else { break };
        let len = next.len().min(CHUNK);
        out.skip(next.start.0 - at.0);
        copy(out, mm, next.start, len)?;
        at = next.start.wrapping_add(len);
        turn().await;
    }
    let end = base.saturating_add(piece.size);
    out.skip(end.saturating_sub(out.at));
    Ok(())
}

/// Writes `len` bytes of memory; what cannot be read is a hole.
fn copy(out: &mut Out<'_>, mm: &MemoryManager, at: Addr, len: u64) -> Result<(), Cut> {
    let mut buf = alloc::vec![0; len as usize];
    let mut done = 0;
    while let Some(part) = buf.get_mut(done..).filter(|p| !p.is_empty()) {
        if out.dump.is_killed() {
            return Err(Cut);
        }
        let from = at.wrapping_add(done as u64);
        let read = match mm.copy_in(from, part, Permissions::Ignore) {
            Ok(()) => part.len(),
            Err(p) => p.done - p.done % PAGE_SIZE as usize,
        };
        let whole = read == part.len();
        out.pages(part.get(..read).unwrap_or_default())?;
        done += read;
        if !whole {
            out.skip(PAGE_SIZE);
            done += PAGE_SIZE as usize;
        }
    }
    Ok(())
}

/// Lets others run.
async fn turn() {
    let mut again = false;
    poll_fn(|c| {
        if core::mem::replace(&mut again, true) {
            return Poll::Ready(());
        }
        c.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
