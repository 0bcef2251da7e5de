//! Loading: from an opened file to a task image.

use super::TaskImage;
use super::layout::choose;
use crate::clone::PREMAP;
use crate::{Comm, Kernel};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Access, Addr, AddrRange, Arch, Os, Permissions, UserMemory};
use core::any::Any;
use loader::{Executable, LoadError, Mapper, Place, ReadAt, Resolve, Vdso};
use mm::{FileRange, MapFlags, MemoryManager, MmConfig, MmapArgs, SpecialMapArgs, SpecialObject};
use syserr::{Errno, Error};

/// There is no table for the program's operating system and architecture.
const NO_SYSCALLS: Error = Error::new("no syscall table found", Errno::ENOEXEC);

/// What to load and for whom.
pub struct LoadArgs<'a> {
    /// The name under which the program is executed.
    pub filename: &'a [u8],
    /// `comm`; `None` for the last component of `filename`.
    pub comm: Option<&'a [u8]>,
    /// The opened file.
    pub executable: Arc<dyn Executable>,
    /// Opens interpreters.
    pub resolve: &'a mut dyn Resolve,
    /// Arguments, without NULs.
    pub argv: Vec<&'a [u8]>,
    /// Environment, without NULs.
    pub envp: Vec<&'a [u8]>,
    /// Who runs it.
    pub credentials: loader::Credentials,
    /// The limits that memory calls of the program obey.
    pub limits: mm::Limits,
    /// What the program before has denied itself, and this inherits.
    pub mdwe: mm::Mdwe,
    /// personality(2) bits: `ADDR_NO_RANDOMIZE` counts.
    pub personality: u32,
    /// The file was opened through a descriptor that execve(2) closes.
    pub inaccessible: bool,
    /// Whose system calls the program makes: with the platform's architecture it chooses the
    /// table. [`Os::Linux`] unless the embedder has an operating system of its own.
    pub os: Os,
}

/// A program that is ready to run.
#[derive(Debug)]
pub struct LoadedTask {
    /// The image.
    pub image: TaskImage,
    /// Whether the program gains privileges.
    pub secure: bool,
}

/// Why there is no image.
#[derive(Debug)]
pub enum LoadImageError {
    /// The platform cannot have another address space.
    AddressSpace,
    /// The file cannot be loaded.
    Load(LoadError),
    /// There is no table for the program's system calls.
    NoSyscallTable,
    /// The program cannot be opened.
    Open(Errno),
    /// The address space has no room for what a program needs.
    Layout(Errno),
}

impl LoadImageError {
    /// What guests see, and what people read when there is no more to say.
    pub fn error(&self) -> Error {
        match self {
            LoadImageError::AddressSpace => Error::new("no new address space", Errno::ENOMEM),
            LoadImageError::Load(e) => Error::new("the program cannot be loaded", e.errno()),
            LoadImageError::NoSyscallTable => NO_SYSCALLS,
            LoadImageError::Open(e) => Error::new("the program cannot be opened", *e),
            LoadImageError::Layout(e) => Error::new("no room for a program", *e),
        }
    }

    /// The error number for guests.
    pub fn errno(&self) -> Errno {
        self.error().errno()
    }
}

impl core::fmt::Display for LoadImageError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            LoadImageError::Load(e) => write!(f, "{e}"),
            other => f.write_str(other.error().message()),
        }
    }
}

impl core::error::Error for LoadImageError {}

/// A file of the virtual file system that nobody may write as long as it is executed
/// (`deny_write_access` in `include/linux/fs.h`).
struct Running(Arc<vfs::File>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(state) = self.0.inode().state() {
            state.allow_writing();
        }
    }
}

impl mm::MappingIdentity for Running {
    fn device(&self) -> u64 {
        self.0.device()
    }

    fn inode(&self) -> u64 {
        mm::MappingIdentity::inode(&*self.0)
    }

    fn path(&self) -> Vec<u8> {
        mm::MappingIdentity::path(&*self.0)
    }
}

/// An executable file of the virtual file system.
pub struct VfsExecutable(Arc<Running>);

impl VfsExecutable {
    /// An opened file, which nobody may open for writing from now on.
    ///
    /// # Errors
    /// `ETXTBSY` while somebody has it open for writing.
    pub fn new(file: Arc<vfs::File>) -> Result<VfsExecutable, Errno> {
        if let Some(state) = file.inode().state() {
            state.deny_writing()?;
        }
        Ok(VfsExecutable(Arc::new(Running(file))))
    }

