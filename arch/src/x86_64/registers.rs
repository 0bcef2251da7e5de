//! General registers, in the order of ptrace(2).

use core::mem::offset_of;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct user_regs_struct` (`arch/x86/include/asm/user_64.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[expect(missing_docs, reason = "the fields are the registers of their names")]
pub struct Registers {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub orig_rax: u64,
    pub rip: u64,
    pub cs: u64,
    pub eflags: u64,
    pub rsp: u64,
    pub ss: u64,
    pub fs_base: u64,
    pub gs_base: u64,
    pub ds: u64,
    pub es: u64,
    pub fs: u64,
    pub gs: u64,
}

const _: () = assert!(size_of::<Registers>() == 27 * 8);
const _: () = assert!(offset_of!(Registers, orig_rax) == 15 * 8);
const _: () = assert!(offset_of!(Registers, rsp) == 19 * 8);
const _: () = assert!(offset_of!(Registers, gs_base) == 22 * 8);

/// Bits of the flags register.
pub mod eflags {
    /// Carry.
    pub const CF: u64 = 1;
    /// Always set.
    pub const FIXED: u64 = 1 << 1;
    /// Parity.
    pub const PF: u64 = 1 << 2;
    /// Adjust.
    pub const AF: u64 = 1 << 4;
    /// Zero.
    pub const ZF: u64 = 1 << 6;
    /// Sign.
    pub const SF: u64 = 1 << 7;
    /// Trap: single step.
    pub const TF: u64 = 1 << 8;
    /// Interrupts enabled.
    pub const IF: u64 = 1 << 9;
    /// Direction.
    pub const DF: u64 = 1 << 10;
    /// Overflow.
    pub const OF: u64 = 1 << 11;
    /// Resume.
    pub const RF: u64 = 1 << 16;
    /// Alignment check.
    pub const AC: u64 = 1 << 18;
}

impl Registers {
    /// 64-bit user code.
    pub const USER_CS: u64 = 0x33;
    /// User data.
    pub const USER_SS: u64 = 0x2b;

    /// What execve(2) starts a program with, entry and stack aside.
    pub fn initial() -> Registers {
        Registers {
            cs: Registers::USER_CS,
            ss: Registers::USER_SS,
            eflags: eflags::IF | eflags::FIXED,
            orig_rax: u64::MAX,
            ..Registers::default()
        }
    }
}
