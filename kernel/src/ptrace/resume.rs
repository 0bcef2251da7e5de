//! Letting a stopped task go on.

use super::event::EVENT_STOP;
use super::request::{
    CONT, DETACH, INTERRUPT, LISTEN, SINGLESTEP, SYSCALL, SYSEMU, SYSEMU_SINGLESTEP,
};
use super::state::MAX_SIGNAL;
use super::tracees::detach;
use crate::Task;
use crate::task::Work;
use alloc::sync::Arc;
use syserr::Errno;

/// `PTRACE_CONT` and its relatives, `PTRACE_DETACH`.
///
/// # Errors
/// `EIO` for what is no signal; `ESRCH` when the task is not stopped any more.
pub(super) fn resume(task: &Arc<Task>, request: u64, data: u64) -> Result<u64, Errno> {
    if data > MAX_SIGNAL {
        return Err(Errno::EIO);
    }
    if request == DETACH {
        if task.with_stop(|_| ()).is_none() {
            return Err(Errno::ESRCH);
        }
        let tell = detach(task.kernel(), &mut task.kernel().tree(), task.tid(), Some(data as u32));
        if let Some(t) = tell {
            t.now();
        }
        return Ok(0);
    }
    debug_assert!([CONT, SYSCALL, SINGLESTEP, SYSEMU, SYSEMU_SINGLESTEP].contains(&request));
    task.with_stop(|stop| {
        task.set_work(Work::SYSCALL, request == SYSCALL);
        task.set_work(Work::EMULATE, [SYSEMU, SYSEMU_SINGLESTEP].contains(&request));
        stop.regs.set_single_step([SINGLESTEP, SYSEMU_SINGLESTEP].contains(&request));
        stop.resumed = Some(data as u32);
    })
    .ok_or(Errno::ESRCH)?;
    task.wake();
    Ok(0)
}

/// `PTRACE_INTERRUPT` and `PTRACE_LISTEN`, of seized tasks only.
///
/// # Errors
/// `EIO`; `ESRCH` when the task is not stopped and would have to be.
pub(super) fn control(task: &Arc<Task>, request: u64) -> Result<u64, Errno> {
    let state = task.group_ref().lock();
    let wakes = {
        let mut own = task.signals.lock();
        let own = &mut *own;
        let trace = own.trace.as_deref_mut().filter(|t| t.seized).ok_or(Errno::EIO)?;
        match (request, own.trace_stop.as_deref_mut()) {
            (INTERRUPT, stop) => {
                trace.trap_stop = true;
                // A task that listens stops anew; another stop is not disturbed.
                if let Some(s) = stop.filter(|s| s.listening) {
                    s.resumed.get_or_insert(0);
                }
                true
            }
            (LISTEN, Some(s)) if s.is_open() => {
                if s.info.is_none_or(|i| i.code >> 8 != EVENT_STOP) {
                    return Err(Errno::EIO);
                }
                s.listening = true;
                // Something happened since the stop began.
                if trace.trap_notify {
                    s.resumed = Some(0);
                }
                trace.trap_notify
            }
            _ => return Err(Errno::ESRCH),
        }
    };
    task.recalculate(&state);
    drop(state);
    if wakes {
        task.wake();
    }
    Ok(0)
}
