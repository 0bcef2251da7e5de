//! What a process does about a signal, as far as its frame depends on it.

use super::SignalSet;

bitflags::bitflags! {
    /// `SA_*` flags of sigaction(2), the same on both architectures
    /// (`include/uapi/asm-generic/signal-defs.h`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct SaFlags: u64 {
        /// No `SIGCHLD` when children stop.
        const NOCLDSTOP = 0x1;
        /// Children leave no zombies.
        const NOCLDWAIT = 0x2;
        /// The handler takes three arguments.
        const SIGINFO = 0x4;
        /// `si_addr` keeps the tag bits.
        const EXPOSE_TAGBITS = 0x800;
        /// `restorer` is valid.
        const RESTORER = 0x0400_0000;
        /// Use the alternate stack.
        const ONSTACK = 0x0800_0000;
        /// Restart system calls.
        const RESTART = 0x1000_0000;
        /// Do not block the signal while its handler runs.
        const NODEFER = 0x4000_0000;
        /// Back to the default action before the handler runs.
        const RESETHAND = 0x8000_0000;
    }
}

/// What a process does about one signal; `struct k_sigaction` in `include/linux/signal_types.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SigAction {
    /// The handler's address.
    pub handler: u64,
    /// Flags.
    pub flags: SaFlags,
    /// Where the handler returns to, with [`SaFlags::RESTORER`].
    pub restorer: u64,
    /// Signals that are blocked while the handler runs.
    pub mask: SignalSet,
}
