//! The whole way: from an opened file to an image that can run.

use crate::apply::Space;
use crate::auxv::{Credentials, Platform, Vector};
use crate::error::{Image, LoadError};
use crate::plan::{Layout, Plan, plan};
use crate::property::Properties;
use crate::resolve::{Resolved, resolve};
use crate::seam::{Executable, Mapper, Place, Random, Resolve};
use crate::vdso::Vdso;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::auxv::{AT_BASE, AT_ENTRY, AT_EXECFN, AT_PHDR, AT_PLATFORM, AT_RANDOM, AT_SYSINFO_EHDR};
use arch::{Access, Addr, AddrRange, Arch, AuxEntry, InitialStack, Os, PAGE_SIZE};

/// The longest `comm`, in bytes, NUL not counted.
const COMM_LEN: usize = 15;
/// What Linux adds to the strings when it first sizes the stack, in bytes.
const STACK_EXPAND: u64 = 131_072;

/// What to load and for whom.
pub struct LoadArgs<'a> {
    /// The name under which the program is executed: `AT_EXECFN`, and a script's argument.
    pub filename: &'a [u8],
    /// `comm`; `None` for the last component of `filename`.
    pub comm: Option<&'a [u8]>,
    /// The opened file.
    pub executable: Arc<dyn Executable>,
    /// The only architecture that is accepted; `None` for whatever the program is for.
    pub arch: Option<Arch>,
    /// Arguments, without NULs. When there are none, the program still gets an empty one.
    pub argv: Vec<&'a [u8]>,
    /// Environment, without NULs.
    pub envp: Vec<&'a [u8]>,
    /// Who runs it.
    pub credentials: Credentials,
    /// On what.
    pub platform: Platform<'a>,
    /// Where things go.
    pub layout: Layout,
    /// The vDSO; `None` for a program without.
    pub vdso: Option<&'a Vdso>,
    /// Added to the auxiliary vector before its end. An entry whose key the loader makes too
    /// replaces the loader's.
    pub extra_auxv: &'a [AuxEntry],
    /// `AT_EXECFD`.
    pub execfd: Option<u32>,
    /// The file was opened through a descriptor that execve(2) closes, so that an interpreter
    /// could not open it again: a script is then `ENOENT`.
    pub inaccessible: bool,
}

impl<'a> LoadArgs<'a> {
    /// A program without arguments, environment, privileges and vDSO, for any architecture.
    pub fn new(filename: &'a [u8], executable: Arc<dyn Executable>, layout: Layout) -> Self {
        LoadArgs {
            filename,
            comm: None,
            executable,
            arch: None,
            argv: Vec::new(),
            envp: Vec::new(),
            credentials: Credentials::default(),
            platform: Platform::default(),
            layout,
            vdso: None,
            extra_auxv: &[],
            execfd: None,
            inaccessible: false,
        }
    }
}

/// A program that is ready to run.
#[derive(Clone, Debug)]
pub struct LoadedImage {
    /// Architecture.
    pub arch: Arch,
    /// Operating system.
    pub os: Os,
    /// Where to start: the interpreter's entry, or the program's without one.
    pub entry: Addr,
    /// Stack pointer at the start, a multiple of 16.
    pub sp: Addr,
    /// The program's own entry (`AT_ENTRY`).
    pub program_entry: Addr,
    /// What was added to the program's link-time addresses, modulo 2^64.
    pub load_bias: u64,
    /// What was added to the interpreter's (`AT_BASE`); 0 without one.
    pub interpreter_base: u64,
    /// Path of the ELF interpreter.
    pub interpreter: Option<Vec<u8>>,
    /// Program headers in memory (`AT_PHDR`).
    pub phdr: Addr,
    /// Where the heap begins; it is empty.
    pub brk: Addr,
    /// Argument strings.
    pub argv: AddrRange,
    /// Environment strings.
    pub envp: AddrRange,
    /// Executable bytes, for `/proc/PID/stat`.
    pub code: AddrRange,
    /// Data bytes, for `/proc/PID/stat`.
    pub data: AddrRange,
    /// What the stack's mapping covers.
    pub stack: AddrRange,
    /// The auxiliary vector with its end, as `/proc/PID/auxv` shows it.
    pub auxv: Vec<AuxEntry>,
    /// Start of the vDSO's image.
    pub vdso: Option<Addr>,
    /// The instruction sequence that returns from a signal handler, in the vDSO.
    pub sigreturn: Option<Addr>,
    /// `comm`, at most 15 bytes.
    pub comm: Vec<u8>,
    /// The file that was mapped as program: for a script its last interpreter.
    pub executable: Arc<dyn Executable>,
    /// Whether the stack is executable.
    pub exec_stack: bool,
    /// Whether the personality gains `READ_IMPLIES_EXEC`. Linux gives it to 32-bit programs only;
    /// 64-bit ones lose it on execve(2).
    pub read_implies_exec: bool,
    /// As in [`Credentials::secure`].
    pub secure: bool,
    /// Control-flow protection the program was built for.
    pub properties: Properties,
}

