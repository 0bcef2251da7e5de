//! Flags of clone(2), and which of them go together.

use crate::signal::SIGNAL_COUNT;
use syserr::Errno;

bitflags::bitflags! {
    /// `CLONE_*`; `include/uapi/linux/sched.h`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct CloneFlags: u64 {
        /// `CLONE_NEWTIME`, of clone3(2) and unshare(2) only.
        const NEWTIME = 0x80;
        /// `CLONE_VM`.
        const VM = 0x100;
        /// `CLONE_FS`.
        const FS = 0x200;
        /// `CLONE_FILES`.
        const FILES = 0x400;
        /// `CLONE_SIGHAND`.
        const SIGHAND = 0x800;
        /// `CLONE_PIDFD`.
        const PIDFD = 0x1000;
        /// `CLONE_PTRACE`.
        const PTRACE = 0x2000;
        /// `CLONE_VFORK`.
        const VFORK = 0x4000;
        /// `CLONE_PARENT`.
        const PARENT = 0x8000;
        /// `CLONE_THREAD`.
        const THREAD = 0x1_0000;
        /// `CLONE_NEWNS`.
        const NEWNS = 0x2_0000;
        /// `CLONE_SYSVSEM`; there are no undo lists to share.
        const SYSVSEM = 0x4_0000;
        /// `CLONE_SETTLS`.
        const SETTLS = 0x8_0000;
        /// `CLONE_PARENT_SETTID`.
        const PARENT_SETTID = 0x10_0000;
        /// `CLONE_CHILD_CLEARTID`.
        const CHILD_CLEARTID = 0x20_0000;
        /// `CLONE_DETACHED`; ignored, but for clone3(2).
        const DETACHED = 0x40_0000;
        /// `CLONE_UNTRACED`.
        const UNTRACED = 0x80_0000;
        /// `CLONE_CHILD_SETTID`.
        const CHILD_SETTID = 0x100_0000;
        /// `CLONE_NEWCGROUP`.
        const NEWCGROUP = 0x200_0000;
        /// `CLONE_NEWUTS`.
        const NEWUTS = 0x400_0000;
        /// `CLONE_NEWIPC`.
        const NEWIPC = 0x800_0000;
        /// `CLONE_NEWUSER`.
        const NEWUSER = 0x1000_0000;
        /// `CLONE_NEWPID`.
        const NEWPID = 0x2000_0000;
        /// `CLONE_NEWNET`.
        const NEWNET = 0x4000_0000;
        /// `CLONE_IO`.
        const IO = 0x8000_0000;
        /// `CLONE_CLEAR_SIGHAND`, of clone3(2) only.
        const CLEAR_SIGHAND = 0x1_0000_0000;
        /// `CLONE_INTO_CGROUP`, of clone3(2) only.
        const INTO_CGROUP = 0x2_0000_0000;
    }
}

impl CloneFlags {
    /// What makes a new namespace.
    pub const NAMESPACES: CloneFlags = CloneFlags::NEWNS
        .union(CloneFlags::NEWCGROUP)
        .union(CloneFlags::NEWUTS)
        .union(CloneFlags::NEWIPC)
        .union(CloneFlags::NEWUSER)
        .union(CloneFlags::NEWPID)
        .union(CloneFlags::NEWNET)
        .union(CloneFlags::NEWTIME);
}

/// What clone(2) and clone3(2) have in common.
#[derive(Clone, Copy, Debug)]
pub struct CloneArgs<'a> {
    /// Flags, without the exit signal.
    pub flags: CloneFlags,
    /// Sent to the parent at the end; 0 for none.
    pub exit_signal: u32,
    /// First address past the child's stack; 0 for the parent's stack pointer.
    pub stack_top: u64,
    /// Where `CLONE_PARENT_SETTID` writes.
    pub parent_tid: u64,
    /// Where `CLONE_CHILD_SETTID` and `CLONE_CHILD_CLEARTID` write.
    pub child_tid: u64,
    /// Where `CLONE_PIDFD` writes.
    pub pidfd: u64,
    /// Thread-local storage, with `CLONE_SETTLS`.
    pub tls: u64,
    /// The numbers that the child is to have instead of the next ones: in its PID namespace, in the
    /// one that this lies in, and so on, as far as there are any.
    pub set_tid: &'a [i32],
    /// Descriptor of the control group in which the child begins, with `CLONE_INTO_CGROUP`.
    pub cgroup: Option<i32>,
    /// Called as clone3(2).
    pub is_clone3: bool,
}

impl CloneArgs<'_> {
    /// Checks what `copy_process` and its callers in `kernel/fork.c` check. `is_init` tells
    /// whether the caller is the first process of its PID namespace.
    ///
    /// # Errors
    /// `EINVAL` for combinations that make no sense.
    pub fn validate(&self, is_init: bool) -> Result<(), Errno> {
        let has = |f| self.flags.contains(f);
        let both = |a, b| has(a) && has(b);
        use CloneFlags as F;
        let bad = both(F::NEWNS, F::FS)
            || both(F::NEWUSER, F::FS)
            || (has(F::THREAD) && !has(F::SIGHAND))
            || (has(F::SIGHAND) && !has(F::VM))
            || (has(F::PARENT) && is_init)
            || (has(F::THREAD) && self.flags.intersects(F::NEWUSER | F::NEWPID))
            || both(F::SIGHAND, F::CLEAR_SIGHAND)
            || (has(F::PIDFD) && has(F::DETACHED));
        let clone3 = has(F::DETACHED)
            || (self.exit_signal != 0 && self.flags.intersects(F::THREAD | F::PARENT));
        let same_place = both(F::PIDFD, F::PARENT_SETTID) && self.pidfd == self.parent_tid;
        if bad || same_place || (self.is_clone3 && clone3) {
            return Err(Errno::EINVAL);
        }
        if self.is_clone3 && self.exit_signal > SIGNAL_COUNT {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }
}
