//! Registers of a stopped task.

use super::request::{GETFPREGS, GETREGS, GETREGSET, PEEKUSR, SETFPREGS, SETREGS, SETREGSET};
use super::state::TraceStop;
use crate::Task;
use crate::syscalls::misc::segment_base;
use crate::task::TaskCx;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, Permissions, RegSet, UserMemory, UserMemoryExt};
use syserr::Errno;

/// The longest register set that a tracer can hand in, in bytes.
const SET_MAX: u64 = 16384;

/// `PTRACE_PEEKUSER` and `PTRACE_POKEUSER`.
pub(super) fn user(
    cx: &TaskCx,
    task: &Task,
    request: u64,
    addr: u64,
    data: u64,
) -> Result<u64, Errno> {
    if request == PEEKUSR {
        let word = task.with_stop(|s| s.regs.peek_user(addr)).ok_or(Errno::ESRCH)??;
        cx.mm().write_obj(Addr(data), &word)?;
    } else {
        task.with_stop(|s| s.regs.poke_user(addr, data)).ok_or(Errno::ESRCH)??;
    }
    Ok(0)
}

/// `PTRACE_GETREGS` and its relatives: whole sets at an address.
pub(super) fn whole(cx: &TaskCx, task: &Task, request: u64, data: u64) -> Result<u64, Errno> {
    let set = match request {
        GETREGS | SETREGS => RegSet::General,
        _ => RegSet::Fpu,
    };
    let bytes = get(task, set)?;
    match request {
        GETREGS | GETFPREGS => cx.mm().copy_out(Addr(data), &bytes, Permissions::Obey)?,
        _ => {
            debug_assert!([SETREGS, SETFPREGS].contains(&request));
            let new: Vec<u8> = cx.mm().read_vec(Addr(data), bytes.len())?;
            put(task, set, &new)?;
        }
    }
    Ok(0)
}

/// `PTRACE_GETREGSET` and `PTRACE_SETREGSET`.
pub(super) fn set(
    cx: &TaskCx,
    task: &Arc<Task>,
    request: u64,
    note: u64,
    data: u64,
) -> Result<u64, Errno> {
    let [base, len] = cx.mm().read_obj::<[u64; 2]>(Addr(data))?;
    let arch = cx.image.arch.arch();
    let note = u32::try_from(note).map_err(|_| Errno::EINVAL)?;
    let which = RegSet::from_note(arch, note).ok_or(Errno::EINVAL)?;
    if !len.is_multiple_of(which.unit(arch) as u64) {
        return Err(Errno::EINVAL);
    }
    let bytes = get(task, which)?;
    let len = len.min(bytes.len() as u64).min(SET_MAX);
    if request == GETREGSET {
        let part = bytes.get(..len as usize).unwrap_or_default();
        cx.mm().copy_out(Addr(base), part, Permissions::Obey)?;
    } else {
        debug_assert_eq!(request, SETREGSET);
        let new: Vec<u8> = cx.mm().read_vec(Addr(base), len as usize)?;
        put(task, which, &new)?;
    }
    cx.mm().write_obj(Addr(data.wrapping_add(8)), &len)?;
    Ok(0)
}

fn get(task: &Task, set: RegSet) -> Result<Vec<u8>, Errno> {
    task.with_stop(|s| s.regs.regset(set)).ok_or(Errno::ESRCH)?
}

fn put(task: &Task, set: RegSet, bytes: &[u8]) -> Result<(), Errno> {
    let change = |s: &mut TraceStop| {
        s.fpu_changed |= matches!(set, RegSet::Fpu | RegSet::XState | RegSet::ArmSve);
        s.regs.set_regset(set, bytes)
    };
    task.with_stop(change).ok_or(Errno::ESRCH)?
}

/// `PTRACE_ARCH_PRCTL`: arch_prctl(2) in the name of the task.
pub(super) fn arch_prctl(cx: &TaskCx, task: &Task, addr: u64, code: u64) -> Result<u64, Errno> {
    let value = task.with_stop(|s| segment_base(&mut s.regs, code, addr)).ok_or(Errno::ESRCH)??;
    if let Some(v) = value {
        cx.mm().write_obj(Addr(addr), &v)?;
    }
    Ok(0)
}
