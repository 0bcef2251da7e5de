//! `tessera run`: host, file systems, kernel and first process, put together.

mod console;
mod jobs;
mod signals;
mod streams;
mod tree;

use crate::Failure;
use crate::cli::RunOptions;
use crate::trace::Tracer;
use arch::BufDst;
use jobs::Jobs;
use kernel::limits::INFINITY;
use kernel::{
    ExitStatus, Kernel, KernelConfig, Limit, LimitSet, LoadImageError, ProcessArgs, Registry,
    Resource, SyscallTracer, Uts,
};
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;
use streams::Streams;
use syserr::Errno;
use systrap::lockdown::{Grants, lock_down};
use systrap::{Host, HostConfig, HostSignals};
use vfs::{Creds, FdTable, FsContext, LookupFlags, OpenFlags, OpenHow};

/// Runs the program that the options name; the exit code follows the shell's convention.
pub(crate) fn run(options: RunOptions) -> Result<u8, Failure> {
    let mut config = HostConfig::default();
    if let Some(limit) = options.memory {
        config.memory_limit = limit;
    }
    let signals = HostSignals::block(signals::FORWARDED)
        .map_err(|e| Failure::own(format!("signals: {e}")))?;
    let host = Host::new(config).map_err(|e| Failure::own(e.to_string()))?;
    let embedder = host.embedder();
    let jobs = Arc::new(Jobs::default());
    let (vfs, ptys) = tree::build(&embedder, &jobs, &options)?;
    let root = vfs.root();
    let fs = FsContext::new(root.clone(), root);
    let kernel = Kernel::new(KernelConfig {
        memory_total: embedder.platform.memory().limit(),
        embedder,
        tables: Registry::LINUX,
        vfs: vfs.clone(),
        root: fs.clone(),
        vdso: loader::Vdso::builtin(arch::Arch::X86_64),
        uts: uts(&vfs, &fs),
        tracer: tracer(&options)?,
        extra_auxv: Vec::new(),
    });
    kernel.create_reaper().map_err(|e| Failure::own(format!("process 1: {e}")))?;
    jobs.attach(&kernel);
    tree::mount_proc(&vfs, &kernel, ptys.clone())?;
    let creds = credentials();
    let files = FdTable::new();
    let guest = Guest { vfs: &vfs, creds: &creds, fs: &fs, files: &files, tgid: kernel.first() };
    guest.enter_directory(options.cwd.as_deref())?;
    let envp = environment(&options);
    let name = options.program[0].as_bytes().to_vec();
    let path = guest.find(&name, &envp)?;
    guest.refuse_directory(&path)?;
    let streams = Streams::open(&host, &guest.cx(), &vfs, &ptys)?;
    let argv = options.program.into_iter().map(OsString::into_vec).collect();
    let args = ProcessArgs {
        path: path.clone(),
        argv,
        envp,
        fs: fs.fork(),
        files,
        creds,
        limits: limits(),
        personality: 0,
        os: arch::Os::Linux,
    };
    let ended = kernel.create_first(args).map_err(|e| cannot_execute(&path, &e))?;
    streams.start(&host, &kernel, signals)?;
    drop((fs, vfs));
    // Everything is open, and nothing of the guest's has run.
    let grants = Grants { root: &options.root, writable: &options.rw };
    lock_down(&grants).map_err(|e| Failure::own(format!("locking down: {e}")))?;
    let status = host.run(ended);
    streams.finish();
    if kernel.starved() > 0 && matches!(status, ExitStatus::Signaled(9)) {
        let limit = kernel.memory_total() >> 20;
        eprintln!("tessera: killed: out of memory; --memory gives more than these {limit} MiB");
    }
    let code = status.shell_status() as u8;
    if options.rw.is_empty() {
        // Nothing is left to be written, and the host takes the rest back faster than it can be
        // taken apart here.
        host.end_processes();
        std::process::exit(i32::from(code));
    }
    Ok(code)
}

fn tracer(options: &RunOptions) -> Result<Option<Arc<dyn SyscallTracer>>, Failure> {
    let Some(list) = &options.trace else { return Ok(None) };
    for name in list.split(',').map(str::trim).filter(|n| !n.is_empty()) {
        if Registry::LINUX.iter().all(|t| t.number(name).is_none()) {
            return Err(Failure::own(format!(
                "--trace: no system call is called {name}; `tessera syscalls` lists them"
            )));
        }
    }
    let out: Box<dyn Write + Send> = match &options.trace_file {
        None => Box::new(std::io::stderr()),
        Some(path) => Box::new(
            std::fs::File::create(path)
                .map_err(|e| Failure::own(format!("--trace-file {}: {e}", path.display())))?,
        ),
    };
    Ok(Some(Arc::new(Tracer::new(list, out))))
}

/// The usual limits; of core dumps, those that the user who runs the sandbox has.
fn limits() -> LimitSet {
    let own = rustix::process::getrlimit(rustix::process::Resource::Core);
    let mut limits = LimitSet::default();
    let limit = |l: Option<u64>| l.unwrap_or(INFINITY);
    limits.set(Resource::Core, Limit { cur: limit(own.current), max: limit(own.maximum) });
    limits
}

