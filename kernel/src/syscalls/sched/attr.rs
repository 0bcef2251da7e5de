//! sched_setattr(2), sched_getattr(2).

use super::change::{Change, is_realtime};
use super::target;
use crate::task::{Deadline, Policy, SCHED_DEADLINE};
use crate::{Args, Outcome, TaskCx};
use arch::{Addr, Permissions, UserMemory, UserMemoryExt};
use syserr::Errno;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

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

const FLAG_RESET_ON_FORK: u64 = 1;
/// `SCHED_FLAG_RECLAIM`, `SCHED_FLAG_DL_OVERRUN`.
const FLAG_DEADLINE: u64 = 6;
const FLAG_KEEP_POLICY: u64 = 8;
const FLAG_KEEP_PARAMS: u64 = 0x10;
/// `SCHED_FLAG_UTIL_CLAMP_MIN`, `SCHED_FLAG_UTIL_CLAMP_MAX`.
const FLAG_UTIL_CLAMP: u64 = 0x60;
const FLAG_ALL: u64 = 0x7f;

impl Attr {
    /// What a task has of the parameters that go with its policy (`get_params`).
    fn take_params(&mut self, p: &Policy) {
        if p.scheduler == SCHED_DEADLINE {
            self.runtime = p.deadline.runtime;
            self.deadline = p.deadline.deadline;
            self.period = p.deadline.period;
            self.flags = self.flags & !FLAG_DEADLINE | p.deadline.flags;
        } else if is_realtime(p.scheduler) {
            self.priority = p.priority;
        } else {
            self.nice = p.nice;
        }
    }
}

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
    let clamps = attr.flags & FLAG_UTIL_CLAMP != 0;
    if clamps && known < size_of::<Attr>() || (attr.policy as i32) < 0 {
        return Err(Errno::EINVAL);
    }
    let task = target(cx, a[0] as i32)?;
    if attr.flags & FLAG_KEEP_PARAMS != 0 {
        attr.take_params(&task.policy.lock());
    }
    let change = Change {
        policy: (attr.flags & FLAG_KEEP_POLICY == 0).then_some(attr.policy),
        priority: attr.priority,
        nice: attr.nice.clamp(-20, 19),
        deadline: Deadline {
            runtime: attr.runtime,
            deadline: attr.deadline,
            period: attr.period,
            flags: attr.flags & FLAG_DEADLINE,
        },
        reset_on_fork: attr.flags & FLAG_RESET_ON_FORK != 0,
    };
    if attr.flags & !FLAG_ALL != 0 {
        return Err(Errno::EINVAL);
    }
    if clamps {
        // As in kernels without `CONFIG_UCLAMP_TASK`.
        return Err(Errno::EOPNOTSUPP);
    }
    change.apply(cx, &task)
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
        attr.take_params(&p);
    }
    let len = (size as usize).min(size_of::<Attr>());
    attr.size = len as u32;
    let (head, _) = attr.as_bytes().split_at(len);
    Ok(cx.mm().copy_out(Addr(a[1]), head, Permissions::Obey)?)
}
