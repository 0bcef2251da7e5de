//! ptrace(2): tasks that watch and change other tasks.
//!
//! Who traces whom stands in the process tree, by ID, as everything does there. How a task is
//! traced, and the stop that it is in, lie among its signals, under its group's signal lock.
//!
//! A task that stops lends its registers to the stop: its tracer reads and changes them there
//! while the task's own future waits, and the task takes them back when it goes on. What the
//! tracer makes of a broken-off system call stands in these registers alone, as restart codes do
//! in Linux, so that a debugger can put a call away and bring it back.
//!
//! A task that nobody traces pays nothing: what is to be done about a system call is one word,
//! which seccomp(2) needs anyway ([`crate::task::Work`]), and a stop that is wanted is a bit in
//! [`crate::Attention`].

mod access;
mod call_info;
mod event;
mod filters;
mod info;
mod link;
mod regs;
mod request;
mod resume;
mod signal;
mod state;
mod stop;
mod syscall;
mod tracees;

pub(crate) use access::may_access;
pub use event::TraceEvent;
pub(crate) use event::{Event, clone_event};
pub(crate) use link::{Link, attach, traceme};
pub(crate) use request::request;
pub(crate) use signal::deliver;
pub(crate) use state::{TraceStop, Traced};
pub(crate) use syscall::{enter_syscall, leave_syscall};
pub(crate) use tracees::{forget, inherit, rename, tracer_ended};
