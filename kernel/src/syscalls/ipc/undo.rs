//! `SEM_UNDO`: what a process that ends gives back (`exit_sem` in `ipc/sem.c`).

use super::sem::{SEMVMX, Set};
use sync::waitq::Events;

impl Set {
    /// Gives back what the process did with `SEM_UNDO`.
    pub(super) fn undo(&self, tgid: i32) {
        let mut s = self.state.lock();
        let Some(adjust) = s.undo.remove(&tgid) else { return };
        for (sem, a) in s.sems.iter_mut().zip(adjust) {
            if a != 0 {
                sem.value = (sem.value + i32::from(a)).clamp(0, SEMVMX);
                sem.pid = tgid;
            }
        }
        drop(s);
        self.queue.notify(Events::all());
    }
}
