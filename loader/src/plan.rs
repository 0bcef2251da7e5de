//! From headers to mappings, without touching anything.
//!
//! Source: `load_elf_binary`, `load_elf_interp`, `elf_load`, `elf_map` in `fs/binfmt_elf.c`.

use crate::error::{Image, LoadError, SegmentDefect};
use crate::parse::{Elf, ElfKind, ProgramHeader, StackFlags};
use alloc::vec::Vec;
use arch::{Access, Addr, Arch, PAGE_SIZE};

/// Where things go in a new address space. All random draws are already in it, so that planning
/// is a function of its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// First address past user space (`TASK_SIZE`), in bytes.
    pub task_size: u64,
    /// The lowest address that may be mapped (`vm.mmap_min_addr`).
    pub min_addr: Addr,
    /// Where a position-independent program with an interpreter goes, random offset included.
    pub pie_base: Addr,
    /// Where the heap of a position-independent program without an interpreter begins
    /// (`ELF_ET_DYN_BASE`, without random offset): it would collide with mmap's area otherwise.
    pub static_pie_brk: Addr,
    /// How far the heap begins behind the program, in bytes, page-aligned; `None` for right
    /// behind it (`ADDR_NO_RANDOMIZE`).
    pub brk_offset: Option<u64>,
    /// First address past the stack, page-aligned, random offset included.
    pub stack_top: Addr,
    /// Bytes, below 8192, by which the stack pointer is lowered further.
    pub stack_jitter: u64,
    /// `RLIMIT_STACK`, in bytes.
    pub stack_limit: u64,
    /// Where the vDSO is wanted; `None` for wherever there is room.
    pub vdso: Option<Addr>,
}

impl Layout {
    /// Linux's layout without randomisation and with an 8 MiB stack: for tests and inspection.
    pub const fn fixed(arch: Arch) -> Layout {
        let (task_size, window) = match arch {
            Arch::X86_64 => (0x7fff_ffff_f000, 0x7fff_ffff_f000u64),
            Arch::Aarch64 => (1 << 48, 1 << 48),
        };
        let pie_base = Addr(window / 3 * 2).round_down();
        Layout {
            task_size,
            min_addr: Addr(65536),
            pie_base,
            static_pie_brk: pie_base,
            brk_offset: None,
            stack_top: Addr(task_size),
            stack_jitter: 0,
            stack_limit: 8 << 20,
            vdso: None,
        }
    }
}

/// How an image's load bias is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// At its link-time addresses. With `exclusive`, the first segment must find its place free.
    Absolute {
        /// Whether nothing may be there yet.
        exclusive: bool,
    },
    /// With this bias, the first segment's span being free.
    Bias(u64),
    /// Where mmap(2) puts it, at a multiple of `align` bytes.
    Anywhere {
        /// A power of two, at least the page size.
        align: u64,
        /// The address that is asked for, if it is free.
        hint: Option<Addr>,
    },
}

impl core::fmt::Display for Placement {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match *self {
            Placement::Absolute { .. } => f.write_str("at its own addresses"),
            Placement::Bias(bias) => write!(f, "wanted at bias {bias:#x}"),
            Placement::Anywhere { align, hint: None } => write!(f, "anywhere, aligned {align:#x}"),
            Placement::Anywhere { align, hint: Some(at) } => {
                write!(f, "anywhere, aligned {align:#x}, preferably at {at:?}")
            }
        }
    }
}

/// File bytes of a segment. All numbers are page-aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilePart {
    /// Link-time address.
    pub vaddr: u64,
    /// Length in bytes.
    pub len: u64,
    /// Byte offset in the file.
    pub offset: u64,
}

/// Bytes to zero behind a segment's file bytes, up to the end of their last page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZeroPart {
    /// Link-time address.
    pub vaddr: u64,
    /// Length in bytes, less than a page.
    pub len: u64,
}

/// Zero pages of a segment. All numbers are page-aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnonPart {
    /// Link-time address.
    pub vaddr: u64,
    /// Length in bytes.
    pub len: u64,
    /// Always writable, and executable if the segment is.
    pub access: Access,
}

/// What one `PT_LOAD` becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Index of the program header.
    pub index: usize,
    /// The permissions of the file part.
    pub access: Access,
    /// Pages from the file.
    pub file: Option<FilePart>,
    /// What is zeroed of them. Only in writable segments: of others Linux keeps the file's bytes.
    pub zero: Option<ZeroPart>,
    /// Pages of zeroes.
    pub anon: Option<AnonPart>,
}

