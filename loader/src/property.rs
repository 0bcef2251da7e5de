//! `PT_GNU_PROPERTY`: what a file says of the control-flow protection it was built for.
//!
//! Source: "Linux Extensions to gABI", `parse_elf_properties` in `fs/binfmt_elf.c`.

use crate::error::ElfDefect;
use crate::parse::{ProgramHeader, read_exact};
use crate::seam::ReadAt;
use arch::Arch;

/// Properties in a program's `.note.gnu.property`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Properties {
    /// x86-64: indirect branch tracking. arm64: branch target identification.
    pub branch_tracking: bool,
    /// x86-64: shadow stack. arm64: pointer authentication of return addresses.
    pub return_protection: bool,
}

/// The note header's size: three words, then the owner's name "GNU\0".
const HEADER: usize = 16;
/// The longest note Linux reads, in bytes.
const MAX_NOTE: u64 = 1024;
const NT_GNU_PROPERTY_TYPE_0: u32 = 5;
const X86_FEATURE_1_AND: u32 = 0xc000_0002;
const AARCH64_FEATURE_1_AND: u32 = 0xc000_0000;

impl Properties {
    pub(crate) fn read(
        file: &dyn ReadAt,
        header: &ProgramHeader,
        arch: Arch,
    ) -> Result<Properties, ElfDefect> {
        if header.filesz > MAX_NOTE {
            return Err(ElfDefect::Property);
        }
        let mut buf = [0u8; MAX_NOTE as usize];
        let note = buf.get_mut(..header.filesz as usize).ok_or(ElfDefect::Property)?;
        // A short note is an I/O error, whatever is in it.
        if note.len() < HEADER {
            return Err(ElfDefect::PropertyRead);
        }
        read_exact(file, header.offset, note).map_err(|_| ElfDefect::PropertyRead)?;
        Properties::parse(note, arch).ok_or(ElfDefect::Property)
    }

    fn parse(note: &[u8], arch: Arch) -> Option<Properties> {
        let (name_len, desc_len, kind) = (word(note, 0)?, word(note, 4)?, word(note, 8)?);
        if kind != NT_GNU_PROPERTY_TYPE_0 || name_len != 4 || note.get(12..HEADER)? != b"GNU\0" {
            return None;
        }
        let mut rest = note.get(HEADER..HEADER.checked_add(desc_len as usize)?)?;
        let mut found = Properties::default();
        let mut last = None;
        while !rest.is_empty() {
            let (kind, len) = (word(rest, 0)?, word(rest, 4)? as usize);
            let step = len.checked_next_multiple_of(8)?;
            let (data, next) = rest.get(8..)?.split_at_checked(step)?;
            // Sorted and unique, or the note is not what it claims to be.
            if last.is_some_and(|l| kind <= l) {
                return None;
            }
            last = Some(kind);
            let ours = match arch {
                Arch::X86_64 => X86_FEATURE_1_AND,
                Arch::Aarch64 => AARCH64_FEATURE_1_AND,
            };
            if kind == ours {
                if len != 4 {
                    return None;
                }
                let bits = word(data, 0)?;
                found.branch_tracking = bits & 1 != 0;
                found.return_protection = bits & 2 != 0;
            }
            rest = next;
        }
        Some(found)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let raw = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(raw.try_into().ok()?))
}
