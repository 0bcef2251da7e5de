//! The kernel: everything that its tasks have in common.

use crate::ns::{Namespaces, PidNamespace};
use crate::signal::SigInfo;
use crate::timers::TimerService;
use crate::tree::Tree;
use crate::{ClockId, Embedder, ExitStatus, Registry, SyscallTracer, Task, ThreadGroup};
use alloc::sync::Arc;
use alloc::vec::Vec;
use sync::atomic::{AtomicU64, Ordering};
use sync::waitq::{Events, Queue};
use sync::{Mutex, MutexGuard};
use syserr::Errno;
use vfs::tty::Ptys;
use vfs::{FsContext, Vfs};

/// Names of the system, as uname(2) gives them; each at most 64 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uts {
    /// `nodename`.
    pub host: Vec<u8>,
    /// `domainname`.
    pub domain: Vec<u8>,
    /// `release`.
    pub release: Vec<u8>,
    /// `version`.
    pub version: Vec<u8>,
}

impl Default for Uts {
    fn default() -> Uts {
        Uts {
            host: b"tessera".to_vec(),
            domain: b"(none)".to_vec(),
            release: b"6.18.0-tessera".to_vec(),
            version: b"#1 SMP PREEMPT_DYNAMIC".to_vec(),
        }
    }
}

/// What a kernel is made of.
pub struct KernelConfig {
    /// Platform, time, randomness and executor.
    pub embedder: Embedder,
    /// System-call tables.
    pub tables: Registry,
    /// File systems.
    pub vfs: Arc<Vfs>,
    /// Root and working directory of the kernel itself.
    pub root: Arc<FsContext>,
    /// The vDSO; `None` for programs without.
    pub vdso: Option<loader::Vdso>,
    /// Names.
    pub uts: Uts,
    /// Hears of every system call.
    pub tracer: Option<Arc<dyn SyscallTracer>>,
    /// Added to every program's auxiliary vector.
    pub extra_auxv: Vec<loader::AuxEntry>,
    /// The most memory that guests are told there is, in bytes.
    pub memory_total: u64,
}

/// A kernel: tasks, processes, names, and what the embedder supplies. Nothing is global: two
/// kernels in one process do not know of each other.
pub struct Kernel {
    embedder: Embedder,
    tables: Registry,
    vfs: Arc<Vfs>,
    root: Arc<FsContext>,
    vdso: Option<loader::Vdso>,
    tracer: Option<Arc<dyn SyscallTracer>>,
    extra_auxv: Vec<loader::AuxEntry>,
    memory_total: u64,
    overcommit: Arc<mm::LinuxOvercommit>,
    max_map_count: mm::MapCountLimit,
    futex: futex::Manager,
    terminals: Mutex<Option<Arc<Ptys>>>,
    ipc_bounds: Arc<crate::syscalls::ipc::Bounds>,
    /// The namespaces of the first process.
    namespaces: Arc<Namespaces>,
    cgroups: crate::cgroup::Hierarchy,
    keys: crate::keys::Keys,
    aio: Arc<crate::syscalls::aio::Contexts>,
    core_settings: crate::coredump::Settings,
    kept_settings: vfs::proc::KeptSettings,
    sched_settings: crate::sched_settings::SchedSettings,
    vdso_pages: Mutex<Option<crate::image::VdsoPages>>,
    tree: Mutex<Tree>,
    timers: Arc<TimerService>,
    boot_monotonic: i64,
    boot_realtime: i64,
    forks: AtomicU64,
    /// Processes that were ended because memory ran out.
    starved: AtomicU64,
    /// The serial number of the credentials that were made last.
    creds: AtomicU64,
    /// How the first program ended.
    pub(crate) first_status: Mutex<Option<ExitStatus>>,
    /// Woken when a process goes.
    pub(crate) gone: Queue,
}

impl Kernel {
    /// A kernel without processes.
    pub fn new(config: KernelConfig) -> Arc<Kernel> {
        let mut seed = [0; 8];
        config.embedder.random.fill(&mut seed);
        let clock = config.embedder.clock.clone();
        let seed = u64::from_le_bytes(seed);
        let ipc_bounds = Arc::default();
        let namespaces = Namespaces::initial(config.uts, &ipc_bounds, config.vfs.net());
        Arc::new_cyclic(|me: &alloc::sync::Weak<Kernel>| Kernel {
            embedder: config.embedder,
            tables: config.tables,
            vfs: config.vfs,
            root: config.root,
            vdso: config.vdso,
            tracer: config.tracer,
            extra_auxv: config.extra_auxv,
            memory_total: config.memory_total,
            overcommit: Arc::new(mm::LinuxOvercommit::new(config.memory_total)),
            max_map_count: mm::MapCountLimit::default(),
            futex: futex::Manager::with(
                seed,
                futex::DEFAULT_BUCKETS,
                alloc::boxed::Box::new(crate::futexes::Owners(me.clone())),
            ),
            terminals: Mutex::new(None),
            namespaces: Arc::new(namespaces),
            ipc_bounds,
            cgroups: crate::cgroup::Hierarchy::new(),
            keys: crate::keys::Keys::default(),
            aio: Arc::default(),
            core_settings: crate::coredump::Settings::default(),
            kept_settings: vfs::proc::KeptSettings::default(),
            sched_settings: crate::sched_settings::SchedSettings::default(),
            vdso_pages: Mutex::new(None),
            tree: Mutex::new(Tree::default()),
            timers: Arc::default(),
            boot_monotonic: clock.now(ClockId::Monotonic),
            boot_realtime: clock.now(ClockId::Realtime),
            forks: AtomicU64::new(0),
            starved: AtomicU64::new(0),
            creds: AtomicU64::new(0),
            first_status: Mutex::new(None),
            gone: Queue::new(),
        })
    }

