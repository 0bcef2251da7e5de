//! How threads and processes end.

use crate::group::Stop;
use crate::ptrace::Link;
use crate::signal::{SIG_IGN, SIGCHLD, SIGCONT, SIGHUP, SIGKILL, SaFlags, SigInfo, SignalSet};
use crate::task::TaskCx;
use crate::tree::INIT;
use crate::usage::ticks;
use crate::{ExitStatus, Kernel, Task, ThreadGroup};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::Addr;
use sync::atomic::Ordering;
use sync::waitq::Events;

impl Task {
    /// exit_group(2), or the default action of a signal: every thread ends.
    pub fn exit_group(&self, status: ExitStatus) {
        let group = self.group_ref();
        crate::signal::begin_exit(&mut group.lock(), status);
    }
}

/// Everything that has to happen in the task's own context. `own` is how this thread ends; the
/// group's status counts for more. The task is in the tree until [`Ended::leave`].
pub(crate) fn exit_task(mut cx: TaskCx, own: ExitStatus) -> Ended {
    cx.publish_times();
    let task = cx.task.clone();
    let kernel = task.kernel().clone();
    // From here on nobody sends to it, and group stops do not wait for it.
    let Left { status, all_stopped, last } = leave_signals(&task, own);
    if all_stopped {
        kernel.report_child(task.tgid(), crate::signal::CLD_STOPPED);
    }
    release_memory(&task, &mut cx);
    let resources = core::mem::take(&mut *task.resources.lock());
    let namespaces = resources.namespaces.clone();
    // Files close here, with no lock held.
    drop(resources);
    task.aux(|aux| *aux = Default::default());
    let filters = task.seccomp.lock().release();
    drop(filters);
    if let Some(ns) = namespaces
        && task.group_ref().lock().threads.is_empty()
    {
        ns.ipc.objects.process_ended(task.tgid());
    }
    // The stub's context goes before anyone hears of the end.
    drop(cx);
    crate::ptrace::tracer_ended(&task);
    Ended { task, status, last }
}

/// A task that has ended, and has still to leave the tree.
#[must_use]
pub(crate) struct Ended {
    task: Arc<Task>,
    status: ExitStatus,
    /// It left its process as the last thread.
    last: bool,
}

impl Ended {
    /// Whether a PID namespace ends with it.
    pub(crate) fn ends_namespace(&self) -> bool {
        self.last && self.task.group_ref().leads_namespace()
    }

    /// Ends everybody else in the PID namespace, and waits until they are gone
    /// (`zap_pid_ns_processes` in `kernel/pid_namespace.c`).
    pub(crate) async fn end_namespace(&self) {
        let group = self.task.group_ref();
        let ns = group.pid_ns();
        let victims = self.task.kernel().close_namespace(group);
        for victim in victims {
            // A group that is ending already is fine.
            let _ = victim.post(SIGKILL, SigInfo::kernel(SIGKILL));
        }
        // The leader is there to the end.
        let own = if self.task.is_leader() { 1 } else { 2 };
        crate::block::wait_on(&ns.gone, Events::IN, || (ns.tasks() <= own).then_some(())).await;
        let signo = ns.reboot.load(Ordering::Relaxed);
        if signo != 0 {
            group.lock().exiting = Some(ExitStatus::Signaled(signo));
        }
    }

    /// The task leaves the tree, and who has to hear of its end does.
    pub(crate) fn leave(self) {
        self.task.kernel().task_ended(&self.task, self.status, self.last);
    }
}

struct Left {
    /// How the thread ended.
    status: ExitStatus,
    /// That completes a group stop.
    all_stopped: bool,
    /// It was the last one of its group.
    last: bool,
}

