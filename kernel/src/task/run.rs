//! The life of a task: user code, trap, system call or fault or signal, and back.

use super::{Attention, TaskCx};
use crate::{Args, ClockId, Entry, ExitStatus, Outcome, Trap};
use alloc::boxed::Box;
use core::future::poll_fn;
use core::task::Poll;
use sync::atomic::Ordering::{Relaxed, SeqCst};
use syserr::{Errno, RestartAction};

/// Every how many system calls one is timed; a power of two.
const SAMPLE: u32 = 16;

/// Runs a task to its end.
pub(crate) async fn run(mut cx: TaskCx) {
    let mut status = cycle(&mut cx).await;
    if let Some(dump) = cx.task.pass_dump() {
        status = Box::pin(crate::coredump::take_part(&mut cx, &dump)).await.unwrap_or(status);
    }
    if cx.task.is_traced() {
        Box::pin(cx.exit_stop(status)).await;
    }
    let ended = crate::exit::exit_task(cx, status);
    if ended.ends_namespace() {
        Box::pin(ended.end_namespace()).await;
    }
    ended.leave();
}

async fn cycle(cx: &mut TaskCx) -> ExitStatus {
    loop {
        if cx.restart.is_some() || !cx.task.enter_user() {
            if let Some(status) = attend(cx).await {
                return status;
            }
            continue;
        }
        let trap = switch(cx).await;
        cx.task.leave_user();
        cx.fault = Default::default();
        match trap {
            Trap::Syscall => {
                if let Some(end) = cx.context.hot_call() {
                    super::rewrite::rewrite(cx, end);
                }
                syscall(cx).await;
            }
            Trap::Fault { addr, access, info } => cx.memory_fault(addr, access, info).await,
            Trap::Exception { signo, code, addr, info } => cx.exception(signo, code, addr, info),
            Trap::Interrupted => {
                cx.task.interruptions.fetch_add(1, Relaxed);
                cx.publish_times();
            }
            Trap::Dead => cx.task.kill_group(crate::signal::SIGKILL),
        }
    }
}

async fn switch(cx: &mut TaskCx) -> Trap {
    let TaskCx { image, context, task, .. } = cx;
    let (arch, mm) = image.parts();
    let Some(mm) = mm else { return Trap::Dead };
    let space = mm.address_space();
    poll_fn(|c| {
        if space.poll_active(c).is_pending() {
            // Waiting for its turn, the task can still be called.
            task.park(c.waker());
            let called = !task.attention().is_empty();
            return if called { Poll::Ready(Trap::Interrupted) } else { Poll::Pending };
        }
        context.poll_switch(c, space, arch)
    })
    .await
}

async fn syscall(cx: &mut TaskCx) {
    cx.image.arch.save_orig();
    let work = cx.task.work();
    let instead = match work.is_empty() {
        true => None,
        false => Box::pin(crate::ptrace::enter_syscall(cx)).await,
    };
    if cx.mm().memory().is_exhausted() {
        Box::pin(crate::oom::relieve(cx.task.clone())).await;
    }
    let nr = cx.image.arch.syscall_no();
    let args = cx.image.arch.syscall_args();
    let entry = cx.image.syscall_table().lookup(nr);
    cx.traps = cx.traps.wrapping_add(1);
    let timed = cx.traps.is_multiple_of(SAMPLE);
    let start = if timed { cx.kernel().now(ClockId::Monotonic) } else { 0 };
    let mut outcome = match instead {
        Some(outcome) => outcome,
        None => begin(cx, nr, entry, &args),
    };
    if timed {
        let took = (cx.kernel().now(ClockId::Monotonic) - start).max(0) as u64;
        cx.task.system_ns.fetch_add(took * u64::from(SAMPLE), Relaxed);
        cx.publish_times();
    }
    loop {
        outcome = match outcome {
            Outcome::Block(future) => {
                cx.task.waits.fetch_add(1, Relaxed);
                cx.task.asleep.store(true, Relaxed);
                let outcome = future.await;
                cx.task.asleep.store(false, Relaxed);
                if matches!(outcome, Outcome::Keep) { crate::exec::take_up(cx) } else { outcome }
            }
            Outcome::Event(event) => Box::pin(cx.event_stop(*event)).await,
            _ => break,
        };
    }
    end(cx, nr, entry, &args, outcome);
    if !work.is_empty() {
        Box::pin(crate::ptrace::leave_syscall(cx)).await;
    }
}

