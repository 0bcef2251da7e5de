//! Stopping for the tracer (`ptrace_stop` in `kernel/signal.c`).

use super::event::EVENT_STOP;
use super::state::TraceStop;
use crate::group::Stop;
use crate::signal::{CLD_STOPPED, CLD_TRAPPED, SIGSEGV, SIGTRAP, SigInfo};
use crate::task::TaskCx;
use alloc::boxed::Box;
use core::future::poll_fn;
use core::task::Poll;
use syserr::Restart;

/// A stop that is about to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Halt {
    /// What wait4(2) tells.
    pub(crate) code: i32,
    pub(crate) info: Option<SigInfo>,
    /// `PTRACE_GETEVENTMSG`.
    pub(crate) message: u64,
    /// It is the task's part in a group stop (`CLD_STOPPED`).
    pub(crate) group: bool,
    /// The task is ending already: only another `SIGKILL` counts.
    pub(crate) ending: bool,
    /// It is in the middle of a system call: what is in the return register has no meaning yet.
    pub(crate) in_call: bool,
}

/// How a stop ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resumed {
    /// A signal, or what the tracer said in its place.
    pub(crate) data: u32,
    /// What the tracer left of the signal's info.
    pub(crate) info: Option<SigInfo>,
}

/// What entering a stop meant for the group.
struct Entered {
    /// The group stop is complete.
    completes: bool,
    /// Its signal, 0 for none.
    signo: u32,
}

impl Halt {
    /// Of a signal that is about to be delivered.
    pub(crate) fn signal(info: SigInfo) -> Halt {
        Halt {
            code: info.signo,
            info: Some(info),
            message: 0,
            group: false,
            ending: false,
            in_call: false,
        }
    }
}

impl TaskCx {
    /// Stops until the tracer lets the task go on, or something ends it. Without a tracer it does
    /// not stop.
    pub(crate) async fn halt(&mut self, halt: Halt) -> Resumed {
        let not_stopped = Resumed { data: halt.code as u32, info: halt.info };
        if let Some(restart) = self.restart {
            self.image.arch.set_return((-i64::from(restart.number())) as u64);
        }
        self.context.pull_fpu(&mut self.image.arch);
        let task = self.task.clone();
        let entered = if halt.ending { self.enter_last(&halt) } else { self.enter_stop(&halt) };
        let Some(entered) = entered else { return not_stopped };
        if halt.group {
            task.tell_tracer(CLD_STOPPED, entered.signo as i32);
        } else {
            task.tell_tracer(CLD_TRAPPED, halt.code & 0x7f);
        }
        if entered.completes && !task.is_traced_by_parent() {
            task.kernel().report_child(task.tgid(), CLD_STOPPED);
        }
        let stop = poll_fn(|c| {
            task.park(c.waker());
            let state = task.group_ref().lock();
            let ended = !halt.ending && task.must_exit(&state);
            let taken = {
                let mut own = task.signals.lock();
                let done = |s: &TraceStop| ended || s.resumed.is_some() || s.killed;
                if own.trace_stop.as_deref().is_none_or(done) {
                    Some(own.trace_stop.take())
                } else {
                    None
                }
            };
            match taken {
                Some(stop) => {
                    // Signals that came meanwhile did not wake it.
                    task.recalculate(&state);
                    Poll::Ready(stop)
                }
                None => Poll::Pending,
            }
        })
        .await;
        let Some(stop) = stop else { return not_stopped };
        self.take_back(*stop, halt.in_call)
    }

    /// Enters the stop before the end, unless the tracer is in its own: circles of tracers would
    /// wait for each other for ever, since nothing ends what ends already.
    fn enter_last(&mut self, halt: &Halt) -> Option<Entered> {
        let kernel = self.task.kernel().clone();
        let tree = kernel.tree();
        let link = tree.traces.get(&self.task.tid())?;
        let tracer = tree.tasks.get(&link.tracer)?;
        let ends = {
            let _state = tracer.group_ref().lock();
            tracer.signals.lock().trace_stop.as_deref().is_some_and(|s| s.ending)
        };
        if ends { None } else { self.enter_stop(halt) }
    }

    /// Enters the stop. `None` when there is none.
    fn enter_stop(&mut self, halt: &Halt) -> Option<Entered> {
        let task = self.task.clone();
        let mut state = task.group_ref().lock();
        if !halt.ending && task.must_exit(&state) {
            return None;
        }
        let mut own = task.signals.lock();
        let trace = own.trace.as_deref_mut()?;
        trace.trap_stop = false;
        trace.trapping = false;
        let of_stop = |i: SigInfo| i.code >> 8 == EVENT_STOP;
        if halt.info.is_some_and(of_stop) {
            trace.trap_notify = false;
        }
        own.trace_stop = Some(Box::new(TraceStop {
            code: halt.code,
            info: halt.info,
            message: halt.message,
            regs: self.image.arch.clone(),
            fpu_changed: false,
            listening: false,
            ending: halt.ending,
            resumed: None,
            killed: false,
        }));
        let takes_part = halt.group && core::mem::take(&mut own.must_stop);
        drop(own);
        let completes = takes_part && crate::signal::settle(&mut state);
        let signo = match state.stop {
            Stop::None => 0,
            Stop::Stopping(n) | Stop::Stopped(n) => n,
        };
        Some(Entered { completes, signo })
    }

    /// The registers are the task's own again.
    fn take_back(&mut self, stop: TraceStop, in_call: bool) -> Resumed {
        self.image.arch = stop.regs;
        if stop.fpu_changed {
            self.context.push_fpu(&self.image.arch);
        }
        if !in_call {
            self.restart = self.restart_of_registers();
        }
        if !self.image.arch.is_loadable() {
            self.task.force_signal(SigInfo::kernel(SIGSEGV));
        }
        Resumed { data: stop.resumed.unwrap_or(0), info: stop.info }
    }

    /// The restart code that a tracer left in the return register.
    pub(super) fn restart_of_registers(&self) -> Option<Restart> {
        let arch = &self.image.arch;
        let number = u16::try_from(arch.return_value().wrapping_neg()).ok()?;
        if arch.in_syscall() { Restart::from_number(number) } else { None }
    }

    /// The stop that the tracer asked for, or that a group stop means (`do_jobctl_trap`).
    pub(crate) async fn jobctl_trap(&mut self) {
        let (seized, signo) = {
            let state = self.task.group_ref().lock();
            let own = self.task.signals.lock();
            let seized = own.trace.as_deref().is_some_and(|t| t.seized);
            let stopping = state.stop != Stop::None;
            let signo = if seized && !stopping { SIGTRAP } else { own.stop_signal };
            (seized, signo)
        };
        let halt = if seized {
            self.notice(signo, signo as i32 | EVENT_STOP << 8, 0)
        } else {
            Halt { info: None, code: signo as i32, ..Halt::signal(SigInfo::kernel(signo)) }
        };
        self.halt(Halt { group: true, ..halt }).await;
    }

    /// A stop that is no signal's and shows as one (`ptrace_do_notify`).
    pub(super) fn notice(&self, signo: u32, code: i32, message: u64) -> Halt {
        let creds = self.task.creds();
        let uid = creds.user_ns.show_uid(creds.uid);
        let info = SigInfo::user(signo, code, self.task.number(), uid);
        Halt { code, message, ..Halt::signal(info) }
    }
}
