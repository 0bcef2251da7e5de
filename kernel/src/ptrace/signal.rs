//! Delivery of signals to a traced task (`ptrace_signal` in `kernel/signal.c`).

use super::stop::Halt;
use crate::signal::{SI_USER, SIGKILL, SIGNAL_COUNT, SIGTRAP, SigInfo, seen_by};
use crate::task::TaskCx;

/// Delivers one signal, after the tracer has had its say.
pub(crate) async fn deliver(cx: &mut TaskCx) {
    let task = cx.task.clone();
    let Some((info, shared)) = task.take_signal() else { return };
    let mut info = task.group_ref().rearm_timer(task.kernel(), info);
    // A tracer cannot hold up SIGKILL.
    if info.signo as u32 != SIGKILL {
        let resumed = cx.halt(Halt::signal(info)).await;
        if resumed.data == 0 || resumed.data > SIGNAL_COUNT {
            return;
        }
        info = chosen(cx, resumed.data, resumed.info.unwrap_or(info));
        // It waits again if it is blocked now, or if there is nobody left to take it.
        let blocked = task.blocked().contains(resumed.data);
        if blocked || task.interrupted_by_exit() {
            let group = task.group_ref();
            // It was pending a moment ago; a queue that is full by now loses it.
            let _ = match shared {
                true => group.post(resumed.data, info),
                false => group.post_thread(&task, resumed.data, info),
            };
            return;
        }
    }
    // The handler's first instruction is the step.
    let stepping = cx.image.arch.single_step();
    if stepping && task.has_handler(info.signo as u32) {
        cx.image.arch.set_single_step(false);
    }
    let entered = cx.take_action(&info);
    if entered && stepping {
        let halt = cx.notice(SIGTRAP, SIGTRAP as i32, 0);
        cx.halt(halt).await;
    }
}

/// The info of the signal that the tracer chose: what it left there, or, for another signal than
/// that is about, that the tracer sent it.
fn chosen(cx: &TaskCx, signo: u32, info: SigInfo) -> SigInfo {
    if info.signo as u32 == signo {
        return info;
    }
    let tracer = cx.task.tracer();
    let (pid, uid) = tracer.map_or((0, 0), |t| (cx.task.number_of(t.tid()), t.creds().uid));
    seen_by(&cx.task, SigInfo::user(signo, SI_USER, pid, uid))
}