    /// What the embedder supplied.
    pub fn embedder(&self) -> &Embedder {
        &self.embedder
    }

    /// The system-call tables.
    pub fn tables(&self) -> Registry {
        self.tables
    }

    /// The file systems.
    pub fn vfs(&self) -> &Arc<Vfs> {
        &self.vfs
    }

    /// Root and working directory of the kernel itself.
    pub fn root_fs(&self) -> Arc<FsContext> {
        self.root.clone()
    }

    /// The vDSO.
    pub fn vdso(&self) -> Option<&loader::Vdso> {
        self.vdso.as_ref()
    }

    /// Who hears of system calls.
    pub fn tracer(&self) -> Option<&Arc<dyn SyscallTracer>> {
        self.tracer.as_ref()
    }

    /// Added to every program's auxiliary vector.
    pub fn extra_auxv(&self) -> &[loader::AuxEntry] {
        &self.extra_auxv
    }

    /// The most memory that guests are told there is, in bytes.
    pub fn memory_total(&self) -> u64 {
        self.memory_total
    }

    /// How much memory guests may reserve.
    pub(crate) fn overcommit(&self) -> &Arc<mm::LinuxOvercommit> {
        &self.overcommit
    }

    /// How many mappings an address space may have.
    pub(crate) fn max_map_count(&self) -> &mm::MapCountLimit {
        &self.max_map_count
    }

    /// The futexes that address spaces fork theirs from.
    pub fn futex(&self) -> &futex::Manager {
        &self.futex
    }

    /// What the IPC objects of all namespaces share.
    pub(crate) fn ipc_bounds(&self) -> &Arc<crate::syscalls::ipc::Bounds> {
        &self.ipc_bounds
    }

    /// The namespaces of the first process.
    pub(crate) fn namespaces(&self) -> &Arc<Namespaces> {
        &self.namespaces
    }

    /// Control groups.
    pub(crate) fn cgroups(&self) -> &crate::cgroup::Hierarchy {
        &self.cgroups
    }

    /// Keys and keyrings.
    pub(crate) fn keys(&self) -> &crate::keys::Keys {
        &self.keys
    }

    /// Settings that nothing depends on.
    pub(crate) fn kept_settings(&self) -> &vfs::proc::KeptSettings {
        &self.kept_settings
    }

    /// Parameters of real-time scheduling.
    pub(crate) fn sched_settings(&self) -> &crate::sched_settings::SchedSettings {
        &self.sched_settings
    }

    /// Contexts of asynchronous I/O.
    pub(crate) fn aio(&self) -> &Arc<crate::syscalls::aio::Contexts> {
        &self.aio
    }

    /// What is set about core dumps.
    pub(crate) fn core_settings(&self) -> &crate::coredump::Settings {
        &self.core_settings
    }

    /// Gives the kernel its pseudo-terminals: a session that ends lets go of its terminal.
    pub fn set_terminals(&self, ptys: Arc<Ptys>) {
        *self.terminals.lock() = Some(ptys);
    }

    /// The leader of a session has ended.
    pub(crate) fn session_ended(&self, sid: i32) {
        let ptys = self.terminals.lock().clone();
        if let Some(p) = ptys {
            p.session_ended(sid);
        }
    }

    /// vhangup(2) by a process of a session.
    pub(crate) fn hang_up(&self, sid: i32) {
        let ptys = self.terminals.lock().clone();
        if let Some(p) = ptys {
            p.hang_up(sid);
        }
    }

    /// Time of a clock, in nanoseconds.
    pub fn now(&self, clock: ClockId) -> i64 {
        self.embedder.clock.now(clock)
    }

    /// When the kernel was made: on `CLOCK_MONOTONIC` and on `CLOCK_REALTIME`, in nanoseconds.
    pub fn boot_time(&self) -> (i64, i64) {
        (self.boot_monotonic, self.boot_realtime)
    }

    pub(crate) fn vdso_slot(&self) -> &Mutex<Option<crate::image::VdsoPages>> {
        &self.vdso_pages
    }

    pub(crate) fn timer_service(&self) -> &Arc<TimerService> {
        &self.timers
    }

