//! epoll_create(2), epoll_ctl(2), epoll_wait(2).

use super::set_mask;
use super::time::Timeout;
use crate::block::{BlockError, Blocked, block_on_file};
use crate::syscalls::fs::{file, flat, install};
use crate::{Args, Outcome, TaskCx};
use alloc::boxed::Box;
use alloc::sync::Arc;
use arch::{Addr, Arch, UserMemory, UserMemoryExt};
use sync::waitq::Events;
use syserr::Errno;
use vfs::epoll::{EXCLUSIVE, Epoll, Event};
use vfs::{File, OpenFlags};
use zerocopy::{FromBytes, Immutable, IntoBytes, Unaligned};

/// `struct epoll_event` of x86-64, which is packed.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C, packed)]
struct PackedEvent {
    events: u32,
    data: u64,
}
static_assertions::assert_eq_size!(PackedEvent, [u8; 12]);

/// `struct epoll_event` of arm64.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct PaddedEvent {
    events: u32,
    pad: u32,
    data: u64,
}
static_assertions::assert_eq_size!(PaddedEvent, [u8; 16]);

fn arch(cx: &TaskCx) -> Arch {
    cx.kernel().embedder().platform.arch()
}

fn read_event(cx: &TaskCx, at: u64) -> Result<Event, Errno> {
    Ok(match arch(cx) {
        Arch::X86_64 => {
            let e: PackedEvent = cx.mm().read_obj(Addr(at))?;
            Event { events: e.events, data: e.data }
        }
        Arch::Aarch64 => {
            let e: PaddedEvent = cx.mm().read_obj(Addr(at))?;
            Event { events: e.events, data: e.data }
        }
    })
}

/// Takes events into the array at `at`.
fn take(ep: &Epoll, mem: &dyn UserMemory, arch: Arch, at: u64, max: usize) -> Result<usize, Errno> {
    let mut next = Addr(at);
    ep.take(max, |e| {
        let Event { events, data } = *e;
        let size = match arch {
            Arch::X86_64 => {
                mem.write_obj(next, &PackedEvent { events, data })?;
                size_of::<PackedEvent>()
            }
            Arch::Aarch64 => {
                mem.write_obj(next, &PaddedEvent { events, pad: 0, data })?;
                size_of::<PaddedEvent>()
            }
        };
        next = next.wrapping_add(size as u64);
        Ok(())
    })
}

fn create(cx: &TaskCx, cloexec: bool) -> Outcome {
    let file = File::anonymous(Arc::new(Epoll::new()), OpenFlags::RDWR, "[eventpoll]");
    install(cx, file, cloexec).into()
}

/// epoll_create(2).
pub(crate) fn sys_epoll_create(cx: &mut TaskCx, a: &Args) -> Outcome {
    if a[0] as i32 <= 0 { Errno::EINVAL.into() } else { create(cx, false) }
}

/// epoll_create1(2).
pub(crate) fn sys_epoll_create1(cx: &mut TaskCx, a: &Args) -> Outcome {
    match a[0] as u32 {
        0 => create(cx, false),
        f if f == OpenFlags::CLOEXEC.bits() => create(cx, true),
        _ => Errno::EINVAL.into(),
    }
}

/// epoll_ctl(2).
pub(crate) fn sys_epoll_ctl(cx: &mut TaskCx, a: &Args) -> Outcome {
    const ADD: u32 = 1;
    const DEL: u32 = 2;
    const MOD: u32 = 3;
    flat((|| {
        let op = a[1] as u32;
        let event = if op == DEL { Event::default() } else { read_event(cx, a[3])? };
        let (ep, target) = (file(cx, a[0])?, file(cx, a[2])?);
        if target.queue().is_none() {
            return Err(Errno::EPERM);
        }
        let poll: &Epoll = ep.downcast().ok_or(Errno::EINVAL)?;
        if Arc::ptr_eq(&ep, &target) || op == MOD && event.events & EXCLUSIVE != 0 {
            return Err(Errno::EINVAL);
        }
        let fd = a[2] as i32;
        match op {
            ADD => poll.add(&target, fd, event)?,
            DEL => poll.remove(&target, fd)?,
            MOD => poll.modify(&target, fd, event)?,
            _ => return Err(Errno::EINVAL),
        }
        Ok(Ok(0).into())
    })())
}

fn wait(cx: &TaskCx, a: &Args, timeout: Timeout) -> Result<Outcome, Errno> {
    let arch = arch(cx);
    let size = if arch == Arch::X86_64 { 12 } else { 16 };
    let max = a[2] as i32;
    if max <= 0 || max > i32::MAX / size {
        return Err(Errno::EINVAL);
    }
    let (at, max) = (a[1], max as usize);
    let file = file(cx, a[0])?;
    let ep: &Epoll = file.downcast().ok_or(Errno::EINVAL)?;
    let n = take(ep, &**cx.mm(), arch, at, max)?;
    if n > 0 || timeout == Timeout::Now {
        return Ok(Ok(n as u64).into());
    }
    let (task, mm) = (cx.task.clone(), cx.mm().clone());
    Ok(Outcome::Block(Box::pin(async move {
        let again = || {
            let ep: &Epoll = file.downcast().ok_or(Errno::EINVAL)?;
            match take(ep, &*mm, arch, at, max)? {
                0 => Err(Errno::EAGAIN),
                n => Ok(n as u64),
            }
        };
        match block_on_file(&task, &file, Events::IN, timeout.deadline(), again).await {
            Ok(n) => Ok(n).into(),
            Err(BlockError::Failed(e)) => e.into(),
            Err(BlockError::Wait(Blocked::TimedOut)) => Ok(0).into(),
            Err(BlockError::Wait(Blocked::Interrupted)) => Errno::EINTR.into(),
        }
    })))
}

/// epoll_wait(2).
pub(crate) fn sys_epoll_wait(cx: &mut TaskCx, a: &Args) -> Outcome {
    let timeout = Timeout::millis(cx, a[3]);
    flat(wait(cx, a, timeout))
}

/// epoll_pwait(2).
pub(crate) fn sys_epoll_pwait(cx: &mut TaskCx, a: &Args) -> Outcome {
    let timeout = Timeout::millis(cx, a[3]);
    flat(set_mask(cx, a[4], a[5]).and_then(|()| wait(cx, a, timeout)))
}

/// epoll_pwait2(2).
pub(crate) fn sys_epoll_pwait2(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let timeout = Timeout::spec(cx, a[3])?;
        set_mask(cx, a[4], a[5])?;
        wait(cx, a, timeout)
    })())
}
