//! Requests of ptrace(2).

use super::{attach, call_info, filters, info, regs, resume, traceme};
use crate::ptrace::state::Options;
use crate::signal::{SI_USER, SIGKILL, SigInfo};
use crate::task::TaskCx;
use crate::{Args, Outcome, Task};
use alloc::sync::Arc;
use arch::{Addr, Arch, Permissions, UserMemory, UserMemoryExt};
use syserr::Errno;
use vfs::cap;

const TRACEME: u64 = 0;
const PEEKTEXT: u64 = 1;
const PEEKDATA: u64 = 2;
pub(super) const PEEKUSR: u64 = 3;
const POKETEXT: u64 = 4;
const POKEDATA: u64 = 5;
const POKEUSR: u64 = 6;
pub(super) const CONT: u64 = 7;
const KILL: u64 = 8;
pub(super) const SINGLESTEP: u64 = 9;
pub(super) const GETREGS: u64 = 12;
pub(super) const SETREGS: u64 = 13;
pub(super) const GETFPREGS: u64 = 14;
pub(super) const SETFPREGS: u64 = 15;
pub(super) const ATTACH: u64 = 16;
pub(super) const DETACH: u64 = 17;
const OLDSETOPTIONS: u64 = 21;
pub(super) const SYSCALL: u64 = 24;
const ARCH_PRCTL: u64 = 30;
pub(super) const SYSEMU: u64 = 31;
pub(super) const SYSEMU_SINGLESTEP: u64 = 32;
const SETOPTIONS: u64 = 0x4200;
pub(super) const GETEVENTMSG: u64 = 0x4201;
pub(super) const GETSIGINFO: u64 = 0x4202;
pub(super) const SETSIGINFO: u64 = 0x4203;
pub(super) const GETREGSET: u64 = 0x4204;
pub(super) const SETREGSET: u64 = 0x4205;
pub(super) const SEIZE: u64 = 0x4206;
pub(super) const INTERRUPT: u64 = 0x4207;
pub(super) const LISTEN: u64 = 0x4208;
pub(super) const PEEKSIGINFO: u64 = 0x4209;
pub(super) const GETSIGMASK: u64 = 0x420a;
pub(super) const SETSIGMASK: u64 = 0x420b;
pub(super) const SECCOMP_GET_FILTER: u64 = 0x420c;
pub(super) const SECCOMP_GET_METADATA: u64 = 0x420d;
const GET_SYSCALL_INFO: u64 = 0x420e;
const SET_SYSCALL_INFO: u64 = 0x4212;

/// ptrace(2).
pub(crate) fn request(cx: &TaskCx, a: &Args) -> Outcome {
    let [request, pid, addr, data, ..] = *a;
    let pid = pid as i32;
    match request {
        TRACEME => traceme(&cx.task).map(|()| 0).into(),
        ATTACH | SEIZE => attach(cx, request, pid, addr, data),
        _ => of_tracee(cx, request, pid, addr, data).into(),
    }
}

/// The options of a word (`check_ptrace_options` in `kernel/ptrace.c`).
///
/// # Errors
/// `EINVAL` for what is none, `EPERM` for who may not suspend filters.
pub(super) fn options(cx: &TaskCx, data: u64) -> Result<Options, Errno> {
    let bits = u32::try_from(data).ok();
    let options = bits.and_then(Options::from_bits).ok_or(Errno::EINVAL)?;
    if options.contains(Options::SUSPEND_SECCOMP) {
        let free = cx.task.seccomp.lock().is_empty() && !cx.task.is_unfiltered();
        if !free || !cx.task.creds().has(cap::SYS_ADMIN) {
            return Err(Errno::EPERM);
        }
    }
    Ok(options)
}

/// The task that the caller traces; it has to be stopped, unless `running` will do
/// (`ptrace_check_attach`).
fn tracee(cx: &TaskCx, pid: i32, running: bool) -> Result<Arc<Task>, Errno> {
    let task = {
        let id = cx.task.pid_ns().id_of(pid).ok_or(Errno::ESRCH)?;
        let tree = cx.kernel().tree();
        tree.traces.get(&id).filter(|l| l.tracer == cx.task.tid()).ok_or(Errno::ESRCH)?;
        tree.tasks.get(&id).cloned().ok_or(Errno::ESRCH)?
    };
    if running {
        return Ok(task);
    }
    task.with_stop(|_| ()).ok_or(Errno::ESRCH)?;
    Ok(task)
}

fn of_tracee(cx: &TaskCx, request: u64, pid: i32, addr: u64, data: u64) -> Result<u64, Errno> {
    let task = tracee(cx, pid, [KILL, INTERRUPT].contains(&request))?;
    let task = &task;
    let x86 = cx.image.arch.arch() == Arch::X86_64;
    match request {
        PEEKTEXT | PEEKDATA => {
            let word = peek(task, addr)?;
            cx.mm().write_obj(Addr(data), &word)?;
            Ok(0)
        }
        POKETEXT | POKEDATA => poke(task, addr, data),
        CONT | SYSCALL | SINGLESTEP | SYSEMU | SYSEMU_SINGLESTEP | DETACH => {
            resume::resume(task, request, data)
        }
        KILL => {
            let pid = task.number_of(cx.task.tgid());
            let info = SigInfo::user(SIGKILL, SI_USER, pid, cx.task.creds().uid);
            // SIGKILL is never refused.
            let _ = task.group_ref().post_thread(task, SIGKILL, info);
            Ok(0)
        }
        INTERRUPT | LISTEN => resume::control(task, request),
        SETOPTIONS | OLDSETOPTIONS => {
            let new = options(cx, data)?;
            let _state = task.group_ref().lock();
            let mut own = task.signals.lock();
            own.trace.as_deref_mut().ok_or(Errno::ESRCH)?.options = new;
            Ok(0)
        }
        GETREGSET | SETREGSET => regs::set(cx, task, request, addr, data),
        GETEVENTMSG | GETSIGINFO | SETSIGINFO | GETSIGMASK | SETSIGMASK | PEEKSIGINFO => {
            info::about(cx, task, request, addr, data)
        }
        SECCOMP_GET_FILTER | SECCOMP_GET_METADATA => filters::get(cx, task, request, addr, data),
        GET_SYSCALL_INFO => call_info::get(cx, task, addr, data),
        SET_SYSCALL_INFO => call_info::set(cx, task, addr, data),
        PEEKUSR | POKEUSR if x86 => regs::user(cx, task, request, addr, data),
        GETREGS | SETREGS | GETFPREGS | SETFPREGS if x86 => regs::whole(cx, task, request, data),
        ARCH_PRCTL if x86 => regs::arch_prctl(cx, task, addr, data),
        _ => Err(Errno::EIO),
    }
}

/// A word of the task's memory, whatever its mapping permits.
fn peek(task: &Task, addr: u64) -> Result<u64, Errno> {
    let mut word = [0; 8];
    let mm = task.mm().ok_or(Errno::EIO)?;
    mm.copy_in(Addr(addr), &mut word, Permissions::Ignore).map_err(|_| Errno::EIO)?;
    Ok(u64::from_ne_bytes(word))
}

/// Changes a word of the task's memory. What is shared with a file becomes its own first.
fn poke(task: &Task, addr: u64, word: u64) -> Result<u64, Errno> {
    let mm = task.mm().ok_or(Errno::EIO)?;
    let bytes = word.to_ne_bytes();
    mm.copy_out(Addr(addr), &bytes, Permissions::Ignore).map_err(|_| Errno::EIO)?;
    // Threads that are not stopped run what is there now.
    mm.address_space().flush();
    Ok(0)
}
