//! Sending.

use crate::signal::{SI_TKILL, SIGNAL_COUNT, Sender, SigInfo, Target};
use crate::{Args, Outcome, TaskCx};
use arch::{Addr, UserMemoryExt};
use syserr::Errno;

/// kill(2).
pub fn sys_kill(cx: &mut TaskCx, a: &Args) -> Outcome {
    let target = match a[0] as i32 {
        i32::MIN => return Errno::ESRCH.into(),
        -1 => Target::All,
        0 => Target::Group(cx.task.group_ref().pgid()),
        n if n < 0 => Target::Group(named(cx, -n)),
        n => Target::Process(named(cx, n)),
    };
    send(cx, target, a[1], None)
}

/// The ID that the caller calls `number`; for none 0, which is nobody's.
fn named(cx: &TaskCx, number: i32) -> i32 {
    cx.task.pid_ns().id_of(number).unwrap_or(0)
}

/// tkill(2).
pub fn sys_tkill(cx: &mut TaskCx, a: &Args) -> Outcome {
    let tid = a[0] as i32;
    if tid <= 0 {
        return Errno::EINVAL.into();
    }
    send(cx, Target::Thread(None, named(cx, tid)), a[1], None)
}

/// tgkill(2).
pub fn sys_tgkill(cx: &mut TaskCx, a: &Args) -> Outcome {
    let (tgid, tid) = (a[0] as i32, a[1] as i32);
    if tgid <= 0 || tid <= 0 {
        return Errno::EINVAL.into();
    }
    send(cx, Target::Thread(Some(named(cx, tgid)), named(cx, tid)), a[2], None)
}

/// rt_sigqueueinfo(2).
pub fn sys_rt_sigqueueinfo(cx: &mut TaskCx, a: &Args) -> Outcome {
    let pid = named(cx, a[0] as i32);
    queue(cx, Target::Process(pid), pid == cx.task.tgid(), a[1], a[2])
}

/// rt_tgsigqueueinfo(2).
pub fn sys_rt_tgsigqueueinfo(cx: &mut TaskCx, a: &Args) -> Outcome {
    let (tgid, tid) = (a[0] as i32, a[1] as i32);
    if tgid <= 0 || tid <= 0 {
        return Errno::EINVAL.into();
    }
    let (tgid, tid) = (named(cx, tgid), named(cx, tid));
    queue(cx, Target::Thread(Some(tgid), tid), tid == cx.task.tid(), a[2], a[3])
}

fn queue(cx: &TaskCx, target: Target, own: bool, signo: u64, at: u64) -> Outcome {
    let info = match read_info(cx, Addr(at), Some(signo as i32)) {
        Ok(i) => i,
        Err(e) => return e.into(),
    };
    // Nobody may pass for the kernel or for kill(2) but to itself.
    if !own && (info.code >= 0 || info.code == SI_TKILL) {
        return Errno::EPERM.into();
    }
    send(cx, target, signo, Some(by_kernel_ids(cx, info)))
}

/// What a process made, with the user that it says as the kernel knows it.
pub(crate) fn by_kernel_ids(cx: &TaskCx, info: SigInfo) -> SigInfo {
    let creds = cx.task.creds();
    if creds.user_ns.is_initial() || !info.has_sender() {
        return info;
    }
    info.with_uid(creds.user_ns.uid_in(info.uid()).unwrap_or(u32::MAX))
}

fn send(cx: &TaskCx, target: Target, signo: u64, info: Option<SigInfo>) -> Outcome {
    let signo = signo as u32;
    if signo > SIGNAL_COUNT {
        return Errno::EINVAL.into();
    }
    cx.kernel().send(Sender::Task(&cx.task), target, signo, info).map(|()| 0).into()
}

/// Reads a `siginfo_t` that a process made, about the signal `signo` whatever it says itself.
///
/// # Errors
/// `EFAULT`; `E2BIG` when bytes are set that the kernel would not keep, and whose meaning it does not
/// know.
pub(crate) fn read_info(cx: &TaskCx, at: Addr, signo: Option<i32>) -> Result<SigInfo, Errno> {
    let bytes: [u8; crate::signal::SIGINFO_SIZE] = cx.mm().read_obj(at)?;
    let (head, tail) = bytes.split_at(size_of::<SigInfo>());
    let mut info = SigInfo::from_prefix(head);
    info.signo = signo.unwrap_or(info.signo);
    if !info.has_known_layout() && tail.iter().any(|&b| b != 0) {
        return Err(Errno::E2BIG);
    }
    Ok(info)
}
