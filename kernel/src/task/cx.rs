//! What only the running task itself uses.

use super::Task;
use crate::{Context, ExitStatus, FaultInfo, Kernel, TaskImage};
use alloc::boxed::Box;
use alloc::sync::Arc;
use mm::MemoryManager;
use syserr::{Errno, Restart};

/// A running task's own state: handlers of system calls get it.
pub struct TaskCx {
    /// The task.
    pub task: Arc<Task>,
    /// Its image; the registers are in `image.arch`.
    pub image: TaskImage,
    pub(crate) context: Box<dyn Context>,
    /// How the last system call wants to be continued, if a signal broke it off.
    pub(crate) restart: Option<Restart>,
    /// Traps so far, for sampling.
    pub(crate) traps: u32,
    /// The last system call returned `EINTR`.
    pub(crate) interrupted: bool,
    /// How the thread ends, once it called exit(2).
    pub(crate) exit: Option<ExitStatus>,
    /// What the hardware said of the last trap.
    pub(crate) fault: FaultInfo,
}

impl TaskCx {
    pub(crate) fn new(task: Arc<Task>, image: TaskImage, context: Box<dyn Context>) -> TaskCx {
        TaskCx {
            task,
            image,
            context,
            restart: None,
            traps: 0,
            interrupted: false,
            exit: None,
            fault: FaultInfo::default(),
        }
    }

    /// The kernel.
    pub fn kernel(&self) -> &Arc<Kernel> {
        self.task.kernel()
    }

    /// The address space.
    ///
    /// # Panics
    /// Never: a running task has one. Between release and end of the task nothing runs that could
    /// ask.
    pub fn mm(&self) -> &Arc<MemoryManager> {
        match self.image.memory_manager() {
            Some(mm) => mm,
            None => unreachable!("a running task has an address space"),
        }
    }

    /// The futexes of the address space.
    ///
    /// # Errors
    /// `ESRCH` once the image was released, which no handler meets.
    pub fn futex(&self) -> Result<&futex::Manager, Errno> {
        self.image.futex().ok_or(Errno::ESRCH)
    }

    /// Processor time in user code so far, in nanoseconds, exactly.
    pub fn user_time(&self) -> u64 {
        self.context.user_time()
    }

    /// Makes what others see of the processor time current.
    pub(crate) fn publish_times(&self) {
        self.task.user_ns.store(self.context.user_time(), sync::atomic::Ordering::Relaxed);
    }
}

impl core::fmt::Debug for TaskCx {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TaskCx").field("task", &self.task).finish_non_exhaustive()
    }
}
