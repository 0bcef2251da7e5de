//! Programs for scripts to run in.

use alloc::vec::Vec;
use loader::abi::{Ehdr, Phdr};
use zerocopy::IntoBytes;

/// Where the first instruction of a script is.
pub const TEXT: u64 = 0x40_0000;
/// Where a page of writable memory begins that every program has.
pub const DATA: u64 = 0x60_0000;

/// A static ELF file for `machine` (62 for x86-64, 183 for arm64) that starts at `entry`.
pub fn elf(machine: u16, entry: u64) -> Vec<u8> {
    let mut ident = [0; 16];
    for (to, from) in ident.iter_mut().zip([0x7f, b'E', b'L', b'F', 2, 1, 1]) {
        *to = from;
    }
    let header = Ehdr {
        ident,
        kind: 2.into(),
        machine: machine.into(),
        version: 1.into(),
        entry: entry.into(),
        phoff: 64.into(),
        shoff: 0.into(),
        flags: 0.into(),
        ehsize: 64.into(),
        phentsize: 56.into(),
        phnum: 2.into(),
        shentsize: 0.into(),
        shnum: 0.into(),
        shstrndx: 0.into(),
    };
    let segment = |flags: u32, vaddr: u64, filesz: u64, memsz: u64| Phdr {
        kind: 1.into(),
        flags: flags.into(),
        offset: 0.into(),
        vaddr: vaddr.into(),
        paddr: vaddr.into(),
        filesz: filesz.into(),
        memsz: memsz.into(),
        align: 4096.into(),
    };
    let mut out = header.as_bytes().to_vec();
    out.extend_from_slice(segment(5, TEXT, 176, 176).as_bytes());
    out.extend_from_slice(segment(6, DATA, 0, 0x4000).as_bytes());
    out
}
