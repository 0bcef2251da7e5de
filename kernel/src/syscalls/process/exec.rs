//! execve(2), execveat(2).

use super::privileges::{self, Privileges};
use crate::exec::NewImage;
use crate::image::{LoadArgs, VfsExecutable};
use crate::{Args, Outcome, Task, TaskCx};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, UserMemory, UserMemoryExt};
use loader::{ArgLimits, Executable, MAX_ARG_STRLEN, Resolve};
use syserr::Errno;
use vfs::{AT_FDCWD, Creds, FdTable, File, FsContext, LookupFlags, PathCx, Vfs, perm};

const AT_EMPTY_PATH: u64 = 0x1000;
const AT_SYMLINK_NOFOLLOW: u64 = 0x100;
/// Only whether it could run is asked.
const AT_EXECVE_CHECK: u64 = 0x10000;
const PATH_MAX: usize = 4095;

/// execve(2).
pub fn sys_execve(cx: &mut TaskCx, a: &Args) -> Outcome {
    exec(cx, AT_FDCWD, a[0], a[1], a[2], 0)
}

/// execveat(2).
pub fn sys_execveat(cx: &mut TaskCx, a: &Args) -> Outcome {
    exec(cx, a[0] as i32, a[1], a[2], a[3], a[4])
}

fn exec(cx: &mut TaskCx, dir: i32, path: u64, argv: u64, envp: u64, flags: u64) -> Outcome {
    match load(cx, dir, path, argv, envp, flags) {
        Ok(Some(new)) => crate::exec::replace(cx, new),
        Ok(None) => Outcome::Done(Ok(0)),
        Err(e) => e.into(),
    }
}

/// What the program is replaced by; `None` if that was only a question.
fn load(
    cx: &mut TaskCx,
    dir: i32,
    path: u64,
    argv: u64,
    envp: u64,
    flags: u64,
) -> Result<Option<NewImage>, Errno> {
    if flags & !(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_EXECVE_CHECK) != 0 {
        return Err(Errno::EINVAL);
    }
    let task = cx.task.clone();
    let mm = cx.mm().clone();
    let path = mm.read_cstr(Addr(path), PATH_MAX)?;
    if path.is_empty() && flags & AT_EMPTY_PATH == 0 {
        return Err(Errno::ENOENT);
    }
    let limits = task.memory_limits();
    let strings = |at| read_strings(&*mm, at, limits.stack);
    let (argv, envp) = (strings(argv)?, strings(envp)?);
    let (old, fs, files) = (task.creds(), task.fs(), task.files());
    let opener = Opener {
        vfs: cx.kernel().vfs().clone(),
        creds: old.clone(),
        fs,
        files: files.clone(),
        tgid: task.tgid(),
        tid: task.tid(),
    };
    let nofollow = flags & AT_SYMLINK_NOFOLLOW != 0;
    let file = opener.open(dir, &path, nofollow)?;
    if flags & AT_EXECVE_CHECK != 0 {
        return Ok(None);
    }
    // By descriptor, the program's name is the descriptor's.
    let by_fd = dir != AT_FDCWD && !path.starts_with(b"/");
    let name = match (by_fd, path.is_empty()) {
        (false, _) => path.clone(),
        (true, true) => format!("/dev/fd/{dir}").into_bytes(),
        (true, false) => [format!("/dev/fd/{dir}/").as_bytes(), &path].concat(),
    };
    let closes = by_fd && files.cloexec(dir).unwrap_or(false);
    // `would_dump` of `fs/exec.c`.
    let p = file.inode().perm()?;
    let hidden = perm::check(&**file.inode(), &old, perm::MAY_READ).is_err();
    let memory_ns = if hidden { old.user_ns.outward_to(p.uid, p.gid) } else { &old.user_ns };
    let memory_ns = memory_ns.clone();
    let mut running = Running { opener, task: task.clone(), gives: None };
    let loaded = cx
        .kernel()
        .load_task_image(LoadArgs {
            filename: &name,
            comm: None,
            executable: Arc::new(VfsExecutable::new(file)?),
            resolve: &mut running,
            argv: argv.iter().map(|s| &**s).collect(),
            envp: envp.iter().map(|s| &**s).collect(),
            credentials: loader::Credentials::default(),
            limits,
            mdwe: cx.mm().mdwe().inherited(),
            personality: task.policy.lock().personality,
            inaccessible: closes,
            os: cx.image.syscall_table().os(),
        })
        .map_err(|e| e.errno())?;
    let creds = running.gives.ok_or(Errno::ENOEXEC)?;
    Ok(Some(NewImage { loaded, creds, hidden, memory_ns }))
}

