//! What a process does about a signal, as far as its frame depends on it.

use super::SignalSet;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `SA_*` flags of sigaction(2), the same on both architectures
/// (`include/uapi/asm-generic/signal-defs.h`).
pub mod sa {
    /// No `SIGCHLD` when children stop.
    pub const NOCLDSTOP: u64 = 0x1;
    /// Children leave no zombies.
    pub const NOCLDWAIT: u64 = 0x2;
    /// The handler takes three arguments.
    pub const SIGINFO: u64 = 0x4;
    /// Never supported, so that programs see that the kernel clears unknown flags.
    pub const UNSUPPORTED: u64 = 0x400;
    /// `si_addr` keeps the tag bits.
    pub const EXPOSE_TAGBITS: u64 = 0x800;
    /// `restorer` is valid.
    pub const RESTORER: u64 = 0x0400_0000;
    /// Use the alternate stack.
    pub const ONSTACK: u64 = 0x0800_0000;
    /// Restart system calls.
    pub const RESTART: u64 = 0x1000_0000;
    /// Do not block the signal while its handler runs.
    pub const NODEFER: u64 = 0x4000_0000;
    /// Back to the default action before the handler runs.
    pub const RESETHAND: u64 = 0x8000_0000;
}

/// `struct kernel_sigaction`, as rt_sigaction(2) has it on x86-64 and arm64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SigAction {
    /// The handler's address; 0 is `SIG_DFL`, 1 is `SIG_IGN`.
    pub handler: u64,
    /// [`sa`] flags.
    pub flags: u64,
    /// Where the handler returns to, with [`sa::RESTORER`].
    pub restorer: u64,
    /// Signals that are blocked while the handler runs.
    pub mask: SignalSet,
}

static_assertions::const_assert_eq!(size_of::<SigAction>(), 32);

impl SigAction {
    /// Whether `flag`, one of [`sa`], is set.
    pub const fn has(&self, flag: u64) -> bool {
        self.flags & flag != 0
    }
}
