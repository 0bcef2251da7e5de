//! wait4(2) and waitid(2).

use crate::exit::Tell;
use crate::group::Stop;
use crate::ptrace::Link;
use crate::signal::{CLD_CONTINUED, CLD_STOPPED, CLD_TRAPPED, SIGCHLD, SIGCONT};
use crate::task::CpuTimes;
use crate::tree::{Proc, Tree};
use crate::{ExitStatus, Task};
use alloc::sync::Arc;
use sync::waitq::Events;
use syserr::Errno;

bitflags::bitflags! {
    /// Options of wait4(2) and waitid(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct WaitFlags: u32 {
        /// `WNOHANG`.
        const NOHANG = 1;
        /// `WUNTRACED`, `WSTOPPED`.
        const STOPPED = 2;
        /// `WEXITED`.
        const EXITED = 4;
        /// `WCONTINUED`.
        const CONTINUED = 8;
        /// `WNOWAIT`.
        const NOWAIT = 0x0100_0000;
        /// `__WNOTHREAD`.
        const NOTHREAD = 0x2000_0000;
        /// `__WALL`.
        const ALL = 0x4000_0000;
        /// `__WCLONE`.
        const CLONE = 0x8000_0000;
    }
}

/// Which children, by IDs in the initial PID namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitFor {
    /// Any.
    Any,
    /// The one with this ID.
    Process(i32),
    /// Those in this process group.
    Group(i32),
}

/// What a child did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitResult {
    /// What the child's ID is to the caller.
    pub pid: i32,
    /// Its real user ID, as the caller's namespace knows it.
    pub uid: u32,
    /// `si_code` of waitid(2).
    pub code: i32,
    /// `si_status` of waitid(2).
    pub status: i32,
    /// Status word of wait4(2).
    pub word: i32,
    /// Processor time it and its own waited-for children used.
    pub used: CpuTimes,
    /// Most resident memory, in bytes.
    pub max_rss: u64,
}

impl Task {
    /// Looks for a child that has something to tell. `None`: there are children, but none has.
    ///
    /// # Errors
    /// `ECHILD` when there is no child of that kind.
    pub fn try_wait(
        self: &Arc<Self>,
        whom: WaitFor,
        flags: WaitFlags,
    ) -> Result<Option<WaitResult>, Errno> {
        let me = self.group_ref();
        let mut tree = self.kernel().tree();
        let children = &tree.procs.get(&me.tgid()).ok_or(Errno::ECHILD)?.children;
        let mut eligible = false;
        let mut found = None;
        for &pid in children {
            let Some(p) = tree.procs.get(&pid).filter(|p| matches(self, p, whom, flags)) else {
                continue;
            };
            let seen = look(&tree, p, flags, me.tgid());
            eligible |= seen.eligible;
            if seen.found.is_some() {
                found = seen.found;
                break;
            }
        }
        if found.is_none() {
            let seen = self.look_at_tracees(&tree, whom, flags);
            eligible |= seen.eligible;
            found = seen.found;
        }
        if let Some(mut r) = found {
            r.uid = self.creds().user_ns.show_uid(r.uid);
            let id = r.pid;
            r.pid = self.number_of(id);
            let ended = ![CLD_STOPPED, CLD_CONTINUED, CLD_TRAPPED].contains(&r.code);
            if ended && !flags.contains(WaitFlags::NOWAIT) {
                let tell = self.take_out(&mut tree, id);
                drop(tree);
                if let Some(t) = tell {
                    t.now();
                }
            }
            return Ok(Some(r));
        }
        if eligible { Ok(None) } else { Err(Errno::ECHILD) }
    }

    /// Takes what has ended out of the tree, or passes a tracee on to its parent.
    fn take_out(&self, tree: &mut Tree, pid: i32) -> Option<Tell> {
        let kernel = self.kernel();
        let me = self.group_ref();
        let Some(p) = tree.procs.get(&pid) else { return kernel.reap_thread(tree, pid) };
        if p.parent == me.tgid() {
            kernel.reap(tree, me, pid);
            return None;
        }
        kernel.pass_on(tree, pid)
    }

    /// The tasks that this group traces (`ptrace_do_wait`).
    fn look_at_tracees(&self, tree: &Tree, whom: WaitFor, flags: WaitFlags) -> Seen {
        let mut seen = Seen::default();
        for (&tid, link) in tree.traces.iter().filter(|(_, l)| l.group == self.tgid()) {
            if flags.contains(WaitFlags::NOTHREAD) && link.tracer != self.tid() {
                continue;
            }
            let Some(task) = tree.tasks.get(&tid) else { continue };
            let kind = match whom {
                WaitFor::Any => true,
                WaitFor::Process(id) => tid == id,
                WaitFor::Group(pgid) => task.group_ref().pgid() == pgid,
            };
            if kind {
                let one = tracee(tree, task, link, flags);
                seen.eligible |= one.eligible;
                if one.found.is_some() {
                    return one;
                }
            }
        }
        seen
    }

    /// Waits until [`Task::try_wait`] has something.
    ///
    /// # Errors
    /// As there.
    pub async fn wait_for_child(
        self: &Arc<Self>,
        whom: WaitFor,
        flags: WaitFlags,
    ) -> Result<WaitResult, Errno> {
        let group = self.group();
        crate::block::wait_on(&group.children, Events::IN, || {
            self.try_wait(whom, flags).transpose()
        })
        .await
    }
}