fn leave_signals(task: &Arc<Task>, own: ExitStatus) -> Left {
    let group = task.group_ref();
    let mut state = group.lock();
    task.exited.store(true, Ordering::Release);
    state.threads.retain(|t| !Arc::ptr_eq(t, task));
    let status = state.exiting.unwrap_or(own);
    // The last thread's end is the process's (`synchronize_group_exit`).
    state.last_status = Some(status);
    // Signals of the process that this thread was to take need another one.
    let pending = state.pending.set();
    for t in &state.threads {
        if !pending.difference(t.blocked()).is_empty() {
            t.recalculate(&state);
            t.wake();
        }
    }
    group.usage.lock().threads += task.take_cpu_times();
    let all_stopped = crate::signal::settle(&mut state);
    let last = state.threads.is_empty();
    drop(state);
    group.ended.notify(Events::IN);
    Left { status, all_stopped, last }
}

/// `mm_release` in `kernel/fork.c`: robust futexes, the word that pthread_join(3) waits on, the
/// vfork(2) parent; then the memory itself.
pub(crate) fn release_memory(task: &Arc<Task>, cx: &mut TaskCx) {
    crate::futexes::exit(task, &cx.image);
    clear_tid(task, cx);
    if let Some(mm) = cx.image.memory_manager() {
        let rss = crate::usage::max_rss(mm);
        let mut usage = task.group_ref().usage.lock();
        usage.max_rss = usage.max_rss.max(rss);
    }
    cx.image.release();
    {
        let mut r = task.resources.lock();
        r.mm = None;
        r.futex = None;
    }
    let gate = task.vfork.lock().take();
    if let Some(g) = gate {
        g.open();
    }
}

fn clear_tid(task: &Arc<Task>, cx: &TaskCx) {
    let at = task.clear_tid.swap(0, Ordering::Relaxed);
    let (Some(mm), Some(futex)) = (cx.image.memory_manager(), cx.image.futex()) else { return };
    // Nobody is left to look at it otherwise.
    if at != 0 && mm.users() > 1 {
        crate::futexes::clear_child_tid(mm, futex, Addr(at));
    }
}

impl Kernel {
    /// No new processes in the PID namespace that `init` leads; who is there that has to end.
    fn close_namespace(&self, init: &Arc<ThreadGroup>) -> Vec<Arc<ThreadGroup>> {
        let mut tree = self.tree();
        let ns = init.pid_ns();
        ns.close();
        init.lock().reaps_all = true;
        let own = tree.procs.get_mut(&init.tgid());
        let mut left = own.map(|p| core::mem::take(&mut p.children)).unwrap_or_default();
        left.retain(|&child| {
            let ended = tree.procs.get(&child).is_some_and(|p| p.zombie.is_some());
            // A traced one is its tracer's first.
            let gone = ended && !tree.traces.contains_key(&child) && !tree.has_ended_threads(child);
            if gone {
                tree.remove_proc(child);
            }
            !gone
        });
        if let Some(p) = tree.procs.get_mut(&init.tgid()) {
            p.children = left;
        }
        let ids = ns.ids();
        let ids = ids.iter().filter(|(_, id)| *id != init.tgid());
        ids.filter_map(|(_, id)| tree.procs.get(id).map(|p| p.group.clone())).collect()
    }

    /// Takes an ended thread out of the tree, and its process with it when it was the last.
    fn task_ended(self: &Arc<Self>, task: &Arc<Task>, status: ExitStatus, last: bool) {
        let group = task.group();
        let mut tree = self.tree();
        let mut tell = None;
        if !task.is_leader() {
            // A traced thread waits for its tracer, as a process does.
            match tree.traces.get_mut(&task.tid()) {
                Some(link) => {
                    link.zombie = Some(status);
                    let tracer = link.group;
                    tell = thread_tell(&tree, tracer, task, status);
                }
                None => drop(tree.remove_task(task.tid())),
            }
        }
        let deaths = if last { Vec::new() } else { hand_children_over(&mut tree, task) };
        if last {
            self.process_ended(tree, &group, task.creds().uid);
        } else {
            drop(tree);
        }
        if let Some(t) = tell {
            t.now();
        }
        for t in deaths {
            let signo = t.policy.lock().parent_death_signal;
            let pid = t.number_of(task.tgid());
            let info = SigInfo::user(signo, crate::signal::SI_USER, pid, task.creds().uid);
            // It may end itself meanwhile.
            let _ = t.group_ref().post(signo, info);
        }
        group.ended.notify(Events::IN);
        self.gone.notify(Events::IN);
    }

