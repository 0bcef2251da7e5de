//! nanosleep(2), clock_nanosleep(2).

use super::clock::Clock;
use crate::block::Blocked;
use crate::restart::RestartBlock;
use crate::syscalls::abi::{Pair, write_if};
use crate::{Args, ClockId, Outcome, TaskCx};
use alloc::boxed::Box;
use arch::{Addr, UserMemoryExt};
use core::future::pending;
use syserr::{Errno, Restart};

const TIMER_ABSTIME: u64 = 1;

/// nanosleep(2).
pub fn sys_nanosleep(cx: &mut TaskCx, a: &Args) -> Outcome {
    match read(cx, a[0]) {
        Ok(ns) => relative(cx, ns, a[1]),
        Err(e) => e.into(),
    }
}

/// clock_nanosleep(2).
pub fn sys_clock_nanosleep(cx: &mut TaskCx, a: &Args) -> Outcome {
    let clock = match Clock::from_raw(a[0] as i32) {
        // CLOCK_MONOTONIC_RAW, the coarse clocks and those of threads cannot be slept on.
        Ok(_) if [4, 5, 6].contains(&(a[0] as i32)) => return Errno::EOPNOTSUPP.into(),
        Ok(Clock::Thread(0)) => return Errno::EINVAL.into(),
        Ok(Clock::Process(_) | Clock::Thread(_)) => return Errno::EOPNOTSUPP.into(),
        Ok(c) => c,
        Err(e) => return e.into(),
    };
    let ns = match read(cx, a[2]) {
        Ok(ns) => ns,
        Err(e) => return e.into(),
    };
    if a[1] & TIMER_ABSTIME == 0 {
        return relative(cx, ns, a[3]);
    }
    let deadline = match clock {
        Clock::Realtime => {
            let kernel = cx.kernel();
            let left = ns.saturating_sub(kernel.now(ClockId::Realtime));
            kernel.now(ClockId::Monotonic).saturating_add(left)
        }
        _ => ns,
    };
    let task = cx.task.clone();
    Outcome::Block(Box::pin(async move {
        match task.block(Some(deadline), pending::<()>()).await {
            Err(Blocked::Interrupted) => Outcome::Restart(Restart::NoHand),
            _ => Outcome::Done(Ok(0)),
        }
    }))
}

fn read(cx: &TaskCx, at: u64) -> Result<i64, Errno> {
    cx.mm().read_obj::<Pair>(Addr(at))?.as_timespec()
}

fn relative(cx: &mut TaskCx, ns: i64, remaining: u64) -> Outcome {
    let deadline = cx.kernel().now(ClockId::Monotonic).saturating_add(ns);
    until(cx, &[remaining, 0, 0, 0, 0, 0], deadline)
}

/// Sleeps until `deadline`; `args[0]` is where the time that is left goes.
fn until(cx: &mut TaskCx, args: &Args, deadline: i64) -> Outcome {
    let (task, mm, args) = (cx.task.clone(), cx.mm().clone(), *args);
    Outcome::Block(Box::pin(async move {
        if task.block(Some(deadline), pending::<()>()).await != Err(Blocked::Interrupted) {
            return Outcome::Done(Ok(0));
        }
        let left = deadline.saturating_sub(task.kernel().now(ClockId::Monotonic)).max(0);
        if let Err(e) = write_if(&*mm, args[0], &Pair::nanos(left)) {
            return e.into();
        }
        task.set_restart_block(RestartBlock { args, deadline, resume: until });
        Outcome::Restart(Restart::Block)
    }))
}
