//! What of a process's memory is dumped (`vma_dump_size` in `fs/coredump.c`).

use super::elf;
use crate::VfsExecutable;
use alloc::vec::Vec;
use arch::{Access, Addr, AddrRange, PAGE_SIZE, Permissions, UserMemory};
use mm::{MemoryManager, VmaFlags, VmaInfo};

bitflags::bitflags! {
    /// `/proc/PID/coredump_filter`; core(5).
    #[derive(Clone, Copy)]
    struct Filter: u32 {
        const ANON_PRIVATE = 1;
        const ANON_SHARED = 2;
        const MAPPED_PRIVATE = 4;
        const MAPPED_SHARED = 8;
        const ELF_HEADERS = 16;
    }
}

/// How the contents of a piece are found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Contents {
    /// By reading all of it.
    Whole,
    /// Where there is memory; what nobody has touched is a hole.
    Backed,
}

/// A piece of memory.
pub(super) struct Piece {
    pub(super) range: AddrRange,
    pub(super) perms: Access,
    /// How much of it is in the file.
    pub(super) size: u64,
    pub(super) contents: Contents,
}

/// The pieces of an address space, in order.
pub(super) fn pieces(mm: &MemoryManager, filter: u32) -> Vec<Piece> {
    let filter = Filter::from_bits_truncate(filter);
    let mut out = Vec::new();
    let mut from = Addr::NULL;
    loop {
        let vmas = mm.vmas_from(from, 64, false);
        let Some(last) = vmas.last() else { return out };
        from = last.range.end;
        for v in vmas {
            // One segment is the notes.
            if out.len() + 1 == elf::MOST {
                return out;
            }
            let (size, contents) = wanted(mm, &v, filter);
            out.push(Piece { range: v.range, perms: v.perms, size, contents });
        }
    }
}

fn wanted(mm: &MemoryManager, v: &VmaInfo, filter: Filter) -> (u64, Contents) {
    let all = v.range.len();
    let Some(object) = &v.object else {
        let written = !v.flags.contains(VmaFlags::DONTDUMP)
            && filter.contains(Filter::ANON_PRIVATE)
            && mm.has_own_memory(v.range);
        return (if written { all } else { 0 }, Contents::Backed);
    };
    let file = VfsExecutable::file_of(&object.identity);
    // The vDSO and its data are no files, and always there.
    if file.is_none() && !object.identity.path().starts_with(b"/") {
        return (all, Contents::Whole);
    }
    if v.flags.contains(VmaFlags::DONTDUMP) {
        return (0, Contents::Whole);
    }
    if v.flags.contains(VmaFlags::SHARED) {
        let named = file.is_some_and(|f| f.stat().is_ok_and(|s| s.nlink > 0));
        let (kind, contents) = match named {
            true => (Filter::MAPPED_SHARED, Contents::Whole),
            false => (Filter::ANON_SHARED, Contents::Backed),
        };
        return (if filter.contains(kind) { all } else { 0 }, contents);
    }
    let whole = filter.contains(Filter::ANON_PRIVATE) && mm.has_own_memory(v.range)
        || filter.contains(Filter::MAPPED_PRIVATE);
    let headers = || {
        let executable = || file.is_some_and(|f| f.stat().is_ok_and(|s| s.mode & 0o111 != 0));
        filter.contains(Filter::ELF_HEADERS)
            && v.offset == 0
            && v.perms.contains(Access::READ)
            && (executable() || begins_as_elf(mm, v.range.start))
    };
    let size = if whole {
        all
    } else if headers() {
        PAGE_SIZE
    } else {
        0
    };
    (size, Contents::Whole)
}

fn begins_as_elf(mm: &MemoryManager, at: Addr) -> bool {
    let mut magic = [0; 4];
    mm.copy_in(at, &mut magic, Permissions::Ignore).is_ok() && magic == *b"\x7fELF"
}
