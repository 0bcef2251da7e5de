//! Task images, tasks, signals and the static Linux syscall tables: the kernel that composes the
//! Tessera crates.
//!
//! # A task is a future
//!
//! A kernel that gives each guest thread a stack of its own needs a scheduler, and a host thread or
//! a stack for each thread that sleeps. Here a task is a future instead: it runs user code until
//! that traps, answers, and goes back. System calls are plain functions ([`Handler`]) that never
//! block; one that cannot go on returns [`Outcome::Block`] with a future, and [`block`] composes
//! that with signals and a deadline, in one place. No lock is held across an await, so the executor
//! may be anything that polls futures, on any number of threads, and ten thousand sleepers cost
//! their state alone. What a signal breaks off is described by values ([`RestartBlock`], restart
//! codes that no guest can see), never by a stack that has to be unwound.
//!
//! What a program brings is a [`TaskImage`]; who runs it is a [`Task`] in a [`ThreadGroup`];
//! execve(2) replaces the one and keeps the other. Nothing is global: a [`Kernel`] is a value, made
//! from what an [`Embedder`] supplies.
//!
//! ```
//! # #[cfg(feature = "testkit")] {
//! use kernel::testkit::{Script, TEXT, World};
//!
//! let mut guest = Script::new();
//! guest.call(39, &[]); // getpid(2)
//! guest.log_result();
//! guest.call(231, &[3]); // exit_group(2)
//!
//! let world = World::new(guest).unwrap();
//! world.write_program(b"/init", TEXT).unwrap();
//! let status = world.run(b"/init").unwrap();
//! assert_eq!(status, Some(kernel::ExitStatus::Exited(3)));
//! assert_eq!(world.log(), [1]);
//! # }
//! ```
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod block;
pub mod cgroup;
pub mod clone;
mod comm;
mod coredump;
mod exec;
mod exit;
mod futexes;
mod group;
mod image;
mod init;
mod kernel;
mod keys;
pub mod limits;
mod ns;
mod oom;
pub mod pidfd;
pub mod proc;
mod ptrace;
mod restart;
mod sched_settings;
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
pub use ns::PidNamespace;
pub use ptrace::TraceEvent;
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
pub use task::{Attention, CpuTimes, SyscallTracer, Task, TaskCaller, TaskCx, Transfers};
