//! pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2).

use super::may_inspect;
use crate::pidfd::{PIDFD_NONBLOCK, install, process};
use crate::signal::{SI_TKILL, Sender, SigInfo, Target};
use crate::syscalls::signal::{by_kernel_ids, read_info};
use crate::{Args, Outcome, Resource, TaskCx, ThreadGroup};
use alloc::sync::Arc;
use arch::Addr;
use syserr::Errno;

/// pidfd_open(2).
pub fn sys_pidfd_open(cx: &mut TaskCx, a: &Args) -> Outcome {
    open(cx, a[0] as i32, a[1] as u32).map(|fd| fd as u64).into()
}

fn open(cx: &TaskCx, pid: i32, flags: u32) -> Result<i32, Errno> {
    // PIDFD_THREAD would need a descriptor for single threads.
    if flags & !PIDFD_NONBLOCK != 0 || pid <= 0 {
        return Err(Errno::EINVAL);
    }
    let task = cx.task.find(pid)?;
    if !task.is_leader() {
        return Err(Errno::ENOENT);
    }
    install(&cx.task, task.group_ref(), flags & PIDFD_NONBLOCK != 0)
}

/// pidfd_send_signal(2).
pub fn sys_pidfd_send_signal(cx: &mut TaskCx, a: &Args) -> Outcome {
    send(cx, a).map(|()| 0).into()
}

fn send(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    // PIDFD_SIGNAL_THREAD, _THREAD_GROUP, _PROCESS_GROUP: one of them at most.
    let flags = a[3] as u32;
    if flags & !7 != 0 || flags.count_ones() > 1 {
        return Err(Errno::EINVAL);
    }
    let group = addressee(cx, a[0] as i32)?;
    // Not to who lives outside of the own namespace (`access_pidfd_pidns`).
    if !group.pid_ns().is_within(cx.task.pid_ns()) {
        return Err(Errno::EINVAL);
    }
    let signo = a[1] as u32;
    let info = if a[2] == 0 {
        None
    } else {
        let info = read_info(cx, Addr(a[2]), None)?;
        if info.signo as u32 != signo {
            return Err(Errno::EINVAL);
        }
        let own = group.tgid() == cx.task.tgid();
        if !own && (info.code >= 0 || info.code == SI_TKILL) {
            return Err(Errno::EPERM);
        }
        Some::<SigInfo>(by_kernel_ids(cx, info))
    };
    let target = match flags {
        4 => Target::Group(group.pgid()),
        1 => Target::Thread(None, group.tgid()),
        _ => Target::Process(group.tgid()),
    };
    cx.kernel().send(Sender::Task(&cx.task), target, signo, info)
}

/// The process that `fd` names; for signals a directory of `/proc` does too.
fn addressee(cx: &TaskCx, fd: i32) -> Result<Arc<ThreadGroup>, Errno> {
    match vfs::proc::process_directory(&*cx.task.files().get(fd)?) {
        Some(tgid) => cx.kernel().process(tgid).ok_or(Errno::ESRCH),
        None => process(&cx.task, fd),
    }
}

/// pidfd_getfd(2).
pub fn sys_pidfd_getfd(cx: &mut TaskCx, a: &Args) -> Outcome {
    get_fd(cx, a).map(|fd| fd as u64).into()
}

fn get_fd(cx: &TaskCx, a: &Args) -> Result<i32, Errno> {
    if a[2] as u32 != 0 {
        return Err(Errno::EINVAL);
    }
    let group = process(&cx.task, a[0] as i32)?;
    let target = group.any_thread().ok_or(Errno::ESRCH)?;
    may_inspect(&cx.task, &target)?;
    let file = target.files().get(a[1] as i32)?;
    cx.task.files().install(file, 0, cx.task.limit(Resource::Nofile).0, true)
}
