//! Register sets as tracers and core dumps see them.
//!
//! Source: ptrace(2), `arch/x86/kernel/ptrace.c`, `arch/arm64/kernel/ptrace.c`,
//! `include/uapi/linux/elf.h`.

use crate::{Arch, Context};
use alloc::vec::Vec;
use syserr::Errno;

/// A register set of `PTRACE_GETREGSET`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegSet {
    /// `NT_PRSTATUS`: general-purpose registers, `struct user_regs_struct` or `user_pt_regs`.
    General,
    /// `NT_PRFPREG`: 512 bytes of `FXSAVE`, or `struct user_fpsimd_state`.
    Fpu,
    /// `NT_X86_XSTATE`: the whole XSAVE image.
    XState,
    /// `NT_ARM_TLS`: the thread pointer.
    ArmTls,
    /// `NT_ARM_SYSTEM_CALL`: the number of the system call.
    ArmSystemCall,
    /// `NT_ARM_SVE`: `struct user_sve_header`, then the vector registers.
    ArmSve,
}

impl RegSet {
    /// The set that a note type names on `arch`, if there is one.
    pub const fn from_note(arch: Arch, note: u32) -> Option<RegSet> {
        match (arch, note) {
            (_, 1) => Some(RegSet::General),
            (_, 2) => Some(RegSet::Fpu),
            (Arch::X86_64, 0x202) => Some(RegSet::XState),
            (Arch::Aarch64, 0x401) => Some(RegSet::ArmTls),
            (Arch::Aarch64, 0x404) => Some(RegSet::ArmSystemCall),
            (Arch::Aarch64, 0x405) => Some(RegSet::ArmSve),
            _ => None,
        }
    }

    /// Bytes of one register of the set: a length that is no multiple of it is `EINVAL`.
    pub const fn unit(self, arch: Arch) -> usize {
        match (self, arch) {
            (RegSet::Fpu, Arch::Aarch64) | (RegSet::ArmSystemCall, _) => 4,
            (RegSet::ArmSve, _) => 16,
            _ => 8,
        }
    }
}

impl Context {
    /// The bytes of a register set. `PTRACE_GETREGSET` hands out as many of them as the tracer has
    /// room for.
    ///
    /// # Errors
    /// `ENODEV` for a set that the architecture or the processor does not have.
    pub fn regset(&self, set: RegSet) -> Result<Vec<u8>, Errno> {
        match self {
            Context::X86_64(c) => c.regset(set),
            Context::Aarch64(c) => c.regset(set),
        }
    }

    /// Changes a register set. General-purpose registers may be only the first ones.
    ///
    /// # Errors
    /// `ENODEV` as [`Context::regset`]; `EINVAL` for a length that is no whole number of
    /// registers; `EIO` for selectors and bases that user code cannot have (x86-64), registers
    /// before them being changed already, as in Linux; `EINVAL` for a processor state that user
    /// code cannot have (arm64) and for FPU states that are not valid; `EFAULT` for an `XState` of
    /// another length; `EIO` for vector registers of a length that the processor does not have.
    pub fn set_regset(&mut self, set: RegSet, bytes: &[u8]) -> Result<(), Errno> {
        match self {
            Context::X86_64(c) => c.set_regset(set, bytes),
            Context::Aarch64(c) => c.set_regset(set, bytes),
        }
    }

    /// The word at `offset` of `struct user`: `PTRACE_PEEKUSER`.
    ///
    /// # Errors
    /// `EIO` for an offset outside, or that is no multiple of 8; always on arm64.
    pub fn peek_user(&self, offset: u64) -> Result<u64, Errno> {
        match self {
            Context::X86_64(c) => c.peek_user(offset),
            Context::Aarch64(_) => Err(Errno::EIO),
        }
    }

    /// Changes the word at `offset` of `struct user`: `PTRACE_POKEUSER`.
    ///
    /// # Errors
    /// As [`Context::peek_user`]; `EIO` for a value that the register cannot have.
    pub fn poke_user(&mut self, offset: u64, value: u64) -> Result<(), Errno> {
        match self {
            Context::X86_64(c) => c.poke_user(offset, value),
            Context::Aarch64(_) => Err(Errno::EIO),
        }
    }
}
