//! A kernel with one file system, ready to run a script.

use super::executor::{Executor, Handle};
use super::machine::{Machine, SeededRandom};
use super::{Script, elf};
use crate::{
    Embedder, ExitStatus, Kernel, KernelConfig, LimitSet, LoadImageError, ProcessArgs, Registry,
    Uts,
};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Arch, BufSrc, Os};
use sync::Mutex;
use syserr::Errno;
use vfs::{
    AT_FDCWD, Creds, Env, FdTable, FsContext, MemOptions, MountFlags, OpenFlags, OpenHow, PathCx,
    TimeSource, Vfs,
};

struct Time(Arc<dyn crate::Clock>);

impl TimeSource for Time {
    fn realtime(&self) -> i64 {
        self.0.now(crate::ClockId::Realtime)
    }

    fn monotonic(&self) -> i64 {
        self.0.now(crate::ClockId::Monotonic)
    }
}

/// A machine, an executor, and a kernel over a tmpfs.
pub struct World {
    /// The machine.
    pub machine: Arc<Machine>,
    /// The executor.
    pub executor: Arc<Executor>,
    /// The kernel.
    pub kernel: Arc<Kernel>,
}

impl World {
    /// A world in which `script` will run, with Linux's tables.
    ///
    /// # Errors
    /// What making a tmpfs gives.
    pub fn new(script: Script) -> Result<World, Errno> {
        World::with(Arch::X86_64, script, Registry::LINUX)
    }

    /// A world with other tables, or of another architecture.
    ///
    /// # Errors
    /// What making a tmpfs gives.
    pub fn with(arch: Arch, script: Script, tables: Registry) -> Result<World, Errno> {
        let machine = Machine::new(arch, script, 64 << 20);
        let executor = Executor::new();
        let clock = executor.clock();
        let embedder = Embedder {
            platform: machine.clone(),
            clock: clock.clone(),
            timers: Arc::new(Handle(executor.clone())),
            random: Arc::new(SeededRandom::default()),
            spawn: Arc::new(Handle(executor.clone())),
        };
        let env = Env::new(machine.vec_memory().clone(), Arc::new(Time(clock)));
        let options = MemOptions { mode: 0o755, ..MemOptions::default() };
        let top = vfs::tmpfs(&env, options, b"tmpfs")?;
        let vfs = Vfs::new(env, top, MountFlags::empty());
        let root = FsContext::new(vfs.root(), vfs.root());
        let kernel = Kernel::new(KernelConfig {
            embedder,
            tables,
            vfs,
            root,
            vdso: None,
            uts: Uts::default(),
            tracer: None,
            extra_auxv: Vec::new(),
            memory_total: 64 << 20,
        });
        Ok(World { machine, executor, kernel })
    }

    /// Writes a file, executable.
    ///
    /// # Errors
    /// What the file system gives.
    pub fn write_file(&self, path: &[u8], bytes: &[u8]) -> Result<(), Errno> {
        let creds = Creds::root();
        let (fs, files) = (self.kernel.root_fs(), FdTable::new());
        let cx = PathCx { creds: &creds, fs: &fs, files: &files, tgid: 0, tid: 0 };
        let flags = OpenFlags::CREAT | OpenFlags::RDWR;
        let how = OpenHow { flags, mode: 0o755, ..OpenHow::default() };
        let file = self.kernel.vfs().open(&cx, AT_FDCWD, path, how)?;
        file.write(&mut BufSrc::new(bytes), u64::MAX).map(drop)
    }

    /// Writes a program that starts at `entry` of the script.
    ///
    /// # Errors
    /// What the file system gives.
    pub fn write_program(&self, path: &[u8], entry: u64) -> Result<(), Errno> {
        let machine = if self.kernel.embedder().platform.arch() == Arch::X86_64 { 62 } else { 183 };
        self.write_file(path, &elf(machine, entry))
    }

    /// Starts the program at `path` as first process and runs until nothing moves any more.
    /// `None` when it has not ended then.
    ///
    /// # Errors
    /// As [`Kernel::create_first`].
    pub fn run(&self, path: &[u8]) -> Result<Option<ExitStatus>, LoadImageError> {
        self.run_for(Os::Linux, path)
    }

    /// The same for a program that makes the system calls of `os`.
    ///
    /// # Errors
    /// As [`Kernel::create_first`].
    pub fn run_for(&self, os: Os, path: &[u8]) -> Result<Option<ExitStatus>, LoadImageError> {
        let ended = self.kernel.create_first(ProcessArgs {
            path: path.to_vec(),
            argv: [path.to_vec()].to_vec(),
            envp: Vec::new(),
            fs: self.kernel.root_fs(),
            files: FdTable::new(),
            creds: Creds::root(),
            limits: LimitSet::default(),
            personality: 0,
            os,
        })?;
        let status = Arc::new(Mutex::new(None));
        let out = status.clone();
        self.kernel.embedder().spawn.spawn(alloc::boxed::Box::pin(async move {
            let s = ended.await;
            *out.lock() = Some(s);
        }));
        self.executor.run(1_000_000);
        let ended = *status.lock();
        Ok(ended)
    }

    /// What the guests have logged.
    pub fn log(&self) -> Vec<i64> {
        self.machine.log()
    }
}
