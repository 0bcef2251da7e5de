//! What `/proc` shows of a kernel.

mod config;
mod cpuinfo;
mod fs_type;
mod limits;
mod locks;
mod map_query;
mod memory;
pub(crate) mod mounts;
mod pieces;
mod stat;
mod status;
mod system;
mod write;

pub use fs_type::ProcType;

pub(crate) use system::file_system_names;

use crate::ns::{self, Namespaces};
use crate::{Kernel, PidNamespace, Task, VfsExecutable};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use arch::Addr;
use core::sync::atomic::AtomicU32;
use mm::MemoryManager;
use syserr::Errno;
use vfs::nsfs::{NamespaceKind, NamespaceRef};
use vfs::proc::{MappedFile, NetTable, Opener, Piece, ProcSource, SystemFile, TaskFile};
use vfs::tty::Ptys;
use vfs::{Caller, Creds, FdTable, FsContext, Path, cap};

/// Tells `/proc` about a kernel, which it does not keep alive.
pub struct KernelProc {
    kernel: Weak<Kernel>,
    ptys: Option<Arc<Ptys>>,
    boot_id: [u8; 16],
    /// How often somebody logged in; `loginuid`.
    sessions: Arc<AtomicU32>,
    /// Whose processes are shown, by the numbers that they have there.
    pid_ns: Arc<PidNamespace>,
    device: u64,
}

impl KernelProc {
    /// For [`ProcType::new`]. With `ptys`, `/proc/PID/stat` shows controlling terminals.
    pub fn new(kernel: &Arc<Kernel>, ptys: Option<Arc<Ptys>>) -> Arc<KernelProc> {
        let mut boot_id = [0; 16];
        kernel.embedder().random.fill(&mut boot_id);
        Arc::new(KernelProc {
            kernel: Arc::downgrade(kernel),
            ptys,
            boot_id,
            sessions: Arc::default(),
            pid_ns: kernel.pid_ns().clone(),
            device: kernel.vfs().env().new_device(),
        })
    }

    /// The same kernel, as a task sees it.
    fn within(&self, task: &Task) -> Result<Arc<KernelProc>, Errno> {
        Ok(Arc::new(KernelProc {
            kernel: self.kernel.clone(),
            ptys: self.ptys.clone(),
            boot_id: self.boot_id,
            sessions: self.sessions.clone(),
            pid_ns: task.pid_ns().clone(),
            device: self.kernel()?.vfs().env().new_device(),
        }))
    }

    fn kernel(&self) -> Result<Arc<Kernel>, Errno> {
        self.kernel.upgrade().ok_or(Errno::ESRCH)
    }

    /// The namespaces of a task; those of the first process when it has ended.
    fn namespaces(&self, kernel: &Kernel, tid: i32) -> Arc<Namespaces> {
        let own = kernel.task(tid).and_then(|t| t.namespaces());
        own.unwrap_or_else(|| kernel.namespaces().clone())
    }

    fn keys_text(&self, kernel: &Kernel, reader: &Opener) -> Vec<u8> {
        let rings = kernel.task(reader.tid).map(|t| t.keyrings()).unwrap_or_default();
        let now = kernel.now(crate::ClockId::Realtime);
        kernel.keys().list(&reader.creds, &rings, now)
    }

    fn task(&self, tid: i32) -> Result<Arc<Task>, Errno> {
        self.kernel()?.task(tid).ok_or(Errno::ESRCH)
    }
}

/// A line of one value.
fn line(v: impl core::fmt::Display) -> Vec<u8> {
    alloc::format!("{v}\n").into_bytes()
}

/// Whether a reader may look into a task, for files that anybody of the same user may open.
///
/// # Errors
/// `refused`.
fn look(reader: &Opener, task: &Task, refused: Errno) -> Result<(), Errno> {
    let tgid = task.kernel().task(reader.tid).map_or(0, |t| t.tgid());
    crate::ptrace::may_access(&reader.creds, tgid, task, true).map_err(|_| refused)
}

