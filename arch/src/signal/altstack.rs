//! Alternate signal stacks.

use crate::{Addr, Arch};
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

/// `stack_t` of sigaltstack(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SigAltStack {
    /// Lowest address.
    pub sp: u64,
    /// [`ss`] flags.
    pub flags: u32,
    pad: u32,
    /// Bytes.
    pub size: u64,
}

static_assertions::const_assert_eq!(size_of::<SigAltStack>(), 24);

impl Default for SigAltStack {
    fn default() -> SigAltStack {
        SigAltStack::DISABLED
    }
}

impl SigAltStack {
    /// No alternate stack.
    pub const DISABLED: SigAltStack = SigAltStack { sp: 0, flags: ss::DISABLE, pad: 0, size: 0 };

    /// A stack of `size` bytes from `sp` up.
    pub const fn new(sp: Addr, size: u64, flags: u32) -> SigAltStack {
        SigAltStack { sp: sp.0, flags, pad: 0, size }
    }

    /// Whether `sp` lies on the stack, the end included, whatever the flags
    /// (`__on_sig_stack` in `include/linux/sched/signal.h`).
    pub const fn covers(&self, sp: Addr) -> bool {
        sp.0 > self.sp && sp.0 - self.sp <= self.size
    }

    /// Whether a thread with this stack pointer runs on it. With [`ss::AUTODISARM`] none does.
    pub const fn is_active(&self, sp: Addr) -> bool {
        self.flags & ss::AUTODISARM == 0 && self.covers(sp)
    }

    /// Whether there is one.
    pub const fn is_enabled(&self) -> bool {
        self.size != 0
    }

    /// The stack to be used by a handler with [`super::sa::ONSTACK`] when the thread's stack
    /// pointer is `sp`: its end, or `None` to go on where the thread is.
    pub const fn entry(&self, sp: Addr) -> Option<Addr> {
        if self.is_enabled() && !self.is_active(sp) {
            Some(Addr(self.sp.wrapping_add(self.size)))
        } else {
            None
        }
    }

    /// What sigaltstack(2) reports to a thread whose stack pointer is `sp`.
    pub const fn report(&self, sp: Addr) -> SigAltStack {
        let state = if !self.is_enabled() {
            ss::DISABLE
        } else if self.is_active(sp) {
            ss::ONSTACK
        } else {
            0
        };
        let flags = state | self.flags & ss::AUTODISARM;
        SigAltStack { sp: self.sp, flags, pad: 0, size: self.size }
    }

    /// Replaces the stack, as sigaltstack(2) and, its error ignored, rt_sigreturn(2) do. `sp` is
    /// the thread's stack pointer and `min` the least size in bytes: [`minsigstksz`].
    ///
    /// # Errors
    /// `EPERM` when the thread runs on the present one, `EINVAL` for unknown flags, `ENOMEM` when
    /// the new one is too small.
    pub fn replace(&mut self, new: SigAltStack, sp: Addr, min: u64) -> Result<(), Errno> {
        if self.is_active(sp) {
            return Err(Errno::EPERM);
        }
        let mode = new.flags & !ss::AUTODISARM;
        if !matches!(mode, 0 | ss::DISABLE | ss::ONSTACK) {
            return Err(Errno::EINVAL);
        }
        let (sp, size) = if mode == ss::DISABLE { (0, 0) } else { (new.sp, new.size) };
        if mode != ss::DISABLE && size < min {
            return Err(Errno::ENOMEM);
        }
        *self = SigAltStack { sp, flags: new.flags, pad: 0, size };
        Ok(())
    }
}
