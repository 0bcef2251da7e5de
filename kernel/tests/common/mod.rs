//! What the tests of the kernel share.
#![allow(dead_code, reason = "each test file uses a part")]

use kernel::testkit::{Script, TEXT, World};
use kernel::{
    ExitStatus,
    signal::{SaFlags, SigAction, SignalSet},
};

pub(crate) mod nr {
    pub(crate) const READ: u64 = 0;
    pub(crate) const WRITE: u64 = 1;
    pub(crate) const MMAP: u64 = 9;
    pub(crate) const SIGACTION: u64 = 13;
    pub(crate) const SIGPROCMASK: u64 = 14;
    pub(crate) const SIGRETURN: u64 = 15;
    pub(crate) const YIELD: u64 = 24;
    pub(crate) const PAUSE: u64 = 34;
    pub(crate) const NANOSLEEP: u64 = 35;
    pub(crate) const ALARM: u64 = 37;
    pub(crate) const SETITIMER: u64 = 38;
    pub(crate) const GETPID: u64 = 39;
    pub(crate) const CLONE: u64 = 56;
    pub(crate) const FORK: u64 = 57;
    pub(crate) const VFORK: u64 = 58;
    pub(crate) const EXECVE: u64 = 59;
    pub(crate) const EXIT: u64 = 60;
    pub(crate) const WAIT4: u64 = 61;
    pub(crate) const KILL: u64 = 62;
    pub(crate) const GETPPID: u64 = 110;
    pub(crate) const SETPGID: u64 = 109;
    pub(crate) const SETSID: u64 = 112;
    pub(crate) const SIGTIMEDWAIT: u64 = 128;
    pub(crate) const SIGQUEUE: u64 = 129;
    pub(crate) const SIGSUSPEND: u64 = 130;
    pub(crate) const PRCTL: u64 = 157;
    pub(crate) const GETTID: u64 = 186;
    pub(crate) const FUTEX: u64 = 202;
    pub(crate) const EXIT_GROUP: u64 = 231;
    pub(crate) const TGKILL: u64 = 234;
    pub(crate) const WAITID: u64 = 247;
    pub(crate) const TIMER_CREATE: u64 = 222;
    pub(crate) const TIMER_SETTIME: u64 = 223;
    pub(crate) const PIDFD_OPEN: u64 = 434;
    pub(crate) const CLONE3: u64 = 435;
    pub(crate) const SECCOMP: u64 = 317;
}

/// Runs a script as `/init` and gives status and log.
pub(crate) fn run(script: Script) -> (Option<ExitStatus>, Vec<i64>) {
    run_at(script, TEXT)
}

pub(crate) fn run_at(script: Script, entry: u64) -> (Option<ExitStatus>, Vec<i64>) {
    let world = World::new(script).expect("a world");
    world.write_program(b"/init", entry).expect("a program");
    let status = world.run(b"/init").expect("a process");
    let log = world.log();
    if status.is_some() {
        assert_eq!(world.kernel.task_count(), 0, "tasks are left");
        assert_eq!(world.executor.left(), 0, "futures are left");
    }
    (status, log)
}

pub(crate) fn action(handler: u64, flags: u64, mask: u64, restorer: u64) -> Vec<u8> {
    use zerocopy::IntoBytes;
    let flags = SaFlags::from_bits_retain(flags) | SaFlags::RESTORER;
    SigAction { handler, flags, restorer, mask: SignalSet(mask) }.as_bytes().to_vec()
}

pub(crate) fn exited(code: u8) -> Option<ExitStatus> {
    Some(ExitStatus::Exited(code))
}

pub(crate) fn killed(signo: u32) -> Option<ExitStatus> {
    Some(ExitStatus::Signaled(signo))
}
