//! Actions, masks, stacks, and the way back from a handler.

use super::read_set;
use crate::signal::{SIGKILL, SIGNAL_COUNT, SIGSTOP, SaFlags, SigAction, SignalSet};
use crate::syscalls::abi::write_if;
use crate::{Args, Outcome, TaskCx};
use arch::signal::{StackT, minsigstksz};
use arch::{Addr, AltStack, Permissions, UserMemory, UserMemoryExt};
use syserr::Errno;

/// rt_sigaction(2).
pub fn sys_rt_sigaction(cx: &mut TaskCx, a: &Args) -> Outcome {
    action(cx, a).map(|()| 0).into()
}

fn action(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    if a[3] != 8 {
        return Err(Errno::EINVAL);
    }
    let mm = cx.mm();
    let new = match a[1] {
        0 => None,
        at => Some(mm.read_obj::<SigAction>(Addr(at))?),
    };
    let signo = a[0] as u32;
    let fixed = signo == SIGKILL || signo == SIGSTOP;
    if !(1..=SIGNAL_COUNT).contains(&signo) || (new.is_some() && fixed) {
        return Err(Errno::EINVAL);
    }
    // Flags that nobody knows are cleared, so that a program can find out (`UAPI_SA_FLAGS` in
    // `include/linux/signal_types.h`).
    let new = new.map(|n| SigAction { flags: n.flags & SaFlags::all(), ..n });
    let old = cx.task.replace_action(signo, new);
    write_if(&**mm, a[2], &old)
}

/// rt_sigprocmask(2).
pub fn sys_rt_sigprocmask(cx: &mut TaskCx, a: &Args) -> Outcome {
    mask(cx, a).map(|()| 0).into()
}

fn mask(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    if a[3] != 8 {
        return Err(Errno::EINVAL);
    }
    let old = cx.task.blocked();
    if a[1] != 0 {
        let set = read_set(cx, a[1], 8)?;
        let new = match a[0] as i32 {
            0 => old.union(set),
            1 => old.difference(set),
            2 => set,
            _ => return Err(Errno::EINVAL),
        };
        cx.task.set_mask(new);
    }
    write_if(&**cx.mm(), a[2], &old.0)
}

/// rt_sigpending(2).
pub fn sys_rt_sigpending(cx: &mut TaskCx, a: &Args) -> Outcome {
    let size = a[1];
    if size > 8 {
        return Errno::EINVAL.into();
    }
    let set = cx.task.pending_signals().intersection(cx.task.blocked());
    let bytes = set.0.to_le_bytes();
    let part = bytes.get(..size as usize).unwrap_or(&[]);
    let r = cx.mm().copy_out(Addr(a[0]), part, Permissions::Obey);
    r.map(|()| 0).map_err(Errno::from).into()
}

/// rt_sigreturn(2).
pub fn sys_rt_sigreturn(cx: &mut TaskCx, _: &Args) -> Outcome {
    cx.return_from_handler();
    Outcome::Keep
}

/// sigaltstack(2).
pub fn sys_sigaltstack(cx: &mut TaskCx, a: &Args) -> Outcome {
    altstack(cx, a).map(|()| 0).into()
}

fn altstack(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    let mm = cx.mm();
    let new = match a[0] {
        0 => None,
        at => Some(mm.read_obj::<StackT>(Addr(at))?),
    };
    let sp = cx.image.arch.sp();
    let minimum = minsigstksz(cx.image.arch.arch());
    let old = cx.task.replace_altstack(|old| match new {
        None => Ok(*old),
        Some(n) => old.replaced(n.into(), sp, minimum),
    })?;
    write_if(&**mm, a[1], &StackT::from(old.reported(sp)))
}

impl crate::Task {
    /// Reads an action, and replaces it if there is a new one. Pending signals that are ignored
    /// from now on are dropped, as POSIX says.
    fn replace_action(&self, signo: u32, new: Option<SigAction>) -> SigAction {
        let mut state = self.group_ref().lock();
        let (old, dropped) = {
            let mut handlers = state.handlers.lock();
            let old = handlers.get(signo);
            if let Some(n) = new {
                handlers.set(signo, n);
            }
            (old, new.is_some() && handlers.ignores(signo))
        };
        if dropped {
            let which = SignalSet::of(&[signo]);
            state.pending.discard(which);
            for t in &state.threads {
                t.signals.lock().pending.discard(which);
                t.recalculate(&state);
            }
        }
        old
    }

    fn replace_altstack(
        &self,
        f: impl FnOnce(&AltStack) -> Result<AltStack, Errno>,
    ) -> Result<AltStack, Errno> {
        let _state = self.group_ref().lock();
        let mut own = self.signals.lock();
        let old = own.altstack;
        own.altstack = f(&old)?;
        Ok(old)
    }
}
