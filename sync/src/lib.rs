//! Locks, atomics, cells and wait queues that the Tessera crates share.
//!
//! Three implementations behind one set of names: `std` (sleeping locks), spinning ones without
//! it, and loom's under `--cfg loom`, so that concurrent code can be model-checked as it is.
//! A poisoned lock is taken as it is: kernel state is kept consistent by plan-then-commit, not by
//! poisoning.
//!
//! The implementation is chosen at build time rather than by a type parameter, because a lock
//! parameter would show in the type of everything that contains a lock, and so in the interface
//! of every crate above.
//!
//! ```
//! use core::task::Waker;
//! use sync::waitq::{Events, Queue};
//!
//! let queue = Queue::new();
//! let ticket = queue.register(Events::IN, Waker::noop());
//! queue.notify(Events::IN);
//! queue.unregister(ticket);
//! assert!(queue.is_empty());
//! ```
#![cfg_attr(not(any(feature = "std", loom, test)), no_std)]
#![forbid(unsafe_code)]
extern crate alloc;

mod lock;
mod once;
pub mod waitq;

pub use lock::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use once::OnceBox;

/// Atomics, loom's under `--cfg loom`.
pub mod atomic {
    #[cfg(not(loom))]
    pub use core::sync::atomic::*;
    #[cfg(loom)]
    pub use loom::sync::atomic::*;
}

/// What a loop does that waits for another processor, loom's under `--cfg loom`.
pub mod hint {
    #[cfg(not(loom))]
    pub use core::hint::spin_loop;
    #[cfg(loom)]
    pub use loom::hint::spin_loop;
}

/// Reference counting, loom's under `--cfg loom`.
#[cfg(not(loom))]
pub use alloc::sync::{Arc, Weak};
#[cfg(loom)]
pub use loom::sync::Arc;
