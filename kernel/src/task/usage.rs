//! Processor time.

use super::Task;
use core::ops::AddAssign;
use sync::atomic::Ordering::Relaxed;

/// Time in user code and in the kernel, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    /// In user code.
    pub user: u64,
    /// In system calls. Sampled: one call in sixteen is timed and counts for all of them.
    pub system: u64,
}

impl CpuTimes {
    /// Both together.
    pub fn total(self) -> u64 {
        self.user.saturating_add(self.system)
    }
}

impl AddAssign for CpuTimes {
    fn add_assign(&mut self, o: CpuTimes) {
        self.user = self.user.saturating_add(o.user);
        self.system = self.system.saturating_add(o.system);
    }
}

impl Task {
    /// What the task has used, as of its last system call that was sampled or its last
    /// interruption.
    pub fn cpu_times(&self) -> CpuTimes {
        CpuTimes { user: self.user_ns.load(Relaxed), system: self.system_ns.load(Relaxed) }
    }
}
