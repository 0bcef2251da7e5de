//! What a process does about signals.

use super::{COUNT, SIGCONT, SIGKILL, SigSet};
use alloc::boxed::Box;
use arch::Addr;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

bitflags::bitflags! {
    /// `sa_flags` of sigaction(2), with the numbers that x86-64 and arm64 share.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
    pub struct ActionFlags: u64 {
        /// `SA_NOCLDSTOP`.
        const NOCLDSTOP = 0x1;
        /// `SA_NOCLDWAIT`.
        const NOCLDWAIT = 0x2;
        /// `SA_SIGINFO`.
        const SIGINFO = 0x4;
        /// `SA_EXPOSE_TAGBITS`.
        const EXPOSE_TAGBITS = 0x800;
        /// `SA_RESTORER`.
        const RESTORER = 0x0400_0000;
        /// `SA_ONSTACK`.
        const ONSTACK = 0x0800_0000;
        /// `SA_RESTART`.
        const RESTART = 0x1000_0000;
        /// `SA_NODEFER`.
        const NODEFER = 0x4000_0000;
        /// `SA_RESETHAND`.
        const RESETHAND = 0x8000_0000;
    }
}

/// `SIG_DFL`.
pub const SIG_DFL: u64 = 0;
/// `SIG_IGN`.
pub const SIG_IGN: u64 = 1;

/// `struct kernel_sigaction` of x86-64 and arm64.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct SigAction {
    /// `sa_handler`: [`SIG_DFL`], [`SIG_IGN`] or an address.
    pub handler: u64,
    /// `sa_flags`.
    pub flags: u64,
    /// `sa_restorer`.
    pub restorer: u64,
    /// `sa_mask`.
    pub mask: u64,
}

static_assertions::const_assert_eq!(size_of::<SigAction>(), 32);

impl SigAction {
    /// The flags that Linux knows.
    pub fn action_flags(&self) -> ActionFlags {
        ActionFlags::from_bits_truncate(self.flags)
    }

    /// The handler's address, when there is one.
    pub fn caught(&self) -> Option<Addr> {
        (self.handler > SIG_IGN).then_some(Addr(self.handler))
    }
}

/// What happens when nobody catches a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultAction {
    /// Nothing.
    Ignore,
    /// The process ends.
    Terminate,
    /// The process ends and would dump core. No dump is written.
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
        _ if SigSet::IGNORED.contains(signo) => DefaultAction::Ignore,
        _ if SigSet::STOPPING.contains(signo) => DefaultAction::Stop,
        _ if SigSet::CORE.contains(signo) => DefaultAction::Core,
        _ => DefaultAction::Terminate,
    }
}

/// The actions of a process for all signals.
#[derive(Clone, Debug)]
pub struct Handlers(Box<[SigAction; COUNT as usize]>);

impl Default for Handlers {
    fn default() -> Handlers {
        Handlers(Box::new([SigAction::default(); COUNT as usize]))
    }
}

impl Handlers {
    /// The action for `signo`; the default one for numbers that are none.
    pub fn get(&self, signo: u32) -> SigAction {
        self.slot(signo).and_then(|i| self.0.get(i).copied()).unwrap_or_default()
    }

    /// Replaces the action for `signo`. `SIGKILL` and `SIGSTOP` never appear in its mask.
    pub fn set(&mut self, signo: u32, mut action: SigAction) {
        action.mask = SigSet(action.mask).blockable().0;
        if let Some(a) = self.slot(signo).and_then(|i| self.0.get_mut(i)) {
            *a = action;
        }
    }

    fn slot(&self, signo: u32) -> Option<usize> {
        usize::try_from(signo.checked_sub(1)?).ok()
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
    pub fn ignored(&self) -> SigSet {
        self.select(|a| a.handler == SIG_IGN)
    }

    /// Signals with a handler, for `/proc/PID/status`.
    pub fn caught(&self) -> SigSet {
        self.select(|a| a.handler > SIG_IGN)
    }

    fn select(&self, f: impl Fn(&SigAction) -> bool) -> SigSet {
        let mut set = SigSet::EMPTY;
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
