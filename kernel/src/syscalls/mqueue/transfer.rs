//! mq_timedsend(2), mq_timedreceive(2).

use super::find;
use super::names::PRIO_MAX;
use super::queue::{Message, Waiting};
use crate::block::{Blocked, wait_on};
use crate::syscalls::abi::{read_timespec, write_if};
use crate::syscalls::fs::flat;
use crate::{Args, ClockId, Outcome, TaskCx};
use alloc::boxed::Box;
use arch::{Addr, Permissions, UserMemory, UserMemoryExt};
use mm::MemoryManager;
use sync::waitq::Events;
use syserr::{Errno, Restart};

/// A point in `CLOCK_REALTIME`, on `CLOCK_MONOTONIC`.
fn deadline(cx: &TaskCx, at: u64) -> Result<Option<i64>, Errno> {
    let t = read_timespec(&**cx.mm(), at)?;
    Ok(t.map(|t| {
        let left = t.saturating_sub(cx.kernel().now(ClockId::Realtime));
        cx.kernel().now(ClockId::Monotonic).saturating_add(left)
    }))
}

fn ended(e: Blocked) -> Outcome {
    match e {
        Blocked::Interrupted => Outcome::Restart(Restart::Sys),
        Blocked::TimedOut => Errno::ETIMEDOUT.into(),
    }
}

/// mq_timedsend(2).
pub(crate) fn sys_mq_timedsend(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat(send(cx, a))
}

fn send(cx: &TaskCx, a: &Args) -> Result<Outcome, Errno> {
    let deadline = deadline(cx, a[4])?;
    let priority = a[3] as u32;
    if priority >= PRIO_MAX {
        return Err(Errno::EINVAL);
    }
    let (file, queue) = find(cx, a[0])?;
    if !file.flags().writable() {
        return Err(Errno::EBADF);
    }
    if a[2] > queue.shape.msgsize {
        return Err(Errno::EMSGSIZE);
    }
    let mut m: Message = (priority, cx.mm().read_vec(Addr(a[1]), a[2] as usize)?);
    match queue.put(&cx.task, &mut m) {
        Err(Errno::EAGAIN) if !file.nonblocking() => {}
        r => return Ok(r.map(|()| 0).into()),
    }
    let task = cx.task.clone();
    Ok(Outcome::Block(Box::pin(async move {
        let attempt = || match queue.put(&task, &mut m) {
            Err(Errno::EAGAIN) => None,
            r => Some(r.map(|()| 0)),
        };
        match task.block(deadline, wait_on(&queue.waiters, Events::OUT, attempt)).await {
            Ok(r) => r.into(),
            Err(e) => ended(e),
        }
    })))
}

/// mq_timedreceive(2).
pub(crate) fn sys_mq_timedreceive(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat(receive(cx, a))
}

/// A message that cannot be delivered is lost, as in Linux.
fn deliver(mm: &MemoryManager, a: &Args, m: &Message) -> Result<u64, Errno> {
    write_if(mm, a[3], &m.0)?;
    mm.copy_out(Addr(a[1]), &m.1, Permissions::Obey)?;
    Ok(m.1.len() as u64)
}

fn receive(cx: &TaskCx, a: &Args) -> Result<Outcome, Errno> {
    let deadline = deadline(cx, a[4])?;
    let (file, queue) = find(cx, a[0])?;
    if !file.flags().readable() {
        return Err(Errno::EBADF);
    }
    if a[2] < queue.shape.msgsize {
        return Err(Errno::EMSGSIZE);
    }
    if let Some(m) = queue.take(None) {
        return Ok(deliver(cx.mm(), a, &m).into());
    }
    if file.nonblocking() {
        return Err(Errno::EAGAIN);
    }
    let (task, mm, a) = (cx.task.clone(), cx.mm().clone(), *a);
    Ok(Outcome::Block(Box::pin(async move {
        let mut waiting = Waiting::new(queue.clone());
        let attempt = || queue.take(Some(&mut waiting));
        match task.block(deadline, wait_on(&queue.waiters, Events::IN, attempt)).await {
            Ok(m) => deliver(&mm, &a, &m).into(),
            Err(e) => ended(e),
        }
    })))
}