/// How one file is loaded. Addresses are link-time addresses, to which the load bias is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePlan {
    /// Which file.
    pub image: Image,
    /// How the load bias is found.
    pub placement: Placement,
    /// Page of the first segment in header order: what is placed.
    pub anchor: u64,
    /// Bytes that must be free from the anchor on, page-aligned.
    pub reserve: u64,
    /// Lowest page and first page past the highest, over all segments.
    pub span: (u64, u64),
    /// The segments in header order. A later one replaces what it overlaps.
    pub segments: Vec<Segment>,
    /// Entry point.
    pub entry: u64,
    /// Program headers in memory, 0 if no segment holds them.
    pub phdr: u64,
    /// Number of program headers.
    pub phnum: u64,
    /// Lowest and highest address of executable segments.
    pub code: (u64, u64),
    /// Highest segment start and highest end of file bytes: Linux's notion of data.
    pub data: (u64, u64),
    /// First address past the highest segment.
    pub end: u64,
}

/// How a program is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Architecture.
    pub arch: Arch,
    /// The layout that was planned for.
    pub layout: Layout,
    /// The program.
    pub program: ImagePlan,
    /// Its interpreter.
    pub interpreter: Option<ImagePlan>,
    /// Whether the stack is executable.
    pub exec_stack: bool,
    /// The heap's start, or `None` for behind the program. `Layout::brk_offset` is not in it yet.
    pub brk: Option<Addr>,
}

impl Plan {
    /// Where the heap begins once the program's load bias is known.
    pub fn brk_start(&self, bias: u64) -> Option<Addr> {
        let behind = || Addr(self.program.end.wrapping_add(bias)).round_up();
        let start = match self.brk {
            Some(at) => Some(at),
            None => behind(),
        }?;
        match (self.layout.brk_offset, self.brk) {
            (None, _) => Some(start),
            (Some(offset), Some(_)) => start.checked_add(offset)?.round_up(),
            // A guard page, so that overflowing .bss does not reach the heap.
            (Some(offset), None) => start.checked_add(PAGE_SIZE)?.checked_add(offset)?.round_up(),
        }
    }
}

/// Plans a program and, if it has one, its interpreter.
///
/// # Errors
/// [`LoadError::Segment`].
pub fn plan(program: &Elf, interpreter: Option<&Elf>, layout: &Layout) -> Result<Plan, LoadError> {
    let static_pie = program.kind == ElfKind::Dyn && interpreter.is_none();
    let align = largest_alignment(program);
    let placement = match (program.kind, interpreter) {
        (ElfKind::Exec, _) => Placement::Absolute { exclusive: true },
        (ElfKind::Dyn, Some(_)) => {
            let base = layout.pie_base.0 & !(align.wrapping_sub(1));
            let first = program.loads().next().map_or(0, |(_, p)| p.vaddr);
            Placement::Bias(page_down(base.wrapping_sub(first)))
        }
        (ElfKind::Dyn, None) => Placement::Anywhere { align, hint: None },
    };
    let main = plan_image(program, Image::Program, placement, layout)?;
    let interp = interpreter.map(|elf| {
        let first = elf.loads().next().map_or(0, |(_, p)| page_down(p.vaddr));
        let placement = match (elf.kind, program.kind) {
            (ElfKind::Exec, _) => Placement::Absolute { exclusive: false },
            // Only for a program at fixed addresses does Linux ask for the interpreter's own.
            (ElfKind::Dyn, ElfKind::Exec) if first != 0 => {
                Placement::Anywhere { align: PAGE_SIZE, hint: Some(Addr(first)) }
            }
            (ElfKind::Dyn, _) => Placement::Anywhere { align: PAGE_SIZE, hint: None },
        };
        plan_image(elf, Image::Interpreter, placement, layout)
    });
    Ok(Plan {
        arch: program.arch,
        layout: *layout,
        program: main,
        interpreter: interp.transpose()?,
        exec_stack: program.stack == StackFlags::Executable,
        brk: static_pie.then(|| layout.static_pie_brk.round_down()),
    })
}

fn page_down(v: u64) -> u64 {
    v & !(PAGE_SIZE - 1)
}

