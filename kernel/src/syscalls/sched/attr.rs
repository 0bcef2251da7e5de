//! Policies.

use super::{may_schedule, target};
use crate::{Args, Outcome, Resource, Task, TaskCx};
use arch::{Addr, Permissions, UserMemory, UserMemoryExt};
use syserr::Errno;
use vfs::cap;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

const FIFO: u32 = 1;
const RR: u32 = 2;
/// Stored with the policy by sched_setscheduler(2).
const RESET_ON_FORK: u32 = 0x4000_0000;

fn is_realtime(policy: u32) -> bool {
    policy == FIFO || policy == RR
}

/// Priorities of a policy; `None` for numbers that are none.
fn range(policy: u32) -> Option<(u64, u64)> {
    match policy {
        FIFO | RR => Some((1, 99)),
        // NORMAL, BATCH, IDLE, DEADLINE, EXT.
        0 | 3 | 5 | 6 | 7 => Some((0, 0)),
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
    let old = task.policy.lock().scheduler;
    let (policy, reset) = match policy {
        Some(p) => (p & !RESET_ON_FORK, p & RESET_ON_FORK != 0),
        None => (old, task.policy.lock().reset_on_fork),
    };
    apply(cx, &task, policy, priority, None, reset)
}

fn apply(
    cx: &TaskCx,
    task: &Task,
    policy: u32,
    priority: u32,
    nice: Option<i32>,
    reset: bool,
) -> Result<(), Errno> {
    let (min, max) = range(policy).filter(|_| policy <= 5).ok_or(Errno::EINVAL)?;
    if !(min..=max).contains(&u64::from(priority)) {
        return Err(Errno::EINVAL);
    }
    may_schedule(cx, task)?;
    let limit = task.limit(Resource::Rtprio).0;
    if is_realtime(policy) && !cx.task.creds().has(cap::SYS_NICE) && limit < u64::from(priority) {
        return Err(Errno::EPERM);
    }
    let mut p = task.policy.lock();
    p.scheduler = policy;
    p.priority = priority;
    p.reset_on_fork = reset;
    if let Some(n) = nice {
        p.nice = n;
    }
    Ok(())
}

/// sched_rr_get_interval(2).
pub fn sys_sched_rr_get_interval(cx: &mut TaskCx, a: &Args) -> Outcome {
    if (a[0] as i32) < 0 {
        return Errno::EINVAL.into();
    }
    let ns = |t: alloc::sync::Arc<Task>| match t.policy.lock().scheduler {
        FIFO => 0,
        RR => 100_000_000i64,
        _ => 4_000_000,
    };
    target(cx, a[0] as i32)
        .and_then(|t| cx.mm().write_obj(Addr(a[1]), &[0i64, ns(t)]))
        .map(|()| 0)
        .into()
}

/// `struct sched_attr`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Attr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
    util_min: u32,
    util_max: u32,
}

static_assertions::const_assert_eq!(size_of::<Attr>(), 56);
const ATTR_MIN: u32 = 48;

/// sched_setattr(2).
pub fn sys_sched_setattr(cx: &mut TaskCx, a: &Args) -> Outcome {
    set_attr(cx, a).map(|()| 0).into()
}

fn set_attr(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    if a[1] == 0 || (a[0] as i32) < 0 || a[2] as u32 != 0 {
        return Err(Errno::EINVAL);
    }
    let size: u32 = cx.mm().read_obj(Addr(a[1]))?;
    let size = if size == 0 { ATTR_MIN } else { size };
    if size < ATTR_MIN || u64::from(size) > arch::PAGE_SIZE {
        cx.mm().write_obj(Addr(a[1]), &(size_of::<Attr>() as u32))?;
        return Err(Errno::E2BIG);
    }
    let mut attr = Attr::new_zeroed();
    let known = (size as usize).min(size_of::<Attr>());
    let (head, _) = attr.as_mut_bytes().split_at_mut(known);
    cx.mm().copy_in(Addr(a[1]), head, Permissions::Obey)?;
    crate::syscalls::misc::check_zeros(cx, a[1], known as u64, u64::from(size))?;
    if attr.flags & !0x7f != 0 {
        return Err(Errno::EINVAL);
    }
    let task = target(cx, a[0] as i32)?;
    let nice = (!is_realtime(attr.policy)).then_some(attr.nice.clamp(-20, 19));
    apply(cx, &task, attr.policy, attr.priority, nice, attr.flags & 1 != 0)
}

/// sched_getattr(2).
pub fn sys_sched_getattr(cx: &mut TaskCx, a: &Args) -> Outcome {
    get_attr(cx, a).map(|()| 0).into()
}

fn get_attr(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    let size = a[2] as u32;
    let bad = size < ATTR_MIN || u64::from(size) > arch::PAGE_SIZE || a[3] as u32 != 0;
    if a[1] == 0 || (a[0] as i32) < 0 || bad {
        return Err(Errno::EINVAL);
    }
    let mut attr = Attr::new_zeroed();
    {
        let task = target(cx, a[0] as i32)?;
        let p = task.policy.lock();
        attr.policy = p.scheduler;
        attr.flags = p.reset_on_fork.into();
        if is_realtime(p.scheduler) {
            attr.priority = p.priority;
        } else {
            attr.nice = p.nice;
        }
        attr.util_max = 1024;
    }
    let len = (size as usize).min(size_of::<Attr>());
    attr.size = len as u32;
    let (head, _) = attr.as_bytes().split_at(len);
    Ok(cx.mm().copy_out(Addr(a[1]), head, Permissions::Obey)?)
}