/// Loads programs with what an embedder supplies.
pub struct Loader<'a> {
    /// Opens interpreters.
    pub resolve: &'a mut dyn Resolve,
    /// Receives the image.
    pub mapper: &'a mut dyn Mapper,
    /// For `AT_RANDOM`.
    pub random: &'a mut dyn Random,
}

impl Loader<'_> {
    /// Loads a program into the (empty) address space behind the mapper. After an error the
    /// address space holds a part of the image and is to be thrown away.
    ///
    /// # Errors
    /// [`LoadError`]; [`LoadError::errno`] is what execve(2) returns.
    pub fn load(&mut self, args: &LoadArgs<'_>) -> Result<LoadedImage, LoadError> {
        let found = resolve(args, self.resolve)?;
        let credentials = self.resolve.credentials(&*found.file).map_err(LoadError::Credentials)?;
        let interp_elf = found.interpreter.as_ref().map(|(_, _, elf)| elf);
        let plan = plan(&found.elf, interp_elf, &args.layout)?;
        self.apply_as(args, credentials.unwrap_or(args.credentials), &found, &plan)
    }

    /// Applies a plan that was made from `found` with [`plan`].
    ///
    /// # Errors
    /// Those for which [`LoadError::is_late`] is true.
    pub fn apply(
        &mut self,
        args: &LoadArgs<'_>,
        found: &Resolved<'_>,
        plan: &Plan,
    ) -> Result<LoadedImage, LoadError> {
        self.apply_as(args, args.credentials, found, plan)
    }

    fn apply_as(
        &mut self,
        args: &LoadArgs<'_>,
        credentials: Credentials,
        found: &Resolved<'_>,
        plan: &Plan,
    ) -> Result<LoadedImage, LoadError> {
        let layout = &plan.layout;
        if args.vdso.is_some_and(|v| v.arch() != plan.arch) {
            return Err(LoadError::VdsoArch);
        }
        let argv: Vec<&[u8]> = found.argv.iter().map(|a| &**a).collect();
        let mut random = [0; 16];
        self.random.fill(&mut random);
        let mut vector = Vector::new(args, &credentials, found.elf.headers.len());
        let mut contents = InitialStack {
            argv: &argv,
            envp: &args.envp,
            execfn: args.filename,
            platform: args.platform.name,
            random,
            auxv: &[],
            jitter: layout.stack_jitter.min(8191),
        };
        // The vector's values are not known before mapping, but its length is.
        let top = layout.stack_top;
        let sized = InitialStack { auxv: vector.entries(), ..contents };
        let placed = sized.place(top).ok_or(LoadError::StackTooSmall)?;
        let mut space = Space { mapper: self.mapper, layout };
        let stack = map_stack(&mut space, placed.sp, plan.exec_stack)?;
        let load_bias = space.map_image(&plan.program, &*found.file)?;
        let program_entry = plan.program.entry.wrapping_add(load_bias);
        let phdr = plan.program.phdr.wrapping_add(load_bias);
        let (mut entry, mut interpreter_base) = (program_entry, 0);
        if let (Some(image), Some((_, file, _))) = (&plan.interpreter, &found.interpreter) {
            interpreter_base = space.map_image(image, &**file)?;
            entry = image.entry.wrapping_add(interpreter_base);
        }
        // Only where the program starts is checked: its own entry is its interpreter's business.
        if entry >= layout.task_size {
            let image = found.interpreter.as_ref().map_or(Image::Program, |_| Image::Interpreter);
            return Err(LoadError::Entry { image, at: entry });
        }
        let vdso = args.vdso.map(|v| map_vdso(&mut space, v)).transpose()?;
        let brk = plan.brk_start(load_bias).unwrap_or(Addr(layout.task_size));
        space.mapper.set_brk(brk);
        for (key, value) in [
            (AT_SYSINFO_EHDR, vdso.unwrap_or_default().0),
            (AT_PHDR, phdr),
            (AT_BASE, interpreter_base),
            (AT_ENTRY, program_entry),
            (AT_RANDOM, placed.random.0),
            (AT_EXECFN, placed.execfn.0),
            (AT_PLATFORM, placed.platform.unwrap_or_default().0),
        ] {
            vector.set(key, value);
        }
        contents.auxv = vector.entries();
        let bytes = contents.emit(top, &placed);
        let range = AddrRange { start: placed.sp, end: top };
        self.mapper.write(placed.sp, &bytes).map_err(|errno| LoadError::Map {
            what: "stack",
            range,
            access: Access::RW,
            errno,
        })?;
        let moved = |(start, end): (u64, u64)| AddrRange {
            start: Addr(start.wrapping_add(load_bias)),
            end: Addr(end.wrapping_add(load_bias)),
        };
        Ok(LoadedImage {
            arch: plan.arch,
            os: Os::Linux,
            entry: Addr(entry),
            sp: placed.sp,
            program_entry: Addr(program_entry),
            load_bias,
            interpreter_base,
            interpreter: found.interpreter.as_ref().map(|(path, _, _)| path.clone()),
            phdr: Addr(phdr),
            brk,
            argv: placed.argv,
            envp: placed.envv,
            code: moved(plan.program.code),
            data: moved(plan.program.data),
            stack,
            auxv: vector.into_entries(),
            vdso,
            sigreturn: args.vdso.zip(vdso).and_then(|(v, at)| at.checked_add(v.sigreturn()?)),
            comm: comm(args),
            executable: found.file.clone(),
            exec_stack: plan.exec_stack,
            read_implies_exec: false,
            secure: credentials.secure,
            properties: found.properties,
        })
    }
}

