//! Sending: side effects, pending sets, and who is to take it.

use super::{DefaultAction, SIG_DFL, default_action};
use super::{Queued, SIGCONT, SIGKILL, STOPPING, SigInfo, SignalSet};
use crate::group::{GroupState, Stop};
use crate::{Attention, ExitStatus, Resource, Task, ThreadGroup};
use alloc::sync::Arc;
use sync::waitq::Events;
use syserr::Errno;

/// Who sends a signal.
#[derive(Clone, Copy, Debug)]
pub enum Sender<'a> {
    /// The kernel; may send everything to everyone.
    Kernel,
    /// A task, with its credentials.
    Task(&'a Arc<Task>),
}

/// What follows from sending that needs no signal lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The group goes on after a stop: its parent is told.
    pub(crate) continued: bool,
}

impl ThreadGroup {
    /// Sends to the process: any thread that can take the signal does.
    ///
    /// # Errors
    /// `EAGAIN` when a queued real-time signal finds the queue full.
    pub(crate) fn post(&self, signo: u32, info: SigInfo) -> Result<Sent, Errno> {
        let mut state = self.lock();
        let sent = self.post_locked(&mut state, None, signo, info);
        drop(state);
        self.signal_queue.notify(Events::IN);
        sent
    }

    /// Sends to one thread.
    ///
    /// # Errors
    /// As [`ThreadGroup::post`].
    pub(crate) fn post_thread(
        &self,
        task: &Arc<Task>,
        signo: u32,
        info: SigInfo,
    ) -> Result<Sent, Errno> {
        let mut state = self.lock();
        let sent = self.post_locked(&mut state, Some(task), signo, info);
        drop(state);
        self.signal_queue.notify(Events::IN);
        sent
    }

    pub(crate) fn post_locked(
        &self,
        state: &mut GroupState,
        task: Option<&Arc<Task>>,
        signo: u32,
        info: SigInfo,
    ) -> Result<Sent, Errno> {
        let sent = Sent { continued: prepare(state, signo) };
        if signo == SIGKILL
            && let Some(dump) = &state.dump
        {
            dump.kill();
        }
        if state.exiting.is_some() || task.is_some_and(|t| t.has_exited()) {
            return Ok(sent);
        }
        let Some(first) = task.or(state.threads.first()).cloned() else { return Ok(sent) };
        // A signal that is ignored is dropped, unless it is blocked or waited for: the action may
        // change before it is unblocked.
        let held =
            |t: &Task| t.blocked().contains(signo) || t.signals.lock().waiting_for.contains(signo);
        // A tracer hears even of what is ignored.
        if ignores(state, signo) && !held(&first) && !first.is_traced() {
            return Ok(sent);
        }
        if signo == SIGKILL {
            begin_exit(state, ExitStatus::Signaled(SIGKILL));
            return Ok(sent);
        }
        let info = seen_by(&first, info);
        let room = queued_entries(state) < self.limit(Resource::Sigpending).cur;
        let queued = match task {
            Some(t) => t.signals.lock().pending.push(signo, info, room)?,
            None => state.pending.push(signo, info, room)?,
        };
        if queued != Queued::Merged {
            choose(state, task, &first, signo);
        }
        Ok(sent)
    }
}

/// What `task` is told: users are called as its namespace knows them.
pub(crate) fn seen_by(task: &Task, info: SigInfo) -> SigInfo {
    task.with_creds(|c| match c.user_ns.is_initial() || !info.has_sender() {
        true => info,
        false => info.with_uid(c.user_ns.show_uid(info.uid())),
    })
}

/// Whether the process would do nothing about a signal now.
fn ignores(state: &GroupState, signo: u32) -> bool {
    let handlers = state.handlers.lock();
    handlers.ignores(signo) || state.unkillable && handlers.unkillable_ignores(signo)
}

/// What counts against `RLIMIT_SIGPENDING`. Linux counts a user's entries over all processes; here
/// each process has the limit for itself.
pub(crate) fn queued_entries(state: &GroupState) -> u64 {
    let own: usize = state.threads.iter().map(|t| t.signals.lock().pending.len()).sum();
    (own + state.pending.len()) as u64
}