/// `eligible_child` in `kernel/exit.c`.
fn matches(task: &Task, p: &Proc, whom: WaitFor, flags: WaitFlags) -> bool {
    let kind = match whom {
        WaitFor::Any => true,
        WaitFor::Process(pid) => p.group.tgid() == pid,
        WaitFor::Group(pgid) => p.pgid == pgid,
    };
    let state = p.group.lock();
    // "Clone" children tell their end by another signal than SIGCHLD, or not at all.
    let clone = state.exit_signal != SIGCHLD;
    kind && (flags.contains(WaitFlags::ALL) || clone == flags.contains(WaitFlags::CLONE))
        && (!flags.contains(WaitFlags::NOTHREAD) || p.parent_tid == task.tid())
}

/// What a look at one child or tracee gave.
#[derive(Default)]
struct Seen {
    /// There may be something to wait for.
    eligible: bool,
    found: Option<WaitResult>,
}

/// `wait_consider_task`, for a child of process `me`.
fn look(tree: &Tree, p: &Proc, flags: WaitFlags, me: i32) -> Seen {
    let tgid = p.group.tgid();
    let link = tree.traces.get(&tgid);
    // A parent that traces its child sees it as its tracer does.
    if let Some(l) = link.filter(|l| l.group == me)
        && let Some(task) = tree.tasks.get(&tgid)
    {
        return tracee(tree, task, l, flags);
    }
    match p.zombie.filter(|_| !tree.has_ended_threads(tgid)) {
        // Its tracer sees it first.
        Some(_) if link.is_some() => Seen { eligible: true, found: None },
        // A zombie that is not asked for can still change nothing more.
        Some(status) => {
            let wanted = flags.contains(WaitFlags::EXITED);
            Seen { eligible: wanted, found: wanted.then(|| ended(p, status)) }
        }
        None => Seen { eligible: true, found: stopped(p, flags).or_else(|| continued(p, flags)) },
    }
}

/// `wait_consider_task`, for a tracee.
fn tracee(tree: &Tree, task: &Arc<Task>, link: &Link, flags: WaitFlags) -> Seen {
    let tgid = task.tgid();
    let wanted = flags.contains(WaitFlags::EXITED);
    if let Some(status) = link.zombie {
        // The end of its whole process counts for more than its own.
        let status = task.group_ref().lock().exiting.unwrap_or(status);
        return Seen { eligible: wanted, found: wanted.then(|| ended_thread(task, status)) };
    }
    let Some(p) = tree.procs.get(&tgid) else { return Seen::default() };
    let leads = task.is_leader();
    if let Some(status) = p.zombie.filter(|_| leads && !tree.has_ended_threads(tgid)) {
        return Seen { eligible: wanted, found: wanted.then(|| ended(p, status)) };
    }
    let eligible = !task.has_exited() || flags.intersects(WaitFlags::EXITED | WaitFlags::CONTINUED);
    Seen { eligible, found: trapped(task, flags).or_else(|| continued(p, flags)) }
}

/// A stop that the tracer sees.
fn trapped(task: &Task, flags: WaitFlags) -> Option<WaitResult> {
    let keep = flags.contains(WaitFlags::NOWAIT);
    let code = task.with_stop(|s| if keep { s.code } else { core::mem::take(&mut s.code) })?;
    if code == 0 {
        return None;
    }
    let (pid, uid, used) = (task.tid(), task.creds().uid, task.cpu_times());
    let word = code << 8 | 0x7f;
    Some(WaitResult { pid, uid, code: CLD_TRAPPED, status: code, word, used, max_rss: 0 })
}

fn stopped(p: &Proc, flags: WaitFlags) -> Option<WaitResult> {
    let mut state = p.group.lock();
    let Stop::Stopped(signo) = state.stop else { return None };
    if !state.report_stop || !flags.contains(WaitFlags::STOPPED) {
        return None;
    }
    state.report_stop = flags.contains(WaitFlags::NOWAIT);
    drop(state);
    Some(changed(p, CLD_STOPPED, signo as i32, (signo as i32) << 8 | 0x7f))
}

fn continued(p: &Proc, flags: WaitFlags) -> Option<WaitResult> {
    let mut state = p.group.lock();
    if !state.report_continue || !flags.contains(WaitFlags::CONTINUED) {
        return None;
    }
    state.report_continue = flags.contains(WaitFlags::NOWAIT);
    drop(state);
    Some(changed(p, CLD_CONTINUED, SIGCONT as i32, 0xffff))
}

fn changed(p: &Proc, code: i32, status: i32, word: i32) -> WaitResult {
    let uid = p.group.any_thread().map_or(0, |t| t.creds().uid);
    let used = p.group.cpu_times();
    WaitResult { pid: p.group.tgid(), uid, code, status, word, used, max_rss: 0 }
}

fn ended_thread(task: &Task, status: ExitStatus) -> WaitResult {
    let (code, value) = status.child_code();
    WaitResult {
        pid: task.tid(),
        uid: task.creds().uid,
        code,
        status: value,
        word: status.wait_status(),
        used: task.cpu_times(),
        max_rss: 0,
    }
}

fn ended(p: &Proc, status: ExitStatus) -> WaitResult {
    let (code, value) = status.child_code();
    let usage = p.group.usage();
    let mut used = usage.threads;
    used += usage.children;
    WaitResult {
        pid: p.group.tgid(),
        uid: p.uid,
        code,
        status: value,
        word: status.wait_status(),
        used,
        max_rss: usage.max_rss.max(usage.children_max_rss),
    }
}
