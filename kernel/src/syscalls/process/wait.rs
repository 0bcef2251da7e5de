//! wait4(2), waitid(2).

use crate::signal::{SIGCHLD, SigInfo};
use crate::syscalls::abi::{Rusage, write_if};
use crate::wait::{WaitFlags, WaitFor, WaitResult};
use crate::{Args, Outcome, TaskCx};
use alloc::boxed::Box;
use alloc::sync::Arc;
use arch::{Addr, Permissions, UserMemory};
use mm::MemoryManager;
use syserr::{Errno, Restart};

type Report = fn(&Arc<MemoryManager>, &Args, Option<WaitResult>) -> Result<u64, Errno>;

/// wait4(2).
pub fn sys_wait4(cx: &mut TaskCx, a: &Args) -> Outcome {
    let allowed = WaitFlags::NOHANG
        | WaitFlags::STOPPED
        | WaitFlags::CONTINUED
        | WaitFlags::NOTHREAD
        | WaitFlags::CLONE
        | WaitFlags::ALL;
    let flags = match WaitFlags::from_bits(a[2] as u32) {
        Some(f) if allowed.contains(f) => f | WaitFlags::EXITED,
        _ => return Errno::EINVAL.into(),
    };
    let whom = match a[0] as i32 {
        i32::MIN => return Errno::ESRCH.into(),
        -1 => WaitFor::Any,
        0 => WaitFor::Group(cx.task.group_ref().pgid()),
        n if n < 0 => WaitFor::Group(named(cx, -n)),
        n => WaitFor::Process(named(cx, n)),
    };
    wait(cx, a, whom, flags, report_wait4)
}

/// waitid(2).
pub fn sys_waitid(cx: &mut TaskCx, a: &Args) -> Outcome {
    let outcome = waitid(cx, a);
    // The structure is written all the same.
    if let Outcome::Done(Err(e)) = &outcome
        && *e != Errno::EFAULT
        && let Err(e) = report_waitid(cx.mm(), a, None)
    {
        return e.into();
    }
    outcome
}

fn waitid(cx: &TaskCx, a: &Args) -> Outcome {
    let events = WaitFlags::EXITED | WaitFlags::STOPPED | WaitFlags::CONTINUED;
    let allowed = events
        | WaitFlags::NOHANG
        | WaitFlags::NOWAIT
        | WaitFlags::NOTHREAD
        | WaitFlags::CLONE
        | WaitFlags::ALL;
    let mut flags = match WaitFlags::from_bits(a[3] as u32) {
        Some(f) if allowed.contains(f) && f.intersects(events) => f,
        _ => return Errno::EINVAL.into(),
    };
    let id = a[1] as i32;
    let mut nonblocking = false;
    let whom = match (a[0] as i32, id) {
        (0, _) => WaitFor::Any,
        (1, 1..) => WaitFor::Process(named(cx, id)),
        (2, 0) => WaitFor::Group(cx.task.group_ref().pgid()),
        (2, 1..) => WaitFor::Group(named(cx, id)),
        (3, 0..) => match pidfd(cx, id) {
            Ok((pid, n)) => {
                nonblocking = n;
                WaitFor::Process(pid)
            }
            Err(e) => return e.into(),
        },
        _ => return Errno::EINVAL.into(),
    };
    if !nonblocking || flags.contains(WaitFlags::NOHANG) {
        return wait(cx, a, whom, flags, report_waitid);
    }
    flags |= WaitFlags::NOHANG;
    match cx.task.try_wait(whom, flags) {
        Ok(None) => Errno::EAGAIN.into(),
        Ok(found) => report_waitid(cx.mm(), a, found).into(),
        Err(e) => e.into(),
    }
}

/// The ID that the caller calls `number`; for none 0, which is nobody's.
fn named(cx: &TaskCx, number: i32) -> i32 {
    cx.task.pid_ns().id_of(number).unwrap_or(0)
}

fn pidfd(cx: &TaskCx, fd: i32) -> Result<(i32, bool), Errno> {
    let file = cx.task.files().get(fd)?;
    let group = crate::pidfd::process(&cx.task, fd).map_err(|e| match e {
        Errno::ESRCH => Errno::ECHILD,
        e => e,
    })?;
    Ok((group.tgid(), file.nonblocking()))
}

fn wait(cx: &TaskCx, a: &Args, whom: WaitFor, flags: WaitFlags, report: Report) -> Outcome {
    let task = cx.task.clone();
    match task.try_wait(whom, flags) {
        Err(e) => return e.into(),
        Ok(Some(found)) => return report(cx.mm(), a, Some(found)).into(),
        Ok(None) if flags.contains(WaitFlags::NOHANG) => return report(cx.mm(), a, None).into(),
        Ok(None) => {}
    }
    let mm = cx.mm().clone();
    let a = *a;
    Outcome::Block(Box::pin(async move {
        match task.block(None, task.wait_for_child(whom, flags)).await {
            Ok(Ok(found)) => report(&mm, &a, Some(found)).into(),
            Ok(Err(e)) => e.into(),
            Err(_) => Outcome::Restart(Restart::Sys),
        }
    }))
}

fn report_wait4(
    mm: &Arc<MemoryManager>,
    a: &Args,
    found: Option<WaitResult>,
) -> Result<u64, Errno> {
    let Some(r) = found else { return Ok(0) };
    write_if(&**mm, a[3], &Rusage::new(r.used, r.max_rss))?;
    write_if(&**mm, a[1], &r.word)?;
    Ok(r.pid as u64)
}

fn report_waitid(
    mm: &Arc<MemoryManager>,
    a: &Args,
    found: Option<WaitResult>,
) -> Result<u64, Errno> {
    if let Some(r) = &found {
        write_if(&**mm, a[4], &Rusage::new(r.used, r.max_rss))?;
    }
    if a[2] == 0 {
        return Ok(0);
    }
    let info = match found {
        Some(r) => SigInfo::child(r.code, r.pid, r.uid, r.status),
        None => SigInfo::default(),
    };
    debug_assert!(found.is_none() || info.signo == SIGCHLD as i32);
    // Linux writes the fields one by one and leaves the rest of the structure alone.
    let bytes = info.to_bytes();
    let (head, _) = bytes.split_at(28);
    mm.copy_out(Addr(a[2]), head, Permissions::Obey)?;
    Ok(0)
}