    fn process_ended(
        self: &Arc<Self>,
        mut tree: sync::MutexGuard<'_, crate::tree::Tree>,
        group: &Arc<ThreadGroup>,
        uid: u32,
    ) {
        let tgid = group.tgid();
        let status = group.status();
        let Some(proc) = tree.procs.get_mut(&tgid) else { return };
        proc.zombie = Some(status);
        proc.uid = uid;
        self.cgroups().ended(group);
        let (parent, pgid, sid) = (proc.parent, proc.pgid, proc.sid);
        let children = core::mem::take(&mut proc.children);
        let mut after = After::default();
        let reaper = if children.is_empty() { None } else { tree.reaper(tgid) };
        for child in children {
            adopt(&mut tree, child, reaper, &mut after, (pgid, sid));
        }
        // Stopped groups that nobody can continue any more (`exit_notify`).
        let outside = tree.procs.get(&parent).map(|p| (p.pgid, p.sid));
        orphan(&tree, &mut after, outside, (pgid, sid), Some(tgid));
        if tgid == tree.first() {
            tree.closed = true;
            if tgid != INIT {
                // What reaped is not needed any more: who has no parent goes by itself.
                tree.remove_proc(INIT);
            }
            *self.first_status.lock() = Some(status);
            after.kill = tree.procs.values().map(|p| p.group.clone()).collect();
        }
        let tell = self.announce(&mut tree, tgid);
        drop(tree);
        group.delete_timers(self);
        group.stop_interval_timers(self);
        if let Some(t) = tell {
            t.now();
        }
        self.finish(after, sid, tgid);
    }

    /// What an ended process has to tell, and whom: its tracer, or else its parent, which may not
    /// want to know, so that it goes at once. Nothing yet while ended threads of it wait for their
    /// tracers (`do_notify_parent`).
    fn announce(&self, tree: &mut crate::tree::Tree, tgid: i32) -> Option<Tell> {
        let proc = tree.procs.get(&tgid)?;
        let (status, uid, parent) = (proc.zombie?, proc.uid, proc.parent);
        if tree.has_ended_threads(tgid) {
            return None;
        }
        let group = proc.group.clone();
        let tracer = tree.traces.get(&tgid).map(|l| l.group);
        let own_signal = group.lock().exit_signal;
        let signo = match tracer {
            Some(t) if t != parent => SIGCHLD,
            _ => own_signal,
        };
        let told = tree.procs.get(&tracer.unwrap_or(parent)).map(|p| p.group.clone());
        let reap = tracer.is_none() && told.as_ref().is_none_or(|p| reaps_unasked(p, signo));
        let number = told.as_ref().map_or(0, |p| p.pid_ns().number_of(tgid));
        if reap {
            tree.remove_proc(tgid);
            self.gone.notify(Events::IN);
        }
        let (code, value) = status.child_code();
        let times = group.cpu_times();
        let mut info = SigInfo::child(code, number, uid, value)
            .with_times(ticks(times.user), ticks(times.system));
        info.signo = signo as i32;
        Some(Tell { group: told?, signo, info })
    }

    /// Nobody traces `tid` any more. What has ended goes, or is its parent's business from now on.
    pub(crate) fn untraced(
        &self,
        tree: &mut crate::tree::Tree,
        tid: i32,
        link: Link,
    ) -> Option<Tell> {
        if link.zombie.is_some() {
            let task = tree.remove_task(tid)?;
            return self.announce(tree, task.tgid());
        }
        let proc = tree.procs.get(&tid)?;
        proc.zombie?;
        // The parent has heard of it already when it was the tracer.
        let tracer = tree.procs.get(&link.group).map(|p| p.group.clone());
        if proc.parent != link.group {
            return self.announce(tree, tid);
        }
        if tracer.is_some_and(|t| reaps_unasked(&t, SIGCHLD)) {
            tree.remove_proc(tid);
            self.gone.notify(Events::IN);
        }
        None
    }

