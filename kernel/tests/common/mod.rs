//! What the tests of the kernel share.
#![allow(dead_code, reason = "each test file uses a part")]

use kernel::testkit::{Script, TEXT, World};
use kernel::{ExitStatus, signal::SigAction};

pub mod nr {
    pub const READ: u64 = 0;
    pub const WRITE: u64 = 1;
    pub const MMAP: u64 = 9;
    pub const SIGACTION: u64 = 13;
    pub const SIGPROCMASK: u64 = 14;
    pub const SIGRETURN: u64 = 15;
    pub const YIELD: u64 = 24;
    pub const PAUSE: u64 = 34;
    pub const NANOSLEEP: u64 = 35;
    pub const ALARM: u64 = 37;
    pub const SETITIMER: u64 = 38;
    pub const GETPID: u64 = 39;
    pub const CLONE: u64 = 56;
    pub const FORK: u64 = 57;
    pub const VFORK: u64 = 58;
    pub const EXECVE: u64 = 59;
    pub const EXIT: u64 = 60;
    pub const WAIT4: u64 = 61;
    pub const KILL: u64 = 62;
    pub const GETPPID: u64 = 110;
    pub const SETPGID: u64 = 109;
    pub const SETSID: u64 = 112;
    pub const SIGTIMEDWAIT: u64 = 128;
    pub const SIGQUEUE: u64 = 129;
    pub const SIGSUSPEND: u64 = 130;
    pub const PRCTL: u64 = 157;
    pub const GETTID: u64 = 186;
    pub const FUTEX: u64 = 202;
    pub const EXIT_GROUP: u64 = 231;
    pub const TGKILL: u64 = 234;
    pub const WAITID: u64 = 247;
    pub const TIMER_CREATE: u64 = 222;
    pub const TIMER_SETTIME: u64 = 223;
    pub const PIDFD_OPEN: u64 = 434;
    pub const CLONE3: u64 = 435;
    pub const SECCOMP: u64 = 317;
}

/// Runs a script as `/init` and gives status and log.
pub fn run(script: Script) -> (Option<ExitStatus>, Vec<i64>) {
    run_at(script, TEXT)
}

pub fn run_at(script: Script, entry: u64) -> (Option<ExitStatus>, Vec<i64>) {
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

pub fn action(handler: u64, flags: u64, mask: u64, restorer: u64) -> Vec<u8> {
    use zerocopy::IntoBytes;
    SigAction { handler, flags: flags | 0x0400_0000, restorer, mask }.as_bytes().to_vec()
}

pub fn exited(code: u8) -> Option<ExitStatus> {
    Some(ExitStatus::Exited(code))
}

pub fn killed(signo: u32) -> Option<ExitStatus> {
    Some(ExitStatus::Signaled(signo))
}
