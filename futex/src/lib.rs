//! The Linux futex manager: wait, wake, requeue, priority inheritance, bitsets, waitv and robust lists.
#![cfg_attr(not(any(feature = "std", loom, test)), no_std)]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod abi;
#[cfg(feature = "std")]
mod block;
mod bucket;
pub mod futex2;
mod key;
mod manager;
mod op;
mod pi;
mod requeue;
mod robust;
mod sleep;
mod slot;
mod table;
mod target;
mod wait;
mod waitv;
mod wake;

pub use key::Scope;
pub use manager::{DEFAULT_BUCKETS, Manager};
pub use op::{Args, Clock, Op, Timeout};
pub use pi::{NoInheritance, PiTask, Priority, PriorityInheritance, Step, TaskId};
pub use requeue::{Counts, Word};
pub use slot::Waiter;
pub use target::{Backing, Fault, SharedKey, Target};
pub use wait::{Outcome, Wait};
pub use waitv::WaitEntry;
