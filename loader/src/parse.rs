//! ELF headers, taken as leniently as Linux takes them.

use crate::abi::{Ehdr, Phdr};
use crate::error::{ElfDefect, Image, LoadError};
use crate::property::Properties;
use crate::seam::ReadAt;
use alloc::vec::Vec;
use arch::{Access, Arch};
use goblin::elf64::header::{ELFMAG, EM_AARCH64, EM_X86_64, ET_DYN, ET_EXEC};
use goblin::elf64::program_header::{
    PF_R, PF_W, PF_X, PT_GNU_PROPERTY, PT_GNU_STACK, PT_INTERP, PT_LOAD,
};
use syserr::Errno;
use zerocopy::FromBytes;

/// The most bytes of program headers, `load_elf_phdrs` in `fs/binfmt_elf.c`.
const MAX_PHDRS_LEN: usize = 65536;
/// The longest path, NUL included: `PATH_MAX`.
const PATH_MAX: u64 = 4096;

/// Whether an ELF file's addresses are absolute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ElfKind {
    /// `ET_EXEC`: loaded where it says.
    Exec,
    /// `ET_DYN`: loaded anywhere.
    Dyn,
}

/// What `PT_GNU_STACK` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum StackFlags {
    /// No such header. On 64-bit Linux the stack is then not executable.
    #[default]
    Default,
    /// A header with `PF_X`: executable stack.
    Executable,
    /// A header without `PF_X`.
    NotExecutable,
}

/// One program header, in the host's byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramHeader {
    /// `p_type`.
    pub kind: u32,
    /// `p_flags`.
    pub flags: u32,
    /// `p_offset`, in bytes.
    pub offset: u64,
    /// `p_vaddr`, a link-time address.
    pub vaddr: u64,
    /// `p_filesz`, in bytes.
    pub filesz: u64,
    /// `p_memsz`, in bytes.
    pub memsz: u64,
    /// `p_align`, in bytes.
    pub align: u64,
}

impl ProgramHeader {
    /// Whether it describes memory (`PT_LOAD`).
    pub fn is_load(&self) -> bool {
        self.kind == PT_LOAD
    }

    /// The access its flags ask for.
    pub fn access(&self) -> Access {
        let mut access = Access::empty();
        access.set(Access::READ, self.flags & PF_R != 0);
        access.set(Access::WRITE, self.flags & PF_W != 0);
        access.set(Access::EXEC, self.flags & PF_X != 0);
        access
    }
}

impl From<&Phdr> for ProgramHeader {
    fn from(p: &Phdr) -> ProgramHeader {
        ProgramHeader {
            kind: p.kind.get(),
            flags: p.flags.get(),
            offset: p.offset.get(),
            vaddr: p.vaddr.get(),
            filesz: p.filesz.get(),
            memsz: p.memsz.get(),
            align: p.align.get(),
        }
    }
}

/// An ELF file's headers, as far as loading needs them.
///
/// Class, byte order and version in `e_ident`, `e_version`, `e_ehsize` and the section headers are
/// not looked at, as in Linux.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elf {
    /// Architecture.
    pub arch: Arch,
    /// Absolute or not.
    pub kind: ElfKind,
    /// Link-time entry address.
    pub entry: u64,
    /// Byte offset of the program headers.
    pub phoff: u64,
    /// All program headers, in file order; 1 to 1170 of them.
    pub headers: Vec<ProgramHeader>,
    /// What `PT_GNU_STACK` asks for.
    pub stack: StackFlags,
}

/// Whether a file that begins with `head` is an ELF file.
pub fn is_elf(head: &[u8]) -> bool {
    head.starts_with(ELFMAG)
}

/// Reads exactly `buf.len()` bytes, as the kernel's `elf_read`.
pub(crate) fn read_exact(file: &dyn ReadAt, offset: u64, buf: &mut [u8]) -> Result<(), Errno> {
    let signed_max = i64::MAX as u64;
    let end = offset.checked_add(buf.len() as u64).ok_or(Errno::EINVAL)?;
    if offset > signed_max || end > signed_max {
        return Err(Errno::EINVAL);
    }
    let mut done = 0;
    while done < buf.len() {
        let rest = buf.get_mut(done..).unwrap_or_default();
        let room = rest.len();
        let n = file.read_at(offset.saturating_add(done as u64), rest)?;
        if n == 0 || n > room {
            return Err(Errno::EIO);
        }
        done += n;
    }
    Ok(())
}

impl Elf {
    /// Parses a program's headers. `head` holds the file's first bytes, zeroes past its end: what
    /// is missing from a truncated header counts as zero, as in Linux. With `want`, another
    /// architecture is a defect.
    ///
    /// # Errors
    /// [`LoadError::Elf`].
    pub fn parse_program(
        file: &dyn ReadAt,
        head: &[u8; 64],
        want: Option<Arch>,
    ) -> Result<Elf, LoadError> {
        Elf::parse(file, head, want, Image::Program)
    }

