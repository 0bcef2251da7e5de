//! What a process does about signals.

use super::{CORE, IGNORED, SIG_DFL, SIG_IGN, SIGCONT, SIGKILL, SIGNAL_COUNT, STOPPING};
use super::{SigAction, SignalSet};
use alloc::boxed::Box;

/// What happens when nobody catches a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultAction {
    /// Nothing.
    Ignore,
    /// The process ends.
    Terminate,
    /// The process ends and dumps core, if it may.
    Core,
    /// The process stops.
    Stop,
    /// The process goes on, if it was stopped.
    Continue,
}

/// The default action of a signal; signal(7).
pub fn default_action(signo: u32) -> DefaultAction {
    match signo {
        SIGCONT => DefaultAction::Continue,
        _ if IGNORED.contains(signo) => DefaultAction::Ignore,
        _ if STOPPING.contains(signo) => DefaultAction::Stop,
        _ if CORE.contains(signo) => DefaultAction::Core,
        _ => DefaultAction::Terminate,
    }
}

/// The actions of a process for all signals.
#[derive(Clone, Debug)]
pub struct Handlers(Box<[SigAction; SIGNAL_COUNT as usize]>);

impl Default for Handlers {
    fn default() -> Handlers {
        Handlers(Box::new([SigAction::default(); SIGNAL_COUNT as usize]))
    }
}

impl Handlers {
    /// The action for `signo`; the default one for numbers that are none.
    pub fn get(&self, signo: u32) -> SigAction {
        self.slot(signo).and_then(|i| self.0.get(i).copied()).unwrap_or_default()
    }

    /// Replaces the action for `signo`. `SIGKILL` and `SIGSTOP` never appear in its mask.
    pub fn set(&mut self, signo: u32, mut action: SigAction) {
        action.mask = action.mask.blockable();
        if let Some(a) = self.slot(signo).and_then(|i| self.0.get_mut(i)) {
            *a = action;
        }
    }

    fn slot(&self, signo: u32) -> Option<usize> {
        usize::try_from(signo.checked_sub(1)?).ok()
    }

    /// Whether the signal would do nothing to the first process of a PID namespace
    /// (`sig_task_ignored` in `kernel/signal.c`).
    pub(crate) fn unkillable_ignores(&self, signo: u32) -> bool {
        signo != SIGKILL && signo != super::SIGSTOP && self.get(signo).caught().is_none()
    }

    /// Whether the signal would do nothing if it were delivered now.
    pub fn ignores(&self, signo: u32) -> bool {
        match self.get(signo).handler {
            SIG_IGN => signo != SIGKILL && signo != super::SIGSTOP,
            // SIGCONT has done its work when it is sent.
            SIG_DFL => {
                matches!(default_action(signo), DefaultAction::Ignore | DefaultAction::Continue)
            }
            _ => false,
        }
    }

    /// Signals with `SIG_IGN`, for `/proc/PID/status`.
    pub fn ignored(&self) -> SignalSet {
        self.select(|a| a.handler == SIG_IGN)
    }

    /// Signals with a handler, for `/proc/PID/status`.
    pub fn caught(&self) -> SignalSet {
        self.select(|a| a.handler > SIG_IGN)
    }

    fn select(&self, f: impl Fn(&SigAction) -> bool) -> SignalSet {
        let mut set = SignalSet::EMPTY;
        for (i, a) in self.0.iter().enumerate() {
            if f(a) {
                set.insert(i as u32 + 1);
            }
        }
        set
    }

    /// What execve(2) and `CLONE_CLEAR_SIGHAND` do: handlers go, ignored signals stay ignored.
    pub fn reset_caught(&mut self) {
        for a in self.0.iter_mut() {
            let handler = if a.handler == SIG_IGN { SIG_IGN } else { SIG_DFL };
            *a = SigAction { handler, ..SigAction::default() };
        }
    }
}
