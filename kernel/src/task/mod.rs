//! Tasks: threads with an identity, signals, files and credentials.

mod attention;
mod aux_map;
mod caller;
mod cx;
mod dispatch;
mod fault;
mod policy;
mod resources;
mod rewrite;
mod run;
mod tracer;
mod usage;
mod vsyscall;
mod work;

pub use attention::Attention;
pub use aux_map::AuxMap;
pub use caller::TaskCaller;
pub use cx::TaskCx;
pub(crate) use dispatch::{Dispatch, dispatch};
pub use policy::{
    DEFAULT_TIMER_SLACK, Deadline, Login, MCE_KILL_DEFAULT, Policy, SCHED_BATCH, SCHED_DEADLINE,
    SCHED_FIFO, SCHED_IDLE, SCHED_NORMAL, SCHED_RR,
};
pub use resources::Resources;
pub(crate) use run::run;
pub use tracer::SyscallTracer;
pub(crate) use usage::TransferCount;
pub use usage::{CpuTimes, Transfers};
pub(crate) use vsyscall::PAGE as VSYSCALL_PAGE;
pub(crate) use work::Work;

use crate::ptrace::{TraceStop, Traced};
use crate::restart::RestartBlock;
use crate::signal::{Pending, SignalSet};
use crate::{Comm, Interrupt, Kernel, Limit, Resource, ThreadGroup};
use alloc::boxed::Box;
use alloc::sync::Arc;
use arch::{Addr, AltStack};
use core::task::Waker;
use sync::Mutex;
use sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use vfs::Creds;

/// A thread, as everybody may see it. What only the thread itself uses is in [`TaskCx`].
pub struct Task {
    kernel: Arc<Kernel>,
    group: Arc<ThreadGroup>,
    tid: AtomicI32,
    /// What its ID is in its PID namespace.
    number: AtomicI32,
    /// `CLOCK_MONOTONIC` nanoseconds at which it was made.
    start: i64,
    pub(crate) resources: Mutex<Resources>,
    creds: Mutex<Arc<Creds>>,
    comm: Mutex<Comm>,
    pub(crate) attention: AtomicU32,
    pub(crate) in_user: AtomicBool,
    pub(crate) waker: Mutex<Option<Waker>>,
    pub(crate) interrupt: Arc<dyn Interrupt>,
    /// Signal mask; written by the task itself, under its group's signal lock.
    pub(crate) mask: AtomicU64,
    /// Inside the group's signal lock.
    pub(crate) signals: Mutex<TaskSignals>,
    pub(crate) restart: Mutex<Option<RestartBlock>>,
    pub(crate) clear_tid: AtomicU64,
    pub(crate) robust_list: AtomicU64,
    pub(crate) user_ns: AtomicU64,
    pub(crate) system_ns: AtomicU64,
    pub(crate) faults: AtomicU64,
    pub(crate) waits: AtomicU64,
    pub(crate) interruptions: AtomicU64,
    pub(crate) read: TransferCount,
    pub(crate) written: TransferCount,
    /// Waits in a system call.
    pub(crate) asleep: AtomicBool,
    /// Only its end interrupts what it waits for.
    pub(crate) killable: AtomicBool,
    pub(crate) policy: Mutex<Policy>,
    pub(crate) seccomp: Mutex<crate::seccomp::State>,
    /// What stands between its system calls and their handlers.
    work: AtomicU32,
    dispatch: Mutex<Dispatch>,
    pub(crate) vfork: Mutex<Option<Arc<crate::clone::VforkGate>>>,
    pub(crate) next: Mutex<Option<Box<crate::exec::NewImage>>>,
    /// Called exit(2).
    pub(crate) leaving: AtomicBool,
    /// No core dump waits for it. Written under its group's signal lock.
    pub(crate) past_dump: AtomicBool,
    /// Left its thread group: it takes part in nothing any more.
    pub(crate) exited: AtomicBool,
    aux: Mutex<AuxMap>,
}

