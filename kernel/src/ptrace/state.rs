//! How a task is traced, and the stop that it is in.

use crate::Task;
use crate::signal::SigInfo;
use crate::usage::ticks;
use alloc::sync::Arc;
use sync::waitq::Events;

bitflags::bitflags! {
    /// `PTRACE_O_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub(crate) struct Options: u32 {
        /// Stops at system calls show `SIGTRAP | 0x80`.
        const SYSGOOD = 1;
        /// fork(2) stops the caller, and its child is traced.
        const FORK = 2;
        /// So does vfork(2),
        const VFORK = 4;
        /// and so does clone(2).
        const CLONE = 8;
        /// A successful execve(2) stops.
        const EXEC = 0x10;
        /// The end of a vfork(2) stops the caller.
        const VFORK_DONE = 0x20;
        /// The end of a thread stops it first.
        const EXIT = 0x40;
        /// A seccomp(2) filter's `SECCOMP_RET_TRACE` stops.
        const SECCOMP = 0x80;
        /// The end of the tracer is the end of the task.
        const EXITKILL = 1 << 20;
        /// Filters of seccomp(2) say nothing.
        const SUSPEND_SECCOMP = 1 << 21;
    }
}

/// How a task is traced. Inside its group's signal lock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traced {
    pub(crate) options: Options,
    /// By `PTRACE_SEIZE`.
    pub(crate) seized: bool,
    /// The tracer had `CAP_SYS_PTRACE` over the task, which may gain privileges.
    pub(crate) capable: bool,
    /// A stop is wanted (`JOBCTL_TRAP_STOP`).
    pub(crate) trap_stop: bool,
    /// A group stop began or ended (`JOBCTL_TRAP_NOTIFY`).
    pub(crate) trap_notify: bool,
    /// It was stopped when it was attached to, and is on its way into the tracer's stop.
    pub(crate) trapping: bool,
}

/// A stop of a traced task, with what its tracer may see and change.
#[derive(Debug)]
pub(crate) struct TraceStop {
    /// What wait4(2) tells; 0 once it has.
    pub(crate) code: i32,
    /// The signal, or what stands for one.
    pub(crate) info: Option<SigInfo>,
    /// `PTRACE_GETEVENTMSG`.
    pub(crate) message: u64,
    /// The task's registers, for as long as it is stopped.
    pub(crate) regs: arch::Context,
    /// The tracer has changed the FPU state.
    pub(crate) fpu_changed: bool,
    /// It is the last one, before the end.
    pub(crate) ending: bool,
    /// `PTRACE_LISTEN`: to the tracer it counts as running.
    pub(crate) listening: bool,
    /// The task goes on, with this signal or what else it makes of the number.
    pub(crate) resumed: Option<u32>,
    /// The thread has to end.
    pub(crate) killed: bool,
}

impl TraceStop {
    /// Whether the tracer may work on it.
    pub(crate) fn is_open(&self) -> bool {
        !self.listening && self.resumed.is_none() && !self.killed
    }
}

/// The largest number that can go on with a task.
pub(crate) const MAX_SIGNAL: u64 = crate::signal::SIGNAL_COUNT as u64;

impl Task {
    /// Calls `f` with the open stop of the task.
    pub(crate) fn with_stop<R>(&self, f: impl FnOnce(&mut TraceStop) -> R) -> Option<R> {
        let _state = self.group_ref().lock();
        let mut own = self.signals.lock();
        own.trace_stop.as_deref_mut().filter(|s| s.is_open()).map(f)
    }

    /// Whether the task is stopped for its tracer.
    pub(crate) fn is_trace_stopped(&self) -> bool {
        let _state = self.group_ref().lock();
        self.signals.lock().trace_stop.is_some()
    }

    /// How it is traced.
    pub(crate) fn traced(&self) -> Option<Traced> {
        if !self.is_traced() {
            return None;
        }
        let _state = self.group_ref().lock();
        self.signals.lock().trace.as_deref().copied()
    }

    /// The ID of its tracer, 0 for none.
    pub(crate) fn tracer_tid(&self) -> i32 {
        if !self.is_traced() {
            return 0;
        }
        self.kernel().tree().traces.get(&self.tid()).map_or(0, |l| l.tracer)
    }

    /// Whether its real parent's process traces it, which hears of everything then only once.
    pub(super) fn is_traced_by_parent(&self) -> bool {
        let tree = self.kernel().tree();
        let link = tree.traces.get(&self.tid());
        link.is_some_and(|l| tree.procs.get(&self.tgid()).is_some_and(|p| p.parent == l.group))
    }

    /// The task that traces it.
    pub(crate) fn tracer(&self) -> Option<Arc<Task>> {
        let tree = self.kernel().tree();
        let link = tree.traces.get(&self.tid())?;
        tree.tasks.get(&link.tracer).cloned()
    }

    /// Tells the tracer that the task has stopped (`do_notify_parent_cldstop`).
    pub(super) fn tell_tracer(&self, why: i32, status: i32) {
        let group = {
            let tree = self.kernel().tree();
            let Some(link) = tree.traces.get(&self.tid()) else { return };
            tree.procs.get(&link.group).map(|p| p.group.clone())
        };
        let Some(group) = group else { return };
        let times = self.cpu_times();
        let info =
            SigInfo::child(why, group.pid_ns().number_of(self.tid()), self.creds().uid, status)
                .with_times(ticks(times.user), ticks(times.system));
        crate::signal::notify_parent(&group, info);
        group.children.notify(Events::IN);
    }
}
