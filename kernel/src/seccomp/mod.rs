//! seccomp(2) filters.

mod data;
mod listener;
mod notify;

pub(crate) use listener::{SIZES, ioctl, open};
pub(crate) use notify::{Notifier, ask};

pub use data::DIALECT;
pub use vfs::bpf::{Instruction, MAX_INSTRUCTIONS, Program};

use data::Data;

use crate::signal::{SIGKILL, SIGSYS, SigInfo};
use crate::task::{TaskCx, Work};
use crate::{Args, ExitStatus, Outcome, Task};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, Arch};
use syserr::Errno;

/// `AUDIT_ARCH_X86_64`.
pub(crate) const AUDIT_X86_64: u32 = 0xc000_003e;
/// `AUDIT_ARCH_AARCH64`.
pub(crate) const AUDIT_AARCH64: u32 = 0xc000_00b7;
/// What audit(8) calls an architecture.
pub(crate) const fn audit_arch(arch: Arch) -> u32 {
    match arch {
        Arch::X86_64 => AUDIT_X86_64,
        Arch::Aarch64 => AUDIT_AARCH64,
    }
}

/// Instructions of all filters of a task together, with four for each filter (`MAX_INSNS_PER_PATH`).
const MAX_PATH: usize = 32768;

mod action {
    pub(super) const KILL_PROCESS: u32 = 0x8000_0000;
    pub(super) const KILL_THREAD: u32 = 0;
    pub(super) const TRAP: u32 = 0x0003_0000;
    pub(super) const ERRNO: u32 = 0x0005_0000;
    pub(super) const USER_NOTIF: u32 = 0x7fc0_0000;
    pub(super) const TRACE: u32 = 0x7ff0_0000;
    pub(super) const LOG: u32 = 0x7ffc_0000;
    pub(super) const ALLOW: u32 = 0x7fff_0000;
    pub(super) const MASK: u32 = 0xffff_0000;
}

/// Whether an action is one that this kernel knows (`SECCOMP_GET_ACTION_AVAIL`).
pub fn is_available(a: u32) -> bool {
    use action::*;
    [KILL_PROCESS, KILL_THREAD, TRAP, ERRNO, USER_NOTIF, TRACE, LOG, ALLOW].contains(&a)
}

/// A filter that was installed.
pub(crate) struct Filter {
    pub(crate) program: Program,
    /// `SECCOMP_FILTER_FLAG_LOG`.
    pub(crate) log: bool,
    /// Who is asked where it says so.
    pub(crate) notifier: Option<Arc<Notifier>>,
}

impl Filter {
    /// Whether it has a listener.
    fn is_heard(&self) -> bool {
        self.notifier.as_ref().is_some_and(|n| !n.is_closed())
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        if let Some(n) = &self.notifier {
            n.abandon();
        }
    }
}

impl core::fmt::Debug for Filter {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Filter").field("program", &self.program).finish_non_exhaustive()
    }
}

/// What restricts a task. Inherited by clone(2), kept by execve(2), and never taken back.
#[derive(Clone, Debug, Default)]
pub struct State {
    strict: bool,
    /// Oldest first.
    filters: Vec<Arc<Filter>>,
    /// How many there are, or were when the task ended.
    count: usize,
}

impl State {
    /// Whether nothing is restricted.
    pub fn is_empty(&self) -> bool {
        self.mode() == 0
    }

    /// `PR_GET_SECCOMP`, and `Seccomp:` in `/proc/PID/status`.
    pub fn mode(&self) -> u64 {
        if self.strict { 1 } else { u64::from(self.count > 0) * 2 }
    }

    /// How many filters there are.
    pub fn filters(&self) -> usize {
        self.count
    }

    /// The filter with a number, counted from the oldest.
    ///
    /// # Errors
    /// `EINVAL` without filters, `ENOENT` when there are fewer.
    pub(crate) fn filter(&self, number: u64) -> Result<Arc<Filter>, Errno> {
        if self.mode() != 2 {
            return Err(Errno::EINVAL);
        }
        let at = usize::try_from(number).map_err(|_| Errno::ENOENT)?;
        self.filters.get(at).cloned().ok_or(Errno::ENOENT)
    }

    /// Lets the filters of a task go that has ended; who drops them holds no lock.
    pub(crate) fn release(&mut self) -> Vec<Arc<Filter>> {
        core::mem::take(&mut self.filters)
    }
}

impl Task {
    /// `SECCOMP_MODE_STRICT`.
    ///
    /// # Errors
    /// `EINVAL` when there are filters already.
    pub(crate) fn set_strict(&self) -> Result<(), Errno> {
        let mut s = self.seccomp.lock();
        if !s.filters.is_empty() {
            return Err(Errno::EINVAL);
        }
        s.strict = true;
        self.set_work(Work::SECCOMP, true);
        Ok(())
    }