/// What a task's signals need besides the mask.
#[derive(Default)]
pub(crate) struct TaskSignals {
    /// Sent to this thread.
    pub(crate) pending: Pending,
    /// The mask that comes back after a call with a temporary one.
    pub(crate) saved_mask: Option<SignalSet>,
    /// What sigtimedwait(2) waits for, though it is blocked (`real_blocked`).
    pub(crate) waiting_for: SignalSet,
    /// Alternate stack.
    pub(crate) altstack: AltStack,
    /// Still to take part in the group stop that goes on.
    pub(crate) must_stop: bool,
    /// Takes part in the group stop, without a tracer that hears of it.
    pub(crate) stopped: bool,
    /// The signal that it last took may begin a group stop: no `SIGCONT` came since.
    pub(crate) may_stop: bool,
    /// The signal of the last group stop that it was to take part in.
    pub(crate) stop_signal: u32,
    /// How it is traced.
    pub(crate) trace: Option<Box<Traced>>,
    /// The stop that its tracer sees.
    pub(crate) trace_stop: Option<Box<TraceStop>>,
}

/// What a new task starts from.
pub(crate) struct TaskParts {
    pub(crate) tid: i32,
    pub(crate) group: Arc<ThreadGroup>,
    pub(crate) resources: Resources,
    pub(crate) creds: Arc<Creds>,
    pub(crate) comm: Comm,
    pub(crate) interrupt: Arc<dyn Interrupt>,
    pub(crate) mask: SignalSet,
    pub(crate) altstack: AltStack,
    pub(crate) policy: Policy,
    pub(crate) seccomp: crate::seccomp::State,
}

impl Task {
    pub(crate) fn new(kernel: Arc<Kernel>, parts: TaskParts) -> Arc<Task> {
        let work = if parts.seccomp.is_empty() { Work::empty() } else { Work::SECCOMP };
        Arc::new(Task {
            start: kernel.now(crate::ClockId::Monotonic),
            kernel,
            number: AtomicI32::new(parts.group.pid_ns().number_of(parts.tid)),
            group: parts.group,
            tid: AtomicI32::new(parts.tid),
            resources: Mutex::new(parts.resources),
            creds: Mutex::new(parts.creds),
            comm: Mutex::new(parts.comm),
            attention: AtomicU32::new(0),
            in_user: AtomicBool::new(false),
            waker: Mutex::new(None),
            interrupt: parts.interrupt,
            mask: AtomicU64::new(parts.mask.0),
            signals: Mutex::new(TaskSignals { altstack: parts.altstack, ..Default::default() }),
            restart: Mutex::new(None),
            clear_tid: AtomicU64::new(0),
            robust_list: AtomicU64::new(0),
            user_ns: AtomicU64::new(0),
            system_ns: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            waits: AtomicU64::new(0),
            interruptions: AtomicU64::new(0),
            read: TransferCount::default(),
            written: TransferCount::default(),
            asleep: AtomicBool::new(false),
            killable: AtomicBool::new(false),
            policy: Mutex::new(parts.policy),
            seccomp: Mutex::new(parts.seccomp),
            work: AtomicU32::new(work.bits()),
            dispatch: Mutex::default(),
            vfork: Mutex::new(None),
            next: Mutex::new(None),
            leaving: AtomicBool::new(false),
            past_dump: AtomicBool::new(false),
            exited: AtomicBool::new(false),
            aux: Mutex::new(AuxMap::default()),
        })
    }

    /// Thread ID. An execve(2) by a thread that does not lead its group changes it.
    pub fn tid(&self) -> i32 {
        self.tid.load(Ordering::Relaxed)
    }

    /// What the thread ID is in its PID namespace; gettid(2).
    pub fn number(&self) -> i32 {
        self.number.load(Ordering::Relaxed)
    }

