//! The file behind signalfd(2). It gives the signals of the process that made it, also to a
//! process that inherited the descriptor.

use crate::ThreadGroup;
use crate::signal::{SigInfo, SignalSet};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::IoDst;
use core::any::Any;
use sync::atomic::{AtomicU64, Ordering};
use sync::waitq::{Events, Queue};
use syserr::Errno;
use vfs::{FileOps, Stat, anon};
use zerocopy::{Immutable, IntoBytes};

/// `struct signalfd_siginfo`; signalfd(2).
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct RawInfo {
    signo: u32,
    errno: i32,
    code: i32,
    pid: u32,
    uid: u32,
    fd: i32,
    tid: u32,
    band: u32,
    overrun: u32,
    trapno: u32,
    status: i32,
    int: i32,
    ptr: u64,
    utime: u64,
    stime: u64,
    addr: u64,
    addr_lsb: u16,
    pad: u16,
    syscall: i32,
    call_addr: u64,
    arch: u32,
    rest: [u8; 28],
}
static_assertions::assert_eq_size!(RawInfo, [u8; 128]);

impl RawInfo {
    /// The members that a signal of this kind has (`signalfd_copyinfo`).
    fn new(i: &SigInfo) -> RawInfo {
        use crate::signal::{SI_TIMER, SIGCHLD};
        let (child, timer) = (i.signo as u32 == SIGCHLD, i.code == SI_TIMER);
        let (utime, stime) = if child { i.times() } else { (0, 0) };
        let value = if child { 0 } else { i.value() };
        RawInfo {
            signo: i.signo as u32,
            errno: i.errno,
            code: i.code,
            pid: if timer { 0 } else { i.pid() as u32 },
            uid: if timer { 0 } else { i.uid() },
            fd: 0,
            tid: if timer { i.pid() as u32 } else { 0 },
            band: 0,
            overrun: if timer { i.overrun() as u32 } else { 0 },
            trapno: 0,
            status: if child { i.status() } else { 0 },
            int: value as i32,
            ptr: value,
            utime: utime as u64,
            stime: stime as u64,
            addr: 0,
            addr_lsb: 0,
            pad: 0,
            syscall: 0,
            call_addr: 0,
            arch: 0,
            rest: [0; 28],
        }
    }
}

/// An open signal descriptor.
pub(super) struct SignalFile {
    group: Arc<ThreadGroup>,
    mask: AtomicU64,
}

impl SignalFile {
    pub(super) fn new(group: Arc<ThreadGroup>, mask: SignalSet) -> SignalFile {
        SignalFile { group, mask: AtomicU64::new(mask.0) }
    }

    pub(super) fn set_mask(&self, mask: SignalSet) {
        self.mask.store(mask.0, Ordering::Relaxed);
        self.group.signal_queue().notify(Events::IN);
    }

    fn mask(&self) -> SignalSet {
        SignalSet(self.mask.load(Ordering::Relaxed))
    }
}

impl FileOps for SignalFile {
    fn read_at(&self, dst: &mut dyn IoDst, _: u64) -> Result<usize, Errno> {
        let size = size_of::<RawInfo>();
        if dst.remaining() < size as u64 {
            return Err(Errno::EINVAL);
        }
        let mut done = 0;
        let threads = self.group.threads();
        while dst.remaining() >= size as u64 {
            let Some(info) = threads.iter().find_map(|t| t.dequeue_signal(self.mask())) else {
                break;
            };
            match dst.put(RawInfo::new(&info).as_bytes()) {
                Ok(n) if n == size => done += n,
                _ if done > 0 => break,
                _ => return Err(Errno::EFAULT),
            }
        }
        if done == 0 { Err(Errno::EAGAIN) } else { Ok(done) }
    }

    fn ignores_seeks(&self) -> bool {
        true
    }

    fn readiness(&self) -> Events {
        let threads = self.group.threads();
        let ready =
            threads.iter().any(|t| !t.pending_signals().intersection(self.mask()).is_empty());
        if ready { Events::IN } else { Events::empty() }
    }

    fn queue(&self) -> Option<&Queue> {
        Some(self.group.signal_queue())
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(anon::anon_stat())
    }

    fn fdinfo(&self, _: &dyn vfs::proc::ProcSource, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("sigmask:\t{:016x}\n", self.mask().0).as_bytes());
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
