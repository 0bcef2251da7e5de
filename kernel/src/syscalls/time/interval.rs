//! getitimer(2), setitimer(2), alarm(2).

use crate::syscalls::abi::{Pair, SECOND, TimerSpec, write_if};
use crate::timers::{IntervalTimer, Which};
use crate::{Args, Outcome, TaskCx};
use arch::{Addr, UserMemoryExt};
use syserr::Errno;

fn which(raw: u64) -> Result<Which, Errno> {
    match raw as i32 {
        0 => Ok(Which::Real),
        1 => Ok(Which::Virtual),
        2 => Ok(Which::Prof),
        _ => Err(Errno::EINVAL),
    }
}

fn show(t: IntervalTimer) -> TimerSpec {
    let mut value = Pair::micros(t.value);
    // An armed timer is never shown as disarmed.
    if t.value > 0 && value == Pair::default() {
        value.frac = 1;
    }
    TimerSpec { interval: Pair::micros(t.interval), value }
}

/// getitimer(2).
pub fn sys_getitimer(cx: &mut TaskCx, a: &Args) -> Outcome {
    let which = match which(a[0]) {
        Ok(w) => w,
        Err(e) => return e.into(),
    };
    cx.publish_times();
    let group = cx.task.group_ref();
    let timer = group.interval_timer(cx.kernel(), which, group.cpu_times());
    cx.mm().write_obj(Addr(a[1]), &show(timer)).map(|()| 0).into()
}

/// setitimer(2).
pub fn sys_setitimer(cx: &mut TaskCx, a: &Args) -> Outcome {
    set(cx, a).map(|()| 0).into()
}

fn set(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    let spec = match a[1] {
        // Linux takes a null pointer as a request to disarm.
        0 => TimerSpec::default(),
        at => cx.mm().read_obj(Addr(at))?,
    };
    let new =
        IntervalTimer { value: spec.value.as_timeval()?, interval: spec.interval.as_timeval()? };
    let which = which(a[0])?;
    cx.publish_times();
    let group = cx.task.group_ref();
    let old = group.set_interval_timer(cx.kernel(), which, new, group.cpu_times());
    write_if(&**cx.mm(), a[2], &show(old))
}

/// alarm(2).
pub fn sys_alarm(cx: &mut TaskCx, a: &Args) -> Outcome {
    let value = i64::from(a[0] as u32) * SECOND;
    let group = cx.task.group_ref();
    let new = IntervalTimer { value, interval: 0 };
    let old = group.set_interval_timer(cx.kernel(), Which::Real, new, group.cpu_times());
    // Rounded to the nearest second, but never to none (`alarm_setitimer`).
    let (secs, rest) = (old.value / SECOND, old.value % SECOND);
    let up = (secs == 0 && rest > 0) || rest >= SECOND / 2;
    Outcome::Done(Ok((secs + i64::from(up)) as u64))
}
