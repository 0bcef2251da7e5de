//! General-purpose registers of x86-64.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The registers of one x86-64 thread, in the order and size of `struct user_regs_struct`
/// (`arch/x86/include/asm/user_64.h`), which is also what `PTRACE_GETREGS` hands out.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
#[expect(missing_docs, reason = "the fields are the registers of the same names")]
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
    /// The system call's number, or `u64::MAX` outside of system calls.
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

static_assertions::const_assert_eq!(size_of::<Registers>(), 27 * 8);
static_assertions::const_assert_eq!(core::mem::offset_of!(Registers, rax), 80);
static_assertions::const_assert_eq!(core::mem::offset_of!(Registers, orig_rax), 120);
static_assertions::const_assert_eq!(core::mem::offset_of!(Registers, rip), 128);
static_assertions::const_assert_eq!(core::mem::offset_of!(Registers, rsp), 152);
static_assertions::const_assert_eq!(core::mem::offset_of!(Registers, fs_base), 168);
static_assertions::const_assert_eq!(core::mem::offset_of!(Registers, gs), 208);

/// Bits of `eflags`.
pub mod eflags {
    /// Carry.
    pub const CF: u64 = 1 << 0;
    /// Always set.
    pub const FIXED: u64 = 1 << 1;
    /// Parity.
    pub const PF: u64 = 1 << 2;
    /// Auxiliary carry.
    pub const AF: u64 = 1 << 4;
    /// Zero.
    pub const ZF: u64 = 1 << 6;
    /// Sign.
    pub const SF: u64 = 1 << 7;
    /// Trap after each instruction.
    pub const TF: u64 = 1 << 8;
    /// Interrupts enabled; always set in user mode.
    pub const IF: u64 = 1 << 9;
    /// Direction of string instructions.
    pub const DF: u64 = 1 << 10;
    /// Overflow.
    pub const OF: u64 = 1 << 11;
    /// Nested task.
    pub const NT: u64 = 1 << 14;
    /// Resume: no debug exception for one instruction.
    pub const RF: u64 = 1 << 16;
    /// Alignment check.
    pub const AC: u64 = 1 << 18;
    /// What sigreturn takes from the frame (`FIX_EFLAGS` in
    /// `arch/x86/include/asm/sighandling.h`).
    pub const SIGRETURN: u64 = AC | OF | DF | TF | SF | ZF | AF | PF | CF | RF;
    /// What a tracer may change (`FLAG_MASK` in `arch/x86/kernel/ptrace.c`).
    pub const PTRACE: u64 = SIGRETURN | NT;
    /// `cpuid` can be used; a program may change it and find out.
    pub const ID: u64 = 1 << 21;
    /// What user code can change itself, with `popf`.
    pub const USER: u64 = PTRACE | ID;
}

/// Whether bits 63 to 47 of an address are the same, without which no processor with four-level
/// page tables takes it as an instruction pointer or a segment's base.
pub const fn is_canonical(addr: u64) -> bool {
    ((addr as i64) << 16 >> 16) as u64 == addr
}

/// Selector of 64-bit user code (`__USER_CS`).
pub const USER_CS: u64 = 0x33;
/// Selector of user data (`__USER_DS`).
pub const USER_DS: u64 = 0x2b;
/// First address that no x86-64 user address can be, with four-level page tables
/// (`TASK_SIZE_MAX`).
pub const TASK_SIZE_MAX: u64 = (1 << 47) - 4096;
