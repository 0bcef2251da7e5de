//! How tracing goes on and ends: new tasks, other IDs, detaching, the end of a tracer.

use super::link::{Link, link};
use super::state::{Options, Traced};
use crate::exit::Tell;
use crate::group::Stop;
use crate::signal::{SI_USER, SIGKILL, SIGSTOP, SigInfo};
use crate::task::Work;
use crate::tree::Tree;
use crate::{Kernel, Task};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Makes the tracer of `parent` that of its new task `child` too.
pub(crate) fn inherit(tree: &mut Tree, parent: &Task, child: &Arc<Task>) {
    let Some(by) = tree.traces.get(&parent.tid()).copied() else { return };
    let Some(tracer) = tree.tasks.get(&by.tracer).filter(|t| !t.has_exited()).cloned() else {
        return;
    };
    let Some(from) = parent.traced() else { return };
    let Traced { options, seized, capable, .. } = from;
    let trace = Traced { options, seized, capable, trap_stop: seized, ..Traced::default() };
    // Nobody else can have found it yet.
    let _ = link(tree, child, &tracer, trace);
    if !seized {
        let state = child.group_ref().lock();
        let stop = SigInfo::user(SIGSTOP, SI_USER, 0, 0);
        let _ = child.signals.lock().pending.push(SIGSTOP, stop, true);
        child.recalculate(&state);
    }
}

/// `old` is called `new` from now on: a thread that executes a program takes its leader's place.
/// Returns the tracer's group of the leader that was there, which hears nothing more of it.
pub(crate) fn rename(tree: &mut Tree, old: i32, new: i32) -> Option<i32> {
    let gone = tree.traces.remove(&new);
    if let Some(own) = tree.traces.remove(&old) {
        tree.traces.insert(new, own);
    }
    for l in tree.traces.values_mut().filter(|l| l.tracer == old) {
        l.tracer = new;
    }
    gone.map(|l| l.group)
}

/// Nobody traces `task` any more, and nobody hears of that.
pub(crate) fn forget(task: &Arc<Task>) {
    let mut tree = task.kernel().tree();
    unlink(&mut tree, task.tid(), None);
}

/// Nobody traces `tid` any more; it goes on with `data`, or as its stop says
/// (`__ptrace_unlink`).
pub(super) fn unlink(tree: &mut Tree, tid: i32, data: Option<u32>) -> Option<Link> {
    let link = tree.traces.remove(&tid)?;
    let task = tree.tasks.get(&tid)?;
    let state = task.group_ref().lock();
    task.set_work(Work::TRACED | Work::SYSCALL | Work::EMULATE, false);
    {
        let mut own = task.signals.lock();
        own.trace = None;
        let stopping = state.stop != Stop::None && !task.has_exited() && !own.stopped;
        if stopping {
            own.must_stop = true;
            if own.stop_signal == 0 {
                own.stop_signal = SIGSTOP;
            }
        }
        if let Some(stop) = own.trace_stop.as_deref_mut() {
            let left = data.unwrap_or(stop.code as u32);
            stop.resumed.get_or_insert(left);
            if data.is_some() {
                stop.regs.set_single_step(false);
            }
        }
    }
    task.recalculate(&state);
    drop(state);
    task.wake();
    Some(link)
}

/// Detaches; what has ended already is passed on to its parent, or goes (`__ptrace_detach`).
pub(super) fn detach(
    kernel: &Kernel,
    tree: &mut Tree,
    tid: i32,
    data: Option<u32>,
) -> Option<Tell> {
    let link = unlink(tree, tid, data)?;
    kernel.untraced(tree, tid, link)
}

/// A thread has ended: it traces nobody any more (`exit_ptrace`).
pub(crate) fn tracer_ended(task: &Arc<Task>) {
    let kernel = task.kernel();
    let mut tells = Vec::new();
    {
        let mut tree = kernel.tree();
        let of_it = |l: &Link| l.tracer == task.tid() && l.group == task.tgid();
        let tids: Vec<i32> =
            tree.traces.iter().filter(|(_, l)| of_it(l)).map(|(tid, _)| *tid).collect();
        for tid in tids {
            let dies = |t: &Task| t.traced().is_some_and(|t| t.options.contains(Options::EXITKILL));
            if let Some(t) = tree.tasks.get(&tid).filter(|t| dies(t)) {
                // SIGKILL is never refused.
                let _ = t.group_ref().post(SIGKILL, SigInfo::kernel(SIGKILL));
            }
            tells.extend(detach(kernel, &mut tree, tid, None));
        }
    }
    for t in tells {
        t.now();
    }
}
