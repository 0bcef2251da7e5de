//! The process tree: which IDs there are, who is whose child, process groups and sessions.
//!
//! Plain data under one lock, keyed by ID, so that there are no reference cycles and every
//! question has one place where it is answered. Lock order: the tree, then a group's signal lock,
//! then its handlers, then a thread's signals.

mod held;
mod job;
mod pids;

use crate::ns::pid::{MayChoose, PidNamespace};
use crate::ptrace::Link;
use crate::{ExitStatus, Task, ThreadGroup};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use held::Held;
pub(crate) use pids::Pids;
use sync::atomic::Ordering;
use syserr::Errno;

/// The first process's ID: the reaper's, or where there is none the first program's.
pub(crate) const INIT: i32 = 1;

/// One process in the tree.
pub(crate) struct Proc {
    pub(crate) group: Arc<ThreadGroup>,
    /// Thread group ID of the parent; 0 for none.
    pub(crate) parent: i32,
    /// The parent's thread that made it, for `__WNOTHREAD` and `PR_SET_PDEATHSIG`.
    pub(crate) parent_tid: i32,
    pub(crate) children: Vec<i32>,
    pub(crate) pgid: i32,
    pub(crate) sid: i32,
    /// All threads have ended, with this status; waits for its parent.
    pub(crate) zombie: Option<ExitStatus>,
    /// User ID that `si_uid` of `SIGCHLD` tells once it is a zombie.
    pub(crate) uid: u32,
}

/// All tasks and processes of a kernel.
#[derive(Default)]
pub(crate) struct Tree {
    pids: Pids,
    /// IDs that have numbers in deeper namespaces.
    held: BTreeMap<i32, Held>,
    pub(crate) tasks: BTreeMap<i32, Arc<Task>>,
    pub(crate) procs: BTreeMap<i32, Proc>,
    /// Who traces whom, by the ID of the task that is traced.
    pub(crate) traces: BTreeMap<i32, Link>,
    /// Process 1 is the kernel's own, and the first program's comes after it.
    pub(crate) own_reaper: bool,
    /// No new processes: the first program has ended.
    pub(crate) closed: bool,
}

impl Tree {
    /// The first program's process: everything ends with it.
    pub(crate) fn first(&self) -> i32 {
        INIT + i32::from(self.own_reaper)
    }

    /// An ID for a task in `ns`: the next, or what `chosen` asks for there and in the namespaces
    /// that it lies in, deepest first.
    ///
    /// # Errors
    /// `EAGAIN` when there is none; `ENOMEM` when the first process of the namespace has ended;
    /// for what is chosen `EINVAL` when it is no ID, `EPERM`, `EEXIST` when it is taken.
    pub(crate) fn allocate(
        &mut self,
        ns: &Arc<PidNamespace>,
        chosen: &[i32],
        may: MayChoose<'_>,
    ) -> Result<i32, Errno> {
        let level = ns.level() as usize;
        if chosen.len() > level + 1 {
            return Err(Errno::EINVAL);
        }
        if let (true, None) = (ns.is_initial(), chosen.first()) {
            return self.next();
        }
        let held = Held::reserve(ns, chosen, may)?;
        let id = match (chosen.get(level), ns.lineage().last()) {
            (Some(&id), Some(top)) => {
                top.check_chosen(id, self.pids.max(), may).and_then(|()| self.claim(id))
            }
            _ => self.next(),
        };
        match id {
            Ok(id) => {
                self.hold_new(id, held);
                Ok(id)
            }
            Err(e) => {
                held.cancel();
                Err(e)
            }
        }
    }

    fn next(&mut self) -> Result<i32, Errno> {
        if self.closed {
            return Err(Errno::ENOMEM);
        }
        let Tree { pids, tasks, procs, .. } = self;
        // The ID of a process group or session stays taken as long as that has members.
        pids.next(|id| {
            tasks.contains_key(&id)
                || procs.contains_key(&id)
                || procs.values().any(|p| p.pgid == id || p.sid == id)
        })
    }

    fn claim(&mut self, id: i32) -> Result<i32, Errno> {
        if self.closed {
            return Err(Errno::ENOMEM);
        }
        if self.is_taken(id) {
            return Err(Errno::EEXIST);
        }
        self.pids.chosen();
        Ok(id)
    }

    /// The ID that was handed out last.
    pub(crate) fn last_id(&self) -> i32 {
        self.pids.last()
    }

    /// How IDs are handed out in the initial namespace.
    pub(crate) fn pids(&mut self) -> &mut Pids {
        &mut self.pids
    }

