//! Why a file cannot be loaded.

use alloc::vec::Vec;
use arch::{Access, AddrRange};
use core::fmt;
use syserr::Errno;

/// Which of the two files of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Image {
    /// The program itself.
    Program,
    /// The program's ELF interpreter (`PT_INTERP`).
    Interpreter,
}

/// What is wrong with the headers of an ELF file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElfDefect {
    /// Shorter than an ELF header.
    Short,
    /// The first four bytes are not `\x7fELF`.
    Magic,
    /// `e_type` is neither `ET_EXEC` nor `ET_DYN`.
    Type(u16),
    /// `e_machine` is not the wanted one.
    Machine(u16),
    /// `e_phentsize` is not 56.
    PhdrSize(u16),
    /// No program headers, or more than 64 KiB of them.
    PhdrCount(u16),
    /// The program headers cannot be read: outside the file, or an I/O error.
    PhdrRead,
    /// `PT_GNU_PROPERTY` is malformed, which Linux checks on arm64.
    Property,
    /// `PT_GNU_PROPERTY` cannot be read, which Linux checks on arm64.
    PropertyRead,
}

/// What is wrong with a `PT_LOAD` segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentDefect {
    /// More bytes in the file than in memory.
    FileLargerThanMemory,
    /// Not inside the user address space.
    OutOfRange,
    /// File offset and address differ within the page, or the offset is out of range.
    Offset,
    /// The span of all segments is empty.
    EmptySpan,
    /// Below the lowest address that may be mapped.
    TooLow,
}

/// The exact reason why a program cannot be loaded. [`LoadError::errno`] is what execve(2) gives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadError {
    /// Neither ELF nor a script.
    UnknownFormat,
    /// Reading the first bytes of a file failed.
    Read(Errno),
    /// Bad ELF headers.
    Elf {
        /// Of which file.
        image: Image,
        /// What is wrong.
        defect: ElfDefect,
    },
    /// `PT_INTERP` is shorter than 2 bytes or longer than 4096.
    InterpLength(u64),
    /// The path in `PT_INTERP` cannot be read.
    InterpRead(Errno),
    /// The path in `PT_INTERP` does not end with a NUL.
    InterpUnterminated,
    /// The ELF interpreter cannot be opened.
    InterpOpen {
        /// Its path.
        path: Vec<u8>,
        /// Why.
        errno: Errno,
    },
    /// A `#!` line without an interpreter.
    ScriptNoInterpreter,
    /// A `#!` line whose interpreter may go on past the first 256 bytes of the file.
    ScriptTruncated,
    /// The script will be closed before its interpreter could open it.
    ScriptInaccessible,
    /// The script's interpreter cannot be opened.
    ScriptOpen {
        /// Its path.
        path: Vec<u8>,
        /// Why.
        errno: Errno,
    },
    /// The program may not be run with what it would have ([`crate::Resolve::credentials`]).
    Credentials(Errno),
    /// Scripts whose interpreters are scripts, more than five deep.
    TooManyScripts,
    /// One argument or variable is longer than 128 KiB; its index in its list.
    ArgumentTooLong(usize),
    /// All arguments and variables together are larger than the limit, in bytes.
    ArgumentsTooLarge {
        /// The limit.
        limit: u64,
    },
    /// A segment cannot be mapped.
    Segment {
        /// Of which file.
        image: Image,
        /// Index of the program header.
        index: usize,
        /// What is wrong.
        defect: SegmentDefect,
    },
    /// The entry point is not a user address.
    Entry {
        /// Of which file.
        image: Image,
        /// The address.
        at: u64,
    },
    /// The embedder's [`crate::Mapper`] refused a mapping.
    Map {
        /// What was mapped: `"segment"`, `"bss"`, `"stack"`, `"vdso"`.
        what: &'static str,
        /// Where.
        range: AddrRange,
        /// How.
        access: Access,
        /// Why.
        errno: Errno,
    },
    /// The end of a segment's last file page cannot be zeroed.
    Zero(AddrRange),
    /// The stack limit leaves no room for arguments and auxiliary vector.
    StackTooSmall,
    /// The vDSO is for another architecture.
    VdsoArch,
    /// The layout is unusable: its stack or address-space bounds contradict each other.
    Layout,
}

impl LoadError {
    /// What execve(2) returns for this. For what Linux only finds after it has given up the old
    /// image, see [`LoadError::is_late`].
    pub fn errno(&self) -> Errno {
        match self {
            LoadError::UnknownFormat
            | LoadError::InterpLength(_)
            | LoadError::InterpUnterminated
            | LoadError::ScriptNoInterpreter
            | LoadError::ScriptTruncated
            | LoadError::VdsoArch => Errno::ENOEXEC,
            LoadError::Elf { image, defect } => match (image, defect) {
                (_, ElfDefect::PropertyRead) => Errno::EIO,
                (_, ElfDefect::Property) | (Image::Program, _) => Errno::ENOEXEC,
                (Image::Interpreter, ElfDefect::Short) => Errno::EIO,
                (Image::Interpreter, _) => Errno::ELIBBAD,
            },
            LoadError::Read(e) | LoadError::InterpRead(e) | LoadError::Credentials(e) => *e,
            LoadError::InterpOpen { errno, .. }
            | LoadError::ScriptOpen { errno, .. }
            | LoadError::Map { errno, .. } => *errno,
            LoadError::ScriptInaccessible => Errno::ENOENT,
            LoadError::TooManyScripts => Errno::ELOOP,
            LoadError::ArgumentTooLong(_) | LoadError::ArgumentsTooLarge { .. } => Errno::E2BIG,
            LoadError::Segment { image, defect, .. } => match (image, defect) {
                (_, SegmentDefect::TooLow) => Errno::EPERM,
                (_, SegmentDefect::Offset | SegmentDefect::EmptySpan) => Errno::EINVAL,
                (Image::Program, _) => Errno::EINVAL,
                (Image::Interpreter, _) => Errno::ENOMEM,
            },
            LoadError::Entry { .. } | LoadError::Layout => Errno::EINVAL,
            LoadError::Zero(_) => Errno::EFAULT,
            LoadError::StackTooSmall => Errno::ENOMEM,
        }
    }

