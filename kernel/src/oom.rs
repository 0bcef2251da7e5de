//! When memory runs out, that of guests or what the kernel keeps for them: the largest process is
//! ended, and others wait for what it leaves.

use crate::signal::SIGKILL;
use crate::{ClockId, Kernel, Task, ThreadGroup};
use alloc::sync::Arc;
use alloc::vec::Vec;
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
    for tried in 0..TRIES {
        make_room(&task, &mm, tried).await.ok_or(FaultError::NoMemory)?;
        match mm.handle_fault(addr, access) {
            Err(FaultError::NoMemory) => {}
            result => return result,
        }
    }
    Err(FaultError::NoMemory)
}

/// Waits until what the kernel keeps for guests is within its limit again, before a system call that
/// may make it keep more. The largest processes are ended for it, which may be the caller's.
pub(crate) async fn relieve(task: Arc<Task>) {
    let Some(mm) = task.mm() else { return };
    for tried in 0..TRIES {
        if make_room(&task, &mm, tried).await.is_none() || !mm.memory().is_exhausted() {
            return;
        }
    }
    task.kill_group(SIGKILL);
}

/// Ends the largest process and gives it a while; `None` when the task itself has to go.
async fn make_room(task: &Arc<Task>, mm: &MemoryManager, tried: usize) -> Option<()> {
    // Memory of processes that have ended may be on its way back already: that is waited for
    // first, so that nobody is ended for it.
    let waits = tried < 2 || tried < PATIENCE && mm.memory().is_returning();
    if !waits && task.kernel().end_largest().is_none_or(|g| Arc::ptr_eq(&g, task.group_ref())) {
        return None;
    }
    let until = task.kernel().now(ClockId::Monotonic) + PAUSE;
    task.pause(until).await.ok()
}

impl Kernel {
    /// Ends the process that has the most memory, as Linux's out-of-memory killer (`mm/oom_kill.c`)
    /// without adjustments. What the kernel keeps mostly hangs on descriptors: each process counts
    /// for as much of it as it has of them.
    fn end_largest(&self) -> Option<Arc<ThreadGroup>> {
        let groups = self.processes().into_iter().filter_map(|id| self.process(id));
        let sizes: Vec<_> = groups
            .filter_map(|g| {
                let first = g.lock().threads.first().cloned()?;
                let rss = first.mm()?.stats().rss;
                Some((g, rss, first.files().count() as u64))
            })
            .collect();
        let descriptors = sizes.iter().map(|(.., n)| n).sum::<u64>().max(1);
        let each = self.embedder().platform.memory().overhead() / descriptors;
        let (largest, ..) = sizes
            .into_iter()
            .max_by_key(|(_, rss, n)| rss.saturating_add(n.saturating_mul(each)))?;
        let first = largest.lock().threads.first().cloned()?;
        self.note_starved();
        first.kill_group(SIGKILL);
        Some(largest)
    }
}
