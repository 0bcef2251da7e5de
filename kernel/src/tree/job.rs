//! Process groups and sessions.

use super::Tree;
use sync::atomic::Ordering;
use syserr::Errno;

impl Tree {
    /// Whether no member's parent is in another group of the same session: nobody there could
    /// continue the group after a stop (`will_become_orphaned_pgrp` in `kernel/exit.c`). `without`
    /// is left out of account.
    pub(crate) fn is_orphaned(&self, pgid: i32, without: Option<i32>) -> bool {
        !self.procs.iter().any(|(&tgid, p)| {
            p.pgid == pgid
                && Some(tgid) != without
                && p.zombie.is_none()
                && self.procs.get(&p.parent).is_some_and(|q| q.pgid != pgid && q.sid == p.sid)
        })
    }

    /// Whether a member of the group is stopped.
    pub(crate) fn has_stopped(&self, pgid: i32) -> bool {
        self.members(pgid).any(|p| p.group.lock().stop != crate::group::Stop::None)
    }

    /// setpgid(2).
    ///
    /// # Errors
    /// `ESRCH`, `EPERM`, `EACCES` as there.
    pub(crate) fn set_pgid(&mut self, caller: i32, pid: i32, pgid: i32) -> Result<(), Errno> {
        let me = self.procs.get(&caller).ok_or(Errno::ESRCH)?;
        let my_sid = me.sid;
        let target = self.procs.get(&pid).ok_or(Errno::ESRCH)?;
        if pid != caller {
            if target.parent != caller {
                return Err(Errno::ESRCH);
            }
            if target.sid != my_sid {
                return Err(Errno::EPERM);
            }
            if target.group.lock().execed {
                return Err(Errno::EACCES);
            }
        }
        if target.sid == pid {
            return Err(Errno::EPERM);
        }
        if pgid != pid && !self.members(pgid).any(|p| p.sid == my_sid) {
            return Err(Errno::EPERM);
        }
        self.join(pid, pgid, my_sid);
        Ok(())
    }

    /// setsid(2): the session's ID.
    ///
    /// # Errors
    /// `EPERM` when the caller leads a process group, or its ID names one.
    pub(crate) fn set_sid(&mut self, caller: i32) -> Result<i32, Errno> {
        if self.members(caller).next().is_some() {
            return Err(Errno::EPERM);
        }
        if !self.procs.contains_key(&caller) {
            return Err(Errno::ESRCH);
        }
        self.join(caller, caller, caller);
        Ok(caller)
    }

    fn join(&mut self, tgid: i32, pgid: i32, sid: i32) {
        let Some(p) = self.procs.get_mut(&tgid) else { return };
        let old = (p.pgid, p.sid);
        p.pgid = pgid;
        p.sid = sid;
        p.group.pgid.store(pgid, Ordering::Relaxed);
        p.group.sid.store(sid, Ordering::Relaxed);
        self.hold(pgid);
        self.hold(sid);
        self.release(old.0);
        self.release(old.1);
    }

    /// Puts a new process into the process group and session of `from`.
    pub(crate) fn inherit_job(&mut self, tgid: i32, from: i32) {
        let Some((pgid, sid)) = self.procs.get(&from).map(|p| (p.pgid, p.sid)) else { return };
        self.join(tgid, pgid, sid);
    }
}
