//! ELF64 structures.
//!
//! Source: elf(5), `include/uapi/linux/elf.h`.

use core::mem::offset_of;
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
static_assertions::const_assert_eq!(offset_of!(Ehdr, machine), 18);
static_assertions::const_assert_eq!(offset_of!(Ehdr, entry), 24);
static_assertions::const_assert_eq!(offset_of!(Ehdr, phoff), 32);
static_assertions::const_assert_eq!(offset_of!(Ehdr, phentsize), 54);
static_assertions::const_assert_eq!(offset_of!(Ehdr, phnum), 56);
static_assertions::const_assert_eq!(size_of::<Phdr>(), 56);
static_assertions::const_assert_eq!(offset_of!(Phdr, offset), 8);
static_assertions::const_assert_eq!(offset_of!(Phdr, vaddr), 16);
static_assertions::const_assert_eq!(offset_of!(Phdr, filesz), 32);
static_assertions::const_assert_eq!(offset_of!(Phdr, align), 48);