/// What a signal does by being sent (`prepare_signal` in `kernel/signal.c`): stop signals and
/// `SIGCONT` cancel each other, and `SIGCONT` ends a stop. True when the group goes on.
fn prepare(state: &mut GroupState, signo: u32) -> bool {
    if STOPPING.contains(signo) {
        discard(state, SignalSet::of(&[SIGCONT]));
        return false;
    }
    if signo != SIGCONT {
        return false;
    }
    discard(state, STOPPING);
    let was = core::mem::take(&mut state.stop);
    for t in &state.threads {
        {
            let mut own = t.signals.lock();
            own.must_stop = false;
            own.stopped = false;
            own.may_stop = false;
            own.notify_trap();
        }
        t.recalculate(state);
        if was != Stop::None || t.is_traced() {
            t.wake();
        }
    }
    if let Stop::Stopped(_) = was {
        state.report_stop = false;
        state.report_continue = true;
    }
    matches!(was, Stop::Stopped(_))
}

fn discard(state: &mut GroupState, which: SignalSet) {
    state.pending.discard(which);
    for t in &state.threads {
        t.signals.lock().pending.discard(which);
    }
}

/// Makes a thread take a signal that is pending now (`complete_signal`).
fn choose(state: &mut GroupState, task: Option<&Arc<Task>>, first: &Arc<Task>, signo: u32) {
    let wants = |t: &&Arc<Task>| {
        !t.blocked().contains(signo) || t.signals.lock().waiting_for.contains(signo)
    };
    let chosen = match task {
        Some(t) => Some(t).filter(wants),
        None => {
            let idle = |t: &&Arc<Task>| wants(t) && !t.attention().contains(Attention::SIGNAL);
            [first].into_iter().find(|t| idle(t)).or_else(|| {
                state.threads.iter().find(|t| idle(t)).or_else(|| state.threads.iter().find(wants))
            })
        }
    };
    let Some(t) = chosen.cloned() else { return };
    if is_fatal(state, &t, signo) {
        begin_exit(state, ExitStatus::Signaled(signo));
        return;
    }
    t.recalculate(state);
    t.wake();
}

/// Whether a signal that `task` is to take ends the process: at once then, so that it ends what only
/// the end interrupts.
fn is_fatal(state: &GroupState, task: &Task, signo: u32) -> bool {
    let handlers = state.handlers.lock();
    handlers.get(signo).handler == SIG_DFL
        && default_action(signo) == DefaultAction::Terminate
        && !(state.unkillable && handlers.unkillable_ignores(signo))
        && !task.signals.lock().waiting_for.contains(signo)
        && !task.is_traced()
}

/// All threads end with `status`, unless they do so already with another one.
pub(crate) fn begin_exit(state: &mut GroupState, status: ExitStatus) {
    if state.exiting.is_some() {
        return;
    }
    state.exiting = Some(status);
    state.stop = Stop::None;
    for t in &state.threads {
        {
            let mut own = t.signals.lock();
            own.must_stop = false;
            own.stopped = false;
            own.end_stop();
        }
        t.call(Attention::EXIT);
    }
}

impl Task {
    /// Forces a signal on the running thread that an instruction of its own caused: when it is
    /// blocked or ignored, the default action kills (`force_sig_info`).
    pub(crate) fn force_signal(self: &Arc<Self>, info: SigInfo) {
        let signo = info.signo as u32;
        let group = self.group();
        let mut state = group.lock();
        let blocked = self.blocked();
        {
            let shared = state.handlers.clone();
            let mut handlers = shared.lock();
            let mut action = handlers.get(signo);
            if blocked.contains(signo) || action.handler == super::SIG_IGN {
                action.handler = SIG_DFL;
                handlers.set(signo, action);
            }
            // What an instruction causes cannot go on, whoever it is.
            state.unkillable &= action.handler != SIG_DFL;
        }
        if blocked.contains(signo) {
            let mut mask = blocked;
            mask.remove(signo);
            self.store_mask(mask);
        }
        // It cannot be refused: standard signals of the kernel always have room.
        let _ = group.post_locked(&mut state, Some(self), signo, info);
        self.recalculate(&state);
    }

    /// Kills the thread group of the running thread by `signo` whatever its actions are: a signal
    /// whose frame cannot be written.
    pub(crate) fn kill_group(&self, signo: u32) {
        self.die_of(SigInfo::kernel(signo));
    }

    /// Sends `SIGPIPE` to this thread: a write found no reader.
    pub fn broken_pipe(self: &Arc<Self>) {
        let info = SigInfo::user(
            super::SIGPIPE,
            super::SI_USER,
            self.group_ref().number(),
            self.creds().uid,
        );
        // A standard signal is merged or queued, never refused.
        let _ = self.group_ref().post_thread(self, super::SIGPIPE, info);
    }

    /// Sends `SIGXFSZ` to this thread: a write went past `RLIMIT_FSIZE`.
    pub fn file_too_large(self: &Arc<Self>) {
        let info = SigInfo::kernel(super::SIGXFSZ);
        let _ = self.group_ref().post_thread(self, super::SIGXFSZ, info);
    }
}
