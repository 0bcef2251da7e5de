//! Scheduling. The host schedules: policies, priorities and processor sets are checked, stored and
//! given back, and nothing follows from them.

mod attr;
mod change;
mod policy;
mod priority;

pub use attr::{sys_sched_getattr, sys_sched_setattr};
pub use policy::{
    sys_sched_get_priority_max, sys_sched_get_priority_min, sys_sched_getparam,
    sys_sched_getscheduler, sys_sched_rr_get_interval, sys_sched_setparam, sys_sched_setscheduler,
};
pub(crate) use priority::check_io_priority;
pub use priority::{sys_getpriority, sys_ioprio_get, sys_ioprio_set, sys_setpriority};

use crate::syscalls::abi::write_if;
use crate::{Args, Outcome, Task, TaskCx};
use alloc::boxed::Box;
use alloc::sync::Arc;
use arch::{Addr, Permissions, UserMemory};
use core::future::poll_fn;
use core::task::Poll;
use syserr::Errno;
use vfs::{Creds, cap};

/// The task with an ID; 0 is the caller.
fn target(cx: &TaskCx, pid: i32) -> Result<Arc<Task>, Errno> {
    match pid {
        0 => Ok(cx.task.clone()),
        _ => cx.task.find(pid),
    }
}

/// Whether the caller may change where and how gladly `task` runs.
fn may_schedule(cx: &TaskCx, task: &Task) -> Result<(), Errno> {
    let (me, you) = (cx.task.creds(), task.creds());
    let may = same_owner(&me, &you) || me.has_in(&you.user_ns, cap::SYS_NICE);
    granted(may && is_no_less(&me, &you))
}

/// Whether the caller may change its policy, which others feel whatever namespace they are in.
fn may_set_policy(cx: &TaskCx, task: &Task) -> Result<(), Errno> {
    let (me, you) = (cx.task.creds(), task.creds());
    granted((same_owner(&me, &you) || me.has(cap::SYS_NICE)) && is_no_less(&me, &you))
}

/// Whether the caller may change its I/O priority (`set_task_ioprio` in `block/blk-ioc.c`).
fn may_set_io_priority(cx: &TaskCx, task: &Task) -> Result<(), Errno> {
    let (me, you) = (cx.task.creds(), task.creds());
    let may = you.uid == me.euid || you.uid == me.uid || me.has(cap::SYS_NICE);
    granted(may && is_no_less(&me, &you))
}

fn granted(may: bool) -> Result<(), Errno> {
    if may { Ok(()) } else { Err(Errno::EPERM) }
}

/// Nobody slows down who is capable of more, whoever owns it; `cap_safe_nice` of
/// `security/commoncap.c`.
fn is_no_less(me: &Creds, you: &Creds) -> bool {
    you.permitted & !me.permitted == 0 || me.has_in(&you.user_ns, cap::SYS_NICE)
}

/// `check_same_owner` of `kernel/sched/syscalls.c`.
fn same_owner(me: &Creds, you: &Creds) -> bool {
    me.euid == you.uid || me.euid == you.euid
}

/// sched_yield(2): goes to the end of the executor's queue once.
pub fn sys_sched_yield(_: &mut TaskCx, _: &Args) -> Outcome {
    let mut again = false;
    Outcome::Block(Box::pin(poll_fn(move |cx| {
        if core::mem::replace(&mut again, true) {
            return Poll::Ready(Outcome::Done(Ok(0)));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })))
}

fn cpu_mask(cx: &TaskCx) -> u64 {
    let n = cx.kernel().embedder().platform.cpus().clamp(1, 64);
    u64::MAX >> (64 - n)
}

/// sched_setaffinity(2).
pub fn sys_sched_setaffinity(cx: &mut TaskCx, a: &Args) -> Outcome {
    set_affinity(cx, a).map(|()| 0).into()
}

fn set_affinity(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    let mut bytes = [0; 8];
    let len = (a[1] as u32 as usize).min(bytes.len());
    let (head, _) = bytes.split_at_mut(len);
    cx.mm().copy_in(Addr(a[2]), head, Permissions::Obey)?;
    let task = target(cx, a[0] as i32)?;
    may_schedule(cx, &task)?;
    let mask = u64::from_le_bytes(bytes) & cpu_mask(cx);
    if mask == 0 {
        return Err(Errno::EINVAL);
    }
    task.policy.lock().affinity = mask;
    Ok(())
}

/// sched_getaffinity(2).
pub fn sys_sched_getaffinity(cx: &mut TaskCx, a: &Args) -> Outcome {
    get_affinity(cx, a).into()
}

fn get_affinity(cx: &TaskCx, a: &Args) -> Result<u64, Errno> {
    let size = a[1] as u32;
    // Room for the kernel's set, in whole words.
    if size < 8 || !size.is_multiple_of(8) {
        return Err(Errno::EINVAL);
    }
    let mask = target(cx, a[0] as i32)?.policy.lock().affinity & cpu_mask(cx);
    cx.mm().copy_out(Addr(a[2]), &mask.to_le_bytes(), Permissions::Obey)?;
    Ok(8)
}

/// getcpu(2): always the first processor that the task may use, of the first node, since contexts
/// move between host threads as they please.
pub fn sys_getcpu(cx: &mut TaskCx, a: &Args) -> Outcome {
    let mm = cx.mm();
    let mask = cx.task.policy.lock().affinity & cpu_mask(cx);
    let cpu = if mask == 0 { 0 } else { mask.trailing_zeros() };
    write_if(&**mm, a[0], &cpu).and_then(|()| write_if(&**mm, a[1], &0u32)).map(|()| 0).into()
}
