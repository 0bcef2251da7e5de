//! clock_nanosleep(2) on clocks of processor time.

use crate::block::Blocked;
use crate::restart::RestartBlock;
use crate::syscalls::abi::{Pair, write_if};
use crate::timers::TimerClock;
use crate::{Args, ClockId, Outcome, Task, TaskCx};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::future::pending;
use syserr::{Errno, Restart};

/// The shortest wait between two looks at the clock, as of timers on such clocks.
const TICK: i64 = 4_000_000;
/// How long running threads get to publish their times.
const PUBLISHING: i64 = 200_000;

/// Sleeps until a process or thread has used `ns` more of processor time, or so much in all.
pub(super) fn sleep(cx: &mut TaskCx, id: i32, thread: bool, ns: i64, to: Option<u64>) -> Outcome {
    cx.publish_times();
    let Some(now) = (TimerClock::Cpu { id, thread }).now(cx.kernel()) else {
        return Errno::EINVAL.into();
    };
    match to {
        None => {
            let (task, clock) = (cx.task.clone(), TimerClock::Cpu { id, thread });
            Outcome::Block(Box::pin(async move {
                match wait(&task, clock, ns).await {
                    Ok(()) => Ok(0).into(),
                    Err(_) => Outcome::Restart(Restart::NoHand),
                }
            }))
        }
        Some(remaining) => {
            let args = [remaining, id as u64, u64::from(thread), 0, 0, 0];
            until(cx, &args, now.saturating_add(ns))
        }
    }
}

/// Sleeps until `deadline` on the clock; `args` are where the time that is left goes, and the
/// clock.
fn until(cx: &mut TaskCx, args: &Args, deadline: i64) -> Outcome {
    let (task, mm, args) = (cx.task.clone(), cx.mm().clone(), *args);
    let clock = TimerClock::Cpu { id: args[1] as i32, thread: args[2] != 0 };
    Outcome::Block(Box::pin(async move {
        let Err(left) = wait(&task, clock, deadline).await else { return Ok(0).into() };
        if let Err(e) = write_if(&*mm, args[0], &Pair::nanos(left)) {
            return e.into();
        }
        task.set_restart_block(RestartBlock { args, deadline, resume: until });
        Outcome::Restart(Restart::Block)
    }))
}

/// Waits for the clock. What it counts may end: then it never gets there.
///
/// # Errors
/// When a signal comes first: what is left.
async fn wait(task: &Arc<Task>, clock: TimerClock, deadline: i64) -> Result<(), i64> {
    let kernel = task.kernel();
    let TimerClock::Cpu { id, .. } = clock else { return Ok(()) };
    let mut left = i64::MAX;
    loop {
        if let Some(now) = clock.now(kernel) {
            left = deadline.saturating_sub(now);
        }
        if left <= 0 {
            return Ok(());
        }
        let threads = kernel.task(id).map_or(1, |t| t.group_ref().thread_count().max(1));
        let span = (left / threads as i64).max(TICK);
        pass(task, span).await.map_err(|_| left)?;
        let group = kernel.task(id).map(|t| t.group());
        if let Some(g) = group {
            g.publish_cpu_times();
            drop(g);
            pass(task, PUBLISHING).await.map_err(|_| left)?;
        }
    }
}

/// Lets time pass.
async fn pass(task: &Arc<Task>, span: i64) -> Result<(), Blocked> {
    let at = task.kernel().now(ClockId::Monotonic).saturating_add(span);
    match task.block(Some(at), pending::<()>()).await {
        Err(Blocked::Interrupted) => Err(Blocked::Interrupted),
        _ => Ok(()),
    }
}
