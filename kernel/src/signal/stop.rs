//! Group stops.

use super::{SIGCHLD, SigInfo};
use crate::group::Stop;
use crate::signal::{CLD_CONTINUED, CLD_STOPPED, SIG_IGN, SIGCONT, SaFlags};
use crate::usage::ticks;
use crate::{Kernel, Task, ThreadGroup};
use alloc::sync::Arc;
use core::future::poll_fn;
use core::task::Poll;
use sync::waitq::Events;

impl Task {
    /// Begins a group stop because of `signo`, as the thread that took the signal
    /// (`do_signal_stop`).
    pub(crate) fn begin_stop(&self, signo: u32) {
        let group = self.group_ref();
        let mut state = group.lock();
        // A SIGCONT that came since the signal was taken has undone it.
        let undone = !self.signals.lock().may_stop;
        if undone || state.exiting.is_some() || state.execing.is_some() {
            return;
        }
        // Threads that a tracer let go on can be stopped anew.
        if state.stop == Stop::None {
            state.stop = Stop::Stopping(signo);
        }
        for t in &state.threads {
            {
                let mut own = t.signals.lock();
                if own.stopped {
                    continue;
                }
                own.must_stop = true;
                own.stop_signal = signo;
                if t.tid() != self.tid() {
                    own.notify_trap();
                }
            }
            t.recalculate(&state);
            t.wake();
        }
    }

    /// Takes part in the group stop, and waits until it is over or the task has to end.
    pub(crate) async fn take_part_in_stop(&self) {
        let all_stopped = {
            let group = self.group_ref();
            let mut state = group.lock();
            {
                let mut own = self.signals.lock();
                own.stopped = own.must_stop && state.stop != Stop::None;
                own.must_stop = false;
            }
            settle(&mut state)
        };
        if all_stopped {
            self.kernel().report_child(self.tgid(), CLD_STOPPED);
        }
        poll_fn(|cx| {
            self.park(cx.waker());
            let state = self.group_ref().lock();
            let (stopped, traced) = {
                let own = self.signals.lock();
                (own.stopped, own.trace.is_some())
            };
            if !stopped || traced || self.must_exit(&state) {
                self.signals.lock().stopped = false;
                self.recalculate(&state);
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }
}

impl crate::task::TaskSignals {
    /// The thread has to end: no stop holds out against that, not even that of its own end.
    pub(crate) fn end_stop(&mut self) {
        if let Some(stop) = self.trace_stop.as_deref_mut() {
            stop.killed = true;
        }
    }

    /// Tells a tracer that seized the thread that a group stop began or ended
    /// (`ptrace_trap_notify`).
    pub(super) fn notify_trap(&mut self) {
        if let Some(t) = self.trace.as_deref_mut().filter(|t| t.seized) {
            t.trap_notify = true;
            if let Some(s) = self.trace_stop.as_deref_mut().filter(|s| s.listening) {
                s.resumed.get_or_insert(0);
            }
        }
    }
}

/// Completes a stop when no thread has still to take part in it; true when it just did.
pub(crate) fn settle(state: &mut crate::group::GroupState) -> bool {
    let Stop::Stopping(signo) = state.stop else { return false };
    if state.threads.is_empty() || state.threads.iter().any(|t| t.signals.lock().must_stop) {
        return false;
    }
    state.stop = Stop::Stopped(signo);
    state.report_stop = true;
    state.report_continue = false;
    true
}

impl Kernel {
    /// Tells a process's parent that it stopped or went on.
    pub(crate) fn report_child(&self, tgid: i32, code: i32) {
        let tree = self.tree();
        let Some(proc) = tree.procs.get(&tgid) else { return };
        let Some(parent) = tree.procs.get(&proc.parent).map(|p| p.group.clone()) else { return };
        let status = match (code, proc.group.lock().stop) {
            (CLD_STOPPED, Stop::Stopped(signo)) => signo,
            _ => SIGCONT,
        };
        let info = child_info(&proc.group, &parent, code, status as i32);
        drop(tree);
        notify_parent(&parent, info);
        parent.children.notify(Events::IN);
    }

    /// Tells that a group goes on after `SIGCONT`.
    pub(crate) fn report_continued(&self, tgid: i32) {
        self.report_child(tgid, CLD_CONTINUED);
    }
}

/// `SIGCHLD`'s info about `group`, for `parent`.
fn child_info(
    group: &Arc<ThreadGroup>,
    parent: &Arc<ThreadGroup>,
    code: i32,
    status: i32,
) -> SigInfo {
    let uid = group.any_thread().map_or(0, |t| t.creds().uid);
    let times = group.cpu_times();
    SigInfo::child(code, parent.pid_ns().number_of(group.tgid()), uid, status)
        .with_times(ticks(times.user), ticks(times.system))
}

pub(crate) fn notify_parent(parent: &Arc<ThreadGroup>, info: SigInfo) {
    let quiet = {
        let state = parent.lock();
        let action = state.handlers.lock().get(SIGCHLD);
        action.handler == SIG_IGN || action.flags.contains(SaFlags::NOCLDSTOP)
    };
    if !quiet {
        // A standard signal is merged or queued, never refused.
        let _ = parent.post(SIGCHLD, info);
    }
}