    /// The next ID follows `last`.
    pub(crate) fn set_last_id(&mut self, last: i32) {
        self.pids.set_last(last);
    }

    fn is_taken(&self, id: i32) -> bool {
        self.tasks.contains_key(&id)
            || self.procs.contains_key(&id)
            || self.procs.values().any(|p| p.pgid == id || p.sid == id)
    }

    /// Enters a thread.
    pub(crate) fn add_task(&mut self, task: Arc<Task>) {
        self.tasks.insert(task.tid(), task);
    }

    /// Enters a process as a child of `parent` (0 for none), in its process group and session.
    pub(crate) fn add_proc(&mut self, group: Arc<ThreadGroup>, parent: i32, parent_tid: i32) {
        let tgid = group.tgid();
        let (pgid, sid) = match self.procs.get_mut(&parent) {
            Some(p) => {
                p.children.push(tgid);
                (p.pgid, p.sid)
            }
            None => (tgid, tgid),
        };
        self.hold(pgid);
        self.hold(sid);
        group.ppid.store(parent, Ordering::Relaxed);
        group.pgid.store(pgid, Ordering::Relaxed);
        group.sid.store(sid, Ordering::Relaxed);
        let proc = Proc {
            group,
            parent,
            parent_tid,
            children: Vec::new(),
            pgid,
            sid,
            zombie: None,
            uid: 0,
        };
        self.procs.insert(tgid, proc);
    }

    /// Takes out a thread that has ended; its ID is free.
    pub(crate) fn remove_task(&mut self, tid: i32) -> Option<Arc<Task>> {
        let task = self.tasks.remove(&tid)?;
        self.task_gone(tid);
        Some(task)
    }

    /// Removes a process that was waited for, or that nobody waits for.
    pub(crate) fn remove_proc(&mut self, tgid: i32) -> Option<Proc> {
        let proc = self.procs.remove(&tgid)?;
        self.remove_task(tgid);
        self.release(proc.pgid);
        self.release(proc.sid);
        self.traces.remove(&tgid);
        if let Some(parent) = self.procs.get_mut(&proc.parent) {
            parent.children.retain(|&c| c != tgid);
        }
        Some(proc)
    }

    /// Gives `child` to another parent.
    pub(crate) fn reparent(&mut self, child: i32, parent: i32, parent_tid: i32) {
        if let Some(p) = self.procs.get_mut(&child) {
            p.parent = parent;
            p.parent_tid = parent_tid;
            p.group.ppid.store(parent, Ordering::Relaxed);
        }
        if let Some(p) = self.procs.get_mut(&parent) {
            p.children.push(child);
        }
    }

    /// Who takes the children of `tgid` when it ends: the nearest ancestor in its PID namespace
    /// that is a subreaper, else the first process there. `None` when there is nobody left.
    pub(crate) fn reaper(&self, tgid: i32) -> Option<i32> {
        let alive = |id: i32| self.procs.get(&id).filter(|p| p.zombie.is_none());
        let own = self.procs.get(&tgid)?;
        let ns = own.group.pid_ns();
        let mut at = own.parent;
        // Every step goes up the tree, so it ends; the bound is against a tree that lies.
        for _ in 0..self.procs.len() {
            // As `find_new_reaper`: of another level is who came by setns(2) from outside.
            let level = |p: &&Proc| p.group.pid_ns().level() == ns.level();
            let Some(p) = alive(at).filter(level) else { break };
            if p.group.lock().subreaper {
                return Some(at);
            }
            at = p.parent;
        }
        let init = ns.init().unwrap_or(INIT);
        alive(init).filter(|_| tgid != init).map(|_| init)
    }

    /// Whether threads of the process have ended and wait for their tracers: the process itself
    /// has to wait until they are gone (`delay_group_leader`).
    pub(crate) fn has_ended_threads(&self, tgid: i32) -> bool {
        let ended = |tid| self.tasks.get(tid).is_some_and(|t| t.tgid() == tgid);
        self.traces.iter().any(|(tid, l)| l.zombie.is_some() && ended(tid))
    }

    /// The members of a process group.
    pub(crate) fn members(&self, pgid: i32) -> impl Iterator<Item = &Proc> {
        self.procs.values().filter(move |p| p.pgid == pgid)
    }

    /// How many tasks run under a real user ID; for `RLIMIT_NPROC`.
    pub(crate) fn tasks_of(&self, uid: u32) -> u64 {
        self.tasks.values().filter(|t| !t.has_exited() && t.creds().uid == uid).count() as u64
    }
}
