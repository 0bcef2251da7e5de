//! The vDSO's code.

use alloc::borrow::Cow;
use arch::{Arch, PAGE_SIZE};
use goblin::elf::Elf;
use goblin::elf64::header::{EM_AARCH64, EM_X86_64, ET_DYN};
use goblin::elf64::program_header::PT_LOAD;

/// Names under which a vDSO exports the return from a signal handler.
const SIGRETURN: [&str; 2] = ["__kernel_rt_sigreturn", "__vdso_rt_sigreturn"];

/// Why bytes are no vDSO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VdsoDefect {
    /// Not an ELF shared object of a known architecture.
    NotElf,
    /// Its segments are not file bytes at their file offsets, page by page.
    Segments,
    /// It needs relocations or other libraries.
    Relocations,
}

/// Our own x86-64 image, as the build script has made it; empty where it could not.
static BUILTIN_X86_64: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/vdso-x86_64.so"));

/// A vDSO: one small shared object, mapped whole, behind one page of parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vdso {
    arch: Arch,
    image: Cow<'static, [u8]>,
    sigreturn: Option<u64>,
}

impl Vdso {
    /// The vDSO that comes with this crate: for x86-64, if the crate was built on an x86-64 Linux
    /// host with a linker.
    pub fn builtin(arch: Arch) -> Option<Vdso> {
        match arch {
            Arch::X86_64 => Vdso::new(Cow::Borrowed(BUILTIN_X86_64)).ok(),
            Arch::Aarch64 => None,
        }
    }

    /// A vDSO of an embedder's own.
    ///
    /// # Errors
    /// [`VdsoDefect`].
    pub fn new(image: Cow<'static, [u8]>) -> Result<Vdso, VdsoDefect> {
        let elf = Elf::parse(&image).map_err(|_| VdsoDefect::NotElf)?;
        let arch = match elf.header.e_machine {
            EM_X86_64 => Arch::X86_64,
            EM_AARCH64 => Arch::Aarch64,
            _ => return Err(VdsoDefect::NotElf),
        };
        if elf.header.e_type != ET_DYN || !elf.is_64 || !elf.little_endian {
            return Err(VdsoDefect::NotElf);
        }
        // The image is mapped whole and once: memory must be the file, and nothing writable.
        for p in elf.program_headers.iter().filter(|p| p.p_type == PT_LOAD) {
            let end = p.p_offset.checked_add(p.p_filesz);
            if p.p_vaddr != p.p_offset
                || p.p_filesz != p.p_memsz
                || p.is_write()
                || end.is_none_or(|e| e > image.len() as u64)
            {
                return Err(VdsoDefect::Segments);
            }
        }
        let relocated = elf.dynrels.len() + elf.dynrelas.len() + elf.pltrelocs.len() != 0;
        if relocated || !elf.libraries.is_empty() {
            return Err(VdsoDefect::Relocations);
        }
        let name = |s: &goblin::elf::Sym| elf.dynstrtab.get_at(s.st_name);
        let sigreturn = elf
            .dynsyms
            .iter()
            .find(|s| s.st_value != 0 && name(s).is_some_and(|n| SIGRETURN.contains(&n)))
            .map(|s| s.st_value)
            .filter(|&v| v < image.len() as u64);
        Ok(Vdso { arch, image, sigreturn })
    }

    /// Architecture.
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// The image's bytes.
    pub fn image(&self) -> &[u8] {
        &self.image
    }

    /// The image's length in whole pages, in bytes.
    pub fn image_len(&self) -> u64 {
        (self.image.len() as u64).next_multiple_of(PAGE_SIZE)
    }

    /// Byte offset of the instructions that return from a signal handler.
    pub fn sigreturn(&self) -> Option<u64> {
        self.sigreturn
    }
}
