//! nanosleep(2), clock_nanosleep(2).

use super::clock::Clock;
use super::cpu_sleep;
use super::posix::task_id;
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
    let raw = a[0] as i32;
    // CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, the coarse clocks and those of devices cannot
    // be slept on.
    if matches!(raw, 3..=6) || (raw < 0 && raw & 7 == 3) {
        return Errno::EOPNOTSUPP.into();
    }
    let (clock, ns) = match Clock::from_raw(raw).and_then(|c| Ok((c, read(cx, a[2])?))) {
        Ok(x) => x,
        Err(e) => return e.into(),
    };
    let absolute = a[1] & TIMER_ABSTIME != 0;
    if let Clock::Process(id) | Clock::Thread(id) = clock {
        let thread = matches!(clock, Clock::Thread(_));
        // While it sleeps, a thread's own clock stands.
        if thread && (id == 0 || id == cx.task.number()) {
            return Errno::EINVAL.into();
        }
        return match task_id(cx, id, thread) {
            Ok(id) => cpu_sleep::sleep(cx, id, thread, ns, (!absolute).then_some(a[3])),
            Err(e) => e.into(),
        };
    }
    if !absolute {
        return relative(cx, ns, a[3]);
    }
    let deadline = match clock {
        Clock::Realtime => {
            let kernel = cx.kernel();
            let left = ns.saturating_sub(kernel.now(ClockId::Realtime));
            kernel.now(ClockId::Monotonic).saturating_add(left)
        }
        _ => clock.own().map_or(ns, |c| cx.task.clock_offsets().first(c, ns)),
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
