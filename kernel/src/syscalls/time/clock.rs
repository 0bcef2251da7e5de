//! Reading clocks. Nobody may set them: they are the embedder's.

use crate::ns::OwnClock;
use crate::syscalls::abi::{Pair, SECOND, write_if};
use crate::task::CpuTimes;
use crate::usage::{TICK, ticks};
use crate::{Args, ClockId, Outcome, Task, TaskCx};
use alloc::sync::Arc;
use arch::{Addr, UserMemoryExt};
use syserr::Errno;
use vfs::cap;

/// A clock of clock_gettime(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    Realtime,
    Monotonic,
    Boottime,
    /// `CLOCK_PROCESS_CPUTIME_ID` and its like, of a process.
    Process(i32),
    /// `CLOCK_THREAD_CPUTIME_ID` and its like, of a thread.
    Thread(i32),
}

impl Clock {
    /// The clock with a number; 0 as process or thread is the caller.
    ///
    /// # Errors
    /// `EINVAL`.
    pub(super) fn from_raw(id: i32) -> Result<Clock, Errno> {
        Ok(match id {
            // REALTIME, REALTIME_COARSE, REALTIME_ALARM, TAI.
            0 | 5 | 8 | 11 => Clock::Realtime,
            // MONOTONIC, MONOTONIC_RAW, MONOTONIC_COARSE.
            1 | 4 | 6 => Clock::Monotonic,
            // BOOTTIME, BOOTTIME_ALARM.
            7 | 9 => Clock::Boottime,
            2 => Clock::Process(0),
            3 => Clock::Thread(0),
            // The complement of the ID, and three bits: which clock (PROF, VIRT, SCHED), thread.
            n if n < 0 && n & 3 != 3 => match n & 4 {
                0 => Clock::Process(!(n >> 3)),
                _ => Clock::Thread(!(n >> 3)),
            },
            _ => return Err(Errno::EINVAL),
        })
    }

    /// What of it each time namespace has for itself.
    pub(super) fn own(self) -> Option<OwnClock> {
        match self {
            Clock::Monotonic => Some(OwnClock::Monotonic),
            Clock::Boottime => Some(OwnClock::Boottime),
            _ => None,
        }
    }

    /// Nanoseconds now.
    ///
    /// # Errors
    /// `EINVAL` for the clock of a task that is not there.
    pub(super) fn now(self, cx: &TaskCx) -> Result<i64, Errno> {
        let find = |id: i32| -> Result<Arc<Task>, Errno> {
            if id == 0 { Ok(cx.task.clone()) } else { cx.task.find(id).map_err(|_| Errno::EINVAL) }
        };
        Ok(match self {
            Clock::Realtime => cx.kernel().now(ClockId::Realtime),
            Clock::Monotonic | Clock::Boottime => {
                let now = cx.kernel().now(ClockId::Monotonic);
                self.own().map_or(now, |c| cx.task.clock_offsets().shown(c, now))
            }
            Clock::Process(id) => {
                cx.publish_times();
                find(id)?.group_ref().cpu_times().total() as i64
            }
            Clock::Thread(id) => {
                cx.publish_times();
                let task = find(id)?;
                if task.tgid() != cx.task.tgid() {
                    return Err(Errno::EINVAL);
                }
                task.cpu_times().total() as i64
            }
        })
    }
}

/// clock_gettime(2).
pub fn sys_clock_gettime(cx: &mut TaskCx, a: &Args) -> Outcome {
    let now = Clock::from_raw(a[0] as i32).and_then(|c| c.now(cx));
    now.and_then(|ns| cx.mm().write_obj(Addr(a[1]), &Pair::nanos(ns))).map(|()| 0).into()
}

/// clock_getres(2).
pub fn sys_clock_getres(cx: &mut TaskCx, a: &Args) -> Outcome {
    let id = a[0] as i32;
    // Also whether the task is there whose clock it is.
    if let Err(e) = Clock::from_raw(id).and_then(|c| c.now(cx)) {
        return e.into();
    }
    // The coarse clocks of a kernel with 250 ticks a second.
    let ns = if id == 5 || id == 6 { 4_000_000 } else { 1 };
    write_if(&**cx.mm(), a[1], &Pair::nanos(ns)).map(|()| 0).into()
}

/// clock_settime(2): `EPERM`, also for the superuser.
pub fn sys_clock_settime(cx: &mut TaskCx, a: &Args) -> Outcome {
    // Only CLOCK_REALTIME can be set at all.
    if a[0] as i32 != 0 {
        return Errno::EINVAL.into();
    }
    match cx.mm().read_obj::<Pair>(Addr(a[1])).and_then(Pair::as_timespec) {
        Ok(_) => Errno::EPERM.into(),
        Err(e) => e.into(),
    }
}

