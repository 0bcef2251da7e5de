//! One x86-64 user thread's state.

use super::regs::{Registers, TASK_SIZE_MAX, USER_CS, USER_DS, eflags, is_canonical};
use crate::{FpuLayout, FpuState};
use syserr::Errno;

/// Bytes of the `syscall` instruction.
const SYSCALL_LEN: u64 = 2;
/// `restart_syscall(2)`.
const NR_RESTART_SYSCALL: u64 = 219;

/// Registers and FPU state of one x86-64 user thread.
#[derive(Clone, Debug)]
pub struct Context {
    /// The general-purpose registers. Public, so that a platform can move them as a whole.
    pub regs: Registers,
    pub(crate) fpu: FpuState,
    /// Whether the trap flag is the tracer's and not the thread's own (`TIF_FORCED_TF`).
    pub(crate) forced_tf: bool,
}

impl Context {
    /// The state in which a program starts, but for `rip` and `rsp`: only the interrupt flag, user
    /// segments, all else zero.
    pub fn new(fpu: &FpuLayout) -> Context {
        let regs = Registers {
            cs: USER_CS,
            ss: USER_DS,
            eflags: eflags::IF | eflags::FIXED,
            orig_rax: u64::MAX,
            ..Registers::default()
        };
        Context { regs, fpu: FpuState::new(*fpu), forced_tf: false }
    }

    /// Turns the registers as user code left them at a `syscall` instruction into what they are
    /// inside a system call: the number moves to `orig_rax`, `rax` becomes `-ENOSYS`, `rcx` and
    /// `r11` are overwritten as by the processor. For platforms that trap in another way.
    pub fn enter_syscall(&mut self) {
        self.regs.orig_rax = self.regs.rax;
        self.regs.rax = Errno::ENOSYS.to_return();
        self.regs.rcx = self.regs.rip;
        self.regs.r11 = self.regs.eflags;
    }

    /// The system call's number: the low 32 bits of `orig_rax`, as Linux takes them
    /// (`entry_SYSCALL_64`).
    pub const fn syscall_no(&self) -> u64 {
        self.regs.orig_rax as u32 as u64
    }

    /// The system call's arguments.
    pub const fn syscall_args(&self) -> [u64; 6] {
        let r = &self.regs;
        [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9]
    }

    pub(crate) fn undo_syscall(&mut self) {
        self.regs.rax = self.regs.orig_rax;
    }

    pub(crate) fn restart_syscall(&mut self) {
        self.regs.rip = self.regs.rip.wrapping_sub(SYSCALL_LEN);
        self.undo_syscall();
    }

    pub(crate) fn restart_with_block(&mut self) {
        self.regs.rip = self.regs.rip.wrapping_sub(SYSCALL_LEN);
        self.regs.rax = NR_RESTART_SYSCALL;
    }

    pub(crate) fn set_tls(&mut self, base: u64) -> bool {
        if base >= TASK_SIZE_MAX {
            return false;
        }
        self.regs.fs_base = base;
        self.regs.fs = 0;
        true
    }

    /// Sets the base of `gs`, as `ARCH_SET_GS` of arch_prctl(2). False, and nothing changed, when
    /// it is no user address.
    #[must_use]
    pub fn set_gs_base(&mut self, base: u64) -> bool {
        if base >= TASK_SIZE_MAX {
            return false;
        }
        self.regs.gs_base = base;
        self.regs.gs = 0;
        true
    }

    pub(crate) fn is_loadable(&self) -> bool {
        let r = &self.regs;
        let selector = |s: u64| s == 0 || s <= 0xffff && s & 3 == 3;
        (r.cs, r.ss) == (USER_CS, USER_DS)
            && [r.ds, r.es, r.fs, r.gs].into_iter().all(selector)
            && [r.rip, r.fs_base, r.gs_base].into_iter().all(is_canonical)
            && r.eflags & !eflags::USER == eflags::IF | eflags::FIXED
            && self.fpu.is_loadable()
    }

    pub(crate) fn single_step(&self) -> bool {
        self.forced_tf
    }

    pub(crate) fn set_single_step(&mut self, on: bool) {
        if on {
            // A trap flag that the program has set itself stays the program's.
            if self.regs.eflags & eflags::TF == 0 {
                self.regs.eflags |= eflags::TF;
                self.forced_tf = true;
            }
        } else if self.forced_tf {
            self.regs.eflags &= !eflags::TF;
            self.forced_tf = false;
        }
    }
}
