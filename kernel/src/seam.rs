//! What an embedder supplies to the kernel: a platform that runs user code, time, randomness and
//! an executor. All of it is passed as values; nothing is global.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use arch::{Access, Addr, Arch};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context as Cx, Poll, Waker};
use mm::{AddressSpace, MemoryFile, OutOfMemory};

/// A future that owns all it needs.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The hardware's words on a fault, as a signal frame repeats them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultInfo {
    /// Exception number (x86: 14 for a page fault).
    pub trapno: u64,
    /// Error code (x86) or ESR (arm64).
    pub error_code: u64,
    /// Faulting address (x86: CR2).
    pub address: u64,
}

/// Why user code stopped running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// A system call; number and arguments are in the registers.
    Syscall,
    /// A memory access that the address space does not hold; `mm` decides what it means.
    Fault {
        /// What was accessed.
        addr: Addr,
        /// How.
        access: Access,
        /// For the signal frame.
        info: FaultInfo,
    },
    /// A processor exception that is a signal: `SIGFPE`, `SIGILL`, `SIGTRAP`, `SIGBUS`, `SIGSEGV`
    /// without an address.
    Exception {
        /// Signal number.
        signo: u32,
        /// `si_code`.
        code: i32,
        /// `si_addr`.
        addr: Addr,
        /// For the signal frame.
        info: FaultInfo,
    },
    /// Somebody interrupted it, or its time slice ended. May be spurious.
    Interrupted,
    /// The address space's executor is gone (a guest that killed its own stub): every task of the
    /// address space ends as by `SIGKILL`.
    Dead,
}

/// One user thread on a platform.
pub trait Context: Send {
    /// Runs user code in `space` from `regs` until it traps. Polled again after
    /// [`Poll::Pending`], it goes on waiting for the same run; the registers are in `regs` again
    /// when it is ready. The FPU state in `regs` is neither read nor written unless
    /// [`Context::pull_fpu`] or [`Context::push_fpu`] say so.
    fn poll_switch(
        &mut self,
        cx: &mut Cx<'_>,
        space: &Arc<dyn AddressSpace>,
        regs: &mut arch::Context,
    ) -> Poll<Trap>;
    /// Copies the FPU state of the last run into `regs`. Only while not running.
    fn pull_fpu(&mut self, regs: &mut arch::Context);
    /// Makes the next run start with the FPU state in `regs`. A context's first run always does.
    fn push_fpu(&mut self, regs: &arch::Context);
    /// A handle with which anyone can make a running [`Context::poll_switch`] return soon, or the
    /// next one at once, with [`Trap::Interrupted`].
    fn interrupter(&self) -> Arc<dyn Interrupt>;
    /// User time so far, in nanoseconds.
    fn user_time(&self) -> u64;
    /// Where a system call ends that has turned out to be made often, once: the platform has a
    /// shorter way for it, if the program may be changed.
    fn hot_call(&mut self) -> Option<Addr> {
        None
    }
    /// Rewrites the call that ends at `end` in `space` and at `at` in `code`, the program's text
    /// around it; says whether that can be done. The change takes effect at once, as far as those
    /// can tell who run there. With it in place the call traps as before, also for a thread that was
    /// about to execute it.
    fn rewrite_call(
        &mut self,
        space: &Arc<dyn AddressSpace>,
        end: Addr,
        code: &mut [u8],
        at: usize,
    ) -> bool {
        let _ = (space, end, code, at);
        false
    }
}

/// Interrupts one [`Context`].
pub trait Interrupt: Send + Sync {
    /// Makes the context return from user code soon. Never blocks.
    fn interrupt(&self);
}

/// Makes address spaces and contexts.
pub trait Platform: Send + Sync {
    /// The guests' architecture.
    fn arch(&self) -> Arch;
    /// Where all guest memory comes from.
    fn memory(&self) -> Arc<dyn MemoryFile>;
    /// A new, empty address space.
    ///
    /// # Errors
    /// [`OutOfMemory`] when the platform can have no more.
    fn new_address_space(&self) -> Result<Arc<dyn AddressSpace>, OutOfMemory>;
    /// A new context, not bound to an address space until it is switched to.
    ///
    /// # Errors
    /// [`OutOfMemory`] when the platform can have no more.
    fn new_context(&self) -> Result<Box<dyn Context>, OutOfMemory>;
    /// Contexts that one address space can have at a time: so many tasks can share it.
    fn contexts_per_space(&self) -> u32 {
        u32::MAX
    }
    /// The first and the first-invalid user address.
    fn user_range(&self) -> arch::AddrRange;
    /// A part of that range which is the platform's own; empty if there is none.
    fn reserved_range(&self) -> arch::AddrRange {
        arch::AddrRange::default()
    }
    /// The FPU components that contexts have.
    fn fpu_layout(&self) -> arch::FpuLayout;
    /// `AT_HWCAP` and `AT_HWCAP2`.
    fn hwcap(&self) -> (u64, u64);
    /// Processors that guests are told of, at least 1.
    fn cpus(&self) -> usize;
    /// One processor as `/proc/cpuinfo` describes it, in lines of a name, tabs, a colon and a value;
    /// the numbers that differ from one to the other do not matter. `None` where nothing is known.
    fn processor(&self) -> Option<String> {
        None
    }
}

/// A clock of clock_gettime(2) that the host keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClockId {
    /// `CLOCK_REALTIME`.
    Realtime,
    /// `CLOCK_MONOTONIC`.
    Monotonic,
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Nanoseconds since the clock's origin.
    fn now(&self, clock: ClockId) -> i64;
    /// The page of vDSO parameters as a range of the memory file, if user code can read this clock
    /// without a trap.
    fn vdso_params(&self) -> Option<mm::FileRange>;
}

/// Wakes when a time comes.
pub trait Timers: Send + Sync {
    /// Wakes `waker` once `CLOCK_MONOTONIC` has reached `deadline` (nanoseconds).
    fn arm(&self, deadline: i64, waker: Waker) -> TimerId;
    /// Takes a timer back; one that fired already is no error.
    fn cancel(&self, timer: TimerId);
}

/// Names an armed timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimerId(pub u64);

/// Supplies randomness.
pub trait Random: Send + Sync {
    /// Fills `buf` with bytes fit for keys.
    fn fill(&self, buf: &mut [u8]);
}

/// Runs futures.
pub trait Spawn: Send + Sync {
    /// Runs `task` to its end.
    fn spawn(&self, task: BoxFuture<()>);
}

/// Everything a kernel needs from outside.
#[derive(Clone)]
pub struct Embedder {
    /// Runs user code.
    pub platform: Arc<dyn Platform>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Wakes at a time.
    pub timers: Arc<dyn Timers>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Runs tasks.
    pub spawn: Arc<dyn Spawn>,
}