    /// Takes the leader's ID over.
    pub(crate) fn become_leader(&self) {
        self.tid.store(self.group.tgid(), Ordering::Relaxed);
        self.number.store(self.group.number(), Ordering::Relaxed);
    }

    /// Thread group ID.
    pub fn tgid(&self) -> i32 {
        self.group.tgid()
    }

    /// The kernel it belongs to.
    pub fn kernel(&self) -> &Arc<Kernel> {
        &self.kernel
    }

    /// Its thread group.
    pub fn group(&self) -> Arc<ThreadGroup> {
        self.group.clone()
    }

    /// Its thread group, without counting a reference.
    pub fn group_ref(&self) -> &Arc<ThreadGroup> {
        &self.group
    }

    /// Its credentials.
    pub fn creds(&self) -> Arc<Creds> {
        self.creds.lock().clone()
    }

    /// What `f` makes of the credentials, which it may not keep.
    pub(crate) fn with_creds<R>(&self, f: impl FnOnce(&Creds) -> R) -> R {
        f(&self.creds.lock())
    }

    /// Replaces the credentials.
    pub fn set_creds(&self, mut creds: Creds) {
        creds.serial = self.kernel().next_creds();
        *self.creds.lock() = Arc::new(creds);
    }

    /// `PR_SET_NO_NEW_PRIVS`.
    pub(crate) fn give_up_new_privileges(&self) {
        Arc::make_mut(&mut self.creds.lock()).no_new_privs = true;
    }

    /// Its name.
    pub fn comm(&self) -> Comm {
        *self.comm.lock()
    }

    /// Renames it.
    pub fn set_comm(&self, comm: Comm) {
        *self.comm.lock() = comm;
    }

    /// When it was made, in `CLOCK_MONOTONIC` nanoseconds.
    pub fn start_time(&self) -> i64 {
        self.start
    }

    /// A limit of its thread group: soft and hard.
    pub fn limit(&self, resource: Resource) -> (u64, u64) {
        let Limit { cur, max } = self.group.limit(resource);
        (cur, max)
    }

    /// The limits that memory calls obey.
    pub fn memory_limits(&self) -> mm::Limits {
        let creds = self.creds();
        self.group.limits().memory(&creds)
    }

    /// Blocked signals.
    pub fn blocked(&self) -> SignalSet {
        SignalSet(self.mask.load(Ordering::Acquire))
    }

    /// Whether it leads its thread group.
    pub fn is_leader(&self) -> bool {
        self.tid() == self.tgid()
    }

    /// Whether it has ended, though it may still be waited for.
    pub fn has_exited(&self) -> bool {
        self.exited.load(Ordering::Acquire)
    }

    /// Whether a blocked system call is its state now, rather than running.
    pub fn is_sleeping(&self) -> bool {
        self.asleep.load(Ordering::Relaxed)
    }

    /// Whether signals do not interrupt that call.
    pub fn is_uninterruptible(&self) -> bool {
        self.killable.load(Ordering::Relaxed)
    }

    /// Sets the address that is cleared and woken when the task ends; set_tid_address(2).
    pub fn set_clear_tid(&self, at: Addr) {
        self.clear_tid.store(at.0, Ordering::Relaxed);
    }

    /// Head of the robust futex list; set_robust_list(2).
    pub fn robust_list(&self) -> Addr {
        Addr(self.robust_list.load(Ordering::Relaxed))
    }

    /// Sets the head of the robust futex list.
    pub fn set_robust_list(&self, head: Addr) {
        self.robust_list.store(head.0, Ordering::Relaxed);
    }

    /// Whatever else belongs to the task, by name.
    pub fn aux<R>(&self, f: impl FnOnce(&mut AuxMap) -> R) -> R {
        f(&mut self.aux.lock())
    }
}

impl core::fmt::Debug for Task {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Task").field("tid", &self.tid()).field("comm", &self.comm()).finish()
    }
}
