//! How a process ended, and how wait4(2) says so.

/// How a thread group ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitStatus {
    /// exit(2) with a code, of which 8 bits count.
    Exited(u8),
    /// Killed by a signal. No core was dumped.
    Signaled(u32),
    /// Killed by a signal, with a core dump.
    Dumped(u32),
}

impl ExitStatus {
    /// The status word of wait4(2) (`WIFEXITED` and its relatives read it).
    pub const fn wait_status(self) -> i32 {
        match self {
            ExitStatus::Exited(code) => (code as i32) << 8,
            ExitStatus::Signaled(signo) => (signo & 0x7f) as i32,
            ExitStatus::Dumped(signo) => (signo & 0x7f | 0x80) as i32,
        }
    }

    /// `si_code` and `si_status` of `SIGCHLD` and waitid(2).
    pub const fn child_code(self) -> (i32, i32) {
        match self {
            ExitStatus::Exited(code) => (crate::signal::CLD_EXITED, code as i32),
            ExitStatus::Signaled(signo) => (crate::signal::CLD_KILLED, signo as i32),
            ExitStatus::Dumped(signo) => (crate::signal::CLD_DUMPED, signo as i32),
        }
    }

    /// The status by the shell's convention: the code, or 128 and the signal.
    pub const fn shell_status(self) -> i32 {
        match self {
            ExitStatus::Exited(code) => code as i32,
            ExitStatus::Signaled(signo) | ExitStatus::Dumped(signo) => 128 + signo as i32,
        }
    }
}
