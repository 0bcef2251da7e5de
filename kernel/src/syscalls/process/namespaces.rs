//! setns(2), and descriptors of namespaces that belong to others; ioctl_nsfs(2).

use crate::clone::CloneFlags;
use crate::ptrace::may_access;
use crate::syscalls::fs::install;
use crate::{Args, Outcome, PidNamespace, TaskCx, ns, pidfd};
use syserr::Errno;
use vfs::File;
use vfs::nsfs::{self, namespace_of};

/// setns(2).
pub fn sys_setns(cx: &mut TaskCx, a: &Args) -> Outcome {
    setns(cx, a[0] as i32, a[1] as i32 as u32).map(|()| 0).into()
}

fn setns(cx: &TaskCx, fd: i32, wanted: u32) -> Result<(), Errno> {
    let file = cx.task.files().get_open(fd)?;
    let flags = CloneFlags::from_bits(wanted.into())
        .filter(|f| CloneFlags::NAMESPACES.contains(*f))
        .ok_or(Errno::EINVAL)?;
    if let Some(ns) = namespace_of(&file) {
        if wanted != 0 && wanted != ns.kind().flag() {
            return Err(Errno::EINVAL);
        }
        return ns::enter(&cx.task, &[ns]);
    }
    let other = |e| if e == Errno::EBADF { Errno::EINVAL } else { e };
    let group = pidfd::process(&cx.task, fd).map_err(other)?;
    if flags.is_empty() {
        return Err(Errno::EINVAL);
    }
    let task = group.threads().first().cloned().ok_or(Errno::ESRCH)?;
    may_access(&cx.task.creds(), cx.task.tgid(), &task, false)?;
    ns::enter(&cx.task, &ns::of(&task, flags)?)
}

/// `NS_GET_USERNS` and `NS_GET_PARENT`, if `file` is a namespace.
pub(crate) fn open_related(cx: &TaskCx, file: &File, cmd: u32) -> Option<Result<u64, Errno>> {
    let ns = namespace_of(file)?;
    let found = nsfs::related(&ns, cmd, &cx.task.creds()).and_then(|found| {
        // Only what is below the caller's can be seen (`pidns_get_parent`).
        match nsfs::downcast::<PidNamespace>(found.clone()) {
            Some(ns) if !ns.is_within(cx.task.pid_ns()) => Err(Errno::EPERM),
            _ => Ok(found),
        }
    });
    Some(found.and_then(|ns| install(cx, nsfs::open(ns), true)))
}

const NS_GET_PID_FROM_PIDNS: u32 = 0x8004_b706;
const NS_GET_TGID_FROM_PIDNS: u32 = 0x8004_b707;
const NS_GET_PID_IN_PIDNS: u32 = 0x8004_b708;
const NS_GET_TGID_IN_PIDNS: u32 = 0x8004_b709;

/// What one PID namespace's number is in another: the caller's and that which `file` is. `None` for
/// other commands and files.
pub(crate) fn number_in(
    cx: &TaskCx,
    file: &File,
    cmd: u32,
    number: i32,
) -> Option<Result<u64, Errno>> {
    let group = match cmd {
        NS_GET_PID_FROM_PIDNS | NS_GET_PID_IN_PIDNS => false,
        NS_GET_TGID_FROM_PIDNS | NS_GET_TGID_IN_PIDNS => true,
        _ => return None,
    };
    let Some(there) = nsfs::downcast::<PidNamespace>(namespace_of(file)?) else {
        return Some(Err(Errno::EINVAL));
    };
    let (mut from, mut to) = (&there, cx.task.pid_ns());
    if matches!(cmd, NS_GET_PID_IN_PIDNS | NS_GET_TGID_IN_PIDNS) {
        core::mem::swap(&mut from, &mut to);
    }
    let task = from.id_of(number).and_then(|id| cx.kernel().task(id));
    let id = task.map_or(0, |t| if group { t.tgid() } else { t.tid() });
    Some(match to.number_of(id) {
        0 => Err(Errno::ESRCH),
        n => Ok(n as u64),
    })
}
