//! Task images, tasks, signals and the static Linux syscall tables: the kernel that composes the
//! Tessera crates.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod block;
pub mod clone;
mod comm;
mod exec;
mod exit;
mod futexes;
mod group;
mod image;
mod init;
mod kernel;
pub mod limits;
pub mod pidfd;
pub mod proc;
mod restart;
mod seam;
pub mod seccomp;
pub mod signal;
mod status;
pub mod syscalls;
pub mod table;
pub mod task;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod timers;
mod tree;
mod usage;
pub mod wait;

pub use block::{BlockError, Blocked, block_on_file};
pub use comm::Comm;
pub use group::{GroupUsage, ThreadGroup};
pub use image::{
    ForkError, LoadArgs, LoadImageError, LoadedTask, RestoreError, SavedImage, TaskImage,
    VfsExecutable,
};
pub use init::ProcessArgs;
pub use kernel::{Kernel, KernelConfig, Uts};
pub use limits::{Limit, LimitSet, Resource};
pub use restart::RestartBlock;
pub use seam::{
    BoxFuture, Clock, ClockId, Context, Embedder, FaultInfo, Interrupt, Platform, Random, Spawn,
    TimerId, Timers, Trap,
};
pub use status::ExitStatus;
pub use table::{
    Arg, Args, Entry, Handler, LINUX_AARCH64, LINUX_X86_64, Outcome, Registry, SLOTS, Support,
    SyscallTable, missing,
};
pub use task::{Attention, CpuTimes, SyscallTracer, Task, TaskCaller, TaskCx};
