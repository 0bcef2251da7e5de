//! io_getevents(2), io_pgetevents(2).

use super::abi::IoEvent;
use super::contexts::find;
use crate::block::{Blocked, wait_on};
use crate::syscalls::abi::Pair;
use crate::syscalls::fs::flat;
use crate::syscalls::poll::set_mask;
use crate::{Args, ClockId, Outcome, TaskCx};
use alloc::boxed::Box;
use arch::{Addr, UserMemoryExt};
use sync::waitq::Events;
use syserr::{Errno, Restart};

/// A span in nanoseconds, or `None` for ever. What is not normalised is taken as it is.
fn timeout(cx: &TaskCx, at: u64) -> Result<Option<i64>, Errno> {
    if at == 0 {
        return Ok(None);
    }
    let t: Pair = cx.mm().read_obj(Addr(at))?;
    Ok(Some(t.sec.saturating_mul(1_000_000_000).saturating_add(t.frac)))
}

/// io_getevents(2).
pub(crate) fn sys_io_getevents(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat(timeout(cx, a[4]).and_then(|t| wait(cx, a, t, Errno::EINTR.into())))
}

/// io_pgetevents(2).
pub(crate) fn sys_io_pgetevents(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let t = timeout(cx, a[4])?;
        if a[5] != 0 {
            let [mask, size]: [u64; 2] = cx.mm().read_obj(Addr(a[5]))?;
            set_mask(cx, mask, size)?;
        }
        wait(cx, a, t, Outcome::Restart(Restart::NoHand))
    })())
}

fn wait(
    cx: &TaskCx,
    a: &Args,
    timeout: Option<i64>,
    interrupted: Outcome,
) -> Result<Outcome, Errno> {
    let context = find(cx, a[0])?;
    let (least, most) = (a[1] as i64, a[2] as i64);
    if least < 0 || least > most {
        return Err(Errno::EINVAL);
    }
    let (least, most, at) = (least as u64, most as u64, a[3]);
    let mut done = match context.take(&**cx.mm(), Addr(at), most) {
        Ok(n) if n < least && timeout != Some(0) => n,
        r => return Ok(r.into()),
    };
    let deadline = timeout.map(|t| cx.kernel().now(ClockId::Monotonic).saturating_add(t));
    let (task, mm) = (cx.task.clone(), cx.mm().clone());
    Ok(Outcome::Block(Box::pin(async move {
        let mut more = || {
            let to = Addr(at).wrapping_add(done * size_of::<IoEvent>() as u64);
            match context.take(&*mm, to, most - done) {
                Ok(n) => {
                    done += n;
                    (done >= least).then_some(Ok(()))
                }
                Err(e) => Some(Err(e)),
            }
        };
        let r = task.block(deadline, wait_on(&context.queue, Events::IN, &mut more)).await;
        match r {
            _ if done > 0 => Ok(done).into(),
            Ok(Err(e)) => e.into(),
            Err(Blocked::Interrupted) => interrupted,
            Ok(Ok(())) | Err(Blocked::TimedOut) => Ok(0).into(),
        }
    })))
}
