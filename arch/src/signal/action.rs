//! What a process does about a signal.

use super::SignalSet;
use crate::Addr;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The handler that stands for the default action.
pub const SIG_DFL: u64 = 0;
/// The handler that stands for ignoring the signal.
pub const SIG_IGN: u64 = 1;

/// `SA_*` flags of sigaction(2), the same on both architectures
/// (`include/uapi/asm-generic/signal-defs.h`). Bits without a name stay, as user memory holds them.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(transparent)]
pub struct SaFlags(u64);

bitflags::bitflags! {
    impl SaFlags: u64 {
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

/// What a process does about one signal: `struct kernel_sigaction`, as rt_sigaction(2) takes it on
/// both architectures.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct SigAction {
    /// `sa_handler`: [`SIG_DFL`], [`SIG_IGN`] or an address.
    pub handler: u64,
    /// `sa_flags`.
    pub flags: SaFlags,
    /// `sa_restorer`: where the handler returns to, with [`SaFlags::RESTORER`].
    pub restorer: u64,
    /// `sa_mask`: signals that are blocked while the handler runs.
    pub mask: SignalSet,
}

static_assertions::const_assert_eq!(size_of::<SigAction>(), 32);
static_assertions::const_assert_eq!(core::mem::offset_of!(SigAction, flags), 8);
static_assertions::const_assert_eq!(core::mem::offset_of!(SigAction, restorer), 16);
static_assertions::const_assert_eq!(core::mem::offset_of!(SigAction, mask), 24);

impl SigAction {
    /// The handler's address, when there is one.
    pub const fn caught(&self) -> Option<Addr> {
        if self.handler > SIG_IGN { Some(Addr(self.handler)) } else { None }
    }
}