/// The embedder's tracer and the handler.
fn begin(cx: &mut TaskCx, nr: u64, entry: &Entry, args: &Args) -> Outcome {
    if let Some(t) = cx.kernel().tracer() {
        let t = t.clone();
        t.enter(cx, nr, entry, args);
    }
    (entry.handler)(cx, args)
}

/// Puts the result where user code finds it.
fn end(cx: &mut TaskCx, nr: u64, entry: &Entry, args: &Args, outcome: Outcome) {
    let result = match outcome {
        Outcome::Done(r) => {
            cx.interrupted = r == Err(Errno::EINTR);
            cx.image.arch.set_return(r.unwrap_or_else(Errno::to_return));
            Some(r)
        }
        Outcome::Restart(r) => {
            cx.restart = Some(r);
            None
        }
        // A blocked call has been waited for, and events have been told.
        Outcome::Keep | Outcome::Block(_) | Outcome::Event(_) => None,
    };
    if let Some(t) = cx.kernel().tracer() {
        let t = t.clone();
        t.exit(cx, nr, entry, args, result);
    }
}

/// Everything that stands between a trap and user code. The status, when the task ends.
async fn attend(cx: &mut TaskCx) -> Option<ExitStatus> {
    loop {
        let why = cx.task.attention();
        let interrupted = cx.restart.is_some() || cx.interrupted;
        if why.contains(Attention::EXIT) {
            return Some(cx.exit_status());
        }
        if why.contains(Attention::MASK) && !interrupted {
            cx.task.restore_mask();
        } else if why.contains(Attention::CPU_TIME) {
            cx.task.clear_attention(Attention::CPU_TIME);
            cx.publish_times();
            cx.task.group_ref().check_cpu_timers();
        } else if why.contains(Attention::STOP) {
            if cx.task.is_traced() {
                Box::pin(cx.jobctl_trap()).await;
            } else {
                cx.task.clone().take_part_in_stop().await;
            }
        } else if why.contains(Attention::TRAP) {
            Box::pin(cx.jobctl_trap()).await;
        } else if why.contains(Attention::SIGNAL) {
            if cx.task.is_traced() {
                Box::pin(crate::ptrace::deliver(cx)).await;
            } else {
                cx.deliver_signal();
            }
        } else if let Some(restart) = cx.restart.take() {
            match restart.without_handler() {
                RestartAction::Again => cx.image.arch.restart_syscall(),
                RestartAction::AgainWithBlock => cx.image.arch.restart_with_block(),
                RestartAction::Interrupted => cx.set_error(Errno::EINTR),
            }
        } else if cx.interrupted {
            cx.interrupted = false;
        } else {
            return None;
        }
    }
}

impl TaskCx {
    pub(crate) fn set_error(&mut self, e: Errno) {
        self.image.arch.set_return(e.to_return());
    }

    /// How this thread ends: as its group, or, when another thread replaces the image, silently.
    fn exit_status(&self) -> ExitStatus {
        let own = self.exit.unwrap_or(ExitStatus::Exited(0));
        self.task.group_ref().lock().exiting.unwrap_or(own)
    }

    /// exit(2): this thread ends, others go on.
    pub(crate) fn exit_thread(&mut self, status: ExitStatus) {
        self.exit = Some(status);
        // Before the reason is set: whoever works the reasons out anew must find it.
        self.task.leaving.store(true, SeqCst);
        self.task.note(Attention::EXIT);
    }
}
