//! A task as files see it.

use super::Task;
use crate::signal::{Sender, SigInfo, Target};
use alloc::sync::Arc;
use arch::UserMemory;
use mm::MemoryManager;

/// A task with its memory, for the operations of files that need to know who calls.
pub struct TaskCaller {
    task: Arc<Task>,
    mm: Arc<MemoryManager>,
}

impl TaskCaller {
    /// `task` working in `mm`, which is its own.
    pub fn new(task: Arc<Task>, mm: Arc<MemoryManager>) -> TaskCaller {
        TaskCaller { task, mm }
    }

    /// The task.
    pub fn task(&self) -> &Arc<Task> {
        &self.task
    }
}

impl super::TaskCx {
    /// This task as files see it.
    pub fn caller(&self) -> TaskCaller {
        TaskCaller::new(self.task.clone(), self.mm().clone())
    }
}

impl vfs::Caller for TaskCaller {
    fn memory(&self) -> &dyn UserMemory {
        &*self.mm
    }

    fn tgid(&self) -> i32 {
        self.task.tgid()
    }

    fn pgid(&self) -> i32 {
        self.task.group_ref().pgid()
    }

    fn sid(&self) -> i32 {
        self.task.group_ref().sid()
    }

    fn number_of(&self, id: i32) -> i32 {
        self.task.number_of(id)
    }

    fn id_of(&self, number: i32) -> Option<i32> {
        self.task.pid_ns().id_of(number)
    }

    fn creds(&self) -> Arc<vfs::Creds> {
        self.task.creds()
    }

    fn signal_group(&self, pgid: i32, signo: u32) {
        let info = SigInfo::kernel(signo);
        // A group that is gone has nobody to tell.
        let _ = self.task.kernel().send(Sender::Kernel, Target::Group(pgid), signo, Some(info));
    }
}
