//! Delivery: from a pending signal to a handler's frame, a stop, or the end.

use super::{DefaultAction, SIGKILL, SIGSEGV, SIGSTOP, SaFlags, SigAction, SigInfo, SignalSet};
use super::{SIG_DFL, default_action};
use crate::task::TaskCx;
use crate::{Attention, Task};
use arch::signal::minsigstksz;
use arch::{FaultState, SignalDelivery};
use syserr::{Errno, RestartAction};

impl Task {
    /// Takes the next signal that can be delivered: those of the thread's own instructions first,
    /// then its own, then its group's; lowest number first. With it comes whether it was its
    /// group's.
    pub(crate) fn take_signal(&self) -> Option<(SigInfo, bool)> {
        let mut state = self.group_ref().lock();
        let blocked = self.blocked();
        let own = {
            let mut own = self.signals.lock();
            own.may_stop = true;
            own.pending.pop_synchronous(blocked).or_else(|| own.pending.pop(blocked))
        };
        let info = match own {
            Some(info) => Some((info, false)),
            None => state.pending.pop(blocked).map(|info| (info, true)),
        };
        self.recalculate(&state);
        info
    }

    /// The action for a signal that is delivered now, which `SA_RESETHAND` resets.
    fn take_handler(&self, signo: u32) -> SigAction {
        let state = self.group_ref().lock();
        let mut handlers = state.handlers.lock();
        let action = handlers.get(signo);
        if action.caught().is_some() && action.flags.contains(SaFlags::RESETHAND) {
            // Only the handler goes; flags and mask stay.
            handlers.set(signo, SigAction { handler: SIG_DFL, ..action });
        }
        action
    }

    /// Whether a handler would run for a signal.
    pub(crate) fn has_handler(&self, signo: u32) -> bool {
        let state = self.group_ref().lock();
        state.handlers.lock().get(signo).caught().is_some()
    }

    /// What happens to a signal without a handler.
    fn default_signal(&self, info: &SigInfo, action: &SigAction) {
        let signo = info.signo as u32;
        if action.handler != SIG_DFL {
            return;
        }
        // It was held up, or SIGKILL and SIGSTOP came from outside the namespace.
        if self.group_ref().lock().unkillable && signo != SIGSTOP && signo != SIGKILL {
            return;
        }
        match default_action(signo) {
            DefaultAction::Ignore | DefaultAction::Continue => {}
            DefaultAction::Terminate | DefaultAction::Core => self.die_of(*info),
            // Nobody could continue an orphaned group, so the terminal does not stop it.
            DefaultAction::Stop => {
                let orphaned = || {
                    let group = self.group_ref();
                    self.kernel().tree().is_orphaned(group.pgid(), None)
                };
                if signo == SIGSTOP || !orphaned() {
                    self.begin_stop(signo);
                }
            }
        }
    }

    /// Takes the temporary mask's predecessor, which a handler returns to.
    fn take_saved_mask(&self) -> Option<SignalSet> {
        let _state = self.group_ref().lock();
        let saved = self.signals.lock().saved_mask.take();
        self.clear_attention(Attention::MASK);
        saved
    }
}

impl TaskCx {
    /// Delivers one signal.
    pub(crate) fn deliver_signal(&mut self) {
        let task = self.task.clone();
        let Some((info, _)) = task.take_signal() else { return };
        let info = task.group_ref().rearm_timer(task.kernel(), info);
        self.take_action(&info);
    }

    /// Does what is to be done about a signal; whether a handler was entered.
    pub(crate) fn take_action(&mut self, info: &SigInfo) -> bool {
        let signo = info.signo as u32;
        let action = self.task.take_handler(signo);
        if action.caught().is_none() {
            self.task.default_signal(info, &action);
            return false;
        }
        self.settle_restart(&action);
        self.enter_handler(info, &action)
    }

    /// A handler runs: what becomes of the system call that was broken off.
    fn settle_restart(&mut self, action: &SigAction) {
        let sa_restart = action.flags.contains(SaFlags::RESTART);
        self.interrupted = false;
        match self.restart.take().map(|r| r.with_handler(sa_restart)) {
            None => {}
            Some(RestartAction::Interrupted) => self.set_error(Errno::EINTR),
            Some(RestartAction::Again) => self.image.arch.restart_syscall(),
            Some(RestartAction::AgainWithBlock) => self.image.arch.restart_with_block(),
        }
    }

    fn enter_handler(&mut self, info: &SigInfo, action: &SigAction) -> bool {
        let task = self.task.clone();
        let signo = info.signo as u32;
        let blocked = task.blocked();
        let mask = task.take_saved_mask().unwrap_or(blocked);
        let signal = SignalDelivery {
            info: *info,
            action: *action,
            mask,
            fault: FaultState {
                trapno: self.fault.trapno,
                error_code: self.fault.error_code,
                address: self.fault.address,
            },
            trampoline: self.trampoline(),
        };
        self.context.pull_fpu(&mut self.image.arch);
        let mut altstack = {
            let _state = task.group_ref().lock();
            task.signals.lock().altstack
        };
        let mm = self.mm().clone();
        if arch::push_frame(&mut self.image.arch, &*mm, &signal, &mut altstack).is_err() {
            self.bad_frame(signo);
            return false;
        }
        self.context.push_fpu(&self.image.arch);
        let mut new = blocked.union(action.mask);
        if !action.flags.contains(SaFlags::NODEFER) {
            new.insert(signo);
        }
        {
            let _state = task.group_ref().lock();
            task.signals.lock().altstack = altstack;
        }
        task.set_mask(new);
        true
    }

    fn trampoline(&self) -> Option<u64> {
        let at = self.mm().meta().sigreturn.0;
        (at != 0).then_some(at)
    }

    /// A frame cannot be written or read: `SIGSEGV`, and no handler for it when it is that signal
    /// whose frame failed (`force_sigsegv`).
    pub(crate) fn bad_frame(&mut self, signo: u32) {
        if signo == SIGSEGV {
            self.task.kill_group(SIGSEGV);
        } else {
            self.task.force_signal(SigInfo::kernel(SIGSEGV));
        }
    }

    /// rt_sigreturn(2): brings registers, mask and alternate stack back.
    pub(crate) fn return_from_handler(&mut self) {
        let mm = self.mm().clone();
        self.context.pull_fpu(&mut self.image.arch);
        match arch::pop_frame(&mut self.image.arch, &*mm) {
            Ok(back) => {
                self.context.push_fpu(&self.image.arch);
                self.image.arch.clear_syscall();
                self.task.set_mask(back.mask);
                let minimum = minsigstksz(self.image.arch.arch());
                let _state = self.task.group_ref().lock();
                let mut own = self.task.signals.lock();
                // As Linux: what the frame says counts only if sigaltstack(2) would take it.
                if let Ok(new) = own.altstack.replaced(back.altstack, back.sp, minimum) {
                    own.altstack = new;
                }
            }
            Err(bad) => {
                self.context.push_fpu(&self.image.arch);
                self.image.arch.clear_syscall();
                self.image.arch.set_return(0);
                if let Some(mask) = bad.mask {
                    self.task.set_mask(mask);
                }
                self.bad_frame(0);
            }
        }
    }
}
