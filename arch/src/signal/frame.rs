//! Signal frames: how a handler is entered and left.

use super::{AltStack, SigAction, SigInfo, SignalSet, ss};
use crate::{Addr, Arch, Context, FpuLayout, UserMemory, aarch64, x86_64};
use syserr::Errno;

/// The hardware's words on the fault that a signal stands for. Linux keeps those of the thread's
/// last fault and repeats them in every frame; zero where there was none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultState {
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
pub struct SignalDelivery {
    /// What the process does about the signal.
    pub action: SigAction,
    /// What the signal carries; `signo` is the handler's first argument.
    pub info: SigInfo,
    /// The mask that sigreturn brings back.
    pub mask: SignalSet,
    /// Of the thread's last fault.
    pub fault: FaultState,
    /// Where an arm64 handler without [`super::SaFlags::RESTORER`] returns to: the vDSO's
    /// `__kernel_rt_sigreturn`. Not used on x86-64, which insists on a restorer.
    pub trampoline: Option<u64>,
}

/// What a frame has changed beside registers and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Where the frame lies: the handler's stack pointer.
    pub frame: Addr,
    /// Whether a tracer's single step was pending. It is over, and the tracer is to be told
    /// before the handler's first instruction.
    pub was_stepping: bool,
}

/// What sigreturn has found in a frame beside registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Popped {
    /// The signal mask. It may hold `SIGKILL` and `SIGSTOP`, which cannot be blocked.
    pub mask: SignalSet,
    /// The alternate stack, to be given to [`AltStack::replaced`] with [`Popped::sp`]; Linux
    /// ignores the error of that.
    pub altstack: AltStack,
    /// The stack pointer against which the alternate stack is checked: the handler's on x86-64,
    /// the restored one on arm64.
    pub sp: u64,
}

/// A frame from which sigreturn cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadFrame {
    /// The frame's signal mask, where that could be read: it comes into force all the same.
    pub mask: Option<SignalSet>,
}

impl From<Errno> for BadFrame {
    fn from(_: Errno) -> BadFrame {
        BadFrame { mask: None }
    }
}

impl From<BadFrame> for Errno {
    fn from(_: BadFrame) -> Errno {
        Errno::EFAULT
    }
}

/// Writes a frame below the thread's stack pointer, or at the end of its alternate stack, and makes
/// the registers those of the handler's first instruction. An alternate stack that is to disarm
/// itself is disabled from then on.
///
/// # Errors
/// `EFAULT` when the frame cannot be written, would leave the alternate stack (x86-64; arm64 has no
/// such check), or has nothing to return to (no [`super::SaFlags::RESTORER`], on arm64 no
/// trampoline either). Registers, FPU state and alternate stack are unchanged then, but for a
/// pending single step; memory may be written in part. Linux sends `SIGSEGV` in that case.
pub fn push_frame(
    ctx: &mut Context,
    mem: &dyn UserMemory,
    delivery: &SignalDelivery,
    altstack: &mut AltStack,
) -> Result<Pushed, Errno> {
    let was_stepping = ctx.single_step();
    // The frame must not hold a trap flag that is the tracer's.
    ctx.set_single_step(false);
    let frame = match ctx {
        Context::X86_64(c) => x86_64::frame::push(delivery, altstack, c, mem),
        Context::Aarch64(c) => aarch64::frame::push(delivery, altstack, c, mem),
    }?;
    if altstack.flags & ss::AUTODISARM != 0 {
        *altstack = AltStack::DISABLED;
    }
    Ok(Pushed { frame, was_stepping })
}

/// Reads the frame that the stack pointer says the thread is on, as rt_sigreturn(2), and makes the
/// registers those it holds. Nothing in a frame can give user code more than it had.
///
/// # Errors
/// [`BadFrame`] when the frame cannot be read or is not acceptable; Linux sends `SIGSEGV`, which the
/// caller does too. When only its FPU state is at fault, the registers are the frame's and the FPU
/// state is the initial one (x86-64; arm64 keeps its own), so that a handler of that `SIGSEGV`
/// returns to where the signal had come. Otherwise the context is unchanged.
pub fn pop_frame(ctx: &mut Context, mem: &dyn UserMemory) -> Result<Popped, BadFrame> {
    match ctx {
        Context::X86_64(c) => x86_64::frame::pop(c, mem),
        Context::Aarch64(c) => aarch64::frame::pop(c, mem),
    }
}

/// Bytes of stack that a signal frame takes at most: `AT_MINSIGSTKSZ` of getauxval(3).
pub fn min_signal_stack(arch: Arch, fpu: &FpuLayout) -> u64 {
    match arch {
        Arch::X86_64 => x86_64::frame::max_size(fpu),
        Arch::Aarch64 => aarch64::frame::max_size(fpu),
    }
}
