//! What a signal carries.

use super::code;
use super::number::{SIGBUS, SIGCHLD, SIGFPE, SIGILL, SIGSEGV, SIGSYS};
use crate::Addr;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes of `siginfo_t` in user memory.
pub const SIGINFO_SIZE: usize = 128;

/// What a kernel keeps of a `siginfo_t`: `struct kernel_siginfo`, 48 of its
/// [`SIGINFO_SIZE`] bytes. The rest is zero wherever the kernel writes it, and the words that a
/// queue of pending signals would spend on it are saved.
#[derive(Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SigInfo {
    /// `si_signo`.
    pub signo: i32,
    /// `si_errno`.
    pub errno: i32,
    /// `si_code`, one of [`code`].
    pub code: i32,
    /// Before the union; a process that makes a `siginfo_t` may leave something here.
    pad: i32,
    /// The union `_sifields` as words.
    fields: [u64; 4],
}

static_assertions::const_assert_eq!(size_of::<SigInfo>(), 48);
static_assertions::const_assert_eq!(core::mem::offset_of!(SigInfo, fields), 16);

const fn pair(low: i32, high: u32) -> u64 {
    low as u32 as u64 | (high as u64) << 32
}

impl SigInfo {
    const fn with(signo: u32, code: i32, fields: [u64; 4]) -> SigInfo {
        SigInfo { signo: signo as i32, errno: 0, code, pad: 0, fields }
    }

    /// From the kernel, without more to say (`SEND_SIG_PRIV`).
    pub const fn kernel(signo: u32) -> SigInfo {
        SigInfo::with(signo, code::SI_KERNEL, [0; 4])
    }

    /// From a process: kill(2) with the code [`code::SI_USER`], tgkill(2) with [`code::SI_TKILL`].
    pub const fn user(signo: u32, code: i32, pid: i32, uid: u32) -> SigInfo {
        SigInfo::with(signo, code, [pair(pid, uid), 0, 0, 0])
    }

    /// From sigqueue(3) and others that carry a value.
    pub const fn queue(signo: u32, code: i32, pid: i32, uid: u32, value: u64) -> SigInfo {
        SigInfo::with(signo, code, [pair(pid, uid), value, 0, 0])
    }

    /// Of an instruction: a fault or trap at `addr`.
    pub const fn fault(signo: u32, code: i32, addr: Addr) -> SigInfo {
        SigInfo::with(signo, code, [addr.0, 0, 0, 0])
    }

    /// `SIGCHLD` of child `pid` that runs as `uid`.
    pub const fn child(code: i32, pid: i32, uid: u32, status: i32) -> SigInfo {
        SigInfo::with(SIGCHLD, code, [pair(pid, uid), status as u32 as u64, 0, 0])
    }

    /// The same, from another process; for those that tell of one.
    #[must_use]
    pub const fn with_pid(mut self, pid: i32) -> SigInfo {
        self.fields[0] = self.fields[0] >> 32 << 32 | pid as u32 as u64;
        self
    }

    /// The same with the processor times of a child, in clock ticks.
    #[must_use]
    pub const fn with_times(mut self, utime: i64, stime: i64) -> SigInfo {
        self.fields[2] = utime as u64;
        self.fields[3] = stime as u64;
        self
    }

    /// Of a POSIX timer.
    pub const fn timer(signo: u32, id: i32, overrun: i32, value: u64) -> SigInfo {
        SigInfo::with(signo, code::SI_TIMER, [pair(id, overrun as u32), value, 0, 0])
    }

    /// The same timer's with another overrun count.
    #[must_use]
    pub const fn with_overrun(mut self, overrun: i32) -> SigInfo {
        self.fields[0] = pair(self.timer_id(), overrun as u32);
        self
    }

    /// Of file descriptor `fd` with the events `band`.
    pub const fn poll(signo: u32, code: i32, band: i64, fd: i32) -> SigInfo {
        SigInfo::with(signo, code, [band as u64, pair(fd, 0), 0, 0])
    }

    /// `SIGSYS` of a seccomp filter; `data` is the filter's.
    pub const fn seccomp(ip: Addr, nr: i32, audit_arch: u32, data: i32) -> SigInfo {
        let fields = [ip.0, pair(nr, audit_arch), 0, 0];
        let mut info = SigInfo::with(SIGSYS, code::SYS_SECCOMP, fields);
        info.errno = data;
        info
    }

