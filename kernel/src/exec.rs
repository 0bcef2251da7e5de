//! execve(2), from the loaded image on.

use crate::clone::CloneFlags;
use crate::exit::{kill_siblings, release_memory};
use crate::image::LoadedTask;
use crate::ptrace::{forget, rename};
use crate::signal::{Handlers, SIGCHLD};
use crate::syscalls::fs::check_copy;
use crate::task::{TaskCx, Work};
use crate::{Attention, Outcome, Task, ns};
use alloc::boxed::Box;
use alloc::sync::Arc;
use arch::AltStack;
use core::mem;
use sync::Mutex;
use sync::atomic::Ordering;
use sync::waitq::Events;
use syserr::{Errno, Restart};

/// A loaded program, waiting for its task to be alone in its thread group.
pub(crate) struct NewImage {
    /// The program.
    pub(crate) loaded: LoadedTask,
    /// The credentials it runs with.
    pub(crate) creds: vfs::Creds,
    /// Who called may not read the program's file, and so nothing of it in memory.
    pub(crate) hidden: bool,
    /// The user namespace whose administrators may all the same.
    pub(crate) memory_ns: vfs::UserNs,
}

/// Puts a loaded program in the place of the caller's. Everything that can fail has succeeded: from
/// here on only the end of the process stops it.
pub(crate) fn replace(cx: &mut TaskCx, new: NewImage) -> Outcome {
    let task = cx.task.clone();
    if !kill_siblings(&task) {
        return Outcome::Restart(Restart::NoIntr);
    }
    if task.group_ref().thread_count() == 1 {
        return commit(cx, new);
    }
    // The image is taken up by the run loop, since a future has no registers to replace.
    *task.next.lock() = Some(Box::new(new));
    Outcome::Block(Box::pin(async move {
        let group = task.group();
        let alone = crate::block::wait_on(&group.ended, Events::IN, || {
            // The dying leader leaves the table last.
            (group.thread_count() == 1).then_some(())
        });
        match task.block_killable(alone).await {
            Ok(()) => Outcome::Keep,
            Err(_) => {
                task.next.lock().take();
                Outcome::Done(Err(Errno::EINTR))
            }
        }
    }))
}

/// Takes the waiting image up, after the other threads have gone.
pub(crate) fn take_up(cx: &mut TaskCx) -> Outcome {
    let new = cx.task.next.lock().take();
    match new {
        Some(new) => commit(cx, *new),
        None => Outcome::Keep,
    }
}

/// The point of no return: `begin_new_exec` in `fs/exec.c`.
fn commit(cx: &mut TaskCx, new: NewImage) -> Outcome {
    let task = cx.task.clone();
    let old = task.number_for_tracer(task.tid());
    become_leader(&task);
    let kernel = cx.kernel().clone();
    let group = task.group();
    group.delete_timers(&kernel);
    // The old memory goes with its futexes; a vfork(2) parent may go on.
    release_memory(&task, cx);
    let LoadedTask { mut image, secure } = new.loaded;
    // A tracer sees the call that it was, and goes on stepping.
    image.arch.set_syscall_no(cx.image.arch.syscall_no());
    image.arch.set_single_step(cx.image.arch.single_step());
    drop(mem::replace(&mut cx.image, image));
    {
        let mut r = task.resources.lock();
        r.mm = cx.image.memory_manager().cloned();
        r.futex = cx.image.futex().cloned();
        let ns = r.namespaces.as_ref();
        r.namespaces = ns.and_then(|ns| ns.in_time_for_children()).or_else(|| ns.cloned());
    }
    if let Some(ns) = task.namespaces() {
        kernel.join_time(cx.mm(), &ns.time, false);
    }
    let keyrings = task.keyrings().inherited(false);
    task.set_keyrings(keyrings);
    task.set_comm(cx.image.name);
    reset_signals(&task);
    task.clear_tid.store(0, Ordering::Relaxed);
    task.set_work(Work::DISPATCH, false);
    task.robust_list.store(0, Ordering::Relaxed);
    // Closing runs files' code: no lock is held. The table was the task's own, or becomes it.
    let files = task.files();
    let files = if Arc::strong_count(&files) > 2 { files.fork() } else { files };
    files.exec();
    task.set_files(files);
    {
        let mut p = task.policy.lock();
        // `PER_CLEAR_ON_SETID` of include/uapi/linux/personality.h.
        if secure {
            p.parent_death_signal = 0;
            p.personality &= !0x0154_0000;
        }
    }
    let was = task.creds();
    let NewImage { creds: new, hidden, memory_ns, .. } = new;
    let same = was.euid == new.euid && was.egid == new.egid && new.permitted & !was.permitted == 0;
    // A tracer that came while other threads ended was not asked for when privileges were given.
    if !same && task.traced().is_some_and(|t| !t.capable) {
        forget(&task);
    }
    if !same && task.shares_fs_outside() {
        // Nor was a process that came to the same directories meanwhile.
        task.set_fs(task.fs().fork());
    }
    let dumpable = !hidden && same && new.uid == new.euid && new.gid == new.egid;
    task.set_creds(new);
    {
        let mut state = group.lock();
        state.execed = true;
        state.execing = None;
        state.exit_signal = SIGCHLD;
        state.dumpable = if dumpable { 1 } else { kernel.core_settings().suid_dumpable() };
        state.memory_ns = memory_ns;
        task.recalculate(&state);
    }
    cx.restart = None;
    cx.context.push_fpu(&cx.image.arch);
    task.tell_exec(old, &mut cx.image.arch)
}

