//! Texts whose length a task decides: made in pieces of about a page.

use crate::Task;
use crate::task::VSYSCALL_PAGE;
use alloc::vec::Vec;
use arch::{Access, Addr, AddrRange, Arch, PAGE_SIZE, Permissions, UserMemory};
use mm::{MapsFile, MemoryManager, VmaFlags, VmaInfo};
use vfs::proc::{Piece, TaskFile};

/// Bytes of a piece, about; what fs/seq_file.c begins with.
const SIZE: usize = PAGE_SIZE as usize;

/// The piece that begins at `from`, of files that are made so.
pub(super) fn piece(task: &Task, file: TaskFile, from: u64) -> Option<Piece> {
    let make: fn(&MemoryManager, u64) -> Piece = match file {
        TaskFile::Maps => return Some(maps(task, MapsFile::Maps, from)),
        TaskFile::Smaps => return Some(maps(task, MapsFile::Smaps, from)),
        TaskFile::Cmdline => cmdline,
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

fn maps(task: &Task, file: MapsFile, from: u64) -> Piece {
    let Some(mm) = task.mm() else { return Piece::default() };
    let mut chunk = mm.maps_chunk(file, Addr(from), SIZE);
    if chunk.next.is_none() && task.kernel().embedder().platform.arch() == Arch::X86_64 {
        let gate = gate();
        chunk.text.extend(match file {
            MapsFile::Maps => gate.maps_line(),
            MapsFile::Smaps => gate.smaps_block(),
        });
    }
    Piece { text: chunk.text, next: chunk.next.map(|a| a.0) }
}

/// The page of the legacy entry points, which is in no address space and shows in all
/// (`get_gate_vma`).
fn gate() -> VmaInfo {
    let start = Addr(VSYSCALL_PAGE);
    VmaInfo {
        range: AddrRange { start, end: start.wrapping_add(PAGE_SIZE) },
        perms: Access::EXEC,
        max_perms: Access::empty(),
        flags: VmaFlags::empty(),
        offset: 0,
        object: None,
        label: b"[vsyscall]".to_vec(),
        resident: 0,
        referenced: 0,
        proportional: 0,
        shared: 0,
        anonymous: 0,
    }
}

/// The arguments; or what a program has written over them and on into its environment for ps(1) to
/// show, which setproctitle(3) does: then the last byte of the arguments is no NUL
/// (`get_mm_cmdline`, `get_mm_proctitle`).
fn cmdline(mm: &MemoryManager, from: u64) -> Piece {
    let (args, env) = {
        let meta = mm.meta();
        (meta.argv, meta.envv)
    };
    let mut last = [0];
    let written_over = !args.is_empty()
        && mm.copy_in(Addr(args.end.0 - 1), &mut last, Permissions::Ignore).is_ok()
        && last != [0];
    if !written_over {
        return strings(mm, args, from);
    }
    let end = if env.start == args.end { env.end.max(args.end) } else { args.end };
    let mut title = strings(mm, AddrRange { start: args.start, end }, 0).text;
    if let Some(end) = title.iter().position(|b| *b == 0) {
        title.truncate(end + 1);
    }
    Piece { text: title.split_off((from as usize).min(title.len())), next: None }
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
