//! x86-64.

mod registers;

pub use registers::{Registers, eflags};

use crate::{FpuLayout, FpuState};

/// One user thread's processor state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// General registers.
    pub regs: Registers,
    /// Floating-point and vector registers.
    pub fpu: FpuState,
}

impl Context {
    /// The state in which execve(2) starts a program: flags, segments and FPU set, the rest zero.
    pub fn new(layout: &FpuLayout) -> Context {
        Context { regs: Registers::initial(), fpu: FpuState::x86(layout) }
    }
}
