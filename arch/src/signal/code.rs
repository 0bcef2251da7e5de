//! `si_code` values (`include/uapi/asm-generic/siginfo.h`; sigaction(2)).

/// kill(2).
pub const SI_USER: i32 = 0;
/// The kernel.
pub const SI_KERNEL: i32 = 0x80;
/// sigqueue(3).
pub const SI_QUEUE: i32 = -1;
/// A POSIX timer.
pub const SI_TIMER: i32 = -2;
/// A message queue.
pub const SI_MESGQ: i32 = -3;
/// Asynchronous I/O.
pub const SI_ASYNCIO: i32 = -4;
/// Input and output are possible, in the code's old place.
pub const SI_SIGIO: i32 = -5;
/// tkill(2), tgkill(2).
pub const SI_TKILL: i32 = -6;
/// `SIGSEGV`: nothing is mapped there.
pub const SEGV_MAPERR: i32 = 1;
/// `SIGSEGV`: the mapping forbids the access.
pub const SEGV_ACCERR: i32 = 2;
/// `SIGSEGV`: the key of the page forbids the access (pkeys(7)).
pub const SEGV_PKUERR: i32 = 4;
/// `SIGBUS`: alignment.
pub const BUS_ADRALN: i32 = 1;
/// `SIGBUS`: no such memory; past the end of a file.
pub const BUS_ADRERR: i32 = 2;
/// `SIGTRAP`: breakpoint.
pub const TRAP_BRKPT: i32 = 1;
/// `SIGTRAP`: single step.
pub const TRAP_TRACE: i32 = 2;
/// `SIGILL`: illegal operand.
pub const ILL_ILLOPN: i32 = 2;
/// `SIGFPE`: integer division by zero.
pub const FPE_INTDIV: i32 = 1;
/// `SIGCHLD`: exited.
pub const CLD_EXITED: i32 = 1;
/// `SIGCHLD`: killed by a signal.
pub const CLD_KILLED: i32 = 2;
/// `SIGCHLD`: killed by a signal that dumps core.
pub const CLD_DUMPED: i32 = 3;
/// `SIGCHLD`: a traced child has trapped.
pub const CLD_TRAPPED: i32 = 4;
/// `SIGCHLD`: stopped.
pub const CLD_STOPPED: i32 = 5;
/// `SIGCHLD`: continued.
pub const CLD_CONTINUED: i32 = 6;
/// `SIGSYS`: a seccomp filter.
pub const SYS_SECCOMP: i32 = 1;
/// `SIGSYS`: system call that the program takes itself.
pub const SYS_USER_DISPATCH: i32 = 2;
