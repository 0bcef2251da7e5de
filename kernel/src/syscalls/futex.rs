//! Futexes.

use crate::block::Blocked;
use crate::futexes::Memory;
use crate::ns::OwnClock;
use crate::restart::RestartBlock;
use crate::syscalls::abi::read_timespec;
use crate::syscalls::process::may_inspect;
use crate::{Args, ClockId, Outcome, Task, TaskCx};
use alloc::boxed::Box;
use alloc::sync::Arc;
use arch::{Addr, UserMemoryExt};
use core::pin::pin;
use futex::abi::{FutexWaitv, WAITV_MAX};
use futex::futex2::{Futex2, requeue_words};
use futex::{Clock, Counts, Manager, Op, Step, Timeout, Wait, WaitEntry, Waiter, Word};
use syserr::{Errno, Restart};

/// futex(2).
pub fn sys_futex(cx: &mut TaskCx, a: &Args) -> Outcome {
    let op = a[1] as u32;
    let timeout = match deadline(cx, Timeout::of(op), a[3]) {
        Ok(t) => t,
        Err(e) => return e.into(),
    };
    let args = futex::Args {
        uaddr: Addr(a[0]),
        op,
        val: a[2] as u32,
        val2: a[3],
        uaddr2: Addr(a[4]),
        val3: a[5] as u32,
    };
    match Op::decode(&args) {
        Ok(op) => perform(cx, op, a, timeout),
        Err(e) => e.into(),
    }
}

/// The deadline on `CLOCK_MONOTONIC` that a timeout means.
fn deadline(cx: &TaskCx, kind: Timeout, at: u64) -> Result<Option<i64>, Errno> {
    let read = || read_timespec(&**cx.mm(), at);
    let now = |c| cx.kernel().now(c);
    Ok(match kind {
        Timeout::NotUsed => None,
        Timeout::Relative => read()?.map(|t| now(ClockId::Monotonic).saturating_add(t)),
        Timeout::Absolute(Clock::Monotonic) => {
            read()?.map(|t| cx.task.clock_offsets().first(OwnClock::Monotonic, t))
        }
        Timeout::Absolute(Clock::Realtime) => read()?.map(|t| {
            let left = t.saturating_sub(now(ClockId::Realtime));
            now(ClockId::Monotonic).saturating_add(left)
        }),
    })
}

/// What restart_syscall(2) goes on with.
fn resume(cx: &mut TaskCx, a: &Args, deadline: i64) -> Outcome {
    let args = futex::Args {
        uaddr: Addr(a[0]),
        op: a[1] as u32,
        val: a[2] as u32,
        val2: a[3],
        uaddr2: Addr(a[4]),
        val3: a[5] as u32,
    };
    match Op::decode(&args) {
        Ok(op) => perform(cx, op, a, Some(deadline)),
        Err(e) => e.into(),
    }
}

fn perform(cx: &TaskCx, op: Op, a: &Args, deadline: Option<i64>) -> Outcome {
    let manager = match cx.futex() {
        Ok(m) => m,
        Err(e) => return e.into(),
    };
    let mut waiter = Waiter::new();
    let target = Memory(cx.mm().clone());
    match manager.execute(&mut waiter, target, cx.task.pi_task(), &op) {
        Err(e) => e.into(),
        Ok(Step::Done(n)) => Outcome::Done(Ok(n.into())),
        Ok(Step::Block(wait)) => sleep(cx, wait.into_owned(), deadline, Some((op, *a))),
    }
}

/// Sleeps as a future of its own. `op` decides how an interrupted call goes on.
fn sleep(
    cx: &TaskCx,
    wait: Wait<'static, Memory>,
    deadline: Option<i64>,
    op: Option<(Op, Args)>,
) -> Outcome {
    let task = cx.task.clone();
    Outcome::Block(Box::pin(async move { finish(task, wait, deadline, op).await }))
}

async fn finish(
    task: Arc<Task>,
    mut wait: Wait<'static, Memory>,
    deadline: Option<i64>,
    op: Option<(Op, Args)>,
) -> Outcome {
    let slept = task.block(deadline, pin!(&mut wait)).await;
    let number = |r: Result<u32, Errno>| Outcome::Done(r.map(u64::from));
    match slept {
        Ok(r) => number(r),
        Err(Blocked::TimedOut) => number(wait.cancel().on_timeout()),
        Err(Blocked::Interrupted) => {
            let outcome = wait.cancel();
            let Some((op, args)) = op else {
                return match outcome {
                    futex::Outcome::Finished(r) => number(r),
                    _ => Outcome::Restart(Restart::Sys),
                };
            };
            match op.interrupted(outcome, deadline.is_some()) {
                Err(r) => number(r),
                Ok(restart) => {
                    if let (Restart::Block, Some(deadline)) = (restart, deadline) {
                        task.set_restart_block(RestartBlock { args, deadline, resume });
                    }
                    Outcome::Restart(restart)
                }
            }
        }
    }
}

