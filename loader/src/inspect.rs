//! How a file would be loaded, or why it cannot be.

use crate::dry::{DryRun, Op};
use crate::error::LoadError;
use crate::load::{LoadArgs, LoadedImage, Loader};
use crate::plan::{ImagePlan, Plan, plan};
use crate::resolve::resolve;
use crate::seam::{Random, Resolve};
use alloc::string::String;
use alloc::vec::Vec;
use arch::auxv::{self, *};
use arch::{Access, Addr, AddrRange, Arch, AuxEntry, PAGE_SIZE};
use core::fmt;

/// What [`inspect`] found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The name under which the file would be executed.
    pub filename: Vec<u8>,
    /// The way it would be loaded, or the exact reason why not.
    pub result: Result<Details, LoadError>,
}

/// How a program would be loaded.
#[derive(Clone, Debug)]
pub struct Details {
    /// The interpreters of scripts on the way to the program, which is the last of them.
    pub scripts: Vec<Vec<u8>>,
    /// Arguments, as scripts have rewritten them.
    pub argv: Vec<Vec<u8>>,
    /// `AT_PLATFORM`.
    pub platform: Option<Vec<u8>>,
    /// What was planned.
    pub plan: Plan,
    /// What would come of it.
    pub image: LoadedImage,
    /// Every operation on the address space.
    pub ops: Vec<Op>,
}

/// Zeroes: a report must not differ from run to run.
struct Zeroes;

impl Random for Zeroes {
    fn fill(&mut self, buf: &mut [u8]) {
        buf.fill(0);
    }
}

/// Loads a program into nothing. Interpreters are opened, but nothing is mapped; where the address
/// space would choose, addresses are taken downwards from the gap that
/// mmap(2) keeps below the stack.
pub fn inspect(args: &LoadArgs<'_>, opener: &mut dyn Resolve) -> Report {
    let mut details = || {
        let found = resolve(args, opener)?;
        let elf = found.interpreter.as_ref().map(|(_, _, elf)| elf);
        let plan = plan(&found.elf, elf, &args.layout)?;
        let gap = args.layout.stack_limit.max(128 << 20).min(args.layout.task_size / 6 * 5);
        let end = Addr(args.layout.stack_top.0.saturating_sub(gap)).round_down();
        let room = AddrRange::new(args.layout.min_addr, end).ok_or(LoadError::Layout)?;
        let mut space = DryRun::new(room);
        let mut loader = Loader { resolve: opener, mapper: &mut space, random: &mut Zeroes };
        let image = loader.apply(args, &found, &plan)?;
        let argv = found.argv.into_iter().map(|a| a.into_owned()).collect();
        let platform = args.platform.name.map(<[u8]>::to_vec);
        Ok(Details { scripts: found.scripts, argv, platform, plan, image, ops: space.ops })
    };
    Report { filename: args.filename.to_vec(), result: details() }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

struct Prot(Access);

impl fmt::Display for Prot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |bit, c| if self.0.contains(bit) { c } else { '-' };
        write!(f, "{}", letter(Access::READ, 'r'))?;
        write!(f, "{}", letter(Access::WRITE, 'w'))?;
        write!(f, "{}", letter(Access::EXEC, 'x'))
    }
}

fn segments(f: &mut fmt::Formatter<'_>, plan: &ImagePlan, bias: u64) -> fmt::Result {
    writeln!(f, "{}: load bias {bias:#x}, {}", plan.image, plan.placement)?;
    let at = |vaddr: u64| vaddr.wrapping_add(bias);
    for s in &plan.segments {
        if let Some(p) = s.file {
            let (start, end) = (at(p.vaddr), at(p.vaddr).wrapping_add(p.len));
            writeln!(f, "  {start:016x}-{end:016x} {} file {:#x}", Prot(s.access), p.offset)?;
        }
        if let Some(z) = s.zero {
            let (start, end) = (at(z.vaddr), at(z.vaddr).wrapping_add(z.len));
            writeln!(f, "  {start:016x}-{end:016x}     zeroed")?;
        }
        if let Some(p) = s.anon {
            let (start, end) = (at(p.vaddr), at(p.vaddr).wrapping_add(p.len));
            writeln!(f, "  {start:016x}-{end:016x} {} zero pages", Prot(p.access))?;
        }
    }
    Ok(())
}

