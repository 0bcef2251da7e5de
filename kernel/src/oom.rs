//! When memory runs out: the largest process is ended, and others wait for what it leaves.

use crate::signal::SIGKILL;
use crate::{ClockId, Kernel, Task, ThreadGroup};
use alloc::sync::Arc;
use arch::{Access, Addr};
use mm::{FaultError, MemoryManager};

/// How long a task waits for memory before it tries again, in nanoseconds.
const PAUSE: i64 = 2_000_000;
/// How often it tries before it is ended itself.
const TRIES: usize = 1000;
/// How often it tries before others are ended although memory is on its way back: a busy host takes
/// its time over a large process.
const PATIENCE: usize = 500;

/// Tries a fault that found no memory again, after the largest process was ended and while its
/// memory comes back.
///
/// # Errors
/// As `mm::MemoryManager::handle_fault`; [`FaultError::NoMemory`] when the task itself has to go.
pub(crate) async fn retry(
    task: Arc<Task>,
    mm: Arc<MemoryManager>,
    addr: Addr,
    access: Access,
) -> Result<(), FaultError> {
    for i in 0..TRIES {
        // Memory of processes that have ended may be on its way back already: that is waited for
        // first, so that nobody is ended for it.
        let waits = i < 2 || i < PATIENCE && mm.memory().is_returning();
        if !waits && task.kernel().end_largest().is_none_or(|g| Arc::ptr_eq(&g, task.group_ref())) {
            return Err(FaultError::NoMemory);
        }
        let until = task.kernel().now(ClockId::Monotonic) + PAUSE;
        if task.pause(until).await.is_err() {
            return Err(FaultError::NoMemory);
        }
        match mm.handle_fault(addr, access) {
            Err(FaultError::NoMemory) => {}
            result => return result,
        }
    }
    Err(FaultError::NoMemory)
}

impl Kernel {
    /// Ends the process that has the most memory, as Linux's out-of-memory killer (`mm/oom_kill.c`)
    /// without adjustments.
    fn end_largest(&self) -> Option<Arc<ThreadGroup>> {
        let size = |g: &Arc<ThreadGroup>| {
            let first = g.lock().threads.first().cloned();
            first.and_then(|t| t.mm()).map_or(0, |mm| mm.stats().rss)
        };
        let groups = self.processes().into_iter().filter_map(|id| self.process(id));
        let largest = groups.max_by_key(size)?;
        let first = largest.lock().threads.first().cloned()?;
        self.note_starved();
        first.kill_group(SIGKILL);
        Some(largest)
    }
}
