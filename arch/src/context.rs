//! A user thread's registers, whatever its architecture.

use crate::{Addr, Arch, FpuLayout, FpuState, Stack, UserMemory, aarch64, x86_64};

/// Registers and FPU state of one user thread: one of two concrete types, never a trait object, so
/// that the way of a system call compiles to a test and a load.
#[derive(Clone, Debug)]
pub enum Context {
    /// Of x86-64.
    X86_64(x86_64::Context),
    /// Of arm64.
    Aarch64(aarch64::Context),
}

macro_rules! each {
    ($self:expr, $c:ident => $body:expr) => {
        match $self {
            Context::X86_64($c) => $body,
            Context::Aarch64($c) => $body,
        }
    };
}

impl Context {
    /// The state in which a program of `arch` starts, but for instruction and stack pointer.
    pub fn new(arch: Arch, fpu: &FpuLayout) -> Context {
        match arch {
            Arch::X86_64 => Context::X86_64(x86_64::Context::new(fpu)),
            Arch::Aarch64 => Context::Aarch64(aarch64::Context::new(fpu)),
        }
    }

    /// The architecture.
    pub const fn arch(&self) -> Arch {
        match self {
            Context::X86_64(_) => Arch::X86_64,
            Context::Aarch64(_) => Arch::Aarch64,
        }
    }

    /// A copy, FPU state included: what fork(2) gives the child before its return value is set.
    /// Neither sees what the other changes afterwards. A single step that a tracer has ordered is
    /// the parent's alone.
    #[must_use]
    pub fn fork(&self) -> Context {
        let mut child = self.clone();
        child.set_single_step(false);
        child
    }

    /// The x86-64 context, if it is one.
    pub fn as_x86_64(&self) -> Option<&x86_64::Context> {
        if let Context::X86_64(c) = self { Some(c) } else { None }
    }

    /// The x86-64 context, if it is one.
    pub fn as_x86_64_mut(&mut self) -> Option<&mut x86_64::Context> {
        if let Context::X86_64(c) = self { Some(c) } else { None }
    }

    /// The arm64 context, if it is one.
    pub fn as_aarch64(&self) -> Option<&aarch64::Context> {
        if let Context::Aarch64(c) = self { Some(c) } else { None }
    }

    /// The arm64 context, if it is one.
    pub fn as_aarch64_mut(&mut self) -> Option<&mut aarch64::Context> {
        if let Context::Aarch64(c) = self { Some(c) } else { None }
    }

    /// The number of the system call that the thread makes. Linux takes 32 bits of it.
    pub const fn syscall_no(&self) -> u64 {
        each!(self, c => c.syscall_no())
    }

    /// Makes the registers those of another system call, or with `u64::MAX` of none.
    pub fn set_syscall_no(&mut self, nr: u64) {
        match self {
            Context::X86_64(c) => c.regs.orig_rax = i64::from(nr as i32) as u64,
            Context::Aarch64(c) => c.set_syscall_no(nr as i32),
        }
    }

    /// The arguments of the system call that the thread makes.
    pub const fn syscall_args(&self) -> [u64; 6] {
        each!(self, c => c.syscall_args())
    }

    /// Changes the arguments of the system call that the thread makes.
    pub fn set_syscall_args(&mut self, args: [u64; 6]) {
        match self {
            Context::X86_64(c) => {
                let r = &mut c.regs;
                [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9] = args;
            }
            Context::Aarch64(c) => c.set_syscall_args(args),
        }
    }

    /// Keeps what the system call's result will overwrite; call it once at the entry of each
    /// system call. On x86-64 the number is in `orig_rax` already and nothing is to be kept; on
    /// arm64 the result overwrites the first argument.
    pub fn save_orig(&mut self) {
        if let Context::Aarch64(c) = self {
            c.save_orig();
        }
    }

    /// Whether the registers are those of a system call that was not finished by
    /// [`Context::clear_syscall`] or sigreturn(2).
    pub const fn in_syscall(&self) -> bool {
        match self {
            Context::X86_64(c) => c.regs.orig_rax as i32 != -1,
            Context::Aarch64(c) => c.syscall >= 0,
        }
    }

