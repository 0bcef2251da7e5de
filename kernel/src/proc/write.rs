//! Files of `/proc` that can be written.

use super::system::{pid_max, pids_of};
use crate::ns::Namespaces;
use crate::task::Login;
use crate::{Comm, Kernel, Task};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};
use mm::OvercommitMode;
use syserr::Errno;
use vfs::cap;
use vfs::proc::{Opener, SystemFile, TaskFile};

/// What a text says up to a byte of zero.
fn number(text: &[u8]) -> Result<i64, Errno> {
    let text = text.split(|b| *b == 0).next().unwrap_or_default();
    let text = core::str::from_utf8(text).map_err(|_| Errno::EINVAL)?.trim();
    let n = match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    n.map_err(|_| Errno::EINVAL)
}

/// Up to `most` numbers without a sign, of which there must be one; what follows does not matter.
fn numbers(text: &[u8], most: usize) -> Result<Vec<u64>, Errno> {
    let text = text.split(|b| *b == 0).next().unwrap_or_default();
    let text = core::str::from_utf8(text).map_err(|_| Errno::EINVAL)?;
    let words = text.split_ascii_whitespace().take(most);
    let all: Result<Vec<u64>, _> = words.map(str::parse).collect();
    all.ok().filter(|all| !all.is_empty()).ok_or(Errno::EINVAL)
}

fn first(numbers: &[u64]) -> u64 {
    numbers.first().copied().unwrap_or(0)
}

/// Sets how gladly a process is killed for memory (`__set_oom_adj` in fs/proc/base.c).
fn set_oom(writer: &Opener, task: &Task, to: i64, old_way: bool) -> Result<(), Errno> {
    let to = i16::try_from(to).map_err(|_| Errno::EINVAL)?;
    let may = writer.creds.has(cap::SYS_RESOURCE);
    let mut state = task.group_ref().lock();
    let least = if old_way { state.oom.adjust } else { state.oom.least };
    if to < least && !may {
        return Err(Errno::EACCES);
    }
    state.oom.adjust = to;
    if may && !old_way {
        state.oom.least = to;
    }
    Ok(())
}

fn writer_is_in(writer: &Opener, task: &Task) -> bool {
    let own = task.kernel().task(writer.tid);
    own.is_some_and(|own| own.tgid() == task.tgid())
}

/// Whether somebody may see and change how late timers of a task may be.
///
/// # Errors
/// `EPERM`.
pub(super) fn may_change_slack(who: &Opener, task: &Task) -> Result<(), Errno> {
    let may = who.tid == task.tid() || who.creds.has_in(&task.creds().user_ns, cap::SYS_NICE);
    if may { Ok(()) } else { Err(Errno::EPERM) }
}

pub(super) fn task(writer: &Opener, task: &Task, file: TaskFile, text: &[u8]) -> Result<(), Errno> {
    match file {
        // Only threads rename each other.
        TaskFile::Comm if !writer_is_in(writer, task) => Err(Errno::EINVAL),
        TaskFile::Comm => {
            let name = text.strip_suffix(b"\n").unwrap_or(text);
            task.set_comm(Comm::new(name));
            Ok(())
        }
        TaskFile::OomScoreAdj => {
            let n = number(text)?;
            if !(-1000..=1000).contains(&n) {
                return Err(Errno::EINVAL);
            }
            set_oom(writer, task, n, false)
        }
        TaskFile::OomAdj => {
            let n = number(text)?;
            if !(-17..=15).contains(&n) {
                return Err(Errno::EINVAL);
            }
            set_oom(writer, task, if n == 15 { 1000 } else { n * 1000 / 17 }, true)
        }
        TaskFile::CoredumpFilter => {
            let n = u32::try_from(number(text)?).map_err(|_| Errno::EINVAL)?;
            task.group_ref().lock().core_filter = n & 0x1ff;
            Ok(())
        }
        TaskFile::ClearRefs => {
            let mm = task.mm().ok_or(Errno::ESRCH)?;
            super::memory::clear_refs(&mm, number(text)?)
        }
        TaskFile::TimensOffsets => {
            let ns = task.namespaces().ok_or(Errno::ESRCH)?;
            let now = task.kernel().now(crate::ClockId::Monotonic);
            ns.time_for_children.write(&writer.creds, now, text)
        }
        TaskFile::TimerslackNs => {
            may_change_slack(writer, task)?;
            let n = u64::try_from(number(text)?).map_err(|_| Errno::EINVAL)?;
            let default = crate::task::DEFAULT_TIMER_SLACK;
            task.policy.lock().timer_slack = if n == 0 { default } else { n };
            Ok(())
        }
        _ => Err(Errno::EINVAL),
    }
}

