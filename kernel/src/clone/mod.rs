//! New tasks: fork(2), vfork(2), clone(2), clone3(2).

mod flags;
mod gate;

pub use flags::{CloneArgs, CloneFlags};
pub(crate) use gate::VforkGate;

use crate::exit::kill_unstarted;
use crate::group::Stop;
use crate::ns::pid::PidNamespace;
use crate::ptrace::{Event, clone_event, inherit};
use crate::syscalls::fs::check_copy;
use crate::task::{Policy, Resources, SCHED_DEADLINE, TaskCx, TaskParts};
use crate::{Attention, Kernel, Outcome, Resource, Task, TaskImage, ThreadGroup, ns};
use alloc::boxed::Box;
use alloc::sync::Arc;
use arch::{Addr, AltStack, UserMemoryExt};
use core::future::poll_fn;
use sync::Mutex;
use sync::atomic::Ordering;
use syserr::{Errno, Restart};
use vfs::{Creds, cap};

/// How many pieces of memory a new address space gets into its page tables at once: most of a
/// small program, so that it need not fault them in one by one.
pub(crate) const PREMAP: usize = 64;

/// Makes a task as `args` say, and starts it. The call goes on in the caller's context: with
/// `CLONE_VFORK` it blocks until the child lets go of the memory.
pub fn sys(cx: &mut TaskCx, args: &CloneArgs<'_>) -> Outcome {
    let flags = args.flags;
    if let Err(e) = args.validate(leads_namespace(&cx.task)) {
        return e.into();
    }
    // A thread is where its process is.
    if flags.contains(CloneFlags::THREAD) && cx.task.sends_children_away() {
        return Errno::EINVAL.into();
    }
    let event = clone_event(&cx.task, flags, args.exit_signal);
    let (child, ready) = match prepare(cx, args, event.is_some()) {
        Ok(c) => c,
        Err(e) => return e.into(),
    };
    let tid = child.task.tid();
    let number = cx.task.number_of(tid) as u64;
    let gate = flags.contains(CloneFlags::VFORK).then(|| {
        let gate = Arc::new(VforkGate::default());
        *child.task.vfork.lock() = Some(gate.clone());
        gate
    });
    let kernel = cx.kernel().clone();
    let parent = cx.task.clone();
    // The tracer hears of the child first; then a vfork(2) waits for it.
    let go_on = move || {
        let then = match gate {
            None => Outcome::Done(Ok(number)),
            Some(gate) => {
                Outcome::Block(Box::pin(wait_for_child(parent.clone(), gate, tid, number)))
            }
        };
        match event {
            Some(event) => parent.tell_event_of(event, tid, then),
            None => then,
        }
    };
    if ready {
        kernel.start(child);
        return go_on();
    }
    // Sibling threads may still write to pages that the child now shares: it may not run before
    // the write protection has reached them.
    let space = cx.mm().address_space().clone();
    Outcome::Block(Box::pin(async move {
        poll_fn(|c| space.poll_flushed(c)).await;
        kernel.start(child);
        go_on()
    }))
}

async fn wait_for_child(parent: Arc<Task>, gate: Arc<VforkGate>, tid: i32, number: u64) -> Outcome {
    // Only death interrupts: the child runs on the parent's stack.
    match parent.block_killable(gate.wait()).await {
        Ok(()) => parent.tell_event_of(Event::VforkDone, tid, Outcome::Done(Ok(number))),
        Err(_) => Outcome::Restart(Restart::NoIntr),
    }
}

/// The child as it will run, and whether it may start at once.
fn prepare(cx: &mut TaskCx, args: &CloneArgs<'_>, traced: bool) -> Result<(TaskCx, bool), Errno> {
    let flags = args.flags;
    let kernel = cx.kernel().clone();
    let parent = cx.task.clone();
    check_room(&kernel, &parent)?;
    cx.context.pull_fpu(&mut cx.image.arch);
    if !flags.contains(CloneFlags::FILES) {
        check_copy(&kernel, &parent.files())?;
    }
    let share = flags.contains(CloneFlags::VM);
    let platform = &kernel.embedder().platform;
    if share && cx.mm().users() >= platform.contexts_per_space() {
        return Err(Errno::EAGAIN);
    }
    let image = cx.image.fork(share, || platform.new_address_space())?;
    if let Some(mm) = image.memory_manager().filter(|_| !share) {
        mm.premap(PREMAP);
    }
    let alone = parent.group_ref().thread_count() == 1 && cx.mm().users() == 1;
    let mut child = build(cx, args, image, traced)?;
    if let Err(e) = write_ids(cx, &mut child, args) {
        kill_unstarted(child);
        return Err(e);
    }
    kernel.count_fork();
    Ok((child, share || alone))
}

