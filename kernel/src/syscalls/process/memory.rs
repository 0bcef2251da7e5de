//! The memory of other processes: process_vm_readv(2), process_vm_writev(2), process_madvise(2),
//! process_mrelease(2).

use super::may_inspect;
use crate::{Args, Outcome, Task, TaskCx};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, AddrRange, IoDst, IoSrc, UserIo, UserMemory, UserMemoryExt};
use mm::MemoryManager;
use syserr::Errno;
use vfs::cap;

const IOV_MAX: u64 = 1024;
/// The most that one call moves, in bytes (`MAX_RW_COUNT`).
const MAX_BYTES: u64 = 0x7fff_f000;

/// process_vm_readv(2).
pub fn sys_process_vm_readv(cx: &mut TaskCx, a: &Args) -> Outcome {
    transfer(cx, a, false).into()
}

/// process_vm_writev(2).
pub fn sys_process_vm_writev(cx: &mut TaskCx, a: &Args) -> Outcome {
    transfer(cx, a, true).into()
}

fn read_iov(mm: &dyn UserMemory, at: u64, count: u64) -> Result<Vec<AddrRange>, Errno> {
    if count > IOV_MAX {
        return Err(Errno::EINVAL);
    }
    let raw: Vec<[u64; 2]> = mm.read_vec(Addr(at), count as usize)?;
    let mut total = 0u64;
    let mut out = Vec::with_capacity(raw.len());
    for [base, len] in raw {
        if len > i64::MAX as u64 {
            return Err(Errno::EINVAL);
        }
        let len = len.min(MAX_BYTES - total);
        total += len;
        let end = Addr(base.saturating_add(len));
        out.push(AddrRange { start: Addr(base), end });
    }
    Ok(out)
}

fn transfer(cx: &TaskCx, a: &Args, write: bool) -> Result<u64, Errno> {
    if a[5] != 0 {
        return Err(Errno::EINVAL);
    }
    let own = cx.mm();
    let local = read_iov(&**own, a[1], a[2])?;
    let remote = read_iov(&**own, a[3], a[4])?;
    if local.iter().all(|r| r.is_empty()) || remote.iter().all(|r| r.is_empty()) {
        return Ok(0);
    }
    let other = memory_of(cx, &cx.task.find(a[0] as i32)?)?;
    let result = {
        let mut here = UserIo::from_ranges(&**own, local.into_iter());
        let mut there = UserIo::from_ranges(&*other, remote.into_iter());
        if write { pump(&mut here, &mut there) } else { pump(&mut there, &mut here) }
    };
    other.dec_users();
    result
}

/// The address space of a process, with a user taken.
fn memory_of(cx: &TaskCx, task: &Arc<Task>) -> Result<Arc<MemoryManager>, Errno> {
    may_inspect(&cx.task, task)?;
    let mm = task.mm().ok_or(Errno::ESRCH)?;
    if mm.inc_users() { Ok(mm) } else { Err(Errno::ESRCH) }
}

fn pump(from: &mut UserIo<'_>, to: &mut UserIo<'_>) -> Result<u64, Errno> {
    let mut buf = [0; 4096];
    let mut done = 0;
    loop {
        let want = IoSrc::remaining(from).min(IoDst::remaining(to)).min(buf.len() as u64) as usize;
        let Some(part) = buf.get_mut(..want).filter(|p| !p.is_empty()) else { return Ok(done) };
        let moved = from.take(part).and_then(|n| to.put(part.get(..n).unwrap_or(&[])));
        match moved {
            Ok(0) => return Ok(done),
            Ok(n) => {
                done += n as u64;
                if n < want {
                    return Ok(done);
                }
            }
            Err(e) if done == 0 => return Err(e),
            Err(_) => return Ok(done),
        }
    }
}

/// process_madvise(2).
pub fn sys_process_madvise(cx: &mut TaskCx, a: &Args) -> Outcome {
    advise(cx, a).into()
}

fn advise(cx: &TaskCx, a: &Args) -> Result<u64, Errno> {
    if a[4] as u32 != 0 {
        return Err(Errno::EINVAL);
    }
    let ranges = read_iov(&**cx.mm(), a[1], a[2])?;
    let group = crate::pidfd::process(&cx.task, a[0] as i32)?;
    let task = cx.kernel().task(group.tgid()).ok_or(Errno::ESRCH)?;
    // `mm_access` says so here, where others hear `EPERM`.
    let mm = memory_of(cx, &task).map_err(|e| if e == Errno::EPERM { Errno::EACCES } else { e })?;
    let own = mm.id() == cx.mm().id();
    let done = if own || cx.task.creds().has(cap::SYS_NICE) {
        mm.process_madvise(&ranges, a[3] as i32, own)
    } else {
        // Without ranges, only what the advice is is looked at.
        mm.process_madvise(&[], a[3] as i32, own).and(Err(Errno::EPERM))
    };
    mm.dec_users();
    done
}

/// process_mrelease(2): whoever is killed gives its memory back at once.
pub fn sys_process_mrelease(cx: &mut TaskCx, a: &Args) -> Outcome {
    release(cx, a).into()
}

fn release(cx: &TaskCx, a: &Args) -> Result<u64, Errno> {
    if a[1] as u32 != 0 {
        return Err(Errno::EINVAL);
    }
    let group = crate::pidfd::process(&cx.task, a[0] as i32)?;
    let alive = group.threads().iter().any(|t| t.mm().is_some());
    let dying = group.lock().exiting.is_some();
    match (alive, dying) {
        (false, _) => Err(Errno::ESRCH),
        (true, true) => Ok(0),
        (true, false) => Err(Errno::EINVAL),
    }
}