/// gettimeofday(2).
pub fn sys_gettimeofday(cx: &mut TaskCx, a: &Args) -> Outcome {
    let now = cx.kernel().now(ClockId::Realtime);
    let mm = cx.mm();
    write_if(&**mm, a[0], &Pair::micros(now))
        .and_then(|()| write_if(&**mm, a[1], &[0u32; 2]))
        .map(|()| 0)
        .into()
}

/// settimeofday(2): `EPERM`, also for the superuser.
pub fn sys_settimeofday(cx: &mut TaskCx, a: &Args) -> Outcome {
    let r = (|| {
        if a[0] != 0 {
            cx.mm().read_obj::<Pair>(Addr(a[0])).and_then(Pair::as_timeval)?;
        }
        if a[1] != 0 {
            cx.mm().read_obj::<[i32; 2]>(Addr(a[1]))?;
        }
        Err(Errno::EPERM)
    })();
    r.into()
}

/// time(2).
pub fn sys_time(cx: &mut TaskCx, a: &Args) -> Outcome {
    let now = cx.kernel().now(ClockId::Realtime).div_euclid(SECOND);
    write_if(&**cx.mm(), a[0], &now).map(|()| now as u64).into()
}

/// times(2).
pub fn sys_times(cx: &mut TaskCx, a: &Args) -> Outcome {
    cx.publish_times();
    let group = cx.task.group_ref();
    let (own, CpuTimes { user, system, .. }) = (group.cpu_times(), group.usage().children);
    let out = [ticks(own.user), ticks(own.system), ticks(user), ticks(system)];
    let elapsed = cx.kernel().now(ClockId::Monotonic) / TICK;
    write_if(&**cx.mm(), a[0], &out).map(|()| elapsed as u64).into()
}

/// `struct timex`, of which only what is read and written here has a name.
const TIMEX_SIZE: usize = 208;

/// adjtimex(2): reading works, changing is `EPERM`.
pub fn sys_adjtimex(cx: &mut TaskCx, a: &Args) -> Outcome {
    timex(cx, a[0]).into()
}

/// clock_adjtime(2).
pub fn sys_clock_adjtime(cx: &mut TaskCx, a: &Args) -> Outcome {
    match Clock::from_raw(a[0] as i32) {
        Ok(_) if a[0] as i32 == 0 => timex(cx, a[1]).into(),
        Ok(_) => Errno::EOPNOTSUPP.into(),
        Err(e) => e.into(),
    }
}

/// What would be wrong with a change for one who may make it.
fn check_changes(modes: u32, t: &[u8; TIMEX_SIZE]) -> Result<(), Errno> {
    const SETOFFSET: u32 = 0x100;
    const NANO: u32 = 0x2000;
    const TICK: u32 = 0x4000;
    let field = |at: usize| {
        let bytes = t.get(at..at + 8).and_then(|b| b.try_into().ok());
        bytes.map_or(0, i64::from_le_bytes)
    };
    let second = if modes & NANO != 0 { SECOND } else { 1_000_000 };
    let bad = modes & TICK != 0 && !(9_000..=11_000).contains(&field(88))
        || modes & SETOFFSET != 0 && !(0..second).contains(&field(80));
    if bad { Err(Errno::EINVAL) } else { Ok(()) }
}

fn timex(cx: &TaskCx, at: u64) -> Result<u64, Errno> {
    let mut t: [u8; TIMEX_SIZE] = cx.mm().read_obj(Addr(at))?;
    let modes = u32::from_le_bytes([t[0], t[1], t[2], t[3]]);
    // ADJ_ADJTIME, with nothing of the old call (`timekeeping_validate_timex`).
    if modes & 0x8000 != 0 && modes & 1 == 0 {
        return Err(Errno::EINVAL);
    }
    if modes & 0x8000 == 0 && cx.task.creds().has(cap::SYS_TIME) {
        check_changes(modes, &t)?;
    }
    // ADJ_OFFSET_SS_READ only reads.
    if modes != 0 && modes != 0xa001 {
        return Err(Errno::EPERM);
    }
    let now = Pair::micros(cx.kernel().now(ClockId::Realtime));
    t.fill(0);
    // maxerror, esterror, status STA_UNSYNC, tick, time.
    for (offset, value) in [
        (24, 16_000_000),
        (32, 16_000_000),
        (40, 0x40),
        (72, now.sec),
        (80, now.frac),
        (88, 10_000),
    ] {
        if let Some(field) = t.get_mut(offset..offset + 8) {
            field.copy_from_slice(&i64::to_le_bytes(value));
        }
    }
    cx.mm().write_obj(Addr(at), &t)?;
    // TIME_ERROR: the clock is not synchronised by this kernel.
    Ok(5)
}