    /// Whether Linux finds this only past its point of no return, where there is no caller left to
    /// give the number to and the process is killed with `SIGSEGV`. This loader always builds the
    /// new image beside the old one, so the embedder may return the number in place of that.
    pub fn is_late(&self) -> bool {
        matches!(
            self,
            LoadError::Segment { .. }
                | LoadError::Entry { .. }
                | LoadError::Map { .. }
                | LoadError::Zero(_)
                | LoadError::StackTooSmall
                | LoadError::VdsoArch
                | LoadError::Layout
                | LoadError::Elf { image: Image::Interpreter, defect: ElfDefect::Type(_) }
        )
    }
}

impl From<LoadError> for Errno {
    fn from(e: LoadError) -> Errno {
        e.errno()
    }
}

impl core::error::Error for LoadError {}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Image::Program => "program",
            Image::Interpreter => "interpreter",
        })
    }
}

impl fmt::Display for ElfDefect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ElfDefect::Short => f.write_str("shorter than an ELF header"),
            ElfDefect::Magic => f.write_str("not an ELF file"),
            ElfDefect::Type(t) => write!(f, "ELF type {t} is neither ET_EXEC nor ET_DYN"),
            ElfDefect::Machine(m) => write!(f, "ELF machine {m} is not the wanted one"),
            ElfDefect::PhdrSize(n) => write!(f, "program header size {n} is not 56"),
            ElfDefect::PhdrCount(0) => f.write_str("no program headers"),
            ElfDefect::PhdrCount(n) => write!(f, "{n} program headers are too many"),
            ElfDefect::PhdrRead => f.write_str("program headers lie outside the file"),
            ElfDefect::Property => f.write_str("malformed PT_GNU_PROPERTY"),
            ElfDefect::PropertyRead => f.write_str("PT_GNU_PROPERTY lies outside the file"),
        }
    }
}

impl fmt::Display for SegmentDefect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SegmentDefect::FileLargerThanMemory => "larger in the file than in memory",
            SegmentDefect::OutOfRange => "outside the user address space",
            SegmentDefect::Offset => "file offset does not fit its address",
            SegmentDefect::EmptySpan => "all segments together are empty",
            SegmentDefect::TooLow => "below the lowest address that may be mapped",
        })
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = alloc::string::String::from_utf8_lossy;
        match self {
            LoadError::UnknownFormat => f.write_str("neither an ELF file nor a script"),
            LoadError::Read(e) => write!(f, "cannot read the file: {e}"),
            LoadError::Elf { image, defect } => write!(f, "{image}: {defect}"),
            LoadError::InterpLength(n) => write!(f, "PT_INTERP is {n} bytes long, not 2 to 4096"),
            LoadError::InterpRead(e) => write!(f, "cannot read the path in PT_INTERP: {e}"),
            LoadError::InterpUnterminated => f.write_str("path in PT_INTERP is not terminated"),
            LoadError::InterpOpen { path, errno } => {
                write!(f, "cannot open ELF interpreter {}: {errno}", text(path))
            }
            LoadError::ScriptNoInterpreter => f.write_str("#! line names no interpreter"),
            LoadError::ScriptTruncated => f.write_str("#! line is too long"),
            LoadError::ScriptInaccessible => {
                f.write_str("script's descriptor is closed before its interpreter runs")
            }
            LoadError::ScriptOpen { path, errno } => {
                write!(f, "cannot open script interpreter {}: {errno}", text(path))
            }
            LoadError::Credentials(e) => write!(f, "the program's privileges: {e}"),
            LoadError::TooManyScripts => f.write_str("script interpreters nest too deep"),
            LoadError::ArgumentTooLong(i) => write!(f, "argument or variable {i} is too long"),
            LoadError::ArgumentsTooLarge { limit } => {
                write!(f, "arguments and environment exceed {limit} bytes")
            }
            LoadError::Segment { image, index, defect } => {
                write!(f, "{image}: segment of program header {index}: {defect}")
            }
            LoadError::Entry { image, at } => {
                write!(f, "{image}: entry {at:#x} is not a user address")
            }
            LoadError::Map { what, range, access, errno } => {
                write!(f, "cannot map {what} at {range:?}")?;
                for (bit, name) in [
                    (Access::READ, " readable"),
                    (Access::WRITE, " writable"),
                    (Access::EXEC, " executable"),
                ] {
                    f.write_str(if access.contains(bit) { name } else { "" })?;
                }
                write!(f, ": {errno}")
            }
            LoadError::Zero(r) => write!(f, "cannot zero {r:?} at the end of a segment"),
            LoadError::StackTooSmall => f.write_str("stack limit leaves no room for arguments"),
            LoadError::VdsoArch => f.write_str("vDSO is for another architecture"),
            LoadError::Layout => f.write_str("address-space layout is contradictory"),
        }
    }
}
