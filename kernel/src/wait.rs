//! wait4(2) and waitid(2).

use crate::signal::{CLD_CONTINUED, CLD_STOPPED, SIGCHLD, SIGCONT};
use crate::task::CpuTimes;
use crate::tree::Proc;
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

/// Which children.
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
    /// The child.
    pub pid: i32,
    /// Its real user ID.
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
            // A zombie that is not asked for can still change nothing more.
            eligible |= p.zombie.is_none() || flags.contains(WaitFlags::EXITED);
            found = look(p, flags);
            if found.is_some() {
                break;
            }
        }
        if let Some(r) = &found {
            let ended = r.code != CLD_STOPPED && r.code != CLD_CONTINUED;
            if ended && !flags.contains(WaitFlags::NOWAIT) {
                self.kernel().reap(&mut tree, me, r.pid);
            }
        }
        match found {
            Some(r) => Ok(Some(r)),
            None if eligible => Ok(None),
            None => Err(Errno::ECHILD),
        }
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

fn look(p: &Proc, flags: WaitFlags) -> Option<WaitResult> {
    let keep = flags.contains(WaitFlags::NOWAIT);
    if let Some(status) = p.zombie {
        return flags.contains(WaitFlags::EXITED).then(|| ended(p, status));
    }
    let mut state = p.group.lock();
    let uid = state.threads.first().map_or(0, |t| t.creds().uid);
    let (code, status, word) = match state.stop {
        crate::group::Stop::Stopped(signo)
            if state.report_stop && flags.contains(WaitFlags::STOPPED) =>
        {
            state.report_stop = keep;
            (CLD_STOPPED, signo as i32, (signo as i32) << 8 | 0x7f)
        }
        _ if state.report_continue && flags.contains(WaitFlags::CONTINUED) => {
            state.report_continue = keep;
            (CLD_CONTINUED, SIGCONT as i32, 0xffff)
        }
        _ => return None,
    };
    drop(state);
    let used = p.group.cpu_times();
    Some(WaitResult { pid: p.group.tgid(), uid, code, status, word, used, max_rss: 0 })
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
