//! What a tracer may ask about a stop and about signals.

use super::request::{GETEVENTMSG, GETSIGINFO, GETSIGMASK, PEEKSIGINFO, SETSIGINFO, SETSIGMASK};
use crate::Task;
use crate::signal::{SIGINFO_SIZE, SigInfo, SignalSet};
use crate::task::TaskCx;
use alloc::vec::Vec;
use arch::{Addr, Permissions, UserMemory, UserMemoryExt};
use syserr::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The stop's message and signal info, pending signals, the signal mask.
pub(super) fn about(
    cx: &TaskCx,
    task: &Task,
    request: u64,
    addr: u64,
    data: u64,
) -> Result<u64, Errno> {
    let mm = cx.mm();
    match request {
        GETEVENTMSG => {
            let message = task.with_stop(|s| s.message).ok_or(Errno::ESRCH)?;
            mm.write_obj(Addr(data), &message)?;
        }
        GETSIGINFO => {
            let info = task.with_stop(|s| s.info).ok_or(Errno::ESRCH)?.ok_or(Errno::EINVAL)?;
            mm.copy_out(Addr(data), &info.to_bytes(), Permissions::Obey)?;
        }
        SETSIGINFO => {
            let new = crate::syscalls::signal::read_info(cx, Addr(data), None)?;
            let set = |s: &mut super::TraceStop| s.info.as_mut().map(|i| *i = new);
            task.with_stop(set).ok_or(Errno::ESRCH)?.ok_or(Errno::EINVAL)?;
        }
        GETSIGMASK | SETSIGMASK if addr != size_of::<SignalSet>() as u64 => {
            return Err(Errno::EINVAL);
        }
        GETSIGMASK => {
            let saved = {
                let _state = task.group_ref().lock();
                task.signals.lock().saved_mask
            };
            mm.write_obj(Addr(data), &saved.unwrap_or(task.blocked()))?;
        }
        SETSIGMASK => {
            let new: SignalSet = mm.read_obj(Addr(data))?;
            task.replace_mask(new);
        }
        PEEKSIGINFO => return peek(cx, task, addr, data),
        _ => return Err(Errno::EIO),
    }
    Ok(0)
}

/// `struct ptrace_peeksiginfo_args`.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct PeekArgs {
    offset: u64,
    flags: u32,
    count: i32,
}

static_assertions::const_assert_eq!(size_of::<PeekArgs>(), 16);
/// `PTRACE_PEEKSIGINFO_SHARED`.
const SHARED: u32 = 1;

fn peek(cx: &TaskCx, task: &Task, addr: u64, data: u64) -> Result<u64, Errno> {
    let args: PeekArgs = cx.mm().read_obj(Addr(addr))?;
    if args.flags & !SHARED != 0 || args.count < 0 {
        return Err(Errno::EINVAL);
    }
    let infos: Vec<SigInfo> = {
        let state = task.group_ref().lock();
        let own = task.signals.lock();
        let queue = if args.flags & SHARED != 0 { &state.pending } else { &own.pending };
        let offset = usize::try_from(args.offset).unwrap_or(usize::MAX);
        queue.entries().skip(offset).take(args.count as usize).copied().collect()
    };
    let mut done = 0;
    for info in infos {
        let at = Addr(data.wrapping_add(done * SIGINFO_SIZE as u64));
        match cx.mm().copy_out(at, &info.to_bytes(), Permissions::Obey) {
            Ok(()) => done += 1,
            Err(e) if done == 0 => return Err(e.into()),
            Err(_) => break,
        }
    }
    Ok(done)
}
