//! ioctl_pidfd(2) (`fs/pidfs.c`): who a process is, how it ended, and its namespaces.

use crate::pidfd::PidFd;
use crate::ptrace::may_access;
use crate::syscalls::fs::install;
use crate::{Task, TaskCx, ThreadGroup, ns};
use alloc::sync::Arc;
use arch::{Addr, Permissions, UserMemory, UserMemoryExt};
use syserr::Errno;
use vfs::File;
use vfs::nsfs::{self, NamespaceKind, NamespaceRef};
use zerocopy::{FromZeros, Immutable, IntoBytes};

/// `struct pidfd_info`, of a size that grew.
#[derive(FromZeros, IntoBytes, Immutable)]
#[repr(C)]
struct Info {
    mask: u64,
    cgroup: u64,
    pid: i32,
    tgid: i32,
    ppid: i32,
    ids: [u32; 8],
    exit_code: i32,
    core_mask: u32,
    core_signal: u32,
    supported: u64,
}
static_assertions::assert_eq_size!(Info, [u8; 80]);

/// `PIDFD_INFO_*`.
const PID: u64 = 1;
const CREDS: u64 = 2;
const CGROUP: u64 = 4;
const EXIT: u64 = 8;
/// `PIDFD_INFO_SIZE_VER0`.
const SIZE_MIN: u64 = 64;

/// The largest size that a command's number can hold.
const SIZE_MASK: u32 = 0x3fff;
/// `PIDFD_GET_INFO` without its size.
const GET_INFO: u32 = 0xc000_ff0b;
/// `PIDFD_GET_*_NAMESPACE` are numbers from 1 on.
const NAMESPACES: u32 = 0xff00;

/// What pidfds can do; `None` for other commands and files.
pub(crate) fn pidfd_ioctl(
    cx: &TaskCx,
    file: &File,
    cmd: u32,
    arg: u64,
) -> Option<Result<u64, Errno>> {
    let pidfd = file.downcast::<PidFd>()?;
    let size = u64::from(cmd >> 16 & SIZE_MASK);
    if cmd & !(SIZE_MASK << 16) == GET_INFO && size >= SIZE_MIN {
        return Some(info(cx, pidfd, Addr(arg), size));
    }
    let (kind, of_children) = match cmd.checked_sub(NAMESPACES)? {
        1 => (NamespaceKind::Cgroup, false),
        2 => (NamespaceKind::Ipc, false),
        3 => (NamespaceKind::Mnt, false),
        4 => (NamespaceKind::Net, false),
        5 => (NamespaceKind::Pid, false),
        6 => (NamespaceKind::Pid, true),
        7 => (NamespaceKind::Time, false),
        8 => (NamespaceKind::Time, true),
        9 => (NamespaceKind::User, false),
        10 => (NamespaceKind::Uts, false),
        _ => return None,
    };
    let ns = if arg == 0 { namespace(cx, pidfd, kind, of_children) } else { Err(Errno::EINVAL) };
    Some(ns.and_then(|ns| install(cx, nsfs::open(ns), true)))
}

/// A task of the process, while it is one.
fn task(pidfd: &PidFd) -> Result<Arc<Task>, Errno> {
    pidfd.group().any_thread().filter(|_| !pidfd.is_gone()).ok_or(Errno::ESRCH)
}

fn namespace(
    cx: &TaskCx,
    pidfd: &PidFd,
    kind: NamespaceKind,
    of_children: bool,
) -> Result<NamespaceRef, Errno> {
    let task = task(pidfd)?;
    may_access(&cx.task.creds(), cx.task.tgid(), &task, true).map_err(|_| Errno::EACCES)?;
    let found = if of_children { ns::of_children(&task, kind) } else { ns::of_task(&task, kind) };
    found.ok_or(Errno::ESRCH)
}

/// What `show` makes of a process's user and group IDs, each real, effective, saved and of files.
fn ids(cx: &TaskCx, task: &Task) -> [u32; 8] {
    let (own, c) = (cx.task.creds(), task.creds());
    let ns = &own.user_ns;
    let pairs = [(c.uid, c.gid), (c.euid, c.egid), (c.suid, c.sgid), (c.fsuid, c.fsgid)];
    let mut all = [0; 8];
    for (to, (uid, gid)) in all.chunks_exact_mut(2).zip(pairs) {
        to.copy_from_slice(&[ns.show_uid(uid), ns.show_gid(gid)]);
    }
    all
}

fn parent_of(cx: &TaskCx, group: &ThreadGroup) -> i32 {
    cx.task.pid_ns().number_of(group.ppid())
}

/// `PIDFD_GET_INFO`: as much as the caller has room for.
fn info(cx: &TaskCx, pidfd: &PidFd, at: Addr, room: u64) -> Result<u64, Errno> {
    if at == Addr::NULL {
        return Err(Errno::EINVAL);
    }
    let wanted: u64 = cx.mm().read_obj(at)?;
    let group = pidfd.group();
    if !group.pid_ns().is_within(cx.task.pid_ns()) {
        return Err(Errno::ESRCH);
    }
    let mut out = Info::new_zeroed();
    if pidfd.is_gone() {
        if wanted & EXIT == 0 {
            return Err(Errno::ESRCH);
        }
        out.mask = EXIT;
        out.exit_code = group.status().wait_status();
    } else {
        out.mask = PID;
        out.tgid = cx.task.pid_ns().number_of(group.tgid());
        out.pid = out.tgid;
        out.ppid = parent_of(cx, group);
        // Who has ended and is not waited for yet has no credentials any more.
        if let Some(task) = group.any_thread() {
            out.mask |= CREDS;
            out.ids = ids(cx, &task);
        }
    }
    out.mask |= CGROUP;
    out.cgroup = cx.kernel().cgroups().id_of(group);
    let mut bytes = out.as_bytes().to_vec();
    bytes.resize(room as usize, 0);
    cx.mm().copy_out(at, &bytes, Permissions::Obey)?;
    Ok(0)
}