/// Says who logged in: nobody did before, or the writer may say otherwise
/// (`audit_set_loginuid` in kernel/auditsc.c). Each login is a new one of `sessions`.
pub(super) fn login(
    sessions: &AtomicU32,
    writer: &Opener,
    task: &Task,
    text: &[u8],
) -> Result<(), Errno> {
    if writer.tid != task.tid() {
        return Err(Errno::EPERM);
    }
    let uid = match u32::try_from(number(text)?).map_err(|_| Errno::EINVAL)? {
        Login::UNSET => Login::UNSET,
        uid => writer.creds.user_ns.uid_in(uid).ok_or(Errno::EINVAL)?,
    };
    let mut policy = task.policy.lock();
    let may = writer.creds.has(cap::AUDIT_CONTROL);
    if policy.login.uid != Login::UNSET && !may {
        return Err(Errno::EPERM);
    }
    let session = match uid {
        Login::UNSET => Login::UNSET,
        _ => sessions.fetch_add(1, Ordering::Relaxed) + 1,
    };
    policy.login = Login { uid, session };
    Ok(())
}

/// The next process gets the ID after the one that is written (`pid_ns_ctl_handler`).
fn set_last_pid(kernel: &Kernel, writer: &Opener, text: &[u8]) -> Result<(), Errno> {
    let pids = pids_of(kernel, writer.tid);
    let may = |c| writer.creds.has_in(pids.owner(), c);
    if !may(cap::SYS_ADMIN) && !may(cap::CHECKPOINT_RESTORE) {
        return Err(Errno::EPERM);
    }
    let last = i32::try_from(number(text)?).map_err(|_| Errno::EINVAL)?;
    if !(0..pid_max(kernel, &pids)).contains(&last) {
        return Err(Errno::EINVAL);
    }
    if pids.is_initial() {
        kernel.tree().set_last_id(last);
    } else {
        pids.set_last(last);
    }
    Ok(())
}

/// Sets one more than the highest process ID.
fn set_pid_max(kernel: &Kernel, writer: &Opener, text: &[u8]) -> Result<(), Errno> {
    let pids = pids_of(kernel, writer.tid);
    let max = i32::try_from(number(text)?).map_err(|_| Errno::EINVAL)?;
    if pids.is_initial() { kernel.tree().pids().set_max(max) } else { pids.set_max(max) }
}

/// Sets which groups may have ping sockets (`ipv4_ping_group_range`).
fn set_ping_groups(ns: &Namespaces, writer: &Opener, text: &[u8]) -> Result<(), Errno> {
    let text = text.split(|b| *b == 0).next().unwrap_or_default();
    let text = core::str::from_utf8(text).map_err(|_| Errno::EINVAL)?;
    let mut groups = ns.net.ping_groups();
    let users = &writer.creds.user_ns;
    for (to, word) in [&mut groups.0, &mut groups.1].into_iter().zip(text.split_whitespace()) {
        let group = word.parse::<u32>().map_err(|_| Errno::EINVAL)?;
        *to = users.gid_in(group).ok_or(Errno::EINVAL)?;
    }
    ns.net.set_ping_groups(&writer.creds, groups.0, groups.1)
}

/// Sets which ports are for whom (`ipv4_local_port_range`, `ipv4_privileged_ports`).
fn set_port_limits(
    ns: &Namespaces,
    writer: &Opener,
    file: SystemFile,
    text: &[u8],
) -> Result<(), Errno> {
    ns.net.may_set(&writer.creds)?;
    let mut limits = ns.net.port_limits();
    let places = match file {
        SystemFile::LocalPortRange => [Some(&mut limits.first), Some(&mut limits.last)],
        _ => [Some(&mut limits.unprivileged), None],
    };
    for (place, n) in places.into_iter().flatten().zip(numbers(text, 2)?) {
        *place = u16::try_from(n).map_err(|_| Errno::EINVAL)?;
    }
    ns.net.set_port_limits(limits)
}

/// Longest name of the system; `__NEW_UTS_LEN`.
const NAME_MAX: usize = 64;

