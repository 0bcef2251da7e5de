//! Signal frames: how a handler is entered and left.

use super::{SigAction, SigAltStack, SigInfo, SignalSet, ss};
use crate::{Addr, Context, UserMemory, aarch64, x86_64};
use syserr::Errno;

/// The hardware's words on the fault that a signal stands for. Linux keeps those of the thread's
/// last fault and repeats them in every frame; zero where there was none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultInfo {
    /// x86-64: exception number, 14 for a page fault. Not used on arm64.
    pub trapno: u64,
    /// x86-64: error code. arm64: exception syndrome; its record is left out when zero.
    pub error_code: u64,
    /// x86-64: `CR2`. arm64: fault address.
    pub address: u64,
}

/// Everything that enters a handler: what was sent, what is done about it, and what the thread
/// gets back afterwards.
#[derive(Clone, Copy, Debug)]
pub struct SignalFrame {
    /// What the process does about the signal.
    pub action: SigAction,
    /// What the signal carries; `signo` is the handler's first argument.
    pub info: SigInfo,
    /// The mask that sigreturn brings back.
    pub mask: SignalSet,
    /// The thread's alternate stack.
    pub altstack: SigAltStack,
    /// Of the thread's last fault.
    pub fault: FaultInfo,
    /// Where an arm64 handler without [`super::sa::RESTORER`] returns to: the vDSO's
    /// `__kernel_rt_sigreturn`. Not used on x86-64.
    pub trampoline: Addr,
}

/// What a frame has changed beside registers and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Where the frame lies: the handler's stack pointer.
    pub frame: Addr,
    /// The thread's alternate stack from now on: disabled if it was to disarm itself.
    pub altstack: SigAltStack,
    /// Whether a tracer's single step was pending. It is over, and the tracer is to be told
    /// before the handler's first instruction.
    pub was_stepping: bool,
}

/// What sigreturn has found in a frame beside registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Popped {
    /// The signal mask. It may hold `SIGKILL` and `SIGSTOP`, which cannot be blocked.
    pub mask: SignalSet,
    /// The alternate stack, to be given to [`SigAltStack::replace`] with [`Popped::sp`]; Linux
    /// ignores the error of that.
    pub altstack: SigAltStack,
    /// The stack pointer against which the alternate stack is checked: the handler's on x86-64,
    /// the restored one on arm64.
    pub sp: Addr,
}

impl SignalFrame {
    /// Writes the frame below the thread's stack pointer, or at the end of its alternate stack,
    /// and makes the registers those of the handler's first instruction.
    ///
    /// # Errors
    /// `EFAULT` when the frame cannot be written, would leave the alternate stack (x86-64), or has
    /// nothing to return to (x86-64 without [`super::sa::RESTORER`]). Registers and FPU state are
    /// unchanged then, but for a pending single step; memory may be written in part. Linux sends
    /// `SIGSEGV` in that case.
    pub fn push(&self, ctx: &mut Context, mem: &dyn UserMemory) -> Result<Pushed, Errno> {
        let was_stepping = ctx.single_step();
        // The handler's frame must not hold a trap flag that is the tracer's.
        ctx.set_single_step(false);
        let frame = match ctx {
            Context::X86_64(c) => x86_64::frame::push(self, c, mem),
            Context::Aarch64(c) => aarch64::frame::push(self, c, mem),
        }?;
        let disarm = self.altstack.flags & ss::AUTODISARM != 0;
        let altstack = if disarm { SigAltStack::DISABLED } else { self.altstack };
        Ok(Pushed { frame, altstack, was_stepping })
    }

    /// Reads the frame that the stack pointer says it is on, as rt_sigreturn(2), and makes the
    /// registers those it holds. Nothing in a frame can give user code more than it had.
    ///
    /// # Errors
    /// `EFAULT` when the frame cannot be read or is not acceptable. The context is unchanged then,
    /// where Linux may have loaded a part of it; it sends `SIGSEGV`, which the caller does too.
    pub fn pop(ctx: &mut Context, mem: &dyn UserMemory) -> Result<Popped, Errno> {
        match ctx {
            Context::X86_64(c) => x86_64::frame::pop(c, mem),
            Context::Aarch64(c) => aarch64::frame::pop(c, mem),
        }
    }
}

impl Context {
    /// Bytes of stack that a signal frame takes at most: `AT_MINSIGSTKSZ`.
    pub fn signal_frame_size(&self) -> u64 {
        signal_frame_size(self.arch(), self.fpu().layout())
    }
}

/// Bytes of stack that a signal frame takes at most: `AT_MINSIGSTKSZ`.
pub fn signal_frame_size(arch: crate::Arch, fpu: &crate::FpuLayout) -> u64 {
    match arch {
        crate::Arch::X86_64 => x86_64::frame::max_size(fpu),
        crate::Arch::Aarch64 => aarch64::frame::max_size(fpu),
    }
}