    /// For [`mm::Meta::executable`].
    pub(crate) fn into_identity(self) -> Arc<dyn mm::MappingIdentity> {
        self.0
    }

    /// The file.
    pub(crate) fn file(&self) -> &Arc<vfs::File> {
        &self.0.0
    }

    /// The open file that a mapping was made from, if it is one.
    pub(crate) fn file_of(mapped: &Arc<dyn mm::MappingIdentity>) -> Option<Arc<vfs::File>> {
        let any: Arc<dyn Any + Send + Sync> = mapped.clone();
        match any.downcast::<Running>() {
            Ok(program) => Some(program.0.clone()),
            Err(any) => any.downcast::<vfs::File>().ok(),
        }
    }

    /// Where the file is that a program was loaded from.
    pub(crate) fn place(program: Arc<dyn mm::MappingIdentity>) -> Option<vfs::Path> {
        let any: Arc<dyn Any + Send + Sync> = program;
        any.downcast::<Running>().ok().map(|r| r.0.path().clone())
    }
}

impl ReadAt for VfsExecutable {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        self.0.0.ops().read_at(&mut arch::BufDst::new(buf), offset)
    }

    fn size(&self) -> u64 {
        self.0.0.stat().map_or(0, |s| s.size)
    }
}

impl Executable for VfsExecutable {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Maps a program into a memory manager.
pub(crate) struct Space<'a> {
    pub(crate) kernel: &'a Kernel,
    pub(crate) mm: &'a Arc<MemoryManager>,
    pub(crate) limits: &'a mm::Limits,
}

impl Space<'_> {
    fn args(&self, at: Addr, len: u64, access: Access) -> MmapArgs<'_> {
        let mut args = MmapArgs::anonymous(at, len, access, self.limits);
        args.flags |= MapFlags::FIXED;
        args
    }

    /// Reads a file that cannot be mapped into private memory.
    fn copy_file(
        &self,
        file: &dyn Executable,
        at: Addr,
        len: u64,
        offset: u64,
    ) -> Result<(), Errno> {
        let mut buf = [0; 4096];
        let mut done = 0;
        while done < len {
            let want = (len - done).min(buf.len() as u64) as usize;
            let Some(part) = buf.get_mut(..want) else { break };
            let n = file.read_at(offset.saturating_add(done), part)?;
            if n == 0 {
                break;
            }
            let part = part.get(..n).unwrap_or(part);
            self.mm.copy_out(at.wrapping_add(done), part, Permissions::Ignore)?;
            done += n as u64;
        }
        Ok(())
    }
}

impl Mapper for Space<'_> {
    fn reserve(&mut self, place: Place, len: u64) -> Result<Addr, Errno> {
        match place {
            Place::Any => self.mm.find_room(Addr::NULL, len),
            Place::Hint(at) => self.mm.find_room(at, len),
            Place::Exact(at) => match self.mm.find_room(at, len)? {
                found if found == at => Ok(at),
                _ => Err(Errno::EEXIST),
            },
        }
    }

    fn map_file(
        &mut self,
        file: &dyn Executable,
        at: Addr,
        len: u64,
        offset: u64,
        access: Access,
    ) -> Result<(), Errno> {
        let mapped = match file.as_any().downcast_ref::<VfsExecutable>() {
            Some(f) => Some(f.0.0.mapped()?),
            None => None,
        };
        let Some(object) = mapped else {
            // Pages that the file does not reach are there, and fault.
            let held = file.size().saturating_sub(offset).min(len);
            let held = held.checked_next_multiple_of(arch::PAGE_SIZE).ok_or(Errno::ENOMEM)?;
            if held > 0 {
                self.mm.mmap(self.args(at, held, access))?;
                self.copy_file(file, at, held, offset)?;
            }
            return match len.saturating_sub(held) {
                0 => Ok(()),
                past => {
                    let at = at.checked_add(held).ok_or(Errno::ENOMEM)?;
                    self.mm.mmap(self.args(at, past, Access::empty())).map(drop)
                }
            };
        };
        let mut args = self.args(at, len, access);
        args.flags.remove(MapFlags::ANONYMOUS);
        args.object = Some(object);
        args.offset = offset;
        self.mm.mmap(args).map(drop)
    }

    fn map_anon(&mut self, at: Addr, len: u64, access: Access) -> Result<(), Errno> {
        self.mm.mmap(self.args(at, len, access)).map(drop)
    }

    fn map_stack(&mut self, range: AddrRange, access: Access) -> Result<(), Errno> {
        let mut args = self.args(range.start, range.len(), access);
        args.flags.remove(MapFlags::FIXED);
        args.flags |= MapFlags::FIXED_NOREPLACE | MapFlags::GROWSDOWN | MapFlags::STACK;
        self.mm.mmap(args)?;
        self.mm.update_meta(|m| m.start_stack = range.end);
        Ok(())
    }

    fn zero(&mut self, at: Addr, len: u64) -> Result<(), Errno> {
        Ok(self.mm.zero_out(at, len, Permissions::Obey)?)
    }

    fn write(&mut self, at: Addr, bytes: &[u8]) -> Result<(), Errno> {
        Ok(self.mm.copy_out(at, bytes, Permissions::Ignore)?)
    }

    fn set_brk(&mut self, start: Addr) {
        self.mm.set_brk(start);
    }

    fn map_vdso(&mut self, at: Addr, vdso: &Vdso) -> Result<(), Errno> {
        let pages = self.kernel.vdso_pages(vdso)?;
        let map = |at, len, prot, max_prot, object| {
            self.mm.special_map(SpecialMapArgs { addr: at, len, prot, max_prot, object })
        };
        map(at, arch::PAGE_SIZE, Access::READ, Access::READ, pages.params.clone())?;
        let code = at.checked_add(arch::PAGE_SIZE).ok_or(Errno::ENOMEM)?;
        let prot = Access::READ | Access::EXEC;
        // A debugger may set breakpoints there, in a copy of its own.
        map(code, vdso.image_len(), prot, Access::ALL, pages.code.clone())
    }
}