    /// Notes that the registers are no system call's any more, so that nothing restarts one.
    pub fn clear_syscall(&mut self) {
        match self {
            Context::X86_64(c) => c.regs.orig_rax = u64::MAX,
            Context::Aarch64(c) => c.syscall = -1,
        }
    }

    /// Sets the result of the system call: a value, or a negated error number
    /// ([`syserr::Errno::to_return`]).
    pub fn set_return(&mut self, value: u64) {
        match self {
            Context::X86_64(c) => c.regs.rax = value,
            Context::Aarch64(c) => c.regs.x[0] = value,
        }
    }

    /// The result of the system call.
    pub const fn return_value(&self) -> u64 {
        match self {
            Context::X86_64(c) => c.regs.rax,
            Context::Aarch64(c) => c.regs.x[0],
        }
    }

    /// The registers as if the system call had not been made, behind its instruction
    /// (`syscall_rollback`).
    pub fn undo_syscall(&mut self) {
        each!(self, c => c.undo_syscall());
    }

    /// Makes the thread run the same system call again.
    pub fn restart_syscall(&mut self) {
        each!(self, c => c.restart_syscall());
    }

    /// Makes the thread run restart_syscall(2) in place of the system call.
    pub fn restart_with_block(&mut self) {
        each!(self, c => c.restart_with_block());
    }

    /// The instruction pointer.
    pub const fn ip(&self) -> u64 {
        match self {
            Context::X86_64(c) => c.regs.rip,
            Context::Aarch64(c) => c.regs.pc,
        }
    }

    /// Sets the instruction pointer.
    pub fn set_ip(&mut self, ip: u64) {
        match self {
            Context::X86_64(c) => c.regs.rip = ip,
            Context::Aarch64(c) => c.regs.pc = ip,
        }
    }

    /// The stack pointer.
    pub const fn sp(&self) -> u64 {
        match self {
            Context::X86_64(c) => c.regs.rsp,
            Context::Aarch64(c) => c.regs.sp,
        }
    }

    /// Sets the stack pointer.
    pub fn set_sp(&mut self, sp: u64) {
        match self {
            Context::X86_64(c) => c.regs.rsp = sp,
            Context::Aarch64(c) => c.regs.sp = sp,
        }
    }

    /// The thread pointer: the base of `fs`, or `TPIDR_EL0`.
    pub const fn tls(&self) -> u64 {
        match self {
            Context::X86_64(c) => c.regs.fs_base,
            Context::Aarch64(c) => c.tls,
        }
    }

    /// Sets the thread pointer. False, and nothing changed, when it is no user address; clone(2)
    /// and arch_prctl(2) make `EPERM` of that.
    #[must_use]
    pub fn set_tls(&mut self, base: u64) -> bool {
        each!(self, c => c.set_tls(base))
    }

    /// Whether a tracer has ordered a trap after the next instruction.
    pub fn single_step(&self) -> bool {
        each!(self, c => c.single_step())
    }

    /// Orders a trap after the next instruction, or takes the order back. A trap flag that the
    /// program itself has set on x86-64 stays as it is.
    pub fn set_single_step(&mut self, on: bool) {
        each!(self, c => c.set_single_step(on));
    }

    /// Whether a processor takes this state on its way to user code: selectors, flags and mode of
    /// user code, an instruction pointer and segment bases that can be, an FPU image that loads.
    ///
    /// What fork, system calls, signal frames and sigreturn make of a state for which this holds,
    /// it holds for. It is to be asked after changing `regs`, and after a tracer has: Linux lets a
    /// tracer set any `rip`, and the thread gets `SIGSEGV` when it goes on.
    pub fn is_loadable(&self) -> bool {
        each!(self, c => c.is_loadable())
    }

    /// The stack at the stack pointer, in the thread's memory.
    pub fn stack<'a>(&self, mem: &'a dyn UserMemory) -> Stack<'a> {
        Stack::new(mem, Addr(self.sp()))
    }

    /// The FPU state.
    pub const fn fpu(&self) -> &FpuState {
        each!(self, c => &c.fpu)
    }

    /// The FPU state.
    pub fn fpu_mut(&mut self) -> &mut FpuState {
        each!(self, c => &mut c.fpu)
    }
}