/// Rounds up, wrapping to zero as the kernel's arithmetic does.
fn page_up(v: u64) -> u64 {
    page_down(v.wrapping_add(PAGE_SIZE - 1))
}

/// The largest power of two among the segments' alignments, at least a page. Others are ignored.
fn largest_alignment(elf: &Elf) -> u64 {
    let aligns = elf.loads().map(|(_, p)| p.align).filter(|a| a.is_power_of_two());
    aligns.fold(PAGE_SIZE, u64::max)
}

fn plan_image(
    elf: &Elf,
    image: Image,
    placement: Placement,
    layout: &Layout,
) -> Result<ImagePlan, LoadError> {
    let mut out = ImagePlan {
        image,
        placement,
        anchor: 0,
        reserve: 0,
        span: (u64::MAX, 0),
        segments: Vec::new(),
        entry: elf.entry,
        phdr: 0,
        phnum: elf.headers.len() as u64,
        code: (u64::MAX, 0),
        data: (0, 0),
        end: 0,
    };
    let bad = |index, defect| LoadError::Segment { image, index, defect };
    for (index, p) in elf.loads() {
        let seg = segment(index, p, layout.task_size).map_err(|d| bad(index, d))?;
        if out.segments.is_empty() {
            out.anchor = page_down(p.vaddr);
            out.reserve = seg.file.map_or(0, |f| f.len);
        }
        // `segment` has checked that these do not wrap.
        let (file_end, mem_end) = (p.vaddr + p.filesz, p.vaddr + p.memsz);
        if p.offset <= elf.phoff && elf.phoff - p.offset < p.filesz {
            out.phdr = (elf.phoff - p.offset).wrapping_add(p.vaddr);
        }
        if p.access().contains(Access::EXEC) {
            out.code = (out.code.0.min(p.vaddr), out.code.1.max(file_end));
        }
        out.data = (out.data.0.max(p.vaddr), out.data.1.max(file_end));
        out.end = out.end.max(mem_end);
        out.span = (out.span.0.min(page_down(p.vaddr)), out.span.1.max(page_up(mem_end)));
        out.segments.push(seg);
    }
    if out.segments.is_empty() {
        out.span = (0, 0);
        out.code = (0, 0);
    }
    if elf.kind == ElfKind::Dyn && !out.segments.is_empty() {
        let total = out.end - out.span.0;
        if total == 0 {
            let index = out.segments.first().map_or(0, |s| s.index);
            return Err(bad(index, SegmentDefect::EmptySpan));
        }
        // Without file bytes in the first segment Linux reserves nothing.
        if out.reserve != 0 {
            out.reserve = page_up(total);
        }
    }
    Ok(out)
}

fn segment(index: usize, p: &ProgramHeader, task_size: u64) -> Result<Segment, SegmentDefect> {
    if p.filesz > p.memsz {
        return Err(SegmentDefect::FileLargerThanMemory);
    }
    if p.vaddr >= task_size || p.memsz > task_size || task_size - p.memsz < p.vaddr {
        return Err(SegmentDefect::OutOfRange);
    }
    let access = p.access();
    let start = page_down(p.vaddr);
    let in_page = p.vaddr - start;
    let file = match p.filesz {
        0 => None,
        n => {
            let len = page_up(n + in_page);
            let offset = p.offset.wrapping_sub(in_page);
            let end = offset.checked_add(len).ok_or(SegmentDefect::Offset)?;
            if !offset.is_multiple_of(PAGE_SIZE) || end > i64::MAX as u64 {
                return Err(SegmentDefect::Offset);
            }
            Some(FilePart { vaddr: start, len, offset })
        }
    };
    let file_end = p.vaddr + p.filesz;
    let mem_end = page_up(p.vaddr + p.memsz);
    let anon_start = if file.is_some() { page_up(file_end) } else { start };
    let more = p.memsz > p.filesz;
    let zero = (more && file.is_some() && access.contains(Access::WRITE))
        .then(|| ZeroPart { vaddr: file_end, len: page_up(file_end) - file_end })
        .filter(|z| z.len != 0);
    let anon = (more && mem_end > anon_start).then(|| AnonPart {
        vaddr: anon_start,
        len: mem_end - anon_start,
        access: Access::RW | (access & Access::EXEC),
    });
    Ok(Segment { index, access, file, zero, anon })
}