/// The guest acts as the user who runs the sandbox.
fn credentials() -> Creds {
    let groups = rustix::process::getgroups().unwrap_or_default();
    let groups: Vec<u32> = groups.into_iter().map(|g| g.as_raw()).collect();
    Creds::user(rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw(), &groups)
}

fn environment(options: &RunOptions) -> Vec<Vec<u8>> {
    let mut vars: Vec<(OsString, OsString)> =
        if options.clear_env { Vec::new() } else { std::env::vars_os().collect() };
    for (k, v) in &options.env {
        vars.retain(|(name, _)| name != k);
        vars.push((k.clone(), v.clone()));
    }
    let join = |(k, v): (OsString, OsString)| [k.as_bytes(), b"=", v.as_bytes()].concat();
    vars.into_iter().map(join).collect()
}

/// The machine's name is what the guest's own files call it: they know how to resolve that.
fn uts(vfs: &vfs::Vfs, fs: &FsContext) -> Uts {
    let (creds, files) = (Creds::root(), FdTable::new());
    let cx = vfs::PathCx { creds: &creds, fs, files: &files, tgid: 1, tid: 1 };
    let how = OpenHow { flags: OpenFlags::NONBLOCK, ..OpenHow::default() };
    let read = || {
        let file = vfs.open(&cx, vfs::AT_FDCWD, b"/etc/hostname", how).ok()?;
        let mut bytes = [0; 64];
        let n = if file.is_regular() { file.read(&mut BufDst::new(&mut bytes)).ok()? } else { 0 };
        let name = bytes[..n].split(|b| b.is_ascii_whitespace()).next()?;
        (!name.is_empty() && name.is_ascii()).then(|| name.to_vec())
    };
    let default = Uts::default();
    Uts { host: read().unwrap_or(default.host.clone()), ..default }
}

/// The guest's file system, before anybody runs in it.
struct Guest<'a> {
    vfs: &'a vfs::Vfs,
    creds: &'a Creds,
    fs: &'a FsContext,
    files: &'a FdTable,
    /// The process that it is prepared for.
    tgid: i32,
}

impl Guest<'_> {
    fn cx(&self) -> vfs::PathCx<'_> {
        vfs::PathCx {
            creds: self.creds,
            fs: self.fs,
            files: self.files,
            tgid: self.tgid,
            tid: self.tgid,
        }
    }

    /// Goes to the directory that was asked for, or to the current one if it exists inside.
    fn enter_directory(&self, wanted: Option<&Path>) -> Result<(), Failure> {
        let chdir =
            |dir: &Path| self.vfs.chdir(&self.cx(), vfs::AT_FDCWD, dir.as_os_str().as_bytes());
        match wanted {
            Some(dir) => {
                chdir(dir).map_err(|e| Failure::own(format!("--cwd {}: {e}", dir.display())))
            }
            None => {
                // A directory that the guest does not have leaves it at the root.
                let _ = std::env::current_dir().map(|dir| chdir(&dir));
                Ok(())
            }
        }
    }

    /// The path of a program: itself when it has a slash, else the first on the guest's `PATH`.
    fn find(&self, name: &[u8], envp: &[Vec<u8>]) -> Result<Vec<u8>, Failure> {
        if name.contains(&b'/') {
            return Ok(name.to_vec());
        }
        let path = envp.iter().find_map(|v| v.strip_prefix(b"PATH="));
        let path = path.unwrap_or(b"/usr/local/bin:/usr/bin:/bin");
        let mut denied = false;
        for dir in path.split(|b| *b == b':') {
            let dir = if dir.is_empty() { b"." } else { dir };
            let candidate = [dir, b"/", name].concat();
            match self.executable(&candidate) {
                Ok(()) => return Ok(candidate),
                Err(Errno::EACCES) => denied = true,
                Err(_) => {}
            }
        }
        let (why, code) =
            if denied { ("permission denied", 126) } else { ("not found on PATH", 127) };
        Err(Failure { message: format!("{}: {why}", String::from_utf8_lossy(name)), code })
    }

    /// execve(2) says of a directory that permission is denied; people want to know why.
    fn refuse_directory(&self, path: &[u8]) -> Result<(), Failure> {
        let found = self.vfs.resolve(&self.cx(), vfs::AT_FDCWD, path, LookupFlags::empty());
        match found {
            Ok(p) if p.inode().kind() == vfs::mode::IFDIR => Err(Failure {
                message: format!("{}: is a directory", String::from_utf8_lossy(path)),
                code: 126,
            }),
            _ => Ok(()),
        }
    }

    fn executable(&self, path: &[u8]) -> Result<(), Errno> {
        self.vfs.open_exec(&self.cx(), vfs::AT_FDCWD, path, LookupFlags::empty()).map(|_| ())
    }
}

/// One line on why there is no first process, with the shell's exit code.
fn cannot_execute(path: &[u8], error: &LoadImageError) -> Failure {
    let errno = error.errno();
    let code = if errno == Errno::ENOENT { 127 } else { 126 };
    let path = String::from_utf8_lossy(path);
    let message = match error {
        LoadImageError::Open(e) => format!("{path}: {e}"),
        other => format!("{path}: {other}"),
    };
    Failure { message, code }
}
