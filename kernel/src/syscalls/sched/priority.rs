//! Nice values and I/O priorities.

use super::{may_schedule, may_set_io_priority};
use crate::{Args, Outcome, Resource, Task, TaskCx};
use alloc::sync::Arc;
use alloc::vec::Vec;
use syserr::Errno;
use vfs::cap;

/// The tasks that `which` and `who` mean in getpriority(2), and with other numbers for `which` in
/// ioprio_get(2).
fn select(cx: &TaskCx, which: i32, who: i32) -> Result<Vec<Arc<Task>>, Errno> {
    let named = cx.task.pid_ns().id_of(who);
    let tree = cx.kernel().tree();
    let found: Vec<Arc<Task>> = match which {
        0 if who == 0 => [cx.task.clone()].to_vec(),
        0 => named.and_then(|id| tree.tasks.get(&id)).cloned().into_iter().collect(),
        1 => {
            let pgid = if who == 0 { cx.task.group_ref().pgid() } else { named.unwrap_or(0) };
            tree.members(pgid).flat_map(|p| p.group.threads()).collect()
        }
        2 => {
            let me = cx.task.creds();
            let uid = if who == 0 { Some(me.uid) } else { me.user_ns.uid_in(who as u32) };
            let uid = uid.ok_or(Errno::ESRCH)?;
            let of_user = |t: &&Arc<Task>| t.creds().uid == uid && cx.task.pid_ns().sees(t.tid());
            tree.tasks.values().filter(of_user).cloned().collect()
        }
        _ => return Err(Errno::EINVAL),
    };
    if found.is_empty() { Err(Errno::ESRCH) } else { Ok(found) }
}

/// getpriority(2): 20 minus the nice value, so that it is not negative.
pub fn sys_getpriority(cx: &mut TaskCx, a: &Args) -> Outcome {
    let tasks = select(cx, a[0] as i32, a[1] as i32);
    let best = |ts: Vec<Arc<Task>>| ts.iter().map(|t| 20 - t.policy.lock().nice).max();
    tasks.map(|ts| best(ts).unwrap_or(20) as u64).into()
}

/// setpriority(2).
pub fn sys_setpriority(cx: &mut TaskCx, a: &Args) -> Outcome {
    set(cx, a).map(|()| 0).into()
}

fn set(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    let nice = (a[2] as i32).clamp(-20, 19);
    let mut result = Ok(());
    for t in select(cx, a[0] as i32, a[1] as i32)? {
        if may_schedule(cx, &t).is_err() {
            result = Err(Errno::EPERM);
            continue;
        }
        let mut p = t.policy.lock();
        let allowed = 20 - nice as i64 <= t.limit(Resource::Nice).0.min(40) as i64;
        if nice < p.nice && !allowed && !cx.task.creds().has(cap::SYS_NICE) {
            result = Err(Errno::EACCES);
        } else {
            p.nice = nice;
        }
    }
    result
}

/// ioprio_set(2): stored.
pub fn sys_ioprio_set(cx: &mut TaskCx, a: &Args) -> Outcome {
    set_io(cx, a).map(|()| 0).into()
}

/// Whether the caller may use an I/O priority (`ioprio_check_cap`).
///
/// # Errors
/// `EPERM` for real time without the privilege; `EINVAL`.
pub(crate) fn check_io_priority(cx: &TaskCx, value: u32) -> Result<(), Errno> {
    let creds = cx.task.creds();
    let (class, level) = (value >> 13, value & 7);
    match class {
        1 if !creds.has(cap::SYS_ADMIN) && !creds.has(cap::SYS_NICE) => Err(Errno::EPERM),
        0 if level != 0 => Err(Errno::EINVAL),
        0..=3 => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}

fn set_io(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    let value = a[2] as u32;
    check_io_priority(cx, value)?;
    for t in select(cx, a[0] as i32 - 1, a[1] as i32)? {
        may_set_io_priority(cx, &t)?;
        t.policy.lock().ioprio = value;
    }
    Ok(())
}

/// ioprio_get(2).
pub fn sys_ioprio_get(cx: &mut TaskCx, a: &Args) -> Outcome {
    let tasks = select(cx, a[0] as i32 - 1, a[1] as i32);
    tasks.map(|ts| ts.first().map_or(0, |t| t.policy.lock().ioprio.into())).into()
}
