//! One arm64 user thread's state.

use super::regs::{Registers, TASK_SIZE_MAX, pstate};
use crate::{FpuLayout, FpuState};

/// Bytes of the `svc` instruction.
const SVC_LEN: u64 = 4;
/// `restart_syscall(2)`.
const NR_RESTART_SYSCALL: u64 = 128;
/// The register of the system call's number.
const X8: usize = 8;

/// Registers and FPU state of one arm64 user thread.
#[derive(Clone, Debug)]
pub struct Context {
    /// The general-purpose registers. Public, so that a platform can move them as a whole.
    pub regs: Registers,
    /// `x0` at the entry of the system call: its first argument, which the result overwrites.
    pub orig_x0: u64,
    /// `TPIDR_EL0`, the thread pointer.
    pub tls: u64,
    /// The number of the system call, or negative outside of one.
    pub(crate) syscall: i32,
    pub(crate) fpu: FpuState,
    pub(crate) step: bool,
}

impl Context {
    /// The state in which a program starts, but for `pc` and `sp`: all zero.
    pub fn new(fpu: &FpuLayout) -> Context {
        Context {
            regs: Registers::default(),
            orig_x0: 0,
            tls: 0,
            syscall: -1,
            fpu: FpuState::new(*fpu),
            step: false,
        }
    }

    /// The system call's number: the low 32 bits of `x8`, as Linux takes them (`do_el0_svc`).
    pub const fn syscall_no(&self) -> u64 {
        self.regs.x[X8] as u32 as u64
    }

    /// The system call's arguments.
    pub const fn syscall_args(&self) -> [u64; 6] {
        let x = &self.regs.x;
        [self.orig_x0, x[1], x[2], x[3], x[4], x[5]]
    }

    pub(crate) fn set_syscall_no(&mut self, nr: i32) {
        self.syscall = nr;
        self.regs.x[X8] = nr as u32 as u64;
    }

    pub(crate) fn set_syscall_args(&mut self, args: [u64; 6]) {
        self.orig_x0 = args[0];
        for (to, value) in self.regs.x.iter_mut().zip(args) {
            *to = value;
        }
    }

    pub(crate) fn save_orig(&mut self) {
        self.orig_x0 = self.regs.x[0];
        self.syscall = self.regs.x[X8] as i32;
    }

    pub(crate) fn undo_syscall(&mut self) {
        self.regs.x[0] = self.orig_x0;
    }

    pub(crate) fn restart_syscall(&mut self) {
        self.regs.pc = self.regs.pc.wrapping_sub(SVC_LEN);
        self.undo_syscall();
    }

    pub(crate) fn restart_with_block(&mut self) {
        self.regs.pc = self.regs.pc.wrapping_sub(SVC_LEN);
        self.regs.x[X8] = NR_RESTART_SYSCALL;
    }

    pub(crate) fn set_tls(&mut self, base: u64) -> bool {
        if base >= TASK_SIZE_MAX {
            return false;
        }
        self.tls = base;
        true
    }

    pub(crate) const fn is_loadable(&self) -> bool {
        pstate::is_valid(self.regs.pstate) && self.regs.pstate & pstate::RES0 == 0
    }

    pub(crate) fn single_step(&self) -> bool {
        self.step
    }

    pub(crate) fn set_single_step(&mut self, on: bool) {
        self.step = on;
        if on {
            self.regs.pstate |= pstate::SS;
        } else {
            self.regs.pstate &= !pstate::SS;
        }
    }
}