fn check_room(kernel: &Kernel, parent: &Task) -> Result<(), Errno> {
    let creds = parent.creds();
    let privileged = creds.uid == 0 || creds.has(cap::SYS_RESOURCE) || creds.has(cap::SYS_ADMIN);
    let tree = kernel.tree();
    if !privileged && tree.tasks_of(creds.uid) >= parent.limit(Resource::Nproc).0 {
        return Err(Errno::EAGAIN);
    }
    // What has a deadline has no room for another of its kind (`sched_fork`).
    let p = parent.policy.lock();
    if p.scheduler == SCHED_DEADLINE && !p.reset_on_fork {
        return Err(Errno::EAGAIN);
    }
    Ok(())
}

/// Registers, IDs and shared parts of the child; entered in the tree, not yet running.
fn build(
    cx: &TaskCx,
    args: &CloneArgs<'_>,
    mut image: TaskImage,
    traced: bool,
) -> Result<TaskCx, Errno> {
    let flags = args.flags;
    let kernel = cx.kernel();
    let parent = &cx.task;
    image.arch.set_return(0);
    if args.stack_top != 0 {
        image.arch.set_sp(args.stack_top);
    }
    if flags.contains(CloneFlags::SETTLS) && !image.arch.set_tls(args.tls) {
        return Err(Errno::EPERM);
    }
    let context = kernel.embedder().platform.new_context()?;
    let own_creds = parent.creds();
    let (resources, pid_ns, entered) = {
        let r = parent.resources.lock().clone();
        let old = r.namespaces.ok_or(Errno::ESRCH)?;
        let fs = share(r.fs, flags.contains(CloneFlags::FS), |f| f.fork());
        let from = (&**parent.group_ref(), &*old, fs.as_deref().ok_or(Errno::ESRCH)?);
        let made = ns::Change::made(kernel, from, &own_creds, flags)?;
        let (namespaces, moved, entered) =
            made.map_or((old, None, None), |m| (m.namespaces, m.fs, m.creds));
        // Who shares memory shares its clocks.
        let in_time = match flags.contains(CloneFlags::VM) {
            true => None,
            false => namespaces.in_time_for_children(),
        };
        if let (Some(ns), Some(mm)) = (&in_time, image.memory_manager()) {
            kernel.join_time(mm, &ns.time, namespaces.time.has_own_clocks());
        }
        let namespaces = in_time.unwrap_or(namespaces);
        let pid_ns = namespaces.pid.clone();
        let resources = Resources {
            mm: image.memory_manager().cloned(),
            futex: image.futex().cloned(),
            files: share(r.files, flags.contains(CloneFlags::FILES), |f| f.fork()),
            fs: moved.or(fs),
            namespaces: Some(namespaces),
            keyrings: r.keyrings.inherited(flags.contains(CloneFlags::THREAD)),
        };
        (resources, pid_ns, entered)
    };
    let creds = match entered {
        None => own_creds.clone(),
        Some(c) => Arc::new(Creds { serial: kernel.next_creds(), ..c }),
    };
    let altstack = {
        let _state = parent.group_ref().lock();
        let own = parent.signals.lock().altstack;
        // A thread on the same memory must not share the stack of another.
        let keep = !flags.contains(CloneFlags::VM) || flags.contains(CloneFlags::VFORK);
        if keep { own } else { AltStack::default() }
    };
    let policy: Policy = parent.policy.lock().inherit();
    let seccomp = parent.seccomp.lock().clone();
    let may_choose = |ns: &PidNamespace| {
        let has = |c| creds.has_in(ns.owner(), c);
        has(cap::SYS_ADMIN) || has(cap::CHECKPOINT_RESTORE)
    };
    let into = match args.cgroup {
        Some(fd) => Some(group_to_begin_in(parent, fd, flags, &own_creds)?),
        None => None,
    };
    let mut tree = kernel.tree();
    // Who is being killed leaves nobody behind that is not.
    if parent.group_ref().lock().exiting.is_some() {
        return Err(Errno::EINTR);
    }
    let tid = tree.allocate(&pid_ns, args.set_tid, &may_choose)?;
    let group = if flags.contains(CloneFlags::THREAD) {
        parent.group()
    } else {
        new_group(parent, args, tid, pid_ns)
    };
    if !flags.contains(CloneFlags::THREAD)
        && let Err(e) = kernel.cgroups().forked(parent.group_ref(), &group, into.as_ref())
    {
        tree.task_gone(tid);
        return Err(e);
    }
    let parts = TaskParts {
        tid,
        group: group.clone(),
        resources,
        creds,
        comm: parent.comm(),
        interrupt: context.interrupter(),
        mask: parent.blocked(),
        altstack,
        policy,
        seccomp,
    };
    let task = Task::new(kernel.clone(), parts);
    {
        let mut state = group.lock();
        // An exit or execve of the group has counted its threads already.
        if flags.contains(CloneFlags::THREAD)
            && (state.exiting.is_some() || state.execing.is_some())
        {
            tree.task_gone(tid);
            return Err(Errno::EINTR);
        }
        if let Stop::Stopping(signo) | Stop::Stopped(signo) = state.stop {
            let mut own = task.signals.lock();
            own.must_stop = true;
            own.stop_signal = signo;
            task.note(Attention::STOP);
        }
        state.threads.push(task.clone());
    }
    if !flags.contains(CloneFlags::THREAD) {
        let me = parent.group_ref();
        let (above, tid) = if flags.contains(CloneFlags::PARENT) {
            tree.procs.get(&me.tgid()).map_or((0, 0), |p| (p.parent, p.parent_tid))
        } else {
            (me.tgid(), parent.tid())
        };
        tree.add_proc(group, above, tid);
        // CLONE_PARENT changes whose child it is, not which job it belongs to.
        tree.inherit_job(task.tgid(), me.tgid());
    }
    tree.add_task(task.clone());
    if traced || flags.contains(CloneFlags::PTRACE) {
        inherit(&mut tree, parent, &task);
    }
    drop(tree);
    Ok(TaskCx::new(task, image, context))
}

