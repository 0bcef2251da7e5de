//! How tracing begins: `PTRACE_TRACEME`, `PTRACE_ATTACH`, `PTRACE_SEIZE`.

use super::access::{may_access, reaches};
use super::request::{ATTACH, SEIZE, options};
use super::state::Traced;
use crate::signal::{SIGSTOP, SigInfo};
use crate::task::{TaskCx, Work};
use crate::tree::{INIT, Tree};
use crate::{ExitStatus, Outcome, Task};
use alloc::boxed::Box;
use alloc::sync::Arc;
use sync::waitq::Events;
use syserr::{Errno, Restart};
use vfs::{Creds, cap};

/// Who traces a task. In the process tree, under the task's ID.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    /// The tracing thread.
    pub(crate) tracer: i32,
    /// Its thread group.
    pub(crate) group: i32,
    /// The task was a thread that has ended so, and waits for its tracer.
    pub(crate) zombie: Option<ExitStatus>,
}

/// Makes `tracer` trace `task`.
///
/// # Errors
/// `EPERM` when somebody does already, or the task has ended.
pub(super) fn link(
    tree: &mut Tree,
    task: &Arc<Task>,
    tracer: &Task,
    trace: Traced,
) -> Result<(), Errno> {
    let state = task.group_ref().lock();
    let tid = task.tid();
    if task.has_exited() || tree.traces.contains_key(&tid) {
        return Err(Errno::EPERM);
    }
    let link = Link { tracer: tracer.tid(), group: tracer.tgid(), zombie: None };
    tree.traces.insert(tid, link);
    {
        let mut own = task.signals.lock();
        // A task that is stopped becomes stopped for its tracer.
        let trap_stop = trace.trap_stop || own.stopped;
        own.trace = Some(Box::new(Traced { trap_stop, trapping: own.stopped, ..trace }));
    }
    task.set_work(Work::TRACED, true);
    task.recalculate(&state);
    drop(state);
    task.wake();
    Ok(())
}

/// `PTRACE_TRACEME`: the parent traces the caller.
///
/// # Errors
/// `EPERM` when somebody does already, or there is no parent that may.
pub(crate) fn traceme(task: &Arc<Task>) -> Result<(), Errno> {
    let mut tree = task.kernel().tree();
    if tree.traces.contains_key(&task.tid()) {
        return Err(Errno::EPERM);
    }
    let parent = tree.procs.get(&task.tgid()).map(|p| p.parent_tid).ok_or(Errno::EPERM)?;
    let parent = tree.tasks.get(&parent).filter(|p| !is_reaper(p)).cloned().ok_or(Errno::EPERM)?;
    let (creds, own) = (parent.creds(), task.creds());
    let capable = creds.has_in(&own.user_ns, cap::SYS_PTRACE);
    let covered = creds.user_ns == own.user_ns && own.permitted & !creds.permitted == 0;
    if !covered && !capable || !reaches(&creds, &own) {
        return Err(Errno::EPERM);
    }
    // A parent that is about to end is told nothing any more, and that is no error.
    if parent.has_exited() {
        return Ok(());
    }
    let trace = Traced { capable, ..Traced::default() };
    link(&mut tree, task, &parent, trace)
}

/// `PTRACE_ATTACH` and `PTRACE_SEIZE`.
pub(crate) fn attach(cx: &TaskCx, request: u64, pid: i32, addr: u64, data: u64) -> Outcome {
    match begin(cx, request, pid, addr, data) {
        Err(e) => e.into(),
        Ok(task) if !is_trapping(&task) => Outcome::Done(Ok(0)),
        Ok(task) => {
            // The tracer finds a task that was stopped already in its stop.
            let me = cx.task.clone();
            Outcome::Block(Box::pin(async move {
                let group = me.group();
                let there = crate::block::wait_on(&group.children, Events::IN, || {
                    (!is_trapping(&task)).then_some(())
                });
                match me.block_killable(there).await {
                    Ok(()) => Outcome::Done(Ok(0)),
                    Err(_) => Outcome::Restart(Restart::NoIntr),
                }
            }))
        }
    }
}

/// Whether it is the process of the kernel's own, which neither traces nor is traced, as threads of
/// Linux's kernel.
fn is_reaper(task: &Task) -> bool {
    task.tgid() == INIT && task.mm().is_none()
}

fn is_trapping(task: &Task) -> bool {
    !task.has_exited() && task.traced().is_some_and(|t| t.trapping)
}

fn begin(cx: &TaskCx, request: u64, pid: i32, addr: u64, data: u64) -> Result<Arc<Task>, Errno> {
    let task = cx.task.find(pid)?;
    let seized = request == SEIZE;
    let options = match seized {
        true if addr != 0 => return Err(Errno::EIO),
        true => options(cx, data).map_err(|e| if e == Errno::EINVAL { Errno::EIO } else { e })?,
        false => Default::default(),
    };
    let me: Arc<Creds> = cx.task.creds();
    if task.tgid() == cx.task.tgid() {
        return Err(Errno::EPERM);
    }
    may_access(&me, cx.task.tgid(), &task, false)?;
    if is_reaper(&task) {
        return Err(Errno::EPERM);
    }
    let capable = me.has_in(&task.creds().user_ns, cap::SYS_PTRACE);
    let trace = Traced { options, seized, capable, ..Traced::default() };
    link(&mut cx.kernel().tree(), &task, &cx.task, trace)?;
    if request == ATTACH {
        // A standard signal is merged or queued, never refused.
        let _ = task.group_ref().post_thread(&task, SIGSTOP, SigInfo::kernel(SIGSTOP));
    }
    Ok(task)
}
