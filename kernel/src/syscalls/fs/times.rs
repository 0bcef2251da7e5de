//! utimensat(2) and its ancestors.

use super::walk::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, CWD, Found, Walk, lookup, resolve, vfs};
use crate::{Args, Outcome, TaskCx};
use arch::{Addr, UserMemoryExt};
use syserr::Errno;
use vfs::{LookupFlags, SetTime};

const SECOND: i64 = 1_000_000_000;
const UTIME_NOW: i64 = (1 << 30) - 1;
const UTIME_OMIT: i64 = (1 << 30) - 2;

fn at(sec: i64, nsec: i64) -> SetTime {
    // Times that do not fit are cut to what the file system can store, as Linux does.
    SetTime::At(sec.saturating_mul(SECOND).saturating_add(nsec))
}

/// Two `struct timespec` with the special values of utimensat(2).
fn specs(cx: &TaskCx, p: u64) -> Result<(SetTime, SetTime), Errno> {
    if p == 0 {
        return Ok((SetTime::Now, SetTime::Now));
    }
    let raw: [[i64; 2]; 2] = cx.mm().read_obj(Addr(p))?;
    let one = |[sec, nsec]: [i64; 2]| match nsec {
        UTIME_NOW => Ok(SetTime::Now),
        UTIME_OMIT => Ok(SetTime::Omit),
        0..SECOND => Ok(at(sec, nsec)),
        _ => Err(Errno::EINVAL),
    };
    Ok((one(raw[0])?, one(raw[1])?))
}

/// Two `struct timeval`.
fn vals(cx: &TaskCx, p: u64) -> Result<(SetTime, SetTime), Errno> {
    if p == 0 {
        return Ok((SetTime::Now, SetTime::Now));
    }
    let raw: [[i64; 2]; 2] = cx.mm().read_obj(Addr(p))?;
    let one = |[sec, usec]: [i64; 2]| match usec {
        0..1_000_000 => Ok(at(sec, usec * 1000)),
        _ => Err(Errno::EINVAL),
    };
    Ok((one(raw[0])?, one(raw[1])?))
}

fn set(cx: &TaskCx, f: &Found, times: (SetTime, SetTime)) -> Result<u64, Errno> {
    vfs(cx).utimens(&f.walk.cx(), &f.path, times.0, times.1).map(|()| 0)
}

/// The file of a call that may name it by descriptor alone.
fn named(cx: &TaskCx, dirfd: u64, path: u64, flags: LookupFlags) -> Result<Found, Errno> {
    if path != 0 || dirfd as i32 == CWD as i32 {
        return resolve(cx, dirfd, path, flags);
    }
    let file = cx.task.files().get_open(dirfd as i32)?;
    Ok(Found { walk: Walk::new(cx), path: file.path().clone() })
}

/// utimensat(2).
pub(crate) fn sys_utimensat(cx: &mut TaskCx, a: &Args) -> Outcome {
    let r = (|| {
        let times = specs(cx, a[2])?;
        if times == (SetTime::Omit, SetTime::Omit) {
            return Ok(0);
        }
        if a[1] == 0 && a[0] as i32 != CWD as i32 && a[3] as u32 != 0 {
            return Err(Errno::EINVAL);
        }
        let flags = lookup(a[3], AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
        set(cx, &named(cx, a[0], a[1], flags)?, times)
    })();
    r.into()
}

/// futimesat(2).
pub(crate) fn sys_futimesat(cx: &mut TaskCx, a: &Args) -> Outcome {
    let r = vals(cx, a[2]).and_then(|t| set(cx, &named(cx, a[0], a[1], LookupFlags::empty())?, t));
    r.into()
}

/// utimes(2).
pub(crate) fn sys_utimes(cx: &mut TaskCx, a: &Args) -> Outcome {
    let r = vals(cx, a[1]).and_then(|t| set(cx, &resolve(cx, CWD, a[0], LookupFlags::empty())?, t));
    r.into()
}

/// utime(2).
pub(crate) fn sys_utime(cx: &mut TaskCx, a: &Args) -> Outcome {
    let r = (|| {
        let times = if a[1] == 0 {
            (SetTime::Now, SetTime::Now)
        } else {
            let [atime, mtime]: [i64; 2] = cx.mm().read_obj(Addr(a[1]))?;
            (at(atime, 0), at(mtime, 0))
        };
        set(cx, &resolve(cx, CWD, a[0], LookupFlags::empty())?, times)
    })();
    r.into()
}