/// A thread that is not the leader takes the leader's ID over.
fn become_leader(task: &Arc<Task>) {
    if task.is_leader() {
        return;
    }
    let mut tree = task.kernel().tree();
    let old = task.tid();
    let tgid = task.tgid();
    tree.remove_task(old);
    task.become_leader();
    tree.tasks.insert(tgid, task.clone());
    let tell = rename(&mut tree, old, tgid).and_then(|g| tree.procs.get(&g));
    let tell = tell.map(|p| p.group.clone());
    for p in tree.procs.values_mut().filter(|p| p.parent_tid == old) {
        p.parent_tid = tgid;
    }
    task.group_ref().lock().last_status = None;
    drop(tree);
    if let Some(group) = tell {
        group.children.notify(Events::IN);
    }
}

fn reset_signals(task: &Arc<Task>) {
    let mut state = task.group_ref().lock();
    let mut handlers: Handlers = state.handlers.lock().clone();
    handlers.reset_caught();
    // Shared handlers stay what they are for the others.
    state.handlers = Arc::new(Mutex::new(handlers));
    {
        let mut own = task.signals.lock();
        own.altstack = AltStack::default();
        own.saved_mask = None;
        own.waiting_for = Default::default();
    }
    task.clear_attention(Attention::MASK);
    task.recalculate(&state);
}

/// Gives a task files, directories and namespaces of its own; unshare(2).
///
/// # Errors
/// `EINVAL` for parts that cannot be taken apart any more, or flags that are none; those of
/// [`ns::Change::made`].
pub(crate) fn unshare(task: &Arc<Task>, flags: u64) -> Result<(), Errno> {
    use CloneFlags as F;
    let known = F::NAMESPACES | F::THREAD | F::FS | F::FILES | F::SIGHAND | F::VM | F::SYSVSEM;
    let mut flags =
        CloneFlags::from_bits(flags).filter(|f| known.contains(*f)).ok_or(Errno::EINVAL)?;
    // Some do not go without others (`ksys_unshare`).
    flags.set(F::THREAD, flags.intersects(F::THREAD | F::NEWUSER));
    flags.set(F::FS, flags.intersects(F::FS | F::NEWUSER | F::NEWNS));
    if flags.intersects(F::THREAD | F::SIGHAND | F::VM) && task.group_ref().thread_count() > 1 {
        return Err(Errno::EINVAL);
    }
    let shared_vm = task.mm().is_some_and(|mm| mm.users() > 1);
    if flags.contains(F::VM) && shared_vm {
        return Err(Errno::EINVAL);
    }
    if flags.contains(F::FILES) {
        check_copy(task.kernel(), &task.files())?;
    }
    let (old, fs) = (task.namespaces().ok_or(Errno::ESRCH)?, task.fs());
    let made =
        ns::Change::made(task.kernel(), (task.group_ref(), &old, &fs), &task.creds(), flags)?;
    if flags.contains(F::FILES) {
        task.set_files(task.files().fork());
    }
    if flags.contains(F::FS) {
        task.set_fs(fs.fork());
    }
    if let Some(change) = made {
        change.commit(task);
    }
    Ok(())
}
