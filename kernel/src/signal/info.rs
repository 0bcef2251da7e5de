//! What a signal carries: `siginfo_t`.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `si_code`: sent by kill(2).
pub const SI_USER: i32 = 0;
/// `si_code`: sent by the kernel.
pub const SI_KERNEL: i32 = 0x80;
/// `si_code`: sent by sigqueue(3).
pub const SI_QUEUE: i32 = -1;
/// `si_code`: a POSIX timer expired.
pub const SI_TIMER: i32 = -2;
/// `si_code`: sent by tkill(2) or tgkill(2).
pub const SI_TKILL: i32 = -6;
/// `si_code` of `SIGSEGV`: nothing is mapped there.
pub const SEGV_MAPERR: i32 = 1;
/// `si_code` of `SIGSEGV`: the mapping forbids the access.
pub const SEGV_ACCERR: i32 = 2;
/// `si_code` of `SIGBUS`: no such physical address; past the end of a file.
pub const BUS_ADRERR: i32 = 2;
/// `si_code` of `SIGCHLD`: exited.
pub const CLD_EXITED: i32 = 1;
/// `si_code` of `SIGCHLD`: killed by a signal.
pub const CLD_KILLED: i32 = 2;
/// `si_code` of `SIGCHLD`: killed by a signal that dumps core.
pub const CLD_DUMPED: i32 = 3;
/// `si_code` of `SIGCHLD`: stopped.
pub const CLD_STOPPED: i32 = 5;
/// `si_code` of `SIGCHLD`: continued.
pub const CLD_CONTINUED: i32 = 6;
/// `si_code` of `SIGSYS`: a seccomp filter said so.
pub const SYS_SECCOMP: i32 = 1;

/// The part of `siginfo_t` that the kernel keeps: 48 of its 128 bytes, like Linux's
/// `struct kernel_siginfo`. The rest is always zero.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Info {
    /// `si_signo`.
    pub signo: i32,
    /// `si_errno`.
    pub errno: i32,
    /// `si_code`.
    pub code: i32,
    pad: i32,
    fields: [u64; 4],
}

static_assertions::const_assert_eq!(size_of::<Info>(), 48);
/// Bytes of `siginfo_t`.
pub const SIGINFO_SIZE: usize = 128;

const fn pair(low: i32, high: u32) -> u64 {
    low as u32 as u64 | (high as u64) << 32
}

impl Info {
    const fn with(signo: u32, code: i32, fields: [u64; 4]) -> Info {
        Info { signo: signo as i32, errno: 0, code, pad: 0, fields }
    }

    /// A signal from the kernel without more to say (`SEND_SIG_PRIV`).
    pub const fn kernel(signo: u32) -> Info {
        Info::with(signo, SI_KERNEL, [0; 4])
    }

    /// A signal from a process: `code` is [`SI_USER`] or [`SI_TKILL`].
    pub const fn user(signo: u32, code: i32, pid: i32, uid: u32) -> Info {
        Info::with(signo, code, [pair(pid, uid), 0, 0, 0])
    }

    /// A signal that an access to `addr` caused.
    pub const fn fault(signo: u32, code: i32, addr: u64) -> Info {
        Info::with(signo, code, [addr, 0, 0, 0])
    }

    /// `SIGCHLD`; times in clock ticks.
    pub const fn child(code: i32, pid: i32, uid: u32, status: i32, utime: i64, stime: i64) -> Info {
        let fields = [pair(pid, uid), status as u32 as u64, utime as u64, stime as u64];
        Info::with(super::SIGCHLD, code, fields)
    }

    /// A POSIX timer's signal.
    pub const fn timer(signo: u32, id: i32, overrun: i32, value: u64) -> Info {
        Info::with(signo, SI_TIMER, [pair(id, overrun as u32), value, 0, 0])
    }

    /// A system call that a seccomp filter trapped.
    pub const fn seccomp(ip: u64, nr: i32, audit_arch: u32, data: i32) -> Info {
        let mut info = Info::with(super::SIGSYS, SYS_SECCOMP, [ip, pair(nr, audit_arch), 0, 0]);
        info.errno = data;
        info
    }

    /// `si_pid`, where the code has one.
    pub const fn pid(&self) -> i32 {
        self.fields[0] as i32
    }

    /// `si_uid`, where the code has one.
    pub const fn uid(&self) -> u32 {
        (self.fields[0] >> 32) as u32
    }

    /// `si_status`, of `SIGCHLD`.
    pub const fn status(&self) -> i32 {
        self.fields[1] as i32
    }

    /// `si_utime`, of `SIGCHLD`, in clock ticks.
    pub const fn utime(&self) -> i64 {
        self.fields[2] as i64
    }

    /// `si_stime`, of `SIGCHLD`, in clock ticks.
    pub const fn stime(&self) -> i64 {
        self.fields[3] as i64
    }

    /// `si_value`, as the bits of a pointer.
    pub const fn value(&self) -> u64 {
        self.fields[1]
    }

    /// `si_addr`, of a fault.
    pub const fn addr(&self) -> u64 {
        self.fields[0]
    }

    /// Changes `si_overrun`, of a POSIX timer's signal.
    pub fn set_overrun(&mut self, overrun: i32) {
        self.fields[0] = pair(self.fields[0] as i32, overrun as u32);
    }

    /// `si_overrun`, of a POSIX timer's signal.
    pub const fn overrun(&self) -> i32 {
        (self.fields[0] >> 32) as i32
    }

    /// `siginfo_t` as user code sees it.
    pub fn to_bytes(&self) -> [u8; SIGINFO_SIZE] {
        let mut out = [0; SIGINFO_SIZE];
        out[..size_of::<Info>()].copy_from_slice(self.as_bytes());
        // Padding of the C structure; a guest's bytes do not come back to another guest.
        out[12..16].fill(0);
        out
    }

    /// The whole `siginfo_t`, for a frame.
    pub fn to_arch(&self) -> arch::SigInfo {
        arch::SigInfo::from_bytes(self.to_bytes())
    }

    /// The info in the first 48 bytes of a `siginfo_t`; `None` for fewer bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Info> {
        let (mut info, _) = Info::read_from_prefix(bytes).ok()?;
        info.pad = 0;
        Some(info)
    }

    /// Whether a process sent it with kill(2), rather than queued it with data of its own.
    pub const fn is_from_user(&self) -> bool {
        self.code <= 0
    }
}
