//! What terminals ask about processes, answered by a kernel that is made after them.

use kernel::Kernel;
use std::sync::{Arc, OnceLock, Weak};
use vfs::tty::JobControl;

/// Answers for the kernel that was attached; for none, there are no processes.
#[derive(Default)]
pub(super) struct Jobs(OnceLock<Weak<Kernel>>);

impl Jobs {
    /// From now on, `kernel` answers.
    pub(super) fn attach(&self, kernel: &Arc<Kernel>) {
        let _ = self.0.set(Arc::downgrade(kernel));
    }

    fn kernel(&self) -> Option<Arc<Kernel>> {
        self.0.get()?.upgrade()
    }
}

impl JobControl for Jobs {
    fn session_of(&self, tgid: i32) -> i32 {
        self.kernel().and_then(|k| k.process(tgid)).map_or(0, |p| p.sid())
    }

    fn session_of_group(&self, pgid: i32) -> Option<i32> {
        self.kernel()?.session_of_group(pgid)
    }

    fn is_first(&self, tgid: i32) -> bool {
        self.kernel().is_some_and(|k| k.first() == tgid)
    }

    fn signal_group(&self, pgid: i32, signo: u32) {
        if let Some(k) = self.kernel() {
            k.signal_group(pgid, signo);
        }
    }

    fn signal_process(&self, tgid: i32, signo: u32) {
        if let Some(k) = self.kernel() {
            k.signal_process(tgid, signo);
        }
    }
}