/// How gladly a task is killed for want of memory.
fn oom(task: &Task) -> i16 {
    task.group_ref().lock().oom.adjust
}

impl ProcSource for KernelProc {
    fn device(&self) -> u64 {
        self.device
    }

    fn number(&self, id: i32) -> i32 {
        self.pid_ns.number_of(id)
    }

    fn numbers(&self, id: i32) -> Vec<i32> {
        let own = self.task(id).map(|t| t.pid_ns().clone());
        own.map(|own| self.pid_ns.numbers_down_to(&own, id)).unwrap_or_default()
    }

    fn id(&self, number: i32) -> Option<i32> {
        self.pid_ns.id_of(number)
    }

    fn processes(&self) -> Vec<i32> {
        let Ok(kernel) = self.kernel() else { return Vec::new() };
        if self.pid_ns.is_initial() {
            return kernel.processes();
        }
        let (ids, tree) = (self.pid_ns.ids(), kernel.tree());
        ids.into_iter().map(|(_, id)| id).filter(|id| tree.procs.contains_key(id)).collect()
    }

    fn process_of(&self, tid: i32) -> Option<i32> {
        self.task(tid).ok().map(|t| t.tgid())
    }

    fn threads(&self, tgid: i32) -> Vec<i32> {
        let Ok(kernel) = self.kernel() else { return Vec::new() };
        let group = kernel.process(tgid);
        let mut tids: Vec<i32> =
            group.map(|g| g.threads().iter().map(|t| t.tid()).collect()).unwrap_or_default();
        if tids.is_empty() {
            tids.push(tgid);
        }
        tids.sort_by_cached_key(|tid| self.pid_ns.number_of(*tid));
        tids
    }

    fn owner(&self, tid: i32, open: bool) -> (u32, u32) {
        let Ok(t) = self.task(tid) else { return (0, 0) };
        match t.group_ref().dumpable_in() {
            // One who has ended has no memory that could be dumped.
            (dumpable, _) if dumpable && t.mm().is_some() || open => {
                let c = t.creds();
                (c.euid, c.egid)
            }
            // Some root's, or else the only one's (`task_dump_owner`).
            (_, ns) => (ns.uid_in(0).unwrap_or(0), ns.gid_in(0).unwrap_or(0)),
        }
    }

    fn may_inspect(&self, viewer: &Creds, viewer_tgid: i32, tid: i32) -> bool {
        let Ok(t) = self.task(tid) else { return false };
        crate::ptrace::may_access(viewer, viewer_tgid, &t, true).is_ok()
    }