    fn finish(self: &Arc<Self>, after: After, sid: i32, tgid: i32) {
        for pgid in after.orphaned {
            self.signal_group(pgid, SIGHUP);
            self.signal_group(pgid, SIGCONT);
        }
        for (group, signo) in after.parent_deaths {
            // It may end itself meanwhile.
            let _ = group.post(signo, SigInfo::kernel(signo));
        }
        for group in after.kill {
            let _ = group.post(SIGKILL, SigInfo::kernel(SIGKILL));
        }
        for group in after.tell {
            group.children.notify(Events::IN);
        }
        if sid == tgid {
            self.session_ended(sid);
        }
    }

    /// Takes an ended thread out after its tracer waited for it.
    pub(crate) fn reap_thread(&self, tree: &mut crate::tree::Tree, tid: i32) -> Option<Tell> {
        tree.traces.remove(&tid);
        let task = tree.remove_task(tid)?;
        self.announce(tree, task.tgid())
    }

    /// A tracer has waited for an ended process that is another's child: now its parent hears.
    pub(crate) fn pass_on(&self, tree: &mut crate::tree::Tree, tgid: i32) -> Option<Tell> {
        tree.traces.remove(&tgid);
        self.announce(tree, tgid)
    }

    /// Takes a zombie out after its parent waited for it.
    pub(crate) fn reap(&self, tree: &mut crate::tree::Tree, parent: &Arc<ThreadGroup>, tgid: i32) {
        let Some(proc) = tree.remove_proc(tgid) else { return };
        let used = proc.group.usage();
        let mut mine = parent.usage.lock();
        mine.children += used.threads;
        mine.children += used.children;
        mine.children_max_rss = mine.children_max_rss.max(used.max_rss).max(used.children_max_rss);
        drop(mine);
        self.gone.notify(Events::IN);
    }
}

/// The end of a task that is still to be told.
#[must_use]
pub(crate) struct Tell {
    group: Arc<ThreadGroup>,
    signo: u32,
    info: SigInfo,
}

impl Tell {
    /// Tells it. The tree may be locked.
    pub(crate) fn now(self) {
        if self.signo != 0 {
            // A standard signal is merged or queued, never refused.
            let _ = self.group.post(self.signo, self.info);
        }
        self.group.children.notify(Events::IN);
    }
}

/// What the tracer of an ended thread hears.
fn thread_tell(
    tree: &crate::tree::Tree,
    tracer: i32,
    task: &Arc<Task>,
    status: ExitStatus,
) -> Option<Tell> {
    let group = tree.procs.get(&tracer)?.group.clone();
    let (code, value) = status.child_code();
    let number = group.pid_ns().number_of(task.tid());
    let info = SigInfo::child(code, number, task.creds().uid, value);
    Some(Tell { group, signo: SIGCHLD, info })
}

/// What has to be done once the tree is unlocked.
#[derive(Default)]
struct After {
    orphaned: Vec<i32>,
    parent_deaths: Vec<(Arc<ThreadGroup>, u32)>,
    kill: Vec<Arc<ThreadGroup>>,
    tell: Vec<Arc<ThreadGroup>>,
}