    pub(crate) fn tree(&self) -> MutexGuard<'_, Tree> {
        self.tree.lock()
    }

    /// The initial PID namespace.
    pub(crate) fn pid_ns(&self) -> &Arc<PidNamespace> {
        &self.namespaces.pid
    }

    pub(crate) fn count_fork(&self) {
        self.forks.fetch_add(1, Ordering::Relaxed);
    }

    /// Tasks made since the start, for `/proc/stat`.
    pub fn forks(&self) -> u64 {
        self.forks.load(Ordering::Relaxed)
    }

    pub(crate) fn note_starved(&self) {
        self.starved.fetch_add(1, Ordering::Relaxed);
    }

    /// How many processes were ended because memory ran out.
    pub fn starved(&self) -> u64 {
        self.starved.load(Ordering::Relaxed)
    }

    /// The task with a thread ID; a process that has ended and is not waited for is found by its
    /// first thread.
    pub fn task(&self, tid: i32) -> Option<Arc<Task>> {
        self.tree().tasks.get(&tid).cloned()
    }

    /// The process with a thread group ID.
    pub fn process(&self, tgid: i32) -> Option<Arc<ThreadGroup>> {
        self.tree().procs.get(&tgid).map(|p| p.group.clone())
    }

    /// The IDs of all processes, in order, those not waited for included.
    pub fn processes(&self) -> Vec<i32> {
        self.tree().procs.keys().copied().collect()
    }

    /// The serial number of new credentials.
    pub(crate) fn next_creds(&self) -> u64 {
        self.creds.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// All tasks, in the order of their IDs.
    pub(crate) fn tasks(&self) -> Vec<Arc<Task>> {
        self.tree().tasks.values().cloned().collect()
    }

    /// How many tasks there are.
    pub fn task_count(&self) -> usize {
        self.tree().tasks.len()
    }

    /// The processes that a thread has made, or was left with, as `/proc/PID/task/TID/children`
    /// shows them in a PID namespace.
    pub(crate) fn children_of(&self, tid: i32, ns: &PidNamespace) -> Vec<u8> {
        let tree = self.tree();
        let Some(task) = tree.tasks.get(&tid) else { return Vec::new() };
        let all = tree.procs.get(&task.tgid()).map_or(&[][..], |p| &p.children);
        let own = all.iter().filter(|c| tree.procs.get(c).is_some_and(|p| p.parent_tid == tid));
        own.flat_map(|c| alloc::format!("{} ", ns.number_of(*c)).into_bytes()).collect()
    }

    /// How a process ended, when it has and was not waited for.
    pub fn zombie_status(&self, tgid: i32) -> Option<ExitStatus> {
        self.tree().procs.get(&tgid)?.zombie
    }

    /// What all processes that there are have used, and those that they have waited for.
    pub(crate) fn used(&self) -> crate::CpuTimes {
        let mut sum = crate::CpuTimes::default();
        for g in self.processes().into_iter().filter_map(|p| self.process(p)) {
            sum += g.cpu_times();
            sum += g.usage().children;
        }
        sum
    }

    /// The children of a process.
    pub fn children(&self, tgid: i32) -> Vec<i32> {
        self.tree().procs.get(&tgid).map(|p| p.children.clone()).unwrap_or_default()
    }

    /// Whether a session has the ID.
    pub fn has_session(&self, sid: i32) -> bool {
        self.tree().procs.values().any(|p| p.sid == sid)
    }

    /// Session ID of a process group, or of the process with that ID if it leads none.
    pub fn session_of_group(&self, pgid: i32) -> Option<i32> {
        let tree = self.tree();
        let member = tree.members(pgid).next().or_else(|| tree.procs.get(&pgid));
        member.map(|p| p.sid)
    }

    /// Whether a process group is orphaned: its members cannot be stopped from a terminal.
    pub fn is_orphaned_group(&self, pgid: i32) -> bool {
        self.tree().is_orphaned(pgid, None)
    }

    /// The ID of the first program's process: 1, or 2 if [`Kernel::create_reaper`] made 1.
    pub fn first(&self) -> i32 {
        self.tree().first()
    }

    /// Ends every process: the first one is killed, and takes all others along.
    pub fn kill_all(&self) {
        let groups: Vec<_> = self.tree().procs.values().map(|p| p.group.clone()).collect();
        for g in groups {
            let info = SigInfo::kernel(crate::signal::SIGKILL);
            // A group that is ending already is fine.
            let _ = g.post(crate::signal::SIGKILL, info);
        }
    }

    /// Ready when the first program and everything that it left behind have ended; then the
    /// kernel's own services end too.
    ///
    /// # Errors
    /// `ESRCH` when no first program was ever started.
    pub async fn wait_for_first(self: &Arc<Self>) -> Result<ExitStatus, Errno> {
        if self.task_count() == 0 && self.first_status.lock().is_none() {
            return Err(Errno::ESRCH);
        }
        let status = crate::block::wait_on(&self.gone, Events::IN, || {
            let idle = self.tree().procs.is_empty();
            self.first_status.lock().filter(|_| idle)
        })
        .await;
        self.timers.close();
        Ok(status)
    }
}

impl core::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Kernel").field("tables", &self.tables).finish_non_exhaustive()
    }
}
