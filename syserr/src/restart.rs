//! Restart codes: how an interrupted system call wants to be continued.

use crate::Errno;

/// Why a system call was broken off, and what the signal code may do about it.
///
/// A type of its own, without a conversion to [`crate::Errno`] other than through
/// [`Restart::with_handler`] and [`Restart::without_handler`], so that no restart code can reach
/// a guest by accident: only a tracer may see the numbers, and sees them by [`Restart::number`].
/// Source: `include/linux/errno.h`, signal(7) "Interruption of system calls".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Restart {
    /// `ERESTARTSYS`: restart unless a handler without `SA_RESTART` runs.
    Sys,
    /// `ERESTARTNOINTR`: always restart.
    NoIntr,
    /// `ERESTARTNOHAND`: restart only when no handler runs.
    NoHand,
    /// `ERESTART_RESTARTBLOCK`: like `NoHand`, continued by `restart_syscall(2)`.
    Block,
}

/// What becomes of an interrupted call on the way back to user code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RestartAction {
    /// Return `EINTR`.
    Interrupted,
    /// Run the same call again from its registers.
    Again,
    /// Run `restart_syscall(2)`, which finds the restart block.
    AgainWithBlock,
}

impl Restart {
    /// The number that a tracer finds, negated, in the return register of a stopped thread.
    pub const fn number(self) -> u16 {
        match self {
            Restart::Sys => 512,
            Restart::NoIntr => 513,
            Restart::NoHand => 514,
            Restart::Block => 516,
        }
    }

    /// The code with a number, which a tracer may have put back.
    pub const fn from_number(number: u16) -> Option<Restart> {
        match number {
            512 => Some(Restart::Sys),
            513 => Some(Restart::NoIntr),
            514 => Some(Restart::NoHand),
            516 => Some(Restart::Block),
            _ => None,
        }
    }

    /// The action when a signal handler is about to run; `sa_restart` is its `SA_RESTART` flag.
    pub const fn with_handler(self, sa_restart: bool) -> RestartAction {
        match self {
            Restart::NoIntr => RestartAction::Again,
            Restart::Sys if sa_restart => RestartAction::Again,
            _ => RestartAction::Interrupted,
        }
    }

    /// The action when no handler runs.
    pub const fn without_handler(self) -> RestartAction {
        match self {
            Restart::Block => RestartAction::AgainWithBlock,
            _ => RestartAction::Again,
        }
    }
}

impl core::fmt::Display for Restart {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Restart::Sys => "ERESTARTSYS",
            Restart::NoIntr => "ERESTARTNOINTR",
            Restart::NoHand => "ERESTARTNOHAND",
            Restart::Block => "ERESTART_RESTARTBLOCK",
        })
    }
}

/// Why a system call did not finish: it failed, it would have to wait, or something interrupted
/// its waiting. Only a failure has a number; the others must be dealt with first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stopped {
    /// It failed.
    Failed(Errno),
    /// It would have to wait.
    WouldBlock,
    /// Its waiting was interrupted.
    Interrupted(Restart),
}

impl Stopped {
    /// The number for a caller that may not wait (`O_NONBLOCK`) and is not interrupted: `EAGAIN`
    /// for waiting.
    ///
    /// # Errors
    /// The restart code, when the call was interrupted: it has no number.
    pub const fn nonblocking(self) -> Result<Errno, Restart> {
        match self {
            Stopped::Failed(e) => Ok(e),
            Stopped::WouldBlock => Ok(Errno::EAGAIN),
            Stopped::Interrupted(r) => Err(r),
        }
    }
}

impl From<Errno> for Stopped {
    fn from(e: Errno) -> Stopped {
        Stopped::Failed(e)
    }
}

impl From<Restart> for Stopped {
    fn from(r: Restart) -> Stopped {
        Stopped::Interrupted(r)
    }
}