fn map_stack(space: &mut Space<'_>, sp: Addr, exec: bool) -> Result<AddrRange, LoadError> {
    let top = space.layout.stack_top;
    if !top.is_page_aligned() || top.0 > space.layout.task_size {
        return Err(LoadError::Layout);
    }
    let needed = sp.round_down();
    let limit = space.layout.stack_limit & !(PAGE_SIZE - 1);
    let len = (top.0 - needed.0).saturating_add(STACK_EXPAND).min(limit);
    let start = needed.min(Addr(top.0.saturating_sub(len)));
    if start < space.layout.min_addr {
        return Err(LoadError::StackTooSmall);
    }
    let range = AddrRange { start, end: top };
    let access = if exec { Access::ALL } else { Access::RW };
    space.mapper.map_stack(range, access).map_err(|errno| LoadError::Map {
        what: "stack",
        range,
        access,
        errno,
    })?;
    Ok(range)
}

/// Maps parameters and image, and returns where the image begins.
fn map_vdso(space: &mut Space<'_>, vdso: &Vdso) -> Result<Addr, LoadError> {
    let len = vdso.image_len().saturating_add(PAGE_SIZE);
    let place = space.layout.vdso.map_or(Place::Any, Place::Hint);
    let at = space.reserve(place, len)?;
    let range = AddrRange { start: at, end: Addr(at.0.saturating_add(len)) };
    let access = Access::READ | Access::EXEC;
    space.mapper.map_vdso(at, vdso).map_err(|errno| LoadError::Map {
        what: "vdso",
        range,
        access,
        errno,
    })?;
    at.checked_add(PAGE_SIZE).ok_or(LoadError::Layout)
}

fn comm(args: &LoadArgs<'_>) -> Vec<u8> {
    let name = args
        .comm
        .unwrap_or_else(|| args.filename.rsplit(|&b| b == b'/').next().unwrap_or_default());
    name.iter().copied().take(COMM_LEN).collect()
}