/// futex_waitv(2).
pub fn sys_futex_waitv(cx: &mut TaskCx, a: &Args) -> Outcome {
    match waitv(cx, a) {
        Ok(o) => o,
        Err(e) => e.into(),
    }
}

fn waitv(cx: &TaskCx, a: &Args) -> Result<Outcome, Errno> {
    let count = a[1] as u32 as usize;
    if a[2] as u32 != 0 || count == 0 || count > WAITV_MAX || a[0] == 0 {
        return Err(Errno::EINVAL);
    }
    let deadline = absolute(cx, a[3], a[4])?;
    let raw: alloc::vec::Vec<FutexWaitv> = cx.mm().read_vec(Addr(a[0]), count)?;
    let entries = raw.into_iter().map(WaitEntry::try_from);
    let entries = entries.collect::<Result<alloc::vec::Vec<_>, Errno>>()?;
    let step = cx.futex()?.waitv(Memory(cx.mm().clone()), &entries)?;
    Ok(blocking(cx, step, deadline))
}

fn blocking(cx: &TaskCx, step: Step<'_, Memory>, deadline: Option<i64>) -> Outcome {
    match step {
        Step::Done(n) => Outcome::Done(Ok(n.into())),
        Step::Block(wait) => sleep(cx, wait.into_owned(), deadline, None),
    }
}

/// An absolute deadline on a clock that the call names.
fn absolute(cx: &TaskCx, at: u64, clock: u64) -> Result<Option<i64>, Errno> {
    if at == 0 {
        return Ok(None);
    }
    let clock = match clock as i32 {
        0 => Clock::Realtime,
        1 => Clock::Monotonic,
        _ => return Err(Errno::EINVAL),
    };
    deadline(cx, Timeout::Absolute(clock), at)
}

/// futex_wake(2).
pub fn sys_futex_wake(cx: &mut TaskCx, a: &Args) -> Outcome {
    let wake = || {
        let f = Futex2::from_flags(a[3] as u32)?;
        let target = Memory(cx.mm().clone());
        cx.futex()?.futex2_wake(target, Addr(a[0]), f, a[1], a[2] as i32)
    };
    Outcome::Done(wake().map(u64::from))
}

/// futex_wait(2).
pub fn sys_futex_wait(cx: &mut TaskCx, a: &Args) -> Outcome {
    match wait2(cx, a) {
        Ok(o) => o,
        Err(e) => e.into(),
    }
}

fn wait2(cx: &TaskCx, a: &Args) -> Result<Outcome, Errno> {
    let f = Futex2::from_flags(a[3] as u32)?;
    let (val, mask) = (f.narrow(a[1])?, f.narrow(a[2])?);
    let deadline = absolute(cx, a[4], a[5])?;
    let mut waiter = Waiter::new();
    let manager: &Manager = cx.futex()?;
    let target = Memory(cx.mm().clone());
    let wait = manager.wait_bitset(&mut waiter, target, Addr(a[0]), f.scope(), val, mask)?;
    Ok(sleep(cx, wait.into_owned(), deadline, None))
}

/// futex_requeue(2).
pub fn sys_futex_requeue(cx: &mut TaskCx, a: &Args) -> Outcome {
    let requeue = || {
        if a[1] as u32 != 0 || a[0] == 0 {
            return Err(Errno::EINVAL);
        }
        let pair: [FutexWaitv; 2] = cx.mm().read_obj(Addr(a[0]))?;
        let (from, to, val): (Word, Word, u32) = requeue_words(pair)?;
        let counts = Counts { wake: a[2] as i32, requeue: a[3] as i32 };
        cx.futex()?.requeue(Memory(cx.mm().clone()), from, to, counts, Some(val))
    };
    Outcome::Done(requeue().map(u64::from))
}

/// Size of `struct robust_list_head`, in bytes.
const ROBUST_HEAD: u64 = 24;

/// set_robust_list(2).
pub fn sys_set_robust_list(cx: &mut TaskCx, a: &Args) -> Outcome {
    if a[1] != ROBUST_HEAD {
        return Errno::EINVAL.into();
    }
    cx.task.set_robust_list(Addr(a[0]));
    Outcome::Done(Ok(0))
}

/// get_robust_list(2).
pub fn sys_get_robust_list(cx: &mut TaskCx, a: &Args) -> Outcome {
    let get = || {
        let task = match a[0] as i32 {
            0 => cx.task.clone(),
            tid => cx.task.find(tid)?,
        };
        may_inspect(&cx.task, &task)?;
        cx.mm().write_obj(Addr(a[2]), &ROBUST_HEAD)?;
        cx.mm().write_obj(Addr(a[1]), &task.robust_list().0)
    };
    get().map(|()| 0).into()
}
