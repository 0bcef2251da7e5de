//! General registers, in the order of ptrace(2).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct user_pt_regs` (`arch/arm64/include/uapi/asm/ptrace.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Registers {
    /// `x0` to `x30`.
    pub x: [u64; 31],
    /// Stack pointer.
    pub sp: u64,
    /// Program counter.
    pub pc: u64,
    /// Processor state.
    pub pstate: u64,
}

const _: () = assert!(size_of::<Registers>() == 34 * 8);
