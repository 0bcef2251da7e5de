//! Alternate signal stacks.

use crate::Arch;
use syserr::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `SS_*` flags of sigaltstack(2).
pub mod ss {
    /// The thread runs on it; only ever reported.
    pub const ONSTACK: u32 = 1;
    /// There is none.
    pub const DISABLE: u32 = 2;
    /// It is disabled while a handler runs.
    pub const AUTODISARM: u32 = 1 << 31;
}

/// The least size of an alternate stack, in bytes (`MINSIGSTKSZ`).
pub const fn minsigstksz(arch: Arch) -> u64 {
    match arch {
        Arch::X86_64 => 2048,
        Arch::Aarch64 => 5120,
    }
}

/// A thread's alternate signal stack; sigaltstack(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AltStack {
    /// Lowest address.
    pub sp: u64,
    /// [`ss`] flags.
    pub flags: u32,
    /// Bytes.
    pub size: u64,
}

/// `stack_t`: an [`AltStack`] as user memory holds it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct StackT {
    /// `ss_sp`.
    pub sp: u64,
    /// `ss_flags`.
    pub flags: u32,
    pad: u32,
    /// `ss_size`.
    pub size: u64,
}

static_assertions::const_assert_eq!(size_of::<StackT>(), 24);

impl From<AltStack> for StackT {
    fn from(a: AltStack) -> StackT {
        StackT { sp: a.sp, flags: a.flags, pad: 0, size: a.size }
    }
}

impl From<StackT> for AltStack {
    fn from(s: StackT) -> AltStack {
        AltStack { sp: s.sp, flags: s.flags, size: s.size }
    }
}

impl Default for AltStack {
    fn default() -> AltStack {
        AltStack::DISABLED
    }
}

impl AltStack {
    /// No alternate stack.
    pub const DISABLED: AltStack = AltStack { sp: 0, flags: ss::DISABLE, size: 0 };

    /// Whether `sp` lies on the stack, the end included, whatever the flags
    /// (`__on_sig_stack` in `include/linux/sched/signal.h`).
    pub const fn covers(&self, sp: u64) -> bool {
        sp > self.sp && sp - self.sp <= self.size
    }

    /// Whether a thread with this stack pointer runs on it. With [`ss::AUTODISARM`] none does.
    pub const fn is_active(&self, sp: u64) -> bool {
        self.flags & ss::AUTODISARM == 0 && self.covers(sp)
    }

    /// Whether there is one.
    pub const fn is_enabled(&self) -> bool {
        self.size != 0
    }

    /// The end of the stack, where a handler with [`super::SaFlags::ONSTACK`] starts when the
    /// thread's stack pointer is `sp`; `None` to go on where the thread is.
    pub const fn entry(&self, sp: u64) -> Option<u64> {
        if self.is_enabled() && !self.is_active(sp) {
            Some(self.sp.wrapping_add(self.size))
        } else {
            None
        }
    }

    /// What sigaltstack(2) reports to a thread whose stack pointer is `sp`.
    #[must_use]
    pub const fn reported(&self, sp: u64) -> AltStack {
        let state = if !self.is_enabled() {
            ss::DISABLE
        } else if self.is_active(sp) {
            ss::ONSTACK
        } else {
            0
        };
        AltStack { flags: state | self.flags & ss::AUTODISARM, ..*self }
    }

    /// The stack after it was replaced by `new`, as by sigaltstack(2) and, errors ignored, by
    /// rt_sigreturn(2). `sp` is the thread's stack pointer and `min` the least size in bytes:
    /// [`minsigstksz`].
    ///
    /// # Errors
    /// `EPERM` when the thread runs on the present one, `EINVAL` for unknown flags, `ENOMEM` when
    /// the new one is too small.
    pub const fn replaced(&self, new: AltStack, sp: u64, min: u64) -> Result<AltStack, Errno> {
        if self.is_active(sp) {
            return Err(Errno::EPERM);
        }
        match new.flags & !ss::AUTODISARM {
            ss::DISABLE => Ok(AltStack { sp: 0, flags: new.flags, size: 0 }),
            0 | ss::ONSTACK if new.size < min => Err(Errno::ENOMEM),
            0 | ss::ONSTACK => Ok(new),
            _ => Err(Errno::EINVAL),
        }
    }
}
