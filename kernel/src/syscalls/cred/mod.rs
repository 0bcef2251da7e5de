//! Credentials.

mod caps;
mod change;
mod groups;

pub use caps::{sys_capget, sys_capset};
pub use change::{
    sys_setfsgid, sys_setfsuid, sys_setgid, sys_setregid, sys_setresgid, sys_setresuid,
    sys_setreuid, sys_setuid,
};
pub use groups::{sys_getgroups, sys_setgroups};

use crate::{Args, Outcome, TaskCx};
use arch::{Addr, UserMemoryExt};
use syserr::Errno;

/// getuid(2).
pub fn sys_getuid(cx: &mut TaskCx, _: &Args) -> Outcome {
    Outcome::Done(Ok(cx.task.creds().uid.into()))
}

/// geteuid(2).
pub fn sys_geteuid(cx: &mut TaskCx, _: &Args) -> Outcome {
    Outcome::Done(Ok(cx.task.creds().euid.into()))
}

/// getgid(2).
pub fn sys_getgid(cx: &mut TaskCx, _: &Args) -> Outcome {
    Outcome::Done(Ok(cx.task.creds().gid.into()))
}

/// getegid(2).
pub fn sys_getegid(cx: &mut TaskCx, _: &Args) -> Outcome {
    Outcome::Done(Ok(cx.task.creds().egid.into()))
}

/// getresuid(2).
pub fn sys_getresuid(cx: &mut TaskCx, a: &Args) -> Outcome {
    let c = cx.task.creds();
    three(cx, a, [c.uid, c.euid, c.suid])
}

/// getresgid(2).
pub fn sys_getresgid(cx: &mut TaskCx, a: &Args) -> Outcome {
    let c = cx.task.creds();
    three(cx, a, [c.gid, c.egid, c.sgid])
}

fn three(cx: &TaskCx, a: &Args, ids: [u32; 3]) -> Outcome {
    let write = |(&at, id): (&u64, u32)| cx.mm().write_obj(Addr(at), &id);
    let all: Result<(), Errno> = a.iter().zip(ids).try_for_each(write);
    all.map(|()| 0).into()
}
