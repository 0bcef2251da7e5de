//! Resource limits and usage.

use crate::limits::{INFINITY, Limit, Resource};
use crate::syscalls::abi::{Rusage, write_if};
use crate::{Args, Outcome, Task, TaskCx};
use alloc::sync::Arc;
use arch::{Addr, UserMemoryExt};
use syserr::Errno;
use vfs::cap;

/// getrlimit(2).
pub fn sys_getrlimit(cx: &mut TaskCx, a: &Args) -> Outcome {
    let get = || {
        let l = cx.task.group_ref().limit(Resource::from_raw(a[0] as u32)?);
        cx.mm().write_obj(Addr(a[1]), &[l.cur, l.max])
    };
    get().map(|()| 0).into()
}

/// setrlimit(2).
pub fn sys_setrlimit(cx: &mut TaskCx, a: &Args) -> Outcome {
    let set = || {
        let [cur, max] = cx.mm().read_obj(Addr(a[1]))?;
        change(&cx.task, &cx.task, Resource::from_raw(a[0] as u32)?, Limit { cur, max })
    };
    set().map(|()| 0).into()
}

/// prlimit64(2).
pub fn sys_prlimit64(cx: &mut TaskCx, a: &Args) -> Outcome {
    prlimit(cx, a).map(|()| 0).into()
}

fn prlimit(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    let resource = Resource::from_raw(a[1] as u32)?;
    let new = match a[2] {
        0 => None,
        at => {
            let [cur, max] = cx.mm().read_obj(Addr(at))?;
            Some(Limit { cur, max })
        }
    };
    let target = match a[0] as i32 {
        0 => cx.task.clone(),
        pid => cx.task.find(pid)?,
    };
    may_change(&cx.task, &target)?;
    let old = target.group_ref().limit(resource);
    if let Some(limit) = new {
        change(&cx.task, &target, resource, limit)?;
    }
    write_if(&**cx.mm(), a[3], &[old.cur, old.max])
}

/// `check_prlimit_permission` in `kernel/sys.c`.
fn may_change(caller: &Arc<Task>, target: &Arc<Task>) -> Result<(), Errno> {
    if Arc::ptr_eq(caller.group_ref(), target.group_ref()) {
        return Ok(());
    }
    let (me, you) = (caller.creds(), target.creds());
    let same = [you.uid, you.euid, you.suid].iter().all(|&u| u == me.uid)
        && [you.gid, you.egid, you.sgid].iter().all(|&g| g == me.gid);
    if same || me.has_in(&you.user_ns, cap::SYS_RESOURCE) { Ok(()) } else { Err(Errno::EPERM) }
}

fn change(
    caller: &Arc<Task>,
    target: &Arc<Task>,
    resource: Resource,
    new: Limit,
) -> Result<(), Errno> {
    if new.cur > new.max {
        return Err(Errno::EINVAL);
    }
    // `sysctl_nr_open`.
    let nr_open = caller.kernel().vfs().settings().nr_open();
    if resource == Resource::Nofile && new.max > nr_open {
        return Err(Errno::EPERM);
    }
    let group = target.group_ref();
    if new.max > group.limit(resource).max && !caller.creds().has(cap::SYS_RESOURCE) {
        return Err(Errno::EPERM);
    }
    group.set_limit(resource, new);
    match resource {
        Resource::Stack | Resource::As | Resource::Memlock | Resource::Data => {
            if let Some(mm) = target.mm() {
                mm.set_limits(target.memory_limits());
            }
        }
        Resource::Cpu if new.cur != INFINITY => group.limit_cpu_time(caller.kernel(), new),
        _ => {}
    }
    Ok(())
}

/// getrusage(2).
pub fn sys_getrusage(cx: &mut TaskCx, a: &Args) -> Outcome {
    cx.publish_times();
    let group = cx.task.group_ref();
    let rss = crate::usage::max_rss(cx.mm());
    let usage = group.usage();
    let out = match a[0] as i32 {
        // RUSAGE_SELF, RUSAGE_THREAD, RUSAGE_CHILDREN.
        0 => Rusage::new(group.cpu_times(), rss.max(usage.max_rss)),
        1 => Rusage::new(cx.task.cpu_times(), rss.max(usage.max_rss)),
        -1 => Rusage::new(usage.children, usage.children_max_rss),
        _ => return Errno::EINVAL.into(),
    };
    cx.mm().write_obj(Addr(a[1]), &out).map(|()| 0).into()
}