/// The vDSO's pages, which all address spaces of a kernel share.
#[derive(Clone)]
pub(crate) struct VdsoPages {
    params: Arc<SpecialObject>,
    /// In the place of `params` for those whose clocks are their own: every function makes its
    /// system call.
    calls: Arc<SpecialObject>,
    code: Arc<SpecialObject>,
}

struct Seed<'a>(&'a dyn crate::Random);

impl loader::Random for Seed<'_> {
    fn fill(&mut self, buf: &mut [u8]) {
        self.0.fill(buf);
    }
}

/// The least size of an alternate signal stack, in bytes (`AT_MINSIGSTKSZ`).
pub(crate) fn min_signal_stack(kernel: &Kernel) -> u64 {
    let platform = &kernel.embedder().platform;
    arch::min_signal_stack(platform.arch(), &platform.fpu_layout())
}

impl Kernel {
    /// Loads a program into a new address space. Whatever fails, nothing is left behind, and no
    /// other image has changed.
    ///
    /// # Errors
    /// [`LoadImageError`].
    pub fn load_task_image(&self, args: LoadArgs<'_>) -> Result<LoadedTask, LoadImageError> {
        let platform = &self.embedder().platform;
        let space = platform.new_address_space().map_err(|_| LoadImageError::AddressSpace)?;
        let mut config = MmConfig::new(platform.memory(), space);
        config.limits = args.limits;
        config.overcommit = Some(self.overcommit().clone());
        config.max_map_count = self.max_map_count().clone();
        let mm = MemoryManager::new(config);
        // From here on the user of `mm` is given back on every way out: by the image, or here.
        let loaded = self.load_into(&mm, args);
        match &loaded {
            Ok(_) => mm.premap(PREMAP),
            Err(_) => mm.dec_users(),
        }
        loaded
    }

    fn load_into(
        &self,
        mm: &Arc<MemoryManager>,
        args: LoadArgs<'_>,
    ) -> Result<LoadedTask, LoadImageError> {
        let platform = &self.embedder().platform;
        let random = &*self.embedder().random;
        let vdso = self.vdso().map_or(0, |v| v.image_len().saturating_add(arch::PAGE_SIZE));
        let mdwe = args.mdwe;
        let layouts = choose(&**platform, random, args.limits.stack, args.personality, vdso);
        let layouts = layouts.map_err(LoadImageError::Layout)?;
        mm.set_layout(layouts.mm);
        let (hwcap, hwcap2) = platform.hwcap();
        let os = args.os;
        let mut space = Space { kernel: self, mm, limits: &args.limits };
        let mut seed = Seed(random);
        let arch = platform.arch();
        let request = loader::LoadArgs {
            filename: args.filename,
            comm: args.comm,
            executable: args.executable,
            arch: Some(arch),
            argv: args.argv,
            envp: args.envp,
            credentials: args.credentials,
            platform: loader::Platform {
                hwcap,
                hwcap2,
                name: Some(match arch {
                    Arch::X86_64 => b"x86_64",
                    Arch::Aarch64 => b"aarch64",
                }),
                minsigstksz: min_signal_stack(self),
                ..loader::Platform::default()
            },
            layout: layouts.loader,
            vdso: self.vdso(),
            extra_auxv: self.extra_auxv(),
            execfd: None,
            inaccessible: args.inaccessible,
        };
        let mut loader =
            loader::Loader { resolve: args.resolve, mapper: &mut space, random: &mut seed };
        let loaded = loader.load(&request).map_err(LoadImageError::Load)?;
        let table = self.tables().lookup(os, loaded.arch).ok_or(LoadImageError::NoSyscallTable)?;
        let mut context = arch::Context::new(loaded.arch, &platform.fpu_layout());
        context.set_ip(loaded.entry.0);
        context.set_sp(loaded.sp.0);
        describe(mm, &loaded);
        mm.set_mdwe(mdwe).map_err(LoadImageError::Layout)?;
        let name = Comm::new(&loaded.comm);
        let image = TaskImage::new(name, context, mm.clone(), self.futex().fork(), table);
        Ok(LoadedTask { image, secure: loaded.secure })
    }

