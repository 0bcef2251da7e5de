//! General-purpose registers of arm64.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The registers of one arm64 thread: `struct user_pt_regs`
/// (`arch/arm64/include/uapi/asm/ptrace.h`), which is also the `NT_PRSTATUS` set.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Registers {
    /// `x0` to `x30`.
    pub x: [u64; 31],
    /// The stack pointer.
    pub sp: u64,
    /// The program counter.
    pub pc: u64,
    /// The processor state.
    pub pstate: u64,
}

static_assertions::const_assert_eq!(size_of::<Registers>(), 34 * 8);
static_assertions::const_assert_eq!(core::mem::offset_of!(Registers, sp), 248);
static_assertions::const_assert_eq!(core::mem::offset_of!(Registers, pc), 256);
static_assertions::const_assert_eq!(core::mem::offset_of!(Registers, pstate), 264);

/// Bits of `pstate` (`arch/arm64/include/asm/ptrace.h`).
pub mod pstate {
    /// Exception level and stack selection; zero is `EL0t`.
    pub const MODE_MASK: u64 = 0xf;
    /// 32-bit execution.
    pub const MODE32: u64 = 1 << 4;
    /// Masks of FIQ, IRQ, SError and debug exceptions.
    pub const DAIF: u64 = 0xf << 6;
    /// Branch type.
    pub const BTYPE_MASK: u64 = 3 << 10;
    /// Branch type of a call.
    pub const BTYPE_C: u64 = 2 << 10;
    /// Software step.
    pub const SS: u64 = 1 << 21;
    /// Tag check override.
    pub const TCO: u64 = 1 << 25;
    /// The condition flags.
    pub const NZCV: u64 = 0xf << 28;
    /// What is reserved as zero (`SPSR_EL1_AARCH64_RES0_BITS`).
    pub const RES0: u64 = !0xffff_ffff | 3 << 26 | 3 << 22 | 0xff << 13 | 1 << 5;

    /// Whether user mode may have this state, reserved bits aside (`valid_native_regs`).
    pub const fn is_valid(v: u64) -> bool {
        v & (MODE_MASK | MODE32 | DAIF) == 0
    }
}

/// First address that no arm64 user address can be, with 48-bit page tables.
pub const TASK_SIZE_MAX: u64 = 1 << 48;
