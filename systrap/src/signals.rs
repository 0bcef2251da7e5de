//! Signals that somebody on the host sends to the sandbox.

use crate::sys;
use linux_raw_sys::general as nr;
use rustix::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::io;

/// Bytes of a signal set of the kernel.
const SET_SIZE: u64 = 8;
/// `struct signalfd_siginfo`; signalfd(2).
const INFO_SIZE: usize = 128;
/// `SI_KERNEL`.
const SI_KERNEL: i32 = 0x80;

/// Signals that are read instead of being acted on.
#[derive(Debug)]
pub struct HostSignals {
    fd: OwnedFd,
}

/// One signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostSignal {
    /// Its number.
    pub signo: u32,
    /// It was typed at a terminal, and so meant the whole foreground group.
    pub typed: bool,
}

fn check(result: i64) -> io::Result<i64> {
    if result < 0 { Err(io::Error::from_raw_os_error(-result as i32)) } else { Ok(result) }
}

/// Whether whoever started this process wants it not to hear of a signal, as nohup(1) does.
fn is_ignored(signo: u32) -> bool {
    const SIG_IGN: u64 = 1;
    // Handler, flags, restorer and mask of the kernel's `struct sigaction`.
    let mut action = [0u64; 4];
    let a = [u64::from(signo), 0, action.as_mut_ptr() as u64, SET_SIZE, 0, 0];
    // SAFETY: writes `action`.
    let done = unsafe { sys::call(nr::__NR_rt_sigaction, a) };
    done == 0 && action[0] == SIG_IGN
}

impl HostSignals {
    /// Blocks those of `signals` that are not ignored, in this thread and in those and the processes that it starts later, and
    /// has them read here. Call it before [`crate::Host::new`]: then the stubs, which a terminal
    /// takes for members of the same group, do not die of what is typed.
    ///
    /// # Errors
    /// `EMFILE` and the like.
    pub fn block(signals: &[u32]) -> io::Result<HostSignals> {
        let heard = signals.iter().filter(|n| !is_ignored(**n));
        let set = heard.fold(0u64, |s, n| s | 1 << (n - 1));
        let at = core::ptr::from_ref(&set) as u64;
        let a = [u64::from(nr::SIG_BLOCK), at, 0, SET_SIZE, 0, 0];
        // SAFETY: reads `set`.
        check(unsafe { sys::call(nr::__NR_rt_sigprocmask, a) })?;
        let flags = u64::from(nr::O_CLOEXEC | nr::O_NONBLOCK);
        let a = [u64::MAX, at, SET_SIZE, flags, 0, 0];
        // SAFETY: reads `set`; the descriptor that it makes is ours.
        let fd = check(unsafe { sys::call(nr::__NR_signalfd4, a) })?;
        // SAFETY: just made, and nobody else knows it.
        Ok(HostSignals { fd: unsafe { OwnedFd::from_raw_fd(fd as i32) } })
    }

    /// The next signal, if one came.
    pub fn next(&self) -> Option<HostSignal> {
        let mut info = [0u8; INFO_SIZE];
        let n = rustix::io::read(&self.fd, &mut info).ok()?;
        let word = |at: usize| {
            let bytes = info.get(at..at + 4).and_then(|b| b.first_chunk::<4>());
            bytes.map_or(0, |b| u32::from_ne_bytes(*b))
        };
        (n == INFO_SIZE).then(|| HostSignal { signo: word(0), typed: word(8) as i32 == SI_KERNEL })
    }
}

impl AsFd for HostSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