pub(super) fn system(
    kernel: &Kernel,
    ns: &Namespaces,
    writer: &Opener,
    file: SystemFile,
    text: &[u8],
) -> Result<(), Errno> {
    let name = text.strip_suffix(b"\n").unwrap_or(text);
    let name = name.get(..NAME_MAX).unwrap_or(name).to_vec();
    match file {
        SystemFile::Hostname => ns.uts.set_host(name),
        SystemFile::Domainname => ns.uts.set_domain(name),
        SystemFile::CorePattern => kernel.core_settings().set_pattern(text)?,
        SystemFile::CoreUsesPid => {
            let to = i32::try_from(number(text)?).map_err(|_| Errno::EINVAL)?;
            kernel.core_settings().set_uses_pid(to);
        }
        SystemFile::SuidDumpable => {
            let to = u32::try_from(number(text)?).map_err(|_| Errno::EINVAL)?;
            kernel.core_settings().set_suid_dumpable(to)?;
        }
        SystemFile::LeaseBreakTime => {
            let seconds = i32::try_from(number(text)?).map_err(|_| Errno::EINVAL)?;
            let seconds = u32::try_from(seconds).map_err(|_| Errno::EINVAL)?;
            kernel.vfs().lease_rules().set_break_time(seconds);
        }
        SystemFile::MaxUserNamespaces => {
            let most = i32::try_from(number(text)?).map_err(|_| Errno::EINVAL)?;
            let most = u32::try_from(most).map_err(|_| Errno::EINVAL)?;
            writer
                .creds
                .user_ns
                .counts()
                .unwrap_or(kernel.vfs().env().user_namespaces())
                .set_most(most);
        }
        SystemFile::LoopbackTag => {
            let tag = i32::try_from(number(text)?).map_err(|_| Errno::EINVAL)?;
            ns.net.may_set(&writer.creds)?;
            ns.net.tag.store(tag, Ordering::Relaxed);
        }
        SystemFile::PingGroupRange => set_ping_groups(ns, writer, text)?,
        SystemFile::LocalPortRange | SystemFile::UnprivilegedPortStart => {
            set_port_limits(ns, writer, file, text)?;
        }
        SystemFile::NetKept(name, at_first) => {
            ns.net.may_set(&writer.creds)?;
            ns.net.settings().set(name, at_first, text)?;
        }
        SystemFile::NsLastPid => set_last_pid(kernel, writer, text)?,
        SystemFile::MountMax => {
            let to = i32::try_from(number(text)?).map_err(|_| Errno::EINVAL)?;
            kernel.vfs().set_mount_max(u32::try_from(to).map_err(|_| Errno::EINVAL)?)?;
        }
        SystemFile::PidMax => set_pid_max(kernel, writer, text)?,
        SystemFile::NrOpen => kernel.vfs().settings().set_nr_open(first(&numbers(text, 1)?))?,
        SystemFile::PipeUserPages { hard } => {
            let users = kernel.vfs().settings().pipe_users();
            let limit = if hard { &users.hard } else { &users.soft };
            limit.store(first(&numbers(text, 1)?), Ordering::Relaxed);
        }
        SystemFile::Mqueue(limit) => {
            let to = i32::try_from(number(text)?).map_err(|_| Errno::EINVAL)?;
            ns.ipc.queues.limits.set(limit, to)?;
        }
        SystemFile::AioMaxNr => kernel.aio().set_most(first(&numbers(text, 1)?))?,
        SystemFile::Sched(which) => {
            let to = i32::try_from(number(text)?).map_err(|_| Errno::EINVAL)?;
            kernel.sched_settings().set(which, to)?;
        }
        SystemFile::MaxMapCount => {
            let most = i32::try_from(number(text)?).map_err(|_| Errno::EINVAL)?;
            kernel.max_map_count().set(usize::try_from(most).map_err(|_| Errno::EINVAL)?);
        }
        SystemFile::OvercommitMemory => kernel.overcommit().set_mode(match number(text)? {
            0 => OvercommitMode::Heuristic,
            1 => OvercommitMode::Always,
            2 => OvercommitMode::Never,
            _ => return Err(Errno::EINVAL),
        }),
        SystemFile::Overcommit(which) => {
            kernel.overcommit().set(which, first(&numbers(text, 1)?))?
        }
        SystemFile::PipeMaxSize => {
            let bytes = first(&numbers(text, 1)?);
            kernel.vfs().settings().set_pipe_max_size(bytes)?;
        }
        SystemFile::Protected(what) => {
            kernel.vfs().settings().set_protected(what, first(&numbers(text, 1)?))?;
        }
        SystemFile::Key(limit) => {
            let to = i32::try_from(number(text)?).map_err(|_| Errno::EINVAL)?;
            let to = u32::try_from(to).map_err(|_| Errno::EINVAL)?;
            kernel.keys().limits().set(limit, to);
        }
        SystemFile::Ipc(limit) => ns.ipc.objects.limits.set(limit, &numbers(text, 4)?)?,
        SystemFile::IpcNextId(kind) => {
            // Who opened it may have been asked about another namespace.
            let may = |c| writer.creds.has_in(ns.ipc.owner_ns(), c);
            if !may(cap::CHECKPOINT_RESTORE) && !may(cap::SYS_ADMIN) {
                return Err(Errno::EPERM);
            }
            ns.ipc.objects.set_next_id(kind, number(text)?)?;
        }
        SystemFile::Kept(name, at_first) => kernel.kept_settings().set(name, at_first, text)?,
        // What a kernel is bounded by is the same whatever is written.
        SystemFile::Fixed(_) => {}
        _ => return Err(Errno::EPERM),
    }
    Ok(())
}
