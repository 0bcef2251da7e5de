//! `PTRACE_GET_SYSCALL_INFO` and `PTRACE_SET_SYSCALL_INFO`.

use super::TraceStop;
use super::event::Event;
use super::syscall::{ENTRY, EXIT, SYSGOOD};
use crate::Task;
use crate::signal::SIGTRAP;
use crate::task::TaskCx;
use arch::{Addr, Arch, Permissions, UserMemory, UserMemoryExt};
use core::mem::offset_of;
use syserr::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct ptrace_syscall_info`.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct SyscallInfo {
    op: u8,
    reserved: u8,
    flags: u16,
    arch: u32,
    ip: u64,
    sp: u64,
    /// The number, or the result.
    nr: u64,
    /// Arguments; with a result, the first byte says whether it is an error.
    args: [u64; 6],
    ret_data: u32,
    reserved2: u32,
}

static_assertions::const_assert_eq!(size_of::<SyscallInfo>(), 88);
static_assertions::const_assert_eq!(offset_of!(SyscallInfo, nr), 24);
static_assertions::const_assert_eq!(offset_of!(SyscallInfo, ret_data), 80);

const OP_ENTRY: u8 = 1;
const OP_EXIT: u8 = 2;
const OP_SECCOMP: u8 = 3;

/// Which kind of a system call's stop it is; 0 for another stop (`ptrace_get_syscall_info_op`).
fn op_of(s: &TraceStop) -> u8 {
    let good = SIGTRAP as i32 | SYSGOOD;
    match (s.info.map_or(0, |i| i.code), s.message) {
        (code, ENTRY) if code == good => OP_ENTRY,
        (code, EXIT) if code == good => OP_EXIT,
        (code, _) if code == Event::Seccomp.code() => OP_SECCOMP,
        _ => 0,
    }
}

/// `PTRACE_GET_SYSCALL_INFO`: bytes that there are, of which as many as fit are written.
pub(super) fn get(cx: &TaskCx, task: &Task, size: u64, data: u64) -> Result<u64, Errno> {
    let (info, len) = task
        .with_stop(|s| {
            let regs = &s.regs;
            let arch = match regs.arch() {
                Arch::X86_64 => crate::seccomp::AUDIT_X86_64,
                Arch::Aarch64 => crate::seccomp::AUDIT_AARCH64,
            };
            let op = op_of(s);
            let mut i =
                SyscallInfo { op, arch, ip: regs.ip(), sp: regs.sp(), ..Default::default() };
            let len = match op {
                OP_ENTRY | OP_SECCOMP => {
                    // An int, as the kernel keeps it.
                    i.nr = i64::from(regs.syscall_no() as i32) as u64;
                    i.args = regs.syscall_args();
                    if op == OP_SECCOMP {
                        i.ret_data = s.message as u32;
                        offset_of!(SyscallInfo, reserved2)
                    } else {
                        offset_of!(SyscallInfo, ret_data)
                    }
                }
                OP_EXIT => {
                    i.nr = regs.return_value();
                    let negated = i.nr.wrapping_neg();
                    i.args[0] = u64::from((1..=u64::from(Errno::MAX)).contains(&negated));
                    offset_of!(SyscallInfo, args) + 1
                }
                _ => offset_of!(SyscallInfo, nr),
            };
            (i, len)
        })
        .ok_or(Errno::ESRCH)?;
    let wanted = usize::try_from(size).unwrap_or(usize::MAX).min(len);
    let bytes = info.as_bytes().get(..wanted).unwrap_or_default();
    cx.mm().copy_out(Addr(data), bytes, Permissions::Obey)?;
    Ok(len as u64)
}

/// `PTRACE_SET_SYSCALL_INFO`: the number and the arguments, or the result, in whatever registers.
pub(super) fn set(cx: &TaskCx, task: &Task, size: u64, data: u64) -> Result<u64, Errno> {
    if size < size_of::<SyscallInfo>() as u64 {
        return Err(Errno::EINVAL);
    }
    let new: SyscallInfo = cx.mm().read_obj(Addr(data))?;
    if new.flags != 0 || new.reserved != 0 {
        return Err(Errno::EINVAL);
    }
    let change = |s: &mut TraceStop| {
        if op_of(s) != new.op {
            return Err(Errno::EINVAL);
        }
        match new.op {
            OP_ENTRY | OP_SECCOMP => {
                let nr = i32::try_from(new.nr as i64).map_err(|_| Errno::ERANGE)?;
                s.regs.set_syscall_no(nr as u64);
                // Where the result and an argument share a register, the result is kept.
                if nr != -1 {
                    s.regs.set_syscall_args(new.args);
                }
            }
            OP_EXIT => s.regs.set_return(new.nr),
            _ => return Err(Errno::EINVAL),
        }
        Ok(0)
    };
    task.with_stop(change).ok_or(Errno::ESRCH)?
}