    /// `SIGSYS` of a call that the program takes itself: `PR_SET_SYSCALL_USER_DISPATCH`.
    pub const fn dispatched(ip: Addr, nr: i32, audit_arch: u32) -> SigInfo {
        let fields = [ip.0, pair(nr, audit_arch), 0, 0];
        SigInfo::with(SIGSYS, code::SYS_USER_DISPATCH, fields)
    }

    /// `siginfo_t` as user memory holds it; what the kernel does not keep is zero.
    pub fn to_bytes(&self) -> [u8; SIGINFO_SIZE] {
        let mut out = [0; SIGINFO_SIZE];
        out[..size_of::<SigInfo>()].copy_from_slice(self.as_bytes());
        out
    }

    /// Whether the kernel knows what this code says of this signal (`known_siginfo_layout` of
    /// `kernel/signal.c`). Only then does it take no notice of bytes behind what it keeps.
    pub const fn has_known_layout(&self) -> bool {
        const SI_DETHREAD: i32 = -7;
        const SI_ASYNCNL: i32 = -60;
        let most = match self.signo as u32 {
            SIGILL => 11,
            SIGFPE => 15,
            SIGSEGV => 10,
            SIGBUS => 5,
            SIGSYS => 2,
            // SIGTRAP, SIGCHLD and SIGPOLL have as many as what any signal may have of SIGPOLL's.
            _ => 6,
        };
        let of_the_signal = 0 < self.code && self.code <= most;
        let of_any = SI_DETHREAD <= self.code && self.code <= 0;
        of_the_signal || of_any || self.code == SI_ASYNCNL || self.code == code::SI_KERNEL
    }

    /// What the kernel keeps of a `siginfo_t`, or of its first bytes; what is missing is zero.
    pub fn from_prefix(bytes: &[u8]) -> SigInfo {
        let mut info = SigInfo::default();
        for (to, from) in info.as_mut_bytes().iter_mut().zip(bytes) {
            *to = *from;
        }
        info
    }

    /// Whether a process sent it, rather than the kernel (`SI_FROMUSER`).
    pub const fn is_from_user(&self) -> bool {
        self.code <= 0
    }

    /// `si_pid`, where the code has one.
    pub const fn pid(&self) -> i32 {
        self.fields[0] as i32
    }

    /// `si_uid`, where the code has one.
    pub const fn uid(&self) -> u32 {
        (self.fields[0] >> 32) as u32
    }

    /// Whether it tells which process and which user it is of, rather than nobody's or other things
    /// in their place (`has_si_pid_and_uid` of `kernel/signal.c`).
    pub const fn has_sender(&self) -> bool {
        match self.code {
            code::SI_TIMER | code::SI_SIGIO | code::SI_KERNEL => false,
            1..code::SI_KERNEL => self.signo as u32 == SIGCHLD && self.code <= 6,
            _ => true,
        }
    }

    /// The same of another user.
    #[must_use]
    pub const fn with_uid(mut self, uid: u32) -> SigInfo {
        self.fields[0] = pair(self.pid(), uid);
        self
    }

    /// `si_value` as the bits of a pointer, where the code has one.
    pub const fn value(&self) -> u64 {
        self.fields[1]
    }

    /// `si_addr` of a fault.
    pub const fn addr(&self) -> Addr {
        Addr(self.fields[0])
    }

    /// `si_status` of `SIGCHLD`.
    pub const fn status(&self) -> i32 {
        self.fields[1] as i32
    }

    /// `si_utime` and `si_stime` of `SIGCHLD`, in clock ticks.
    pub const fn times(&self) -> (i64, i64) {
        (self.fields[2] as i64, self.fields[3] as i64)
    }

    /// `si_timerid` of a POSIX timer.
    pub const fn timer_id(&self) -> i32 {
        self.fields[0] as i32
    }

    /// `si_overrun` of a POSIX timer.
    pub const fn overrun(&self) -> i32 {
        (self.fields[0] >> 32) as i32
    }

    /// `si_band` of a file descriptor's signal.
    pub const fn band(&self) -> i64 {
        self.fields[0] as i64
    }

    /// `si_fd` of a file descriptor's signal.
    pub const fn fd(&self) -> i32 {
        self.fields[1] as i32
    }

    /// `si_call_addr`, `si_syscall` and `si_arch` of a seccomp filter's signal.
    pub const fn call(&self) -> (Addr, i32, u32) {
        (Addr(self.fields[0]), self.fields[1] as i32, (self.fields[1] >> 32) as u32)
    }
}

impl core::fmt::Debug for SigInfo {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SigInfo")
            .field("signo", &self.signo)
            .field("errno", &self.errno)
            .field("code", &self.code)
            .field("fields", &self.fields)
            .finish()
    }
}
