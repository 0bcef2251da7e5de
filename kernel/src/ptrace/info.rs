//! What a tracer may ask about a stop and about signals.

use super::event::Event;
use super::request::{GETEVENTMSG, GETSIGINFO, GETSIGMASK, PEEKSIGINFO, SETSIGINFO, SETSIGMASK};
use super::syscall::{ENTRY, EXIT, SYSGOOD};
use crate::Task;
use crate::signal::{SIGINFO_SIZE, SIGTRAP, SigInfo, SignalSet};
use crate::task::TaskCx;
use alloc::vec::Vec;
use arch::{Addr, Arch, Permissions, UserMemory, UserMemoryExt};
use core::mem::offset_of;
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
            let new = crate::syscalls::signal::read_info(cx, Addr(data))?;
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

/// `struct ptrace_syscall_info`.
#[derive(Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct SyscallInfo {
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
fn op_of(s: &super::TraceStop) -> u8 {
    let good = SIGTRAP as i32 | SYSGOOD;
    match (s.info.map_or(0, |i| i.code), s.message) {
        (code, ENTRY) if code == good => OP_ENTRY,
        (code, EXIT) if code == good => OP_EXIT,
        (code, _) if code == Event::Seccomp.code() => OP_SECCOMP,
        _ => 0,
    }
}

/// `PTRACE_GET_SYSCALL_INFO`: bytes that there are, of which as many as fit are written.
pub(super) fn get_syscall(cx: &TaskCx, task: &Task, size: u64, data: u64) -> Result<u64, Errno> {
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
