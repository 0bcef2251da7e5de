//! What stands between a system call and its handler (`kernel/entry/common.c`).

use super::event::Event;
use super::state::Options;
use super::stop::Halt;
use crate::seccomp::{self, Verdict};
use crate::signal::{SIGNAL_COUNT, SIGTRAP, SigInfo, TRAP_BRKPT};
use crate::task::{TaskCx, Work, dispatch};
use crate::{Attention, Outcome, Task};
use arch::Addr;
use syserr::Errno;

/// `PTRACE_EVENTMSG_SYSCALL_ENTRY`.
pub(super) const ENTRY: u64 = 1;
/// `PTRACE_EVENTMSG_SYSCALL_EXIT`.
pub(super) const EXIT: u64 = 2;
/// What tells a stop of a system call from a `SIGTRAP`, with `PTRACE_O_TRACESYSGOOD`.
pub(super) const SYSGOOD: i32 = 0x80;
/// The number of no system call: a tracer wants it skipped.
const SKIP: u64 = u32::MAX as u64;

/// Tracer and filters, before a system call. What happens instead of the call, if anything does.
pub(crate) async fn enter_syscall(cx: &mut TaskCx) -> Option<Outcome> {
    let work = cx.task.work();
    if work.contains(Work::DISPATCH)
        && let Some(instead) = dispatch(cx)
    {
        return Some(instead);
    }
    // What a tracer sees before the call, and what a call that is skipped has for a result.
    if let Some(c) = cx.image.arch.as_x86_64_mut() {
        c.regs.rax = Errno::ENOSYS.to_return();
    }
    if work.intersects(Work::SYSCALL | Work::EMULATE) {
        stop(cx, ENTRY).await;
        if work.contains(Work::EMULATE) || ends(cx) {
            return Some(Outcome::Keep);
        }
    }
    if cx.task.work().contains(Work::SECCOMP)
        && !cx.task.is_unfiltered()
        && let Some(instead) = filter(cx).await
    {
        return Some(instead);
    }
    (cx.image.arch.syscall_no() == SKIP).then_some(Outcome::Keep)
}

async fn filter(cx: &mut TaskCx) -> Option<Outcome> {
    let mut asked = false;
    loop {
        let (nr, args) = (cx.image.arch.syscall_no(), cx.image.arch.syscall_args());
        match seccomp::check(cx, nr, &args) {
            Verdict::Allow => return None,
            Verdict::Instead(outcome) => return Some(outcome),
            Verdict::Notify(notifier, data) => {
                let task = cx.task.clone();
                return seccomp::ask(&task, &notifier, data).await;
            }
            // The tracer has had its say: what it made of the call has only to be no worse.
            Verdict::Trace(_) if asked => return None,
            Verdict::Trace(_) if !cx.task.hears_of(Event::Seccomp) => {
                return Some(Errno::ENOSYS.into());
            }
            Verdict::Trace(data) => {
                let halt = cx.notice(SIGTRAP, Event::Seccomp.code(), u64::from(data));
                cx.halt(Halt { in_call: true, ..halt }).await;
                if ends(cx) || cx.image.arch.syscall_no() == SKIP {
                    return Some(Outcome::Keep);
                }
                asked = true;
            }
        }
    }
}

/// The tracer, after a system call. An ordered step that was one ends here.
pub(crate) async fn leave_syscall(cx: &mut TaskCx) {
    let work = cx.task.work();
    if cx.image.arch.single_step() && !work.contains(Work::EMULATE) {
        let at = Addr(cx.image.arch.ip());
        cx.task.force_signal(SigInfo::fault(SIGTRAP, TRAP_BRKPT, at));
    } else if work.contains(Work::SYSCALL) {
        stop(cx, EXIT).await;
    }
}

async fn stop(cx: &mut TaskCx, message: u64) {
    let Some(trace) = cx.task.traced() else { return };
    let good = if trace.options.contains(Options::SYSGOOD) { SYSGOOD } else { 0 };
    let halt = cx.notice(SIGTRAP, SIGTRAP as i32 | good, message);
    let had_restart = cx.restart.is_some();
    let resumed = cx.halt(Halt { in_call: true, ..halt }).await;
    if (1..=SIGNAL_COUNT).contains(&resumed.data) {
        let signo = resumed.data;
        // A standard signal is merged or queued; another one may be lost, as in Linux.
        let _ = cx.task.group_ref().post_thread(&cx.task, signo, SigInfo::kernel(signo));
    }
    // What a tracer puts there counts only on the way to a signal.
    if message == EXIT {
        let counts = had_restart || cx.task.interrupted();
        cx.restart = if counts { cx.restart_of_registers() } else { None };
    }
}

impl Task {
    /// Whether the tracer has suspended its filters.
    pub(super) fn is_unfiltered(&self) -> bool {
        self.traced().is_some_and(|t| t.options.contains(Options::SUSPEND_SECCOMP))
    }
}

fn ends(cx: &TaskCx) -> bool {
    cx.task.attention().contains(Attention::EXIT)
}
