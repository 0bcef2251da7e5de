//! Sending to others: whom, and whether one may.

use super::{SI_TKILL, SI_USER, SIGCONT, SIGKILL, SIGNAL_COUNT, SIGSTOP, Sender, SigInfo};
use crate::{Kernel, PidNamespace, Task, ThreadGroup};
use alloc::sync::Arc;
use alloc::vec::Vec;
use syserr::Errno;
use vfs::cap;

/// Who gets a signal, by IDs in the initial PID namespace; kill(2), tgkill(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A process, by any of its threads' IDs.
    Process(i32),
    /// A process group.
    Group(i32),
    /// Every process in the sender's PID namespace, but the first there and the sender's.
    All,
    /// One thread; with its thread group ID, when that is checked too.
    Thread(Option<i32>, i32),
}

impl Kernel {
    /// Sends `signo`, or only checks whether it could be sent when that is 0. `info` is what
    /// arrives; without it, what kill(2) or tgkill(2) says of the sender.
    ///
    /// # Errors
    /// `EINVAL` for numbers above 64, `ESRCH`, `EPERM`, `EAGAIN` as kill(2) and sigqueue(3).
    pub fn send(
        &self,
        sender: Sender<'_>,
        target: Target,
        signo: u32,
        info: Option<SigInfo>,
    ) -> Result<(), Errno> {
        if signo > SIGNAL_COUNT {
            return Err(Errno::EINVAL);
        }
        let info = info.unwrap_or_else(|| describe(sender, target, signo));
        let info = &info;
        match target {
            Target::Thread(tgid, tid) => {
                let task = self.task(tid).ok_or(Errno::ESRCH)?;
                if tgid.is_some_and(|g| g != task.tgid()) || task.has_exited() {
                    return Err(Errno::ESRCH);
                }
                self.send_one(sender, task.group_ref(), Some(&task), signo, info)
            }
            Target::Process(pid) => {
                let group = self.task(pid).ok_or(Errno::ESRCH)?.group();
                self.send_one(sender, &group, None, signo, info)
            }
            Target::Group(pgid) => {
                let groups: Vec<_> = self.tree().members(pgid).map(|p| p.group.clone()).collect();
                self.send_many(sender, &groups, signo, info)
            }
            Target::All => {
                let (own, ns) = match sender {
                    Sender::Task(t) => (t.tgid(), t.pid_ns()),
                    Sender::Kernel => (0, self.pid_ns()),
                };
                let groups = self.all_but(ns, own);
                self.send_many(sender, &groups, signo, info)
            }
        }
    }

    /// Everybody in a PID namespace but its first process and `own`.
    fn all_but(&self, ns: &PidNamespace, own: i32) -> Vec<Arc<ThreadGroup>> {
        let tree = self.tree();
        let wanted = |id: i32| id != own && ns.number_of(id) > crate::tree::INIT;
        let all = tree.procs.iter().filter(|(tgid, _)| wanted(**tgid));
        all.map(|(_, p)| p.group.clone()).collect()
    }

    /// Success when any one got it.
    fn send_many(
        &self,
        sender: Sender<'_>,
        groups: &[Arc<ThreadGroup>],
        signo: u32,
        info: &SigInfo,
    ) -> Result<(), Errno> {
        let mut result = Err(Errno::ESRCH);
        for g in groups {
            match self.send_one(sender, g, None, signo, info) {
                Ok(()) => result = Ok(()),
                Err(e) if result.is_err() => result = Err(e),
                Err(_) => {}
            }
        }
        result
    }

    fn send_one(
        &self,
        sender: Sender<'_>,
        group: &Arc<ThreadGroup>,
        task: Option<&Arc<Task>>,
        signo: u32,
        info: &SigInfo,
    ) -> Result<(), Errno> {
        if let Sender::Task(from) = sender {
            let to = task.cloned().or_else(|| self.task(group.tgid()));
            may_signal(from, &to.ok_or(Errno::ESRCH)?, signo)?;
        }
        if signo == 0 {
            return Ok(());
        }
        let mut info = *info;
        if let Sender::Task(from) = sender {
            let outside = !group.pid_ns().sees(from.tgid());
            // Only from outside its namespace is the first process ended or stopped.
            if !outside && group.lock().unkillable && [SIGKILL, SIGSTOP].contains(&signo) {
                return Ok(());
            }
            if outside && info.has_sender() {
                info = info.with_pid(0);
            }
        }
        let sent = match task {
            Some(t) => group.post_thread(t, signo, info)?,
            None => group.post(signo, info)?,
        };
        if sent.continued {
            self.report_continued(group.tgid());
        }
        Ok(())
    }

    /// Sends to a process, as somebody outside does.
    pub fn signal_process(&self, tgid: i32, signo: u32) {
        // A process that is gone has nobody to tell.
        let info = Some(SigInfo::kernel(signo));
        let _ = self.send(Sender::Kernel, Target::Process(tgid), signo, info);
    }

    /// Sends to every member of a process group, as a terminal does.
    pub fn signal_group(&self, pgid: i32, signo: u32) {
        // A group that is gone has nobody to tell.
        let _ = self.send(Sender::Kernel, Target::Group(pgid), signo, Some(SigInfo::kernel(signo)));
    }
}

fn describe(sender: Sender<'_>, target: Target, signo: u32) -> SigInfo {
    match sender {
        Sender::Kernel => SigInfo::kernel(signo),
        Sender::Task(t) => {
            let code = if matches!(target, Target::Thread(..)) { SI_TKILL } else { SI_USER };
            SigInfo::user(signo, code, t.group_ref().number(), t.creds().uid)
        }
    }
}

/// `check_kill_permission` in `kernel/signal.c`.
fn may_signal(from: &Arc<Task>, to: &Arc<Task>, signo: u32) -> Result<(), Errno> {
    if Arc::ptr_eq(from.group_ref(), to.group_ref()) {
        return Ok(());
    }
    let (me, you) = (from.creds(), to.creds());
    let same = [me.euid, me.uid].iter().any(|&u| u == you.suid || u == you.uid);
    let same_session = || from.group_ref().sid() == to.group_ref().sid();
    if same || me.has_in(&you.user_ns, cap::KILL) || (signo == SIGCONT && same_session()) {
        Ok(())
    } else {
        Err(Errno::EPERM)
    }
}