    /// Lets the vDSO in an address space compute the time from everybody's page, or make system calls
    /// for who has clocks of their `own`. Who has moved it keeps what they had.
    pub(crate) fn show_time(&self, mm: &MemoryManager, own: bool) {
        let Some(pages) = self.vdso_slot().lock().clone() else { return };
        let object = if own { pages.calls } else { pages.params };
        let auxv = mm.meta().auxv;
        let (entries, _) = auxv.as_chunks::<16>();
        let entry = entries.iter().find_map(|e| {
            let (key, value) = e.split_first_chunk::<8>()?;
            let value = u64::from_le_bytes(*value.first_chunk()?);
            (u64::from_le_bytes(*key) == arch::auxv::AT_SYSINFO_EHDR).then_some(value)
        });
        let Some(at) = entry.and_then(|v| v.checked_sub(arch::PAGE_SIZE)).map(Addr) else { return };
        let there = |v: mm::VmaInfo| v.range.start == at && v.name() == b"[vvar]";
        if !mm.vma_at(at).is_some_and(there) || mm.munmap(at, arch::PAGE_SIZE).is_err() {
            return;
        }
        let (prot, len) = (Access::READ, arch::PAGE_SIZE);
        // There is room where it just was. Without memory for the entry the vDSO faults, and
        // whoever uses it ends.
        let _ = mm.special_map(SpecialMapArgs { addr: at, len, prot, max_prot: prot, object });
    }

    /// The vDSO's pages, made at the first program.
    pub(crate) fn vdso_pages(&self, vdso: &Vdso) -> Result<VdsoPages, Errno> {
        let mut slot = self.vdso_slot().lock();
        if let Some(p) = &*slot {
            return Ok(p.clone());
        }
        let memory = self.embedder().platform.memory();
        let params = match self.embedder().clock.vdso_params() {
            Some(r) => {
                memory.inc_ref(r)?;
                r
            }
            None => memory.allocate(arch::PAGE_SIZE)?,
        };
        let named = |range: FileRange, access, name| {
            SpecialObject::new(memory.clone(), range, access, name)
        };
        let params = named(params, Access::READ, "[vvar]");
        let calls = named(memory.allocate(arch::PAGE_SIZE)?, Access::READ, "[vvar]");
        let code = memory.allocate(vdso.image_len())?;
        memory.write(code.start, vdso.image());
        let code = named(code, Access::READ | Access::EXEC, "[vdso]");
        let pages = VdsoPages { params, calls, code };
        *slot = Some(pages.clone());
        Ok(pages)
    }
}

/// What `/proc/PID` shows of the program.
fn describe(mm: &MemoryManager, loaded: &loader::LoadedImage) {
    let auxv = loaded.auxv.iter().flat_map(|e| [e.key, e.value]).flat_map(u64::to_le_bytes);
    let file = loaded.executable.as_any().downcast_ref::<VfsExecutable>();
    mm.update_meta(|m| {
        m.argv = loaded.argv;
        m.envv = loaded.envp;
        m.auxv = auxv.collect();
        m.code = loaded.code;
        m.data = loaded.data;
        m.start_stack = loaded.sp;
        m.sigreturn = loaded.sigreturn.unwrap_or_default();
        m.dumpable = u32::from(!loaded.secure);
        if let Some(f) = file {
            m.executable = Some(f.0.clone());
        }
    });
}