/// One entry of the auxiliary vector, its value as people write it.
fn entry(f: &mut fmt::Formatter<'_>, name: &str, d: &Details, e: AuxEntry) -> fmt::Result {
    let AuxEntry { key, value } = e;
    write!(f, "  {:<24}", auxv::name(key).unwrap_or("unknown"))?;
    match key {
        _ if auxv::name(key).is_none() => write!(f, "{key} = {value:#x}")?,
        AT_EXECFN => write!(f, "{value:#x} {name:?}")?,
        AT_PLATFORM => write!(f, "{value:#x} {:?}", lossy(d.platform.as_deref().unwrap_or(b"")))?,
        AT_PHENT | AT_PHNUM | AT_PAGESZ | AT_CLKTCK | AT_UID | AT_EUID | AT_GID | AT_EGID
        | AT_SECURE | AT_EXECFD | AT_MINSIGSTKSZ | AT_RSEQ_FEATURE_SIZE | AT_RSEQ_ALIGN => {
            write!(f, "{value}")?;
        }
        _ => write!(f, "{value:#x}")?,
    }
    writeln!(f)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = lossy(&self.filename);
        let d = match &self.result {
            Ok(d) => d,
            Err(e) => {
                let symbol = e.errno().name().unwrap_or("unnamed error");
                let late = match e.is_late() {
                    true => "; found late, Linux kills the process with SIGSEGV",
                    false => "",
                };
                return writeln!(f, "{name}: cannot be executed: {e} ({symbol}{late})");
            }
        };
        let image = &d.image;
        let arch = match image.arch {
            Arch::X86_64 => "x86-64",
            Arch::Aarch64 => "arm64",
        };
        let kind = if d.scripts.is_empty() { "program" } else { "script, for a program" };
        writeln!(f, "{name}: {:?} {kind} for {arch}", image.os)?;
        for path in &d.scripts {
            writeln!(f, "script interpreter: {}", lossy(path))?;
        }
        let argv: Vec<String> = d.argv.iter().map(|a| lossy(a)).collect();
        writeln!(f, "arguments: {argv:?}")?;
        match &image.interpreter {
            Some(path) => writeln!(f, "ELF interpreter: {}", lossy(path))?,
            None => writeln!(f, "ELF interpreter: none")?,
        }
        segments(f, &d.plan.program, image.load_bias)?;
        if let Some(plan) = &d.plan.interpreter {
            segments(f, plan, image.interpreter_base)?;
        }
        writeln!(f, "layout:")?;
        let line = |f: &mut fmt::Formatter<'_>, r: AddrRange, prot: Prot, what: &str| {
            writeln!(f, "  {:016x}-{:016x} {prot} {what}", r.start, r.end)
        };
        let access = Prot(if image.exec_stack { Access::ALL } else { Access::RW });
        line(f, image.stack, access, "stack, which grows")?;
        for op in &d.ops {
            if let Op::Vdso { range } = *op {
                let (start, end) = (range.start, range.start.wrapping_add(PAGE_SIZE));
                line(f, AddrRange { start, end }, Prot(Access::READ), "parameters of the vDSO")?;
                let code = Prot(Access::READ | Access::EXEC);
                line(f, AddrRange { start: end, end: range.end }, code, "vDSO")?;
            }
        }
        writeln!(f, "  {:016x} {:>20} heap begins, empty", image.brk, "")?;
        writeln!(f, "starts at {:?} with stack pointer {:?}", image.entry, image.sp)?;
        if image.properties != Default::default() {
            let p = image.properties;
            let (a, b) = (p.branch_tracking, p.return_protection);
            writeln!(f, "built for branch tracking: {a}, return protection: {b}")?;
        }
        writeln!(f, "auxiliary vector:")?;
        image.auxv.iter().try_for_each(|&e| entry(f, &name, d, e))
    }
}
