//! Timers that are read; timerfd_create(2).

use super::timer_file::{Setting, TimerFile};
use crate::syscalls::abi::{Pair, TimerSpec};
use crate::syscalls::fs::{file, install};
use crate::{Args, Outcome, TaskCx};
use alloc::sync::Arc;
use arch::{Addr, UserMemoryExt};
use syserr::Errno;
use vfs::{File, OpenFlags};

const REALTIME: u32 = 0;
const MONOTONIC: u32 = 1;
const BOOTTIME: u32 = 7;
const REALTIME_ALARM: u32 = 8;
const BOOTTIME_ALARM: u32 = 9;
const CAP_WAKE_ALARM: u32 = 35;
const SECOND: i64 = 1_000_000_000;

/// timerfd_create(2).
pub(crate) fn sys_timerfd_create(cx: &mut TaskCx, a: &Args) -> Outcome {
    let r = (|| {
        let flags = OpenFlags::from_bits_retain(a[1] as u32);
        if !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK).contains(flags) {
            return Err(Errno::EINVAL);
        }
        let realtime = match a[0] as u32 {
            REALTIME | REALTIME_ALARM => true,
            MONOTONIC | BOOTTIME | BOOTTIME_ALARM => false,
            _ => return Err(Errno::EINVAL),
        };
        let alarm = matches!(a[0] as u32, REALTIME_ALARM | BOOTTIME_ALARM);
        if alarm && !cx.task.creds().has(CAP_WAKE_ALARM) {
            return Err(Errno::EPERM);
        }
        let ops = TimerFile::new(cx.kernel(), a[0] as i32, realtime);
        let file = File::anonymous(Arc::new(ops), flags | OpenFlags::RDWR, "[timerfd]");
        install(cx, file, flags.contains(OpenFlags::CLOEXEC))
    })();
    r.into()
}

fn nanos(p: Pair) -> Result<i64, Errno> {
    if p.sec < 0 || !(0..SECOND).contains(&p.frac) {
        return Err(Errno::EINVAL);
    }
    Ok(p.sec.saturating_mul(SECOND).saturating_add(p.frac))
}

fn spec((left, interval): (i64, i64)) -> TimerSpec {
    TimerSpec { interval: Pair::nanos(interval), value: Pair::nanos(left) }
}

/// timerfd_settime(2).
pub(crate) fn sys_timerfd_settime(cx: &mut TaskCx, a: &Args) -> Outcome {
    const ABSTIME: u32 = 1;
    const CANCEL_ON_SET: u32 = 2;
    let r = (|| {
        let new: TimerSpec = cx.mm().read_obj(Addr(a[2]))?;
        let flags = a[1] as u32;
        let (value, interval) = (nanos(new.value)?, nanos(new.interval)?);
        if flags & !(ABSTIME | CANCEL_ON_SET) != 0 {
            return Err(Errno::EINVAL);
        }
        let f = file(cx, a[0])?;
        let timer: &TimerFile = f.downcast().ok_or(Errno::EINVAL)?;
        let absolute = flags & ABSTIME != 0;
        let value = match timer.own_clock().filter(|_| absolute && value != 0) {
            // What has passed is not what disarms.
            Some(clock) => cx.task.clock_offsets().first(clock, value).max(1),
            None => value,
        };
        let setting = Setting { value, interval, absolute };
        let old = timer.set(cx.kernel(), setting);
        if a[3] != 0 {
            cx.mm().write_obj(Addr(a[3]), &spec(old))?;
        }
        Ok(0)
    })();
    r.into()
}

/// timerfd_gettime(2).
pub(crate) fn sys_timerfd_gettime(cx: &mut TaskCx, a: &Args) -> Outcome {
    let r = (|| {
        let f = file(cx, a[0])?;
        let timer: &TimerFile = f.downcast().ok_or(Errno::EINVAL)?;
        cx.mm().write_obj(Addr(a[1]), &spec(timer.get(cx.kernel())))?;
        Ok(0)
    })();
    r.into()
}