/// Gives one child of an ended process to `reaper`; without one, or when that ignores its
/// children, a zombie goes at once.
fn adopt(
    tree: &mut crate::tree::Tree,
    child: i32,
    reaper: Option<i32>,
    after: &mut After,
    from: (i32, i32),
) {
    tree.reparent(child, reaper.unwrap_or(0), reaper.unwrap_or(0));
    let Some(p) = tree.procs.get(&child) else { return };
    let (group, own, zombie) = (p.group.clone(), (p.pgid, p.sid), p.zombie.is_some());
    let signo = group.any_thread().map_or(0, |t| t.policy.lock().parent_death_signal);
    if signo != 0 {
        after.parent_deaths.push((group.clone(), signo));
    }
    // An adopted child always tells by SIGCHLD.
    group.lock().exit_signal = SIGCHLD;
    let parent = reaper.and_then(|r| tree.procs.get(&r)).map(|p| p.group.clone());
    // A traced one is its tracer's first.
    let traced = tree.traces.contains_key(&child);
    match parent {
        _ if zombie && traced => {}
        Some(p) if zombie && !reaps_unasked(&p, SIGCHLD) => after.tell.push(p),
        _ if zombie => drop(tree.remove_proc(child)),
        _ => {}
    }
    if !zombie {
        orphan(tree, after, Some(from), own, None);
    }
}

/// Notes the group of `own`, a process group and session, if it has stopped members that nobody
/// can continue now that the link to `outside` is gone. Only a link to another group of the same
/// session made a difference (`kill_orphaned_pgrp`).
fn orphan(
    tree: &crate::tree::Tree,
    after: &mut After,
    outside: Option<(i32, i32)>,
    own: (i32, i32),
    without: Option<i32>,
) {
    let linked = outside.is_some_and(|(pgid, sid)| pgid != own.0 && sid == own.1);
    let new = linked && !after.orphaned.contains(&own.0);
    if new && tree.is_orphaned(own.0, without) && tree.has_stopped(own.0) {
        after.orphaned.push(own.0);
    }
}

/// The children that an ended thread made belong to another thread of its group now. Returns the
/// leaders among them that asked for a signal when that happens.
fn hand_children_over(tree: &mut crate::tree::Tree, task: &Arc<Task>) -> Vec<Arc<Task>> {
    let heir = task.group_ref().any_thread().map_or(task.tgid(), |t| t.tid());
    let children = tree.procs.get(&task.tgid()).map(|p| p.children.clone()).unwrap_or_default();
    let mut tell = Vec::new();
    for child in children {
        let Some(p) = tree.procs.get_mut(&child).filter(|p| p.parent_tid == task.tid()) else {
            continue;
        };
        p.parent_tid = heir;
        let leader = p.group.any_thread();
        tell.extend(leader.filter(|t| t.policy.lock().parent_death_signal != 0));
    }
    tell
}

/// Whether a child that tells its end by `signo` leaves a process no zombie: it waits for the end of
/// its PID namespace, or ignores `SIGCHLD`, or has set `SA_NOCLDWAIT`.
fn reaps_unasked(parent: &ThreadGroup, signo: u32) -> bool {
    let state = parent.lock();
    let action = state.handlers.lock().get(SIGCHLD);
    let ignored = action.handler == SIG_IGN || action.flags.contains(SaFlags::NOCLDWAIT);
    state.reaps_all || signo == SIGCHLD && ignored
}

/// Kills every other thread of the group, for execve(2).
pub(crate) fn kill_siblings(task: &Arc<Task>) -> bool {
    let group = task.group_ref();
    let mut state = group.lock();
    if state.exiting.is_some() || state.execing.is_some() {
        return false;
    }
    state.execing = Some(task.tid());
    state.stop = Stop::None;
    for t in &state.threads {
        t.signals.lock().must_stop = false;
        t.signals.lock().stopped = false;
        t.recalculate(&state);
        if !Arc::ptr_eq(t, task) {
            t.signals.lock().end_stop();
            t.store_mask(SignalSet::FULL);
            t.wake();
        }
    }
    true
}

/// Takes a task back that was never started: nobody hears of it.
pub(crate) fn kill_unstarted(cx: TaskCx) {
    let task = cx.task.clone();
    let kernel = task.kernel().clone();
    let alone = task.is_leader();
    crate::ptrace::forget(&task);
    if alone {
        task.group_ref().lock().exit_signal = 0;
    }
    if let Some(dump) = task.pass_dump() {
        dump.goes_without_one();
    }
    exit_task(cx, ExitStatus::Exited(0)).leave();
    if alone {
        kernel.tree().remove_proc(task.tgid());
    }
}
