//! Events that a tracer may ask to hear of.

use super::state::Options;
use super::stop::Halt;
use crate::clone::CloneFlags;
use crate::signal::{SI_USER, SIGCHLD, SIGTRAP, SigInfo};
use crate::task::TaskCx;
use crate::{ExitStatus, Outcome, Task};
use alloc::boxed::Box;
use alloc::sync::Arc;
use syserr::Errno;

/// `PTRACE_EVENT_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Fork = 1,
    Vfork = 2,
    Clone = 3,
    Exec = 4,
    VforkDone = 5,
    Exit = 6,
    Seccomp = 7,
}

/// `PTRACE_EVENT_STOP`.
pub(super) const EVENT_STOP: i32 = 128;

impl Event {
    const fn option(self) -> Options {
        match self {
            Event::Fork => Options::FORK,
            Event::Vfork => Options::VFORK,
            Event::Clone => Options::CLONE,
            Event::Exec => Options::EXEC,
            Event::VforkDone => Options::VFORK_DONE,
            Event::Exit => Options::EXIT,
            Event::Seccomp => Options::SECCOMP,
        }
    }

    pub(super) const fn code(self) -> i32 {
        SIGTRAP as i32 | (self as i32) << 8
    }
}

/// A tracer hears of something in the middle of a system call, which goes on afterwards.
pub struct TraceEvent {
    event: Event,
    message: u64,
    then: Outcome,
}

impl core::fmt::Debug for TraceEvent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TraceEvent").field("event", &self.event).finish_non_exhaustive()
    }
}

impl Task {
    /// Whether the tracer asked to hear of `event`.
    pub(crate) fn hears_of(&self, event: Event) -> bool {
        self.traced().is_some_and(|t| t.options.contains(event.option()))
    }

    /// `then`, after the tracer, if it asked, has heard of `event`.
    pub(crate) fn tell_event(&self, event: Event, message: u64, then: Outcome) -> Outcome {
        if self.hears_of(event) {
            Outcome::Event(Box::new(TraceEvent { event, message, then }))
        } else {
            then
        }
    }

    /// What the tracer calls an ID; 0 without a tracer.
    pub(crate) fn number_for_tracer(&self, id: i32) -> i32 {
        let tracer = if self.is_traced() { self.tracer() } else { None };
        tracer.map_or(0, |t| t.number_of(id))
    }

    /// [`Task::tell_event`] of a task with an ID, which the tracer knows by its own number.
    pub(crate) fn tell_event_of(&self, event: Event, id: i32, then: Outcome) -> Outcome {
        let number = self.number_for_tracer(id);
        self.tell_event(event, number as u64, then)
    }

    /// After execve(2) by who was `old` to the tracer: the event, or else the `SIGTRAP` that tracers got before there were events.
    pub(crate) fn tell_exec(self: &Arc<Self>, old: i32, regs: &mut arch::Context) -> Outcome {
        if self.traced().is_some_and(|t| !t.seized && !t.options.contains(Options::EXEC)) {
            let info = SigInfo::user(SIGTRAP, SI_USER, self.group_ref().number(), self.creds().uid);
            // A standard signal is merged or queued, never refused.
            let _ = self.group_ref().post_thread(self, SIGTRAP, info);
        }
        if !self.hears_of(Event::Exec) {
            return Outcome::Keep;
        }
        // Inside the call there is no result yet.
        regs.set_return(Errno::ENOSYS.to_return());
        self.tell_event(Event::Exec, old as u64, Outcome::Done(Ok(0)))
    }
}

/// The event that a clone(2) is, if the tracer of the caller asked for it.
pub(crate) fn clone_event(parent: &Task, flags: CloneFlags, exit_signal: u32) -> Option<Event> {
    if !parent.is_traced() || flags.contains(CloneFlags::UNTRACED) {
        return None;
    }
    let event = if flags.contains(CloneFlags::VFORK) {
        Event::Vfork
    } else if flags.contains(CloneFlags::THREAD) || exit_signal != SIGCHLD {
        Event::Clone
    } else {
        Event::Fork
    };
    Some(event).filter(|e| parent.hears_of(*e))
}

impl TaskCx {
    /// Stops for an event in the middle of a system call; returns how the call goes on.
    pub(crate) async fn event_stop(&mut self, e: TraceEvent) -> Outcome {
        let halt = self.notice(SIGTRAP, e.event.code(), e.message);
        self.halt(Halt { in_call: true, ..halt }).await;
        e.then
    }

    /// The thread is about to end.
    pub(crate) async fn exit_stop(&mut self, status: ExitStatus) {
        if self.task.hears_of(Event::Exit) {
            let message = status.wait_status() as u64;
            let halt = self.notice(SIGTRAP, Event::Exit.code(), message);
            self.halt(Halt { ending: true, ..halt }).await;
        }
    }
}
