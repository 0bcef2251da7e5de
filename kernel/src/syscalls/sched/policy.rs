//! Policies.

use super::change::Change;
use super::target;
use crate::task::{SCHED_BATCH, SCHED_DEADLINE, SCHED_FIFO, SCHED_IDLE, SCHED_NORMAL, SCHED_RR};
use crate::{Args, Outcome, Task, TaskCx};
use arch::{Addr, UserMemoryExt};
use syserr::Errno;
use vfs::proc::SchedSetting;

/// Joined with the policy in sched_setscheduler(2).
const RESET_ON_FORK: u32 = 0x4000_0000;
const SCHED_EXT: u32 = 7;

/// Priorities of a policy; `None` for numbers that are none.
fn range(policy: u32) -> Option<(u64, u64)> {
    match policy {
        SCHED_FIFO | SCHED_RR => Some((1, 99)),
        SCHED_NORMAL | SCHED_BATCH | SCHED_IDLE | SCHED_DEADLINE | SCHED_EXT => Some((0, 0)),
        _ => None,
    }
}

/// sched_get_priority_max(2).
pub fn sys_sched_get_priority_max(_: &mut TaskCx, a: &Args) -> Outcome {
    range(a[0] as u32).map(|r| r.1).ok_or(Errno::EINVAL).into()
}

/// sched_get_priority_min(2).
pub fn sys_sched_get_priority_min(_: &mut TaskCx, a: &Args) -> Outcome {
    range(a[0] as u32).map(|r| r.0).ok_or(Errno::EINVAL).into()
}

/// sched_getscheduler(2).
pub fn sys_sched_getscheduler(cx: &mut TaskCx, a: &Args) -> Outcome {
    if (a[0] as i32) < 0 {
        return Errno::EINVAL.into();
    }
    let get = |t: alloc::sync::Arc<Task>| {
        let p = t.policy.lock();
        u64::from(p.scheduler | if p.reset_on_fork { RESET_ON_FORK } else { 0 })
    };
    target(cx, a[0] as i32).map(get).into()
}

/// sched_getparam(2).
pub fn sys_sched_getparam(cx: &mut TaskCx, a: &Args) -> Outcome {
    if (a[0] as i32) < 0 || a[1] == 0 {
        return Errno::EINVAL.into();
    }
    let priority = target(cx, a[0] as i32).map(|t| t.policy.lock().priority);
    priority.and_then(|p| cx.mm().write_obj(Addr(a[1]), &p)).map(|()| 0).into()
}

/// sched_setscheduler(2).
pub fn sys_sched_setscheduler(cx: &mut TaskCx, a: &Args) -> Outcome {
    if (a[1] as i32) < 0 {
        return Errno::EINVAL.into();
    }
    set(cx, a[0] as i32, Some(a[1] as u32), a[2]).map(|()| 0).into()
}

/// sched_setparam(2).
pub fn sys_sched_setparam(cx: &mut TaskCx, a: &Args) -> Outcome {
    set(cx, a[0] as i32, None, a[1]).map(|()| 0).into()
}

fn set(cx: &TaskCx, pid: i32, policy: Option<u32>, at: u64) -> Result<(), Errno> {
    if pid < 0 || at == 0 {
        return Err(Errno::EINVAL);
    }
    let priority: u32 = cx.mm().read_obj(Addr(at))?;
    let task = target(cx, pid)?;
    let (nice, deadline) = {
        let p = task.policy.lock();
        (p.nice, p.deadline)
    };
    let change = Change {
        policy: policy.map(|p| p & !RESET_ON_FORK),
        priority,
        nice,
        deadline,
        reset_on_fork: policy.is_some_and(|p| p & RESET_ON_FORK != 0),
    };
    change.apply(cx, &task)
}

/// sched_rr_get_interval(2).
pub fn sys_sched_rr_get_interval(cx: &mut TaskCx, a: &Args) -> Outcome {
    if (a[0] as i32) < 0 {
        return Errno::EINVAL.into();
    }
    let slice = i64::from(cx.kernel().sched_settings().get(SchedSetting::RrTimeslice));
    let ns = |t: alloc::sync::Arc<Task>| match t.policy.lock().scheduler {
        SCHED_FIFO | SCHED_DEADLINE => 0,
        SCHED_RR => slice * 1_000_000,
        _ => 4_000_000,
    };
    target(cx, a[0] as i32)
        .map(ns)
        .and_then(|ns| cx.mm().write_obj(Addr(a[1]), &[ns / 1_000_000_000, ns % 1_000_000_000]))
        .map(|()| 0)
        .into()
}
