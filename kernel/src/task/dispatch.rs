//! System calls that a program takes itself: `PR_SET_SYSCALL_USER_DISPATCH`,
//! `kernel/entry/syscall_user_dispatch.c`.

use super::{Task, TaskCx, Work};
use crate::Outcome;
use crate::seccomp::audit_arch;
use crate::signal::{SIGSEGV, SIGSYS, SigInfo};
use arch::{Addr, UserMemoryExt};
use syserr::Errno;

/// Which system calls are handed back.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Dispatch {
    /// Calls from `offset` on for `len` bytes are left alone; both wrap.
    offset: u64,
    len: u64,
    /// Where a byte says whether others are handed back; 0 where all are.
    selector: u64,
}

/// `SYSCALL_DISPATCH_FILTER_ALLOW` and `SYSCALL_DISPATCH_FILTER_BLOCK`.
const SELECTOR: (u8, u8) = (0, 1);

impl Task {
    /// `PR_SET_SYSCALL_USER_DISPATCH`.
    ///
    /// # Errors
    /// `EINVAL` for an unknown mode, or a range that is none; `EFAULT` for a selector at `highest`
    /// or above.
    pub(crate) fn set_dispatch(
        &self,
        mode: u64,
        (offset, len): (u64, u64),
        selector: u64,
        highest: Addr,
    ) -> Result<(), Errno> {
        const OFF: u64 = 0;
        const EXCEPT: u64 = 1;
        const ONLY: u64 = 2;
        let goes_on = offset.wrapping_add(len) > offset;
        let range = match mode {
            OFF if offset | len | selector == 0 => (0, 0),
            EXCEPT if offset == 0 || goes_on => (offset, len),
            ONLY if len != 0 && goes_on => (offset.wrapping_add(len), len.wrapping_neg()),
            _ => return Err(Errno::EINVAL),
        };
        if mode != OFF && selector != 0 && selector >= highest.0 {
            return Err(Errno::EFAULT);
        }
        *self.dispatch.lock() = Dispatch { offset: range.0, len: range.1, selector };
        self.set_work(Work::DISPATCH, mode != OFF);
        Ok(())
    }
}

/// What happens instead of the system call that is being made, if the program takes it itself.
pub(crate) fn dispatch(cx: &mut TaskCx) -> Option<Outcome> {
    let d = *cx.task.dispatch.lock();
    let ip = cx.image.arch.ip();
    if ip.wrapping_sub(d.offset) < d.len {
        return None;
    }
    if d.selector != 0 {
        match cx.mm().read_obj::<u8>(Addr(d.selector)) {
            Ok(s) if s == SELECTOR.0 => return None,
            Ok(s) if s == SELECTOR.1 => {}
            wrong => {
                let signo = if wrong.is_err() { SIGSEGV } else { SIGSYS };
                cx.task.kill_group(signo);
                return Some(Outcome::Keep);
            }
        }
    }
    let (nr, arch) = (cx.image.arch.syscall_no(), audit_arch(cx.image.arch.arch()));
    let info = SigInfo::dispatched(Addr(ip), nr as i32, arch);
    cx.image.arch.undo_syscall();
    cx.task.force_signal(info);
    Some(Outcome::Keep)
}
