//! Thread groups: what guests call processes.

use crate::limits::LimitSet;
use crate::ns::pid::PidNamespace;
use crate::signal::{Handlers, Pending};
use crate::task::CpuTimes;
use crate::timers::GroupTimers;
use crate::{ExitStatus, Limit, Resource, Task};
use alloc::sync::Arc;
use alloc::vec::Vec;
use sync::atomic::{AtomicI32, Ordering};
use sync::waitq::Queue;
use sync::{Mutex, MutexGuard};

/// A thread group.
pub struct ThreadGroup {
    tgid: i32,
    /// What its ID is in its PID namespace.
    number: i32,
    pid_ns: Arc<PidNamespace>,
    /// Copies of what the process tree says, for lock-free reads.
    pub(crate) ppid: AtomicI32,
    pub(crate) pgid: AtomicI32,
    pub(crate) sid: AtomicI32,
    /// Its control group; `None` for the root. Changed under the lock of the tree.
    pub(crate) cgroup: Mutex<Option<Arc<crate::cgroup::Group>>>,
    state: Mutex<GroupState>,
    limits: Mutex<LimitSet>,
    pub(crate) usage: Mutex<GroupUsage>,
    pub(crate) timers: Mutex<GroupTimers>,
    /// Woken when a child changes state: wait4(2).
    pub(crate) children: Queue,
    /// Woken when the group ends or threads leave it: pidfds, execve(2).
    pub(crate) ended: Queue,
    /// Woken when a signal becomes pending: signalfd(2), sigtimedwait(2).
    pub(crate) signal_queue: Queue,
}

/// What the signal lock of a thread group guards.
#[derive(Default)]
pub(crate) struct GroupState {
    /// Live threads, oldest first.
    pub(crate) threads: Vec<Arc<Task>>,
    /// Sent to the process.
    pub(crate) pending: Pending,
    /// Shared with other groups after `CLONE_SIGHAND` without `CLONE_THREAD`.
    pub(crate) handlers: Arc<Mutex<Handlers>>,
    /// All threads end with this status.
    pub(crate) exiting: Option<ExitStatus>,
    /// The core dump that they wait for.
    pub(crate) dump: Option<Arc<crate::coredump::Dump>>,
    /// This thread replaces the image: all others end.
    pub(crate) execing: Option<i32>,
    pub(crate) stop: Stop,
    /// The stop has still to be reported to a waiting parent.
    pub(crate) report_stop: bool,
    /// So has the continuation.
    pub(crate) report_continue: bool,
    /// Sent to the parent at the end; 0 for none.
    pub(crate) exit_signal: u32,
    /// `PR_SET_CHILD_SUBREAPER`.
    pub(crate) subreaper: bool,
    /// Leads a PID namespace below the initial one: signals without handlers do nothing
    /// (`SIGNAL_UNKILLABLE`).
    pub(crate) unkillable: bool,
    /// Waits for the end of its PID namespace: children go without its asking.
    pub(crate) reaps_all: bool,
    /// `PR_SET_DUMPABLE`.
    pub(crate) dumpable: u32,
    /// The user namespace in which the program was started, whose administrators may look into its
    /// memory even if it is not dumpable (`mm->user_ns`).
    pub(crate) memory_ns: vfs::UserNs,
    /// `/proc/PID/oom_score_adj`.
    pub(crate) oom: OomScore,
    /// `/proc/PID/coredump_filter`.
    pub(crate) core_filter: u32,
    /// Executed since it was forked: setpgid(2) by the parent fails.
    pub(crate) execed: bool,
    /// How the thread that ended last did.
    pub(crate) last_status: Option<ExitStatus>,
}

/// How gladly a process is killed when memory runs out. Inherited.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OomScore {
    /// From -1000 to 1000.
    pub(crate) adjust: i16,
    /// The least that it may be set to without `CAP_SYS_RESOURCE`.
    pub(crate) least: i16,
}

/// `MMF_DUMP_FILTER_DEFAULT`: anonymous memory, ELF headers and huge pages.
const CORE_FILTER: u32 = 0x33;

/// The group stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Stop {
    /// Running.
    #[default]
    None,
    /// Threads are on their way to stop, because of this signal.
    Stopping(u32),
    /// All have stopped.
    Stopped(u32),
}

/// What threads that ended and children that were waited for have used.
#[derive(Clone, Copy, Debug, Default)]
pub struct GroupUsage {
    /// Threads that ended.
    pub threads: CpuTimes,
    /// Children that were waited for, with theirs.
    pub children: CpuTimes,
    /// Most resident memory, in bytes.
    pub max_rss: u64,
    /// Most resident memory of a child.
    pub children_max_rss: u64,
}