    /// Parses an ELF interpreter's headers.
    ///
    /// # Errors
    /// [`LoadError::Elf`], or [`LoadError::Read`] when its first 64 bytes cannot be read.
    pub fn parse_interpreter(file: &dyn ReadAt, want: Arch) -> Result<Elf, LoadError> {
        let mut head = [0u8; 64];
        read_exact(file, 0, &mut head).map_err(|e| match e {
            Errno::EIO => LoadError::Elf { image: Image::Interpreter, defect: ElfDefect::Short },
            e => LoadError::Read(e),
        })?;
        Elf::parse(file, &head, Some(want), Image::Interpreter)
    }

    fn parse(
        file: &dyn ReadAt,
        head: &[u8; 64],
        want: Option<Arch>,
        image: Image,
    ) -> Result<Elf, LoadError> {
        let bad = |defect| LoadError::Elf { image, defect };
        if !is_elf(head) {
            return Err(bad(ElfDefect::Magic));
        }
        let h = Ehdr::ref_from_bytes(head).map_err(|_| bad(ElfDefect::Short))?;
        // Linux looks at the interpreter's type last of all.
        let kind = match h.kind.get() {
            ET_EXEC => Ok(ElfKind::Exec),
            ET_DYN => Ok(ElfKind::Dyn),
            t => Err(bad(ElfDefect::Type(t))),
        };
        if image == Image::Program {
            kind.clone()?;
        }
        let arch = match h.machine.get() {
            EM_X86_64 => Arch::X86_64,
            EM_AARCH64 => Arch::Aarch64,
            m => return Err(bad(ElfDefect::Machine(m))),
        };
        if want.is_some_and(|w| w != arch) {
            return Err(bad(ElfDefect::Machine(h.machine.get())));
        }
        if usize::from(h.phentsize.get()) != size_of::<Phdr>() {
            return Err(bad(ElfDefect::PhdrSize(h.phentsize.get())));
        }
        let count = h.phnum.get();
        let len = usize::from(count) * size_of::<Phdr>();
        if len == 0 || len > MAX_PHDRS_LEN {
            return Err(bad(ElfDefect::PhdrCount(count)));
        }
        let mut bytes = alloc::vec![0u8; len];
        read_exact(file, h.phoff.get(), &mut bytes).map_err(|_| bad(ElfDefect::PhdrRead))?;
        let raw = <[Phdr]>::ref_from_bytes(&bytes).map_err(|_| bad(ElfDefect::PhdrRead))?;
        let headers: Vec<ProgramHeader> = raw.iter().map(ProgramHeader::from).collect();
        let stack = headers.iter().rfind(|p| p.kind == PT_GNU_STACK).map_or(
            StackFlags::Default,
            |p| match p.flags & PF_X {
                0 => StackFlags::NotExecutable,
                _ => StackFlags::Executable,
            },
        );
        Ok(Elf { arch, kind: kind?, entry: h.entry.get(), phoff: h.phoff.get(), headers, stack })
    }

    /// The segments, with the index of each among the program headers.
    pub fn loads(&self) -> impl Iterator<Item = (usize, &ProgramHeader)> {
        self.headers.iter().enumerate().filter(|(_, p)| p.is_load())
    }

    /// The path in the first `PT_INTERP`, without its NUL; empty if it begins with one.
    ///
    /// # Errors
    /// [`LoadError::InterpLength`], [`LoadError::InterpRead`], [`LoadError::InterpUnterminated`].
    pub fn interpreter(&self, file: &dyn ReadAt) -> Result<Option<Vec<u8>>, LoadError> {
        let Some(p) = self.headers.iter().find(|p| p.kind == PT_INTERP) else { return Ok(None) };
        if p.filesz < 2 || p.filesz > PATH_MAX {
            return Err(LoadError::InterpLength(p.filesz));
        }
        let mut path = alloc::vec![0u8; p.filesz as usize];
        read_exact(file, p.offset, &mut path).map_err(LoadError::InterpRead)?;
        if path.last() != Some(&0) {
            return Err(LoadError::InterpUnterminated);
        }
        let end = path.iter().position(|&b| b == 0).unwrap_or(path.len());
        path.truncate(end);
        Ok(Some(path))
    }

    /// What the last `PT_GNU_PROPERTY` says. A malformed one is an error on arm64 alone, since
    /// Linux reads it there only (`CONFIG_ARCH_USE_GNU_PROPERTY`).
    ///
    /// # Errors
    /// [`ElfDefect::Property`], [`ElfDefect::PropertyRead`].
    pub fn properties(&self, file: &dyn ReadAt, image: Image) -> Result<Properties, LoadError> {
        let Some(p) = self.headers.iter().rfind(|p| p.kind == PT_GNU_PROPERTY) else {
            return Ok(Properties::default());
        };
        match (Properties::read(file, p, self.arch), self.arch) {
            (Ok(found), _) => Ok(found),
            (Err(_), Arch::X86_64) => Ok(Properties::default()),
            (Err(defect), Arch::Aarch64) => Err(LoadError::Elf { image, defect }),
        }
    }
}
