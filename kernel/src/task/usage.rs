//! What a task has used: processor time, faults, switches, bytes and calls of reads and writes.

use super::Task;
use core::ops::AddAssign;
use sync::atomic::AtomicU64;
use sync::atomic::Ordering::Relaxed;

/// Time in user code and in the kernel, in nanoseconds, and what else getrusage(2) and
/// `/proc/PID/io` count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    /// In user code.
    pub user: u64,
    /// In system calls. Sampled: one call in sixteen is timed and counts for all of them.
    pub system: u64,
    /// Page faults that reached the kernel; none of them waits for a disk.
    pub faults: u64,
    /// How often the task waited.
    pub waits: u64,
    /// How often it was made to give the processor up.
    pub interruptions: u64,
    /// What read(2) and its like have read.
    pub read: Transfers,
    /// What write(2) and its like have written.
    pub written: Transfers,
}

/// Calls, and the bytes that they have moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfers {
    /// Calls, those that failed included.
    pub calls: u64,
    /// Bytes.
    pub bytes: u64,
}

impl AddAssign for Transfers {
    fn add_assign(&mut self, o: Transfers) {
        self.calls = self.calls.saturating_add(o.calls);
        self.bytes = self.bytes.saturating_add(o.bytes);
    }
}

/// [`Transfers`] of one task, which alone adds to them.
#[derive(Debug, Default)]
pub(crate) struct TransferCount {
    calls: AtomicU64,
    bytes: AtomicU64,
}

impl TransferCount {
    /// Adds a call that moved so many bytes.
    pub(crate) fn add(&self, bytes: u64) {
        self.calls.store(self.calls.load(Relaxed).wrapping_add(1), Relaxed);
        self.bytes.store(self.bytes.load(Relaxed).wrapping_add(bytes), Relaxed);
    }

    fn get(&self) -> Transfers {
        Transfers { calls: self.calls.load(Relaxed), bytes: self.bytes.load(Relaxed) }
    }

    fn take(&self) -> Transfers {
        Transfers { calls: self.calls.swap(0, Relaxed), bytes: self.bytes.swap(0, Relaxed) }
    }
}

impl CpuTimes {
    /// Time in user code and in the kernel.
    pub fn total(self) -> u64 {
        self.user.saturating_add(self.system)
    }
}

impl AddAssign for CpuTimes {
    fn add_assign(&mut self, o: CpuTimes) {
        self.user = self.user.saturating_add(o.user);
        self.system = self.system.saturating_add(o.system);
        self.faults = self.faults.saturating_add(o.faults);
        self.waits = self.waits.saturating_add(o.waits);
        self.interruptions = self.interruptions.saturating_add(o.interruptions);
        self.read += o.read;
        self.written += o.written;
    }
}

impl Task {
    /// What the task has used, as of its last system call that was sampled or its last
    /// interruption.
    pub fn cpu_times(&self) -> CpuTimes {
        CpuTimes {
            user: self.user_ns.load(Relaxed),
            system: self.system_ns.load(Relaxed),
            faults: self.faults.load(Relaxed),
            waits: self.waits.load(Relaxed),
            interruptions: self.interruptions.load(Relaxed),
            read: self.read.get(),
            written: self.written.get(),
        }
    }

    /// As [`Task::cpu_times`], and nothing from now on: it counts for the group that it leaves.
    pub(crate) fn take_cpu_times(&self) -> CpuTimes {
        CpuTimes {
            user: self.user_ns.swap(0, Relaxed),
            system: self.system_ns.swap(0, Relaxed),
            faults: self.faults.swap(0, Relaxed),
            waits: self.waits.swap(0, Relaxed),
            interruptions: self.interruptions.swap(0, Relaxed),
            read: self.read.take(),
            written: self.written.take(),
        }
    }
}
