//! timer_create(2) and its relatives.

use super::clock::Clock;
use crate::signal::{SIGALRM, SIGNAL_COUNT};
use crate::syscalls::abi::{Pair, TimerSpec, write_if};
use crate::timers::{Notify, TimerClock};
use crate::{Args, ClockId, Outcome, TaskCx};
use alloc::sync::Arc;
use arch::{Addr, UserMemoryExt};
use syserr::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct sigevent`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct SigEvent {
    value: u64,
    signo: i32,
    notify: i32,
    tid: i32,
    pad: [i32; 11],
}

static_assertions::const_assert_eq!(size_of::<SigEvent>(), 64);

/// timer_create(2).
pub fn sys_timer_create(cx: &mut TaskCx, a: &Args) -> Outcome {
    create(cx, a).map(|()| 0).into()
}

fn create(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    let clock = match Clock::from_raw(a[0] as i32)? {
        // CLOCK_MONOTONIC_RAW and the coarse clocks have no timers.
        _ if [4, 5, 6].contains(&(a[0] as i32)) => return Err(Errno::EOPNOTSUPP),
        Clock::Realtime => TimerClock::Realtime,
        Clock::Monotonic => TimerClock::Monotonic,
        Clock::Boottime => TimerClock::Boottime,
        Clock::Process(id) => TimerClock::Cpu { id: task_id(cx, id, false)?, thread: false },
        Clock::Thread(id) => TimerClock::Cpu { id: task_id(cx, id, true)?, thread: true },
    };
    let (notify, value) = match a[1] {
        0 => (Notify::Process(SIGALRM), None),
        at => {
            let e: SigEvent = cx.mm().read_obj(Addr(at))?;
            let signo = e.signo as u32;
            let valid = (1..=SIGNAL_COUNT).contains(&signo);
            let notify = match e.notify {
                1 => Notify::Nothing,
                0 if valid => Notify::Process(signo),
                4 if valid => {
                    let t = cx.task.find(e.tid).map_err(|_| Errno::EINVAL)?;
                    if t.tgid() != cx.task.tgid() {
                        return Err(Errno::EINVAL);
                    }
                    Notify::Thread(signo, Arc::downgrade(&t))
                }
                // SIGEV_THREAD is a signal to the kernel.
                2 if valid => Notify::Process(signo),
                _ => return Err(Errno::EINVAL),
            };
            (notify, Some(e.value))
        }
    };
    let group = cx.task.group_ref();
    let id = group.create_timer(clock, notify, value)?;
    cx.mm().write_obj(Addr(a[2]), &id).inspect_err(|_| {
        // It was made just now.
        let _ = group.delete_timer(cx.kernel(), id);
    })
}

/// The task whose processor time a clock counts; 0 is the caller.
pub(super) fn task_id(cx: &TaskCx, id: i32, thread: bool) -> Result<i32, Errno> {
    match (id, thread) {
        (0, true) => Ok(cx.task.tid()),
        (0, false) => Ok(cx.task.tgid()),
        (id, _) => {
            let task = cx.task.find(id).map_err(|_| Errno::EINVAL)?;
            let foreign = if thread { task.tgid() != cx.task.tgid() } else { !task.is_leader() };
            if foreign { Err(Errno::EINVAL) } else { Ok(task.tid()) }
        }
    }
}

/// timer_settime(2).
pub fn sys_timer_settime(cx: &mut TaskCx, a: &Args) -> Outcome {
    set(cx, a).map(|()| 0).into()
}

fn set(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    let mm = cx.mm();
    if a[2] == 0 {
        return Err(Errno::EINVAL);
    }
    let spec: TimerSpec = mm.read_obj(Addr(a[2]))?;
    let (value, interval) = (spec.value.as_timespec()?, spec.interval.as_timespec()?);
    let (kernel, group, id) = (cx.kernel(), cx.task.group_ref(), a[0] as i32);
    let clock = group.timer_clock(id)?;
    let absolute = a[1] & 1 != 0;
    cx.publish_times();
    let now = clock.now(kernel).ok_or(Errno::ESRCH)?;
    // Deadlines of processor time stay on its own clock.
    let cpu = matches!(clock, TimerClock::Cpu { .. });
    let base = if cpu { now } else { kernel.now(ClockId::Monotonic) };
    let left = match (value, absolute) {
        (0, _) => None,
        (v, false) => Some(v),
        (v, true) => {
            let own = clock.own().map(|c| cx.task.clock_offsets().first(c, v));
            Some(own.unwrap_or(v).saturating_sub(now))
        }
    };
    let deadline = left.map(|l| base.saturating_add(l).max(1));
    let (left, old) = group.set_timer(kernel, id, deadline, interval)?;
    write_if(&**mm, a[3], &TimerSpec { interval: Pair::nanos(old), value: Pair::nanos(left) })
}

/// timer_gettime(2).
pub fn sys_timer_gettime(cx: &mut TaskCx, a: &Args) -> Outcome {
    let state = cx.task.group_ref().timer_state(cx.kernel(), a[0] as i32);
    state
        .and_then(|(left, interval)| {
            let spec = TimerSpec { interval: Pair::nanos(interval), value: Pair::nanos(left) };
            cx.mm().write_obj(Addr(a[1]), &spec)
        })
        .map(|()| 0)
        .into()
}

/// timer_getoverrun(2).
pub fn sys_timer_getoverrun(cx: &mut TaskCx, a: &Args) -> Outcome {
    cx.task.group_ref().timer_overrun(a[0] as i32).map(|n| n as u64).into()
}

/// timer_delete(2).
pub fn sys_timer_delete(cx: &mut TaskCx, a: &Args) -> Outcome {
    cx.task.group_ref().delete_timer(cx.kernel(), a[0] as i32).map(|()| 0).into()
}
