//! Signals: what is pending, what is done about it, and how it reaches user code.
//!
//! Everything that decides about the signals of a thread group lies under one lock, that of
//! [`crate::ThreadGroup`]; a thread's own pending set lies under a lock of its own inside it. A
//! thread that has something to look at has a bit in [`crate::Attention`], so the way from a
//! system call back to user code costs one load when there is nothing.

//!
//! The numbers, sets and structures that programs see are those of [`arch::signal`].

mod action;
mod deliver;
mod mask;
mod pending;
mod send;
mod set;
mod stop;
mod targets;

pub use action::{DefaultAction, Handlers, default_action};
pub use arch::signal::{
    SIG_DFL, SIG_IGN, SIGINFO_SIZE, SIGNAL_COUNT, SaFlags, SigAction, SigInfo, SignalSet, code,
    number,
};
pub use code::*;
pub use number::*;
pub use pending::{Pending, Queued};
pub use send::Sender;
pub use set::{CORE, IGNORED, STOPPING, SYNCHRONOUS, next_of};
pub use targets::Target;

pub(crate) use send::{begin_exit, queued_entries, seen_by};
pub(crate) use stop::{notify_parent, settle};