/// The control group of `CLONE_INTO_CGROUP`.
fn group_to_begin_in(
    parent: &Task,
    fd: i32,
    flags: CloneFlags,
    creds: &Creds,
) -> Result<Arc<crate::cgroup::Group>, Errno> {
    let group = crate::cgroup::group_of_file(&*parent.files().get(fd)?)?;
    let ns = parent.namespaces().ok_or(Errno::ESRCH)?.cgroup.clone();
    let thread = flags.contains(CloneFlags::THREAD);
    let cgroups = parent.kernel().cgroups();
    cgroups.may_fork_into(parent.group_ref(), &group, (creds, &ns), thread)?;
    Ok(group)
}

fn share<T>(it: Option<Arc<T>>, shared: bool, fork: impl Fn(&Arc<T>) -> Arc<T>) -> Option<Arc<T>> {
    it.map(|t| if shared { t } else { fork(&t) })
}

fn new_group(
    parent: &Arc<Task>,
    args: &CloneArgs<'_>,
    tgid: i32,
    pid_ns: Arc<PidNamespace>,
) -> Arc<ThreadGroup> {
    let me = parent.group_ref();
    let (handlers, own_signal, passed) = {
        let state = me.lock();
        let handlers = if args.flags.contains(CloneFlags::SIGHAND) {
            state.handlers.clone()
        } else {
            let mut copy = state.handlers.lock().clone();
            if args.flags.contains(CloneFlags::CLEAR_SIGHAND) {
                copy.reset_caught();
            }
            Arc::new(Mutex::new(copy))
        };
        (
            handlers,
            state.exit_signal,
            (state.dumpable, state.memory_ns.clone(), state.oom, state.core_filter),
        )
    };
    // A sibling tells its end as the caller does.
    let signal =
        if args.flags.contains(CloneFlags::PARENT) { own_signal } else { args.exit_signal };
    let group = ThreadGroup::new(tgid, pid_ns, handlers, me.limits(), signal);
    let mut state = group.lock();
    (state.dumpable, state.memory_ns, state.oom, state.core_filter) = passed;
    drop(state);
    group
}

/// IDs and descriptors that the parent and the child find in memory.
fn write_ids(cx: &TaskCx, child: &mut TaskCx, args: &CloneArgs<'_>) -> Result<(), Errno> {
    let flags = args.flags;
    let tid = child.task.tid();
    if flags.contains(CloneFlags::PIDFD) {
        let fd = crate::pidfd::install(&cx.task, child.task.group_ref(), false)?;
        if let Err(e) = cx.mm().write_obj(Addr(args.pidfd), &fd) {
            cx.task.files().close(fd)?;
            return Err(e);
        }
    }
    // As in Linux, a bad address is not an error here: the task exists already.
    if flags.contains(CloneFlags::PARENT_SETTID) {
        let _ = cx.mm().write_obj(Addr(args.parent_tid), &cx.task.number_of(tid));
    }
    if flags.contains(CloneFlags::CHILD_SETTID) {
        let _ = child.mm().write_obj(Addr(args.child_tid), &child.task.number());
    }
    if flags.contains(CloneFlags::CHILD_CLEARTID) {
        child.task.clear_tid.store(args.child_tid, Ordering::Relaxed);
    }
    Ok(())
}

/// Whether a task is of the first process of its PID namespace, which may not make siblings.
fn leads_namespace(task: &Task) -> bool {
    task.group_ref().number() == crate::tree::INIT
}

impl Kernel {
    /// Hands a task to the executor.
    pub(crate) fn start(self: &Arc<Self>, child: TaskCx) {
        self.embedder().spawn.spawn(Box::pin(crate::task::run(child)));
    }
}