    /// Adds a filter; with `all`, to every thread of the process, which gives up new privileges as
    /// the caller has. Says which thread has filters that the caller has not: nothing is added then.
    ///
    /// # Errors
    /// `EINVAL` in strict mode, `ENOMEM` for too many instructions, `EBUSY` for a second listener.
    pub(crate) fn add_filter(&self, filter: Filter, all: bool) -> Result<Option<Arc<Task>>, Errno> {
        let mut new = self.seccomp.lock().clone();
        if new.strict {
            return Err(Errno::EINVAL);
        }
        if filter.notifier.is_some() && new.filters.iter().any(|f| f.is_heard()) {
            return Err(Errno::EBUSY);
        }
        let length: usize = new.filters.iter().map(|f| f.program.len() + 4).sum();
        if length + filter.program.len() > MAX_PATH {
            return Err(Errno::ENOMEM);
        }
        let no_new_privs = self.creds().no_new_privs;
        let others = if all { self.group_ref().threads() } else { Vec::new() };
        let is_ancestor = |t: &Arc<Task>| {
            let theirs = t.seccomp.lock();
            !theirs.strict
                && theirs.filters.len() <= new.filters.len()
                && theirs.filters.iter().zip(&new.filters).all(|(a, b)| Arc::ptr_eq(a, b))
        };
        if let Some(diverged) = others.iter().find(|t| !is_ancestor(t)) {
            return Ok(Some(diverged.clone()));
        }
        new.filters.push(Arc::new(filter));
        new.count += 1;
        for t in &others {
            *t.seccomp.lock() = new.clone();
            t.set_work(Work::SECCOMP, true);
            if no_new_privs {
                t.give_up_new_privileges();
            }
        }
        *self.seccomp.lock() = new;
        self.set_work(Work::SECCOMP, true);
        Ok(None)
    }
}

/// What filters say of a system call.
pub(crate) enum Verdict {
    /// It may be made.
    Allow,
    /// This happens instead.
    Instead(Outcome),
    /// The tracer is asked, and told this.
    Trace(u16),
    /// The filter's listener is asked.
    Notify(Arc<Notifier>, Data),
}

/// What filters say of the system call that the task is about to make.
pub(crate) fn check(cx: &mut TaskCx, nr: u64, args: &Args) -> Verdict {
    let state = cx.task.seccomp.lock().clone();
    if state.strict && !is_allowed_strictly(cx, nr) {
        return Verdict::Instead(kill(cx, SIGKILL, true));
    }
    let arch = audit_arch(cx.image.arch.arch());
    let data = Data::new(nr as u32, arch, cx.image.arch.ip(), args);
    // The strictest answer counts; among equal ones, that of the newest filter. Actions are
    // ordered as signed numbers.
    let mut verdict = action::ALLOW;
    let mut strictest = None;
    for f in state.filters.iter().rev() {
        let v = f.program.run(&data);
        if ((v & action::MASK) as i32) < (verdict & action::MASK) as i32 {
            verdict = v;
            strictest = Some(f);
        }
    }
    let value = verdict & !action::MASK;
    match verdict & action::MASK {
        action::ALLOW | action::LOG => Verdict::Allow,
        action::ERRNO => Verdict::Instead(match Errno::new(value.min(4095) as u16) {
            Some(e) => e.into(),
            None => Outcome::Done(Ok(0)),
        }),
        action::TRAP => {
            let info = SigInfo::seccomp(Addr(cx.image.arch.ip()), nr as i32, arch, value as i32);
            // The handler may put a result there.
            cx.image.arch.undo_syscall();
            cx.task.force_signal(info);
            Verdict::Instead(Outcome::Keep)
        }
        action::TRACE => Verdict::Trace(value as u16),
        action::USER_NOTIF => match strictest.and_then(|f| f.notifier.clone()) {
            Some(notifier) => Verdict::Notify(notifier, data),
            None => Verdict::Instead(Errno::ENOSYS.into()),
        },
        action::KILL_THREAD => Verdict::Instead(kill(cx, SIGSYS, true)),
        _ => Verdict::Instead(kill(cx, SIGSYS, false)),
    }
}

/// Kills the process; or the thread alone, unless it is the last.
fn kill(cx: &mut TaskCx, signo: u32, thread: bool) -> Outcome {
    if thread && cx.task.group_ref().thread_count() > 1 {
        cx.exit_thread(ExitStatus::Signaled(signo));
    } else {
        cx.task.kill_group(signo);
    }
    Outcome::Keep
}

/// read, write, exit and rt_sigreturn.
fn is_allowed_strictly(cx: &TaskCx, nr: u64) -> bool {
    let name = cx.image.syscall_table().lookup(nr).name;
    ["read", "write", "exit", "rt_sigreturn"].contains(&name)
}