    fn task_text(&self, reader: &Opener, tid: i32, file: TaskFile) -> Result<Vec<u8>, Errno> {
        let task = self.task(tid)?;
        let meta = || task.mm().map(|mm| mm.meta()).unwrap_or_default();
        Ok(match file {
            TaskFile::Auxv => meta().auxv,
            TaskFile::Cgroup => {
                let kernel = self.kernel()?;
                let own = self.namespaces(&kernel, reader.tid);
                let path = kernel.cgroups().path_of(task.group_ref(), own.cgroup.root());
                [b"0::", &*path, b"\n"].concat()
            }
            // Made piece by piece.
            TaskFile::Cmdline | TaskFile::Environ | TaskFile::Maps | TaskFile::Smaps => {
                pieces::all(&task, file)
            }
            TaskFile::Comm => {
                let mut name = task.comm().as_bytes().to_vec();
                name.push(b'\n');
                name
            }
            // Can only be written.
            TaskFile::ClearRefs => return Err(Errno::EINVAL),
            TaskFile::Children => self.kernel()?.children_of(tid, &self.pid_ns),
            TaskFile::CoredumpFilter | TaskFile::TimensOffsets if task.mm().is_none() => Vec::new(),
            TaskFile::CoredumpFilter => {
                alloc::format!("{:08x}\n", task.group_ref().lock().core_filter).into_bytes()
            }
            // Of user namespaces, which `vfs` knows itself.
            TaskFile::UidMap | TaskFile::GidMap | TaskFile::ProjidMap | TaskFile::Setgroups => {
                Vec::new()
            }
            TaskFile::Io => {
                look(reader, &task, Errno::EACCES)?;
                stat::io(&task)
            }
            TaskFile::Limits => limits::text(&task),
            TaskFile::Loginuid => {
                // Nobody yet is no user that could be unknown.
                let uid = task.policy.lock().login.uid;
                let ns = &reader.creds.user_ns;
                let shown = if uid == u32::MAX { uid } else { ns.show_uid(uid) };
                alloc::format!("{shown}").into_bytes()
            }
            TaskFile::Sessionid => {
                alloc::format!("{}", task.policy.lock().login.session).into_bytes()
            }
            TaskFile::SmapsRollup => status::rollup(&task),
            TaskFile::NumaMaps | TaskFile::Timers => Vec::new(),
            TaskFile::Mounts | TaskFile::Mountinfo | TaskFile::Mountstats => {
                mounts::all(&*self.kernel()?, &task, file)
            }
            TaskFile::OomAdj => line(i32::from(oom(&task)) * 17 / 1000),
            TaskFile::OomScore => line(666 + i32::from(oom(&task)) * 2 / 3),
            TaskFile::OomScoreAdj => line(oom(&task)),
            TaskFile::Personality => {
                look(reader, &task, Errno::EPERM)?;
                alloc::format!("{:08x}\n", task.policy.lock().personality).into_bytes()
            }
            TaskFile::Sched => {
                let mut out = task.comm().as_bytes().to_vec();
                let count = task.group_ref().thread_count();
                out.extend(
                    alloc::format!(" ({}, #threads: {count})\n", self.number(tid)).into_bytes(),
                );
                out
            }
            TaskFile::Schedstat => {
                alloc::format!("{} 0 0\n", task.cpu_times().total()).into_bytes()
            }
            TaskFile::Stack if !reader.creds.has(cap::SYS_ADMIN) => return Err(Errno::EACCES),
            TaskFile::Stack => {
                look(reader, &task, Errno::EPERM)?;
                Vec::new()
            }
            TaskFile::Stat => {
                let kernel = self.kernel()?;
                let clocks = self.namespaces(&kernel, reader.tid).time.offsets();
                stat::stat(&kernel, &task, self.ptys.as_deref(), &self.pid_ns, clocks)
            }
            TaskFile::Statm => stat::statm(&task),
            TaskFile::Status => {
                status::status(&*self.kernel()?, &task, &reader.creds.user_ns, &self.pid_ns)
            }
            TaskFile::Syscall => {
                look(reader, &task, Errno::EPERM)?;
                stat::syscall(&task)
            }
            TaskFile::TimensOffsets => {
                task.namespaces().ok_or(Errno::ESRCH)?.time_for_children.text()
            }
            TaskFile::TimerslackNs => {
                write::may_change_slack(reader, &task)?;
                line(task.policy.lock().timer_slack)
            }
            TaskFile::Wchan => b"0".to_vec(),
        })
    }

    fn task_piece(
        &self,
        reader: &Opener,
        tid: i32,
        file: TaskFile,
        from: u64,
    ) -> Result<Piece, Errno> {
        let task = self.task(tid)?;
        if matches!(file, TaskFile::Mounts | TaskFile::Mountinfo | TaskFile::Mountstats) {
            return Ok(mounts::piece(&*self.kernel()?, &task, file, from));
        }
        match pieces::piece(&task, file, from) {
            Some(piece) => Ok(piece),
            None => Ok(Piece { text: self.task_text(reader, tid, file)?, next: None }),
        }
    }

    fn query_map(&self, caller: &dyn Caller, tid: i32, arg: Addr) -> Result<(), Errno> {
        let mm = self.task(tid)?.mm().ok_or(Errno::ESRCH)?;
        map_query::answer(&mm, caller.memory(), arg)
    }

