//! The three legacy entry points of x86-64 at a fixed address.
//!
//! Nothing is mapped there: a program that calls one faults, and the call is made for it, as with
//! Linux's `vsyscall=xonly` (`arch/x86/entry/vsyscall/vsyscall_64.c`).

use super::TaskCx;
use crate::signal::{SEGV_MAPERR, SIGSEGV, SigInfo};
use crate::{Outcome, syscalls};
use arch::{Addr, Arch, UserMemoryExt};
use syserr::Errno;

/// Where they lie.
pub(crate) const PAGE: u64 = 0xffff_ffff_ff60_0000;

/// Makes the call whose entry the program has jumped to. False when it is none.
pub(super) fn emulate(cx: &mut TaskCx) -> bool {
    let ip = cx.image.arch.ip();
    if cx.image.arch.arch() != Arch::X86_64 || ip & !0xfff != PAGE {
        return false;
    }
    let call: crate::Handler = match ip - PAGE {
        0x000 => syscalls::time::sys_gettimeofday,
        0x400 => syscalls::time::sys_time,
        0x800 => syscalls::sched::sys_getcpu,
        _ => return false,
    };
    let sp = cx.image.arch.sp();
    let Ok(back) = cx.mm().read_obj::<u64>(Addr(sp)) else { return false };
    let args = cx.image.arch.syscall_args();
    match call(cx, &args) {
        Outcome::Done(Err(Errno::EFAULT)) => {
            let at = args[0];
            cx.task.force_signal(SigInfo::fault(SIGSEGV, SEGV_MAPERR, Addr(at)));
            return true;
        }
        Outcome::Done(Ok(v)) => cx.image.arch.set_return(v),
        Outcome::Done(Err(e)) => cx.set_error(e),
        // None of the three blocks or is restarted.
        _ => return false,
    }
    cx.image.arch.set_ip(back);
    cx.image.arch.set_sp(sp.wrapping_add(8));
    true
}