impl ThreadGroup {
    pub(crate) fn new(
        tgid: i32,
        pid_ns: Arc<PidNamespace>,
        handlers: Arc<Mutex<Handlers>>,
        limits: LimitSet,
        exit_signal: u32,
    ) -> Arc<ThreadGroup> {
        let number = pid_ns.number_of(tgid);
        let state = GroupState {
            handlers,
            unkillable: number == 1 && !pid_ns.is_initial(),
            exit_signal,
            dumpable: 1,
            memory_ns: vfs::UserNs::INITIAL,
            core_filter: CORE_FILTER,
            ..GroupState::default()
        };
        Arc::new(ThreadGroup {
            tgid,
            number,
            pid_ns,
            ppid: AtomicI32::new(0),
            pgid: AtomicI32::new(0),
            sid: AtomicI32::new(0),
            cgroup: Mutex::new(None),
            state: Mutex::new(state),
            limits: Mutex::new(limits),
            usage: Mutex::new(GroupUsage::default()),
            timers: Mutex::new(GroupTimers::default()),
            children: Queue::new(),
            ended: Queue::new(),
            signal_queue: Queue::new(),
        })
    }

    /// Thread group ID.
    pub fn tgid(&self) -> i32 {
        self.tgid
    }

    /// What the thread group ID is in its PID namespace; getpid(2).
    pub fn number(&self) -> i32 {
        self.number
    }

    /// Whether it is the first process of a PID namespace below the initial one.
    pub(crate) fn leads_namespace(&self) -> bool {
        self.number == 1 && !self.pid_ns.is_initial()
    }

    /// Its PID namespace.
    pub fn pid_ns(&self) -> &Arc<PidNamespace> {
        &self.pid_ns
    }

    /// The parent's thread group ID, 0 for the first process.
    pub fn ppid(&self) -> i32 {
        self.ppid.load(Ordering::Relaxed)
    }

    /// Process group ID.
    pub fn pgid(&self) -> i32 {
        self.pgid.load(Ordering::Relaxed)
    }

    /// Session ID.
    pub fn sid(&self) -> i32 {
        self.sid.load(Ordering::Relaxed)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, GroupState> {
        self.state.lock()
    }

    /// The live threads, oldest first.
    pub fn threads(&self) -> Vec<Arc<Task>> {
        self.lock().threads.clone()
    }

    /// The oldest live thread.
    pub fn any_thread(&self) -> Option<Arc<Task>> {
        self.lock().threads.first().cloned()
    }

    /// How many threads live.
    pub fn thread_count(&self) -> usize {
        self.lock().threads.len()
    }

    /// The actions for all signals.
    pub fn handlers(&self) -> Handlers {
        let shared = self.lock().handlers.clone();
        let actions = shared.lock();
        actions.clone()
    }

    /// A limit.
    pub fn limit(&self, resource: Resource) -> Limit {
        self.limits.lock().get(resource)
    }

    /// All limits.
    pub fn limits(&self) -> LimitSet {
        *self.limits.lock()
    }

    /// Replaces a limit.
    pub fn set_limit(&self, resource: Resource, limit: Limit) {
        self.limits.lock().set(resource, limit);
    }

    /// Processor time of all threads, dead ones included.
    pub fn cpu_times(&self) -> CpuTimes {
        let mut times = self.usage.lock().threads;
        for t in &self.lock().threads {
            times += t.cpu_times();
        }
        times
    }

    /// What dead threads and waited-for children have used.
    pub fn usage(&self) -> GroupUsage {
        *self.usage.lock()
    }

    /// `PR_GET_DUMPABLE`.
    pub fn dumpable(&self) -> u32 {
        self.lock().dumpable
    }

    /// Whether anybody with the same IDs may look into its memory, and in which user namespace one
    /// needs privileges otherwise.
    pub(crate) fn dumpable_in(&self) -> (bool, vfs::UserNs) {
        let state = self.lock();
        (state.dumpable == 1, state.memory_ns.clone())
    }

    /// How it ends or ended: by whatever ended all threads, or as the last thread did.
    pub(crate) fn status(&self) -> ExitStatus {
        let state = self.lock();
        state.exiting.or(state.last_status).unwrap_or(ExitStatus::Exited(0))
    }

    /// Told when the group has ended; what a pidfd waits on.
    pub fn ended_queue(&self) -> &Queue {
        &self.ended
    }

    /// Told when a signal becomes pending; what a signalfd waits on.
    pub fn signal_queue(&self) -> &Queue {
        &self.signal_queue
    }
}

impl core::fmt::Debug for ThreadGroup {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ThreadGroup").field("tgid", &self.tgid).finish_non_exhaustive()
    }
}
