//! IDs, sessions, and the end.

use crate::{Args, ExitStatus, Outcome, TaskCx};
use arch::Addr;
use syserr::Errno;

/// getpid(2).
pub fn sys_getpid(cx: &mut TaskCx, _: &Args) -> Outcome {
    Outcome::Done(Ok(cx.task.group_ref().number() as u64))
}

/// gettid(2).
pub fn sys_gettid(cx: &mut TaskCx, _: &Args) -> Outcome {
    Outcome::Done(Ok(cx.task.number() as u64))
}

/// getppid(2).
pub fn sys_getppid(cx: &mut TaskCx, _: &Args) -> Outcome {
    Outcome::Done(Ok(cx.task.number_of(cx.task.group_ref().ppid()) as u64))
}

/// getpgrp(2).
pub fn sys_getpgrp(cx: &mut TaskCx, _: &Args) -> Outcome {
    Outcome::Done(Ok(cx.task.number_of(cx.task.group_ref().pgid()) as u64))
}

/// getpgid(2).
pub fn sys_getpgid(cx: &mut TaskCx, a: &Args) -> Outcome {
    of_process(cx, a[0] as i32, |g| g.pgid())
}

/// getsid(2).
pub fn sys_getsid(cx: &mut TaskCx, a: &Args) -> Outcome {
    of_process(cx, a[0] as i32, |g| g.sid())
}

fn of_process(cx: &TaskCx, pid: i32, f: fn(&crate::ThreadGroup) -> i32) -> Outcome {
    if pid == 0 {
        return Outcome::Done(Ok(cx.task.number_of(f(cx.task.group_ref())) as u64));
    }
    cx.task.find(pid).map(|t| cx.task.number_of(f(t.group_ref())) as u64).into()
}

/// setpgid(2).
pub fn sys_setpgid(cx: &mut TaskCx, a: &Args) -> Outcome {
    set_pgid(cx, a[0] as i32, a[1] as i32).map(|()| 0).into()
}

fn set_pgid(cx: &TaskCx, pid: i32, pgid: i32) -> Result<(), Errno> {
    if pgid < 0 || pgid == 0 && pid < 0 {
        return Err(Errno::EINVAL);
    }
    let me = cx.task.tgid();
    let ns = cx.task.pid_ns();
    let target = if pid == 0 { me } else { ns.id_of(pid).ok_or(Errno::ESRCH)? };
    // A number that nobody has is that of no group: 0 has no members.
    let group = match pgid {
        0 => target,
        n => ns.id_of(n).unwrap_or(0),
    };
    cx.kernel().tree().set_pgid(me, target, group)
}

/// setsid(2).
pub fn sys_setsid(cx: &mut TaskCx, _: &Args) -> Outcome {
    let tgid = cx.task.tgid();
    let sid = cx.kernel().tree().set_sid(tgid);
    sid.map(|_| cx.task.group_ref().number() as u64).into()
}

/// set_tid_address(2).
pub fn sys_set_tid_address(cx: &mut TaskCx, a: &Args) -> Outcome {
    cx.task.set_clear_tid(Addr(a[0]));
    Outcome::Done(Ok(cx.task.number() as u64))
}

/// exit(2).
pub fn sys_exit(cx: &mut TaskCx, a: &Args) -> Outcome {
    cx.exit_thread(ExitStatus::Exited(a[0] as u8));
    Outcome::Keep
}

/// exit_group(2).
pub fn sys_exit_group(cx: &mut TaskCx, a: &Args) -> Outcome {
    cx.task.exit_group(ExitStatus::Exited(a[0] as u8));
    Outcome::Keep
}
