//! ELF64 structures and auxiliary vector numbers.
//!
//! Source: elf(5), `include/uapi/linux/elf.h`, `include/uapi/linux/auxvec.h`.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// `Elf64_Ehdr`, little-endian.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Ehdr {
    /// `e_ident`: magic, class, byte order, version, ABI.
    pub ident: [u8; 16],
    /// `e_type`: 2 for `ET_EXEC`, 3 for `ET_DYN`.
    pub kind: U16,
    /// `e_machine`.
    pub machine: U16,
    /// `e_version`.
    pub version: U32,
    /// `e_entry`, a link-time address.
    pub entry: U64,
    /// `e_phoff`: byte offset of the program headers.
    pub phoff: U64,
    /// `e_shoff`: byte offset of the section headers, which loading ignores.
    pub shoff: U64,
    /// `e_flags`.
    pub flags: U32,
    /// `e_ehsize`, in bytes.
    pub ehsize: U16,
    /// `e_phentsize`, in bytes.
    pub phentsize: U16,
    /// `e_phnum`.
    pub phnum: U16,
    /// `e_shentsize`, in bytes.
    pub shentsize: U16,
    /// `e_shnum`.
    pub shnum: U16,
    /// `e_shstrndx`.
    pub shstrndx: U16,
}

/// `Elf64_Phdr`, little-endian.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Phdr {
    /// `p_type`.
    pub kind: U32,
    /// `p_flags`.
    pub flags: U32,
    /// `p_offset`, in bytes.
    pub offset: U64,
    /// `p_vaddr`, a link-time address.
    pub vaddr: U64,
    /// `p_paddr`, unused.
    pub paddr: U64,
    /// `p_filesz`, in bytes.
    pub filesz: U64,
    /// `p_memsz`, in bytes.
    pub memsz: U64,
    /// `p_align`, in bytes.
    pub align: U64,
}

static_assertions::const_assert_eq!(size_of::<Ehdr>(), 64);
static_assertions::const_assert_eq!(size_of::<Phdr>(), 56);

/// Ends the vector.
pub const AT_NULL: u64 = 0;
/// Descriptor of the program, when an interpreter was chosen by the kernel.
pub const AT_EXECFD: u64 = 2;
/// Address of the program headers.
pub const AT_PHDR: u64 = 3;
/// Size of one program header.
pub const AT_PHENT: u64 = 4;
/// Number of program headers.
pub const AT_PHNUM: u64 = 5;
/// Page size.
pub const AT_PAGESZ: u64 = 6;
/// Load bias of the interpreter.
pub const AT_BASE: u64 = 7;
/// Flags.
pub const AT_FLAGS: u64 = 8;
/// Entry point of the program, not of the interpreter.
pub const AT_ENTRY: u64 = 9;
/// Real user id.
pub const AT_UID: u64 = 11;
/// Effective user id.
pub const AT_EUID: u64 = 12;
/// Real group id.
pub const AT_GID: u64 = 13;
/// Effective group id.
pub const AT_EGID: u64 = 14;
/// Address of a string that names the processor.
pub const AT_PLATFORM: u64 = 15;
/// Processor capabilities.
pub const AT_HWCAP: u64 = 16;
/// Frequency of times(2), in ticks per second.
pub const AT_CLKTCK: u64 = 17;
/// Whether the program runs with more privileges than its caller.
pub const AT_SECURE: u64 = 23;
/// Address of 16 random bytes.
pub const AT_RANDOM: u64 = 25;
/// More processor capabilities.
pub const AT_HWCAP2: u64 = 26;
/// Size of `struct rseq` that the kernel fills, in bytes.
pub const AT_RSEQ_FEATURE_SIZE: u64 = 27;
/// Alignment of `struct rseq`, in bytes.
pub const AT_RSEQ_ALIGN: u64 = 28;
/// Address of the name under which the program was executed.
pub const AT_EXECFN: u64 = 31;
/// Address of the vDSO's ELF header.
pub const AT_SYSINFO_EHDR: u64 = 33;
/// Smallest stack on which a signal can be delivered, in bytes.
pub const AT_MINSIGSTKSZ: u64 = 51;

/// The name of an auxiliary vector key that the loader makes, such as `"AT_PHDR"`.
pub const fn at_name(key: u64) -> &'static str {
    match key {
        AT_NULL => "AT_NULL",
        AT_EXECFD => "AT_EXECFD",
        AT_PHDR => "AT_PHDR",
        AT_PHENT => "AT_PHENT",
        AT_PHNUM => "AT_PHNUM",
        AT_PAGESZ => "AT_PAGESZ",
        AT_BASE => "AT_BASE",
        AT_FLAGS => "AT_FLAGS",
        AT_ENTRY => "AT_ENTRY",
        AT_UID => "AT_UID",
        AT_EUID => "AT_EUID",
        AT_GID => "AT_GID",
        AT_EGID => "AT_EGID",
        AT_PLATFORM => "AT_PLATFORM",
        AT_HWCAP => "AT_HWCAP",
        AT_CLKTCK => "AT_CLKTCK",
        AT_SECURE => "AT_SECURE",
        AT_RANDOM => "AT_RANDOM",
        AT_HWCAP2 => "AT_HWCAP2",
        AT_RSEQ_FEATURE_SIZE => "AT_RSEQ_FEATURE_SIZE",
        AT_RSEQ_ALIGN => "AT_RSEQ_ALIGN",
        AT_EXECFN => "AT_EXECFN",
        AT_SYSINFO_EHDR => "AT_SYSINFO_EHDR",
        AT_MINSIGSTKSZ => "AT_MINSIGSTKSZ",
        _ => "unknown",
    }
}
