//! arm64.

mod registers;

pub use registers::Registers;

use crate::{FpuLayout, FpuState};

/// One user thread's processor state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// General registers.
    pub regs: Registers,
    /// `TPIDR_EL0`: the thread pointer.
    pub tls: u64,
    /// `x0` as it was when the current system call was entered.
    pub orig_x0: u64,
    /// FPSIMD registers.
    pub fpu: FpuState,
}

impl Context {
    /// The state in which execve(2) starts a program: all zero.
    pub fn new(layout: &FpuLayout) -> Context {
        Context { regs: Registers::default(), tls: 0, orig_x0: 0, fpu: FpuState::arm(layout) }
    }
}