    fn page_map(
        &self,
        tid: i32,
        first: u64,
        count: usize,
        frames: bool,
    ) -> Result<Vec<u64>, Errno> {
        let mm = self.task(tid)?.mm().ok_or(Errno::ESRCH)?;
        Ok(memory::page_map(&mm, first, count, frames))
    }

    fn mapped_files(&self, tid: i32, from: u64, most: usize) -> Vec<MappedFile> {
        let mm = self.task(tid).ok().and_then(|t| t.mm());
        mm.map(|mm| memory::mapped_files(&mm, from, most)).unwrap_or_default()
    }

    fn task_write(
        &self,
        writer: &Opener,
        tid: i32,
        file: TaskFile,
        text: &[u8],
    ) -> Result<(), Errno> {
        let task = self.task(tid)?;
        match file {
            TaskFile::Loginuid => write::login(&self.sessions, writer, &task, text),
            _ => write::task(writer, &task, file, text),
        }
    }

    fn mount_changes(&self) -> Option<Arc<vfs::Changes>> {
        self.kernel().ok().map(|k| k.vfs().mount_changes())
    }

    fn setting_changes(&self, reader: i32, file: SystemFile) -> Option<Arc<vfs::Changes>> {
        let uts = self.namespaces(&*self.kernel().ok()?, reader).uts.clone();
        match file {
            SystemFile::Hostname => Some(uts.host_changes().clone()),
            SystemFile::Domainname => Some(uts.domain_changes().clone()),
            _ => None,
        }
    }

    fn system_text(&self, reader: &Opener, file: SystemFile) -> Vec<u8> {
        let Ok(k) = self.kernel() else { return Vec::new() };
        let (own, users) = (self.namespaces(&k, reader.tid), &reader.creds.user_ns);
        let pids = || system::pids_of(&k, reader.tid);
        match file {
            SystemFile::Locks => locks::text(&k, &self.pid_ns),
            SystemFile::Loadavg => system::loadavg(&k, &pids()),
            SystemFile::PidMax => line(system::pid_max(&k, &pids())),
            SystemFile::NsLastPid => line(system::last_pid(&k, &pids())),
            SystemFile::SysvMsg => own.ipc.objects.list_msg(users, &pids()).into_bytes(),
            SystemFile::Keys => self.keys_text(&k, reader),
            SystemFile::SysvShm => own.ipc.objects.list_shm(users, &pids()).into_bytes(),
            _ => system::text(&k, &own, users, file, &self.boot_id),
        }
    }

    fn net_table(&self, reader: &Opener, tid: i32, table: NetTable) -> Vec<u8> {
        let ns = &reader.creds.user_ns;
        self.kernel().map(|k| self.namespaces(&k, tid).net.table(table, ns)).unwrap_or_default()
    }

    fn system_write(&self, writer: &Opener, file: SystemFile, text: &[u8]) -> Result<(), Errno> {
        let kernel = self.kernel()?;
        write::system(&kernel, &self.namespaces(&kernel, writer.tid), writer, file, text)
    }

    fn namespace(&self, tid: i32, kind: NamespaceKind, of_children: bool) -> Option<NamespaceRef> {
        let task = self.task(tid).ok()?;
        if of_children { ns::of_children(&task, kind) } else { ns::of_task(&task, kind) }
    }

    fn executable(&self, tid: i32) -> Option<Path> {
        let mm = self.task(tid).ok()?.mm()?;
        VfsExecutable::place(mm.meta().executable?)
    }

    fn directories(&self, tid: i32) -> Option<Arc<FsContext>> {
        self.task(tid).ok()?.resources.lock().fs.clone()
    }

    fn descriptors(&self, tid: i32) -> Option<Arc<FdTable>> {
        self.task(tid).ok()?.resources.lock().files.clone()
    }

    fn memory(&self, tid: i32) -> Option<Arc<MemoryManager>> {
        self.task(tid).ok()?.mm()
    }
}

impl core::fmt::Debug for KernelProc {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("KernelProc").finish_non_exhaustive()
    }
}
