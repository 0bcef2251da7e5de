//! Waiting for signals.

use super::read_set;
use crate::block::{Blocked, wait_on};
use crate::signal::{SigInfo, SignalSet};
use crate::syscalls::abi::read_timespec;
use crate::{Args, ClockId, Outcome, Task, TaskCx};
use alloc::boxed::Box;
use alloc::sync::Arc;
use arch::{Addr, Permissions, UserMemory};
use core::future::pending;
use mm::MemoryManager;
use sync::waitq::Events;
use syserr::{Errno, Restart};

/// pause(2).
pub fn sys_pause(cx: &mut TaskCx, _: &Args) -> Outcome {
    sleep(cx.task.clone())
}

/// rt_sigsuspend(2).
pub fn sys_rt_sigsuspend(cx: &mut TaskCx, a: &Args) -> Outcome {
    match read_set(cx, a[0], a[1]) {
        Ok(set) => cx.task.set_temporary_mask(set),
        Err(e) => return e.into(),
    }
    sleep(cx.task.clone())
}

fn sleep(task: Arc<Task>) -> Outcome {
    Outcome::Block(Box::pin(async move {
        let _: Result<(), Blocked> = task.block(None, pending()).await;
        Outcome::Restart(Restart::NoHand)
    }))
}

/// restart_syscall(2).
pub fn sys_restart_syscall(cx: &mut TaskCx, _: &Args) -> Outcome {
    let block = cx.task.restart.lock().take();
    match block {
        Some(b) => (b.resume)(cx, &b.args, b.deadline),
        None => Errno::EINTR.into(),
    }
}

/// rt_sigtimedwait(2).
pub fn sys_rt_sigtimedwait(cx: &mut TaskCx, a: &Args) -> Outcome {
    let parsed = read_set(cx, a[0], a[3])
        .and_then(|set| Ok((set.blockable(), read_timespec(&**cx.mm(), a[2])?)));
    let (set, timeout) = match parsed {
        Ok(p) => p,
        Err(e) => return e.into(),
    };
    let mm = cx.mm().clone();
    if let Some(info) = cx.task.dequeue_signal(set) {
        return report(&mm, a[1], &info).into();
    }
    if timeout == Some(0) {
        return Errno::EAGAIN.into();
    }
    let deadline = timeout.map(|t| cx.kernel().now(ClockId::Monotonic).saturating_add(t));
    let (task, at) = (cx.task.clone(), a[1]);
    Outcome::Block(Box::pin(async move {
        // The signals waited for are blocked, mostly: they have to wake this thread even so.
        task.wait_for_signals(set);
        let group = task.group();
        let found = {
            let taken = wait_on(&group.signal_queue, Events::IN, || task.dequeue_signal(set));
            task.block(deadline, taken).await
        };
        task.wait_for_signals(SignalSet::EMPTY);
        match found {
            Ok(info) => report(&mm, at, &info).into(),
            Err(Blocked::TimedOut) => Errno::EAGAIN.into(),
            Err(Blocked::Interrupted) => Errno::EINTR.into(),
        }
    }))
}

fn report(mm: &MemoryManager, at: u64, info: &SigInfo) -> Result<u64, Errno> {
    if at != 0 {
        mm.copy_out(Addr(at), &info.to_bytes(), Permissions::Obey)?;
    }
    Ok(info.signo as u64)
}

impl Task {
    fn wait_for_signals(&self, set: SignalSet) {
        let _state = self.group_ref().lock();
        self.signals.lock().waiting_for = set;
    }
}
