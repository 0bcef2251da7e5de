//! The frame of a core file: `include/uapi/linux/elf.h`.

use alloc::vec::Vec;
use arch::{Access, Arch};
use zerocopy::{Immutable, IntoBytes};

const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
/// Alignment of what is loaded.
const PAGE: u64 = arch::PAGE_SIZE;

/// `Elf64_Ehdr`.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct Header {
    ident: [u8; 16],
    kind: u16,
    machine: u16,
    version: u32,
    entry: u64,
    program_headers: u64,
    section_headers: u64,
    flags: u32,
    size: u16,
    program_header_size: u16,
    program_header_count: u16,
    section_header_size: u16,
    section_header_count: u16,
    names: u16,
}

static_assertions::const_assert_eq!(size_of::<Header>(), 64);

/// `Elf64_Phdr`.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct Segment {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    physical: u64,
    in_file: u64,
    in_memory: u64,
    align: u64,
}

static_assertions::const_assert_eq!(size_of::<Segment>(), 56);

/// The most segments: beyond them the count has no room in the header (`PN_XNUM`).
pub(super) const MOST: usize = 0xfffe;

impl Header {
    /// Of a core file with `count` segments.
    pub(super) fn new(arch: Arch, count: usize) -> Header {
        let mut ident = [0; 16];
        // 64 bits, little endian, version 1.
        ident[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        Header {
            ident,
            kind: 4,
            machine: match arch {
                Arch::X86_64 => 62,
                Arch::Aarch64 => 183,
            },
            version: 1,
            entry: 0,
            program_headers: size_of::<Header>() as u64,
            section_headers: 0,
            flags: 0,
            size: size_of::<Header>() as u16,
            program_header_size: size_of::<Segment>() as u16,
            program_header_count: count as u16,
            section_header_size: 0,
            section_header_count: 0,
            names: 0,
        }
    }
}

impl Segment {
    /// The notes.
    pub(super) fn notes(offset: u64, size: u64) -> Segment {
        Segment {
            kind: PT_NOTE,
            flags: 0,
            offset,
            address: 0,
            physical: 0,
            in_file: size,
            in_memory: 0,
            align: 4,
        }
    }

    /// A piece of memory, `in_file` bytes of which are in the file.
    pub(super) fn load(at: arch::AddrRange, perms: Access, offset: u64, in_file: u64) -> Segment {
        let bit = |a: Access, bit: u32| if perms.contains(a) { bit } else { 0 };
        Segment {
            kind: PT_LOAD,
            flags: bit(Access::READ, 4) | bit(Access::WRITE, 2) | bit(Access::EXEC, 1),
            offset,
            address: at.start.0,
            physical: 0,
            in_file,
            in_memory: at.len(),
            align: PAGE,
        }
    }
}

/// Adds a note. Name and contents end at multiples of four bytes.
pub(super) fn note(out: &mut Vec<u8>, name: &str, kind: u32, contents: &[u8]) {
    let head = [name.len() as u32 + 1, contents.len() as u32, kind];
    out.extend(head.iter().flat_map(|w| w.to_le_bytes()));
    for part in [name.as_bytes(), b"\0"] {
        out.extend_from_slice(part);
    }
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend_from_slice(contents);
    out.resize(out.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_padded() {
        let mut out = Vec::new();
        note(&mut out, "CORE", 3, &[9; 5]);
        assert_eq!(out.len(), 12 + 8 + 8);
        assert_eq!(out[..12], [5, 0, 0, 0, 5, 0, 0, 0, 3, 0, 0, 0]);
        assert_eq!(&out[12..20], b"CORE\0\0\0\0");
        assert_eq!(out[20..], [9, 9, 9, 9, 9, 0, 0, 0]);
    }
}