/// Opens programs and interpreters as the caller would.
pub(crate) struct Opener {
    pub(crate) vfs: Arc<Vfs>,
    pub(crate) creds: Arc<Creds>,
    pub(crate) fs: Arc<FsContext>,
    pub(crate) files: Arc<FdTable>,
    pub(crate) tgid: i32,
    pub(crate) tid: i32,
}

impl Opener {
    pub(crate) fn open(&self, dir: i32, path: &[u8], nofollow: bool) -> Result<Arc<File>, Errno> {
        let cx = PathCx {
            creds: &self.creds,
            fs: &self.fs,
            files: &self.files,
            tgid: self.tgid,
            tid: self.tid,
        };
        let mut flags = LookupFlags::empty();
        flags.set(LookupFlags::NOFOLLOW, nofollow);
        flags.set(LookupFlags::EMPTY_PATH, path.is_empty());
        // A lease of somebody else is broken, but not waited for.
        self.vfs.open_exec(&cx, dir, path, flags)
    }
}

impl Resolve for Opener {
    fn open(&mut self, path: &[u8]) -> Result<Arc<dyn Executable>, Errno> {
        let file = Opener::open(self, AT_FDCWD, path, false)?;
        Ok(Arc::new(VfsExecutable::new(file)?))
    }
}

/// Opens interpreters for a program that is about to run, and says who runs it.
struct Running {
    opener: Opener,
    task: Arc<Task>,
    /// The credentials that it runs with.
    gives: Option<Creds>,
}

/// Whether a tracer that may not trace everybody, or a process with the same directories, has a hand
/// in what the task does (`check_unsafe_exec` in `fs/exec.c`).
fn is_exposed(task: &Task) -> bool {
    task.traced().is_some_and(|t| !t.capable) || task.shares_fs_outside()
}

impl Resolve for Running {
    fn open(&mut self, path: &[u8]) -> Result<Arc<dyn Executable>, Errno> {
        Resolve::open(&mut self.opener, path)
    }

    fn credentials(
        &mut self,
        program: &dyn Executable,
    ) -> Result<Option<loader::Credentials>, Errno> {
        let program = program.as_any().downcast_ref::<VfsExecutable>().ok_or(Errno::ENOEXEC)?;
        let o = &self.opener;
        let Privileges { creds, secure } =
            privileges::of_program(&o.creds, &o.fs, program.file(), || is_exposed(&self.task))?;
        let ns = &creds.user_ns;
        let shown = loader::Credentials {
            uid: ns.show_uid(creds.uid),
            euid: ns.show_uid(creds.euid),
            gid: ns.show_gid(creds.gid),
            egid: ns.show_gid(creds.egid),
            secure,
        };
        self.gives = Some(creds);
        Ok(Some(shown))
    }
}

/// Reads a NULL-terminated array of strings, bounded as the stack limit bounds it.
fn read_strings(mm: &dyn UserMemory, at: u64, stack: u64) -> Result<Vec<Vec<u8>>, Errno> {
    let mut out = Vec::new();
    if at == 0 {
        return Ok(out);
    }
    let mut room = ArgLimits::new(stack, 0, 0).map_err(|e| e.errno())?;
    let mut next = Addr(at);
    loop {
        let p: u64 = mm.read_obj(next)?;
        if p == 0 {
            return Ok(out);
        }
        let s = match mm.read_cstr(Addr(p), MAX_ARG_STRLEN - 1) {
            Err(Errno::ENAMETOOLONG) => return Err(Errno::E2BIG),
            r => r?,
        };
        room.take(s.len(), out.len()).map_err(|e| e.errno())?;
        // The pointer counts as eight bytes more.
        room.take(7, out.len()).map_err(|e| e.errno())?;
        out.push(s);
        next = next.checked_add(8).ok_or(Errno::EFAULT)?;
    }
}
