//! Makes small ELF files.

pub const PT_LOAD: u32 = 1;
pub const PT_INTERP: u32 = 3;
pub const PT_GNU_STACK: u32 = 0x6474_e551;
pub const PT_GNU_PROPERTY: u32 = 0x6474_e553;
pub const ET_EXEC: u16 = 2;
pub const ET_DYN: u16 = 3;
/// Where the code lies in every file this module makes, in bytes.
pub const CODE_AT: usize = 0x800;

/// One program header: type, flags, offset, vaddr, filesz, memsz, align.
#[derive(Clone, Copy, Debug)]
pub struct Ph(pub u32, pub u32, pub u64, pub u64, pub u64, pub u64, pub u64);

/// x86-64 code that exits with `status`, in position-independent form.
pub fn exit_code(status: u8) -> Vec<u8> {
    // mov edi, status; mov eax, 60; syscall; hlt
    vec![0xbf, status, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05, 0xf4]
}

/// A file of `kind` with these program headers right behind the ELF header, `code` at
/// [`CODE_AT`] and `len` bytes in all.
pub fn build(
    kind: u16,
    machine: u16,
    entry: u64,
    headers: &[Ph],
    code: &[u8],
    len: usize,
) -> Vec<u8> {
    let mut out = vec![0u8; len];
    out[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\0");
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    put(16, &kind.to_le_bytes());
    put(18, &machine.to_le_bytes());
    put(20, &1u32.to_le_bytes());
    put(24, &entry.to_le_bytes());
    put(32, &64u64.to_le_bytes());
    put(52, &64u16.to_le_bytes());
    put(54, &56u16.to_le_bytes());
    put(56, &(headers.len() as u16).to_le_bytes());
    put(58, &64u16.to_le_bytes());
    for (i, h) in headers.iter().enumerate() {
        let at = 64 + 56 * i;
        put(at, &h.0.to_le_bytes());
        put(at + 4, &h.1.to_le_bytes());
        for (j, v) in [h.2, h.3, h.3, h.4, h.5, h.6].into_iter().enumerate() {
            put(at + 8 + 8 * j, &v.to_le_bytes());
        }
    }
    put(CODE_AT, code);
    out
}

/// A program of two pages: text and a data segment with .bss; entry is the exit code.
pub fn program(kind: u16, base: u64, status: u8) -> Vec<u8> {
    let headers = [
        Ph(PT_LOAD, 5, 0, base, 0x1000, 0x1000, 0x1000),
        Ph(PT_LOAD, 6, 0x1000, base + 0x1000, 0x800, 0x3000, 0x1000),
        Ph(PT_GNU_STACK, 6, 0, 0, 0, 0, 16),
    ];
    let mut out = build(kind, 62, base + CODE_AT as u64, &headers, &exit_code(status), 0x1900);
    out[0x1000..0x1900].fill(0x5a);
    out
}

/// The same with an interpreter at `path`.
pub fn dynamic(kind: u16, base: u64, path: &[u8]) -> Vec<u8> {
    let headers = [
        Ph(PT_INTERP, 4, 0x400, base + 0x400, path.len() as u64 + 1, path.len() as u64 + 1, 1),
        Ph(PT_LOAD, 5, 0, base, 0x1000, 0x1000, 0x1000),
        Ph(PT_LOAD, 6, 0x1000, base + 0x1000, 0x800, 0x3000, 0x1000),
    ];
    let mut out = build(kind, 62, base + CODE_AT as u64, &headers, &exit_code(41), 0x1900);
    out[0x400..0x400 + path.len()].copy_from_slice(path);
    out
}
