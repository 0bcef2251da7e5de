//! One user thread's processor state on either architecture, and its system-call ABI.

use crate::{Arch, FpuLayout, FpuState, aarch64, x86_64};

/// The first address that no x86-64 user mapping can have.
const X86_TASK_SIZE: u64 = (1 << 47) - 4096;
/// The first address that no arm64 user mapping can have, with 48 bits of addresses.
const ARM_TASK_SIZE: u64 = 1 << 48;

/// A register context: concrete, copied with [`Clone`] or [`Context::fork`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Context {
    /// x86-64.
    X86_64(x86_64::Context),
    /// arm64.
    Aarch64(aarch64::Context),
}

impl Context {
    /// The state in which execve(2) starts a program, entry and stack aside.
    pub fn new(arch: Arch, layout: &FpuLayout) -> Context {
        match arch {
            Arch::X86_64 => Context::X86_64(x86_64::Context::new(layout)),
            Arch::Aarch64 => Context::Aarch64(aarch64::Context::new(layout)),
        }
    }

    /// A deep copy, FPU state included.
    pub fn fork(&self) -> Context {
        self.clone()
    }

    /// The architecture.
    pub fn arch(&self) -> Arch {
        match self {
            Context::X86_64(_) => Arch::X86_64,
            Context::Aarch64(_) => Arch::Aarch64,
        }
    }

    /// Number of the system call that trapped. Linux uses 32 bits of the register.
    pub fn syscall_no(&self) -> u64 {
        match self {
            Context::X86_64(c) => u64::from(c.regs.orig_rax as u32),
            Context::Aarch64(c) => u64::from(c.regs.x[8] as u32),
        }
    }

    /// Arguments of the system call that trapped.
    pub fn syscall_args(&self) -> [u64; 6] {
        match self {
            Context::X86_64(c) => {
                [c.regs.rdi, c.regs.rsi, c.regs.rdx, c.regs.r10, c.regs.r8, c.regs.r9]
            }
            Context::Aarch64(c) => {
                [c.orig_x0, c.regs.x[1], c.regs.x[2], c.regs.x[3], c.regs.x[4], c.regs.x[5]]
            }
        }
    }

    /// Keeps what restarting needs; called once when a system call has trapped.
    pub fn save_orig(&mut self) {
        if let Context::Aarch64(c) = self {
            c.orig_x0 = c.regs.x[0];
        }
    }

    /// Sets the return register.
    pub fn set_return(&mut self, value: u64) {
        match self {
            Context::X86_64(c) => c.regs.rax = value,
            Context::Aarch64(c) => c.regs.x[0] = value,
        }
    }

    /// The return register.
    pub fn return_value(&self) -> u64 {
        match self {
            Context::X86_64(c) => c.regs.rax,
            Context::Aarch64(c) => c.regs.x[0],
        }
    }

    /// Makes the system call that trapped happen again.
    pub fn restart_syscall(&mut self) {
        match self {
            Context::X86_64(c) => {
                c.regs.rip = c.regs.rip.wrapping_sub(2);
                c.regs.rax = c.regs.orig_rax;
            }
            Context::Aarch64(c) => {
                c.regs.pc = c.regs.pc.wrapping_sub(4);
                c.regs.x[0] = c.orig_x0;
            }
        }
    }

    /// Makes restart_syscall(2) happen in place of the system call that trapped.
    pub fn restart_with_block(&mut self) {
        self.restart_syscall();
        match self {
            Context::X86_64(c) => c.regs.rax = 219,
            Context::Aarch64(c) => c.regs.x[8] = 128,
        }
    }

    /// Forgets the system call that trapped, so that nothing restarts it (sigreturn).
    pub fn clear_syscall(&mut self) {
        if let Context::X86_64(c) = self {
            c.regs.orig_rax = u64::MAX;
        }
    }

    /// Instruction pointer.
    pub fn ip(&self) -> u64 {
        match self {
            Context::X86_64(c) => c.regs.rip,
            Context::Aarch64(c) => c.regs.pc,
        }
    }

    /// Sets the instruction pointer.
    pub fn set_ip(&mut self, value: u64) {
        match self {
            Context::X86_64(c) => c.regs.rip = value,
            Context::Aarch64(c) => c.regs.pc = value,
        }
    }

    /// Stack pointer.
    pub fn sp(&self) -> u64 {
        match self {
            Context::X86_64(c) => c.regs.rsp,
            Context::Aarch64(c) => c.regs.sp,
        }
    }

    /// Sets the stack pointer.
    pub fn set_sp(&mut self, value: u64) {
        match self {
            Context::X86_64(c) => c.regs.rsp = value,
            Context::Aarch64(c) => c.regs.sp = value,
        }
    }

    /// Thread pointer: the FS base, or `TPIDR_EL0`.
    pub fn tls(&self) -> u64 {
        match self {
            Context::X86_64(c) => c.regs.fs_base,
            Context::Aarch64(c) => c.tls,
        }
    }

    /// Sets the thread pointer; refuses an address that is not the user's (callers say `EPERM`).
    #[must_use]
    pub fn set_tls(&mut self, value: u64) -> bool {
        match self {
            Context::X86_64(c) => {
                if value >= X86_TASK_SIZE {
                    return false;
                }
                c.regs.fs_base = value;
                c.regs.fs = 0;
            }
            Context::Aarch64(c) => {
                if value >= ARM_TASK_SIZE {
                    return false;
                }
                c.tls = value;
            }
        }
        true
    }

    /// Whether the next instruction ends in a trap.
    pub fn single_step(&self) -> bool {
        match self {
            Context::X86_64(c) => c.regs.eflags & x86_64::eflags::TF != 0,
            Context::Aarch64(c) => c.regs.pstate & PSTATE_SS != 0,
        }
    }

    /// Makes the next instruction end in a trap, or not.
    pub fn set_single_step(&mut self, on: bool) {
        let (flags, bit) = match self {
            Context::X86_64(c) => (&mut c.regs.eflags, x86_64::eflags::TF),
            Context::Aarch64(c) => (&mut c.regs.pstate, PSTATE_SS),
        };
        *flags = if on { *flags | bit } else { *flags & !bit };
    }

    /// Floating-point and vector registers.
    pub fn fpu(&self) -> &FpuState {
        match self {
            Context::X86_64(c) => &c.fpu,
            Context::Aarch64(c) => &c.fpu,
        }
    }

    /// Floating-point and vector registers.
    pub fn fpu_mut(&mut self) -> &mut FpuState {
        match self {
            Context::X86_64(c) => &mut c.fpu,
            Context::Aarch64(c) => &mut c.fpu,
        }
    }
}

/// `PSTATE.SS`.
const PSTATE_SS: u64 = 1 << 21;
