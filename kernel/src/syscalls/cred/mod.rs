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
    let c = cx.task.creds();
    Outcome::Done(Ok(c.user_ns.show_uid(c.uid).into()))
}

/// geteuid(2).
pub fn sys_geteuid(cx: &mut TaskCx, _: &Args) -> Outcome {
    let c = cx.task.creds();
    Outcome::Done(Ok(c.user_ns.show_uid(c.euid).into()))
}

/// getgid(2).
pub fn sys_getgid(cx: &mut TaskCx, _: &Args) -> Outcome {
    let c = cx.task.creds();
    Outcome::Done(Ok(c.user_ns.show_gid(c.gid).into()))
}

/// getegid(2).
pub fn sys_getegid(cx: &mut TaskCx, _: &Args) -> Outcome {
    let c = cx.task.creds();
    Outcome::Done(Ok(c.user_ns.show_gid(c.egid).into()))
}

/// getresuid(2).
pub fn sys_getresuid(cx: &mut TaskCx, a: &Args) -> Outcome {
    let c = cx.task.creds();
    three(cx, a, [c.uid, c.euid, c.suid].map(|u| c.user_ns.show_uid(u)))
}

/// getresgid(2).
pub fn sys_getresgid(cx: &mut TaskCx, a: &Args) -> Outcome {
    let c = cx.task.creds();
    three(cx, a, [c.gid, c.egid, c.sgid].map(|g| c.user_ns.show_gid(g)))
}

fn three(cx: &TaskCx, a: &Args, ids: [u32; 3]) -> Outcome {
    let write = |(&at, id): (&u64, u32)| cx.mm().write_obj(Addr(at), &id);
    let all: Result<(), Errno> = a.iter().zip(ids).try_for_each(write);
    all.map(|()| 0).into()
}
