//! The Linux futex manager: everything behind futex(2), futex_waitv(2), futex_wake(2),
//! futex_wait(2), futex_requeue(2) and robust lists, for a kernel that has its own tasks and memory.
//!
//! # A wait is a future, and it can be found wherever it has been moved to
//!
//! A futex is easy until a waiter can be moved. Then three parties may touch one queue entry at the
//! same time: who wakes it, who requeues it, and the waiter itself, whose deadline has passed. The
//! classic mistakes are a timeout that looks in the bucket where the wait began, and a wake that is
//! spent on a waiter which then reports a timeout.
//!
//! Here the waiters of a key are a *chain*, and every queue entry has a *place*, one atomic word in
//! memory that the waiter shares with the entry: a chain and an index there, or how the wait ended.
//! Another word names the *home* of each chain: its bucket. Both are written only with the lock of
//! the bucket where the chain is, by whoever moves or unlinks an entry or moves a chain. So
//! [`Wait::cancel`] reads the place and the home, locks the bucket, and looks again: either both
//! still lead to that bucket and the entry is unlinked there, or it has moved and cancel follows it,
//! or somebody has ended the wait, and that result wins over any deadline or signal.
//!
//! Requeueing all waiters of a key, as a condition variable's broadcast does, gives their chain
//! another home and touches none of them. The entries live in a slab in the chain, so nothing is
//! allocated for a wait, waking many runs along memory, and no code is unsafe.
//!
//! # Private and shared words are in one table
//!
//! Each [`Manager`] is one address space; [`Manager::fork`] makes another of the same kernel and
//! costs a reference count. All of them queue in one table of many buckets under a keyed hash. A
//! table for each address space would keep processes from sharing buckets, but a shared operation
//! on private memory can requeue a waiter of another process onto a word of this one, and then the
//! waiter sleeps in a table that its own manager does not know.
//!
//! # User memory is never faulted in under a lock
//!
//! [`Target`] is all that this crate knows of memory. Words are read with the bucket locked, but
//! only if they are resident; otherwise the bucket is unlocked, the word faulted in, and the
//! operation starts again, a bounded number of times.
//!
//! A wake on a word where nobody sleeps takes no lock: it reads the bucket's mark behind a barrier.
//! A waiter marks the bucket before it reads the word, and a waker changes the word before it reads
//! the mark, so one of them sees the other. The mark outlives the waiter, until a wake finds nobody:
//! who waits again finds it there. The models in `tests/loom.rs` check this and the races above.
//!
//! # Example
//!
//! ```
//! use arch::Addr;
//! use core::sync::atomic::{AtomicU32, Ordering::SeqCst};
//! use futex::{Backing, Fault, Manager, Outcome, Scope, Target, Waiter};
//! use syserr::Errno;
//!
//! /// An address space of one word, at address 0.
//! struct OneWord(AtomicU32);
//!
//! impl Target for OneWord {
//!     fn check(&self, addr: Addr) -> Result<(), Errno> {
//!         if addr == Addr(0) { Ok(()) } else { Err(Errno::EFAULT) }
//!     }
//!     fn shared_key(&self, _: Addr, _: bool) -> Result<Backing, Errno> {
//!         Ok(Backing::Private)
//!     }
//!     fn load_nofault(&self, _: Addr) -> Result<u32, Fault> {
//!         Ok(self.0.load(SeqCst))
//!     }
//!     fn compare_exchange_nofault(&self, _: Addr, old: u32, new: u32) -> Result<u32, Fault> {
//!         Ok(self.0.compare_exchange(old, new, SeqCst, SeqCst).unwrap_or_else(|seen| seen))
//!     }
//!     fn fault_in(&self, addr: Addr, _: bool) -> Result<(), Errno> {
//!         self.check(addr)
//!     }
//! }
//!
//! let futexes = Manager::new(0x5eed).fork();
//! let memory = OneWord(AtomicU32::new(1));
//! let mut waiter = Waiter::new();
//!
//! // The word is 1, not 0.
//! let r = futexes.wait(&mut waiter, &memory, Addr(0), Scope::Private, 0);
//! assert_eq!(r.err(), Some(Errno::EAGAIN));
//!
//! // Asleep: `wait` is a future. Somebody wakes it before its deadline makes us cancel.
//! let mut wait = futexes.wait(&mut waiter, &memory, Addr(0), Scope::Private, 1)?;
//! assert_eq!(futexes.wake(&memory, Addr(0), Scope::Private, 1), Ok(1));
//! assert_eq!(wait.cancel(), Outcome::Finished(Ok(0)));
//! # Ok::<(), Errno>(())
//! ```
//!
//! A kernel's system-call handler decodes with [`Op::decode`] and runs [`Manager::execute`], which
//! answers at once or with the future to sleep on; [`Op::interrupted`] says how an interrupted call
//! is restarted.
//!
//! # Features
//!
//! - `std`: [`Wait`] can block a thread (`Wait::block`), and locks sleep instead of spinning.
#![cfg_attr(not(any(feature = "std", loom, test)), no_std)]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod abi;
#[cfg(feature = "std")]
mod block;
mod bucket;
mod budget;
mod chain;
pub mod futex2;
mod homes;
mod key;
pub mod kit;
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
