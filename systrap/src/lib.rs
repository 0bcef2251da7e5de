//! The hosted platform: stub processes, shared contexts, a memory file and an executor on an
//! ordinary Linux host.
//!
//! A user thread is not a host thread. It is a context in memory that the sentry shares with the
//! stub process of its address space, and any host thread of that process can carry it. So the
//! way from one trap to the next context needs no host system call on either side: the stub's
//! signal handler stores registers, sets a bit and takes the next ready context from a ring, while
//! the sentry, on another processor, polls that bit. Both sides spin only as long as guests are
//! known to run between traps, and then sleep without a tick; and only while both have a processor:
//! each says on which it is, and does not keep the other from it. What a trap costs is the host's
//! signal, about two microseconds, and little else. A system call that a program makes often does
//! without the signal: it is rewritten into a jump to the stub, which costs about one.
//!
//! ```no_run
//! use systrap::{Host, HostConfig};
//!
//! let host = Host::new(HostConfig::default())?;
//! let platform = host.embedder().platform;
//! host.run(async move {
//!     let space = platform.new_address_space();
//!     // Map memory, make contexts, switch to them.
//!     drop(space);
//! });
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # The trust line
//!
//! Guest code can do what its stub can: read [`shared::Control`], write [`shared::Report`], the
//! slots and the signal stacks, and jump to the stub's `syscall` instructions. The sentry reads
//! each word of it once and believes none: a trap counts only for a slot that was made ready, a
//! thread id only within the process, an FPU image only after cleaning. The seccomp filter lets a
//! thread that carries contexts wait, ring, return from its handler, and take memory away from its
//! own process.
//!
//! What gives a process memory is done by a thread of its own, the mapper, which never runs guest
//! code. The filter asks for a cookie of 96 bits that only the mapper's registers hold, and the
//! operations lie in memory that the stub may only read. That memory is unmapped, and may go to
//! another process, the sentry learns from a pipe into which the filter lets only the mapper write.
//! The price is a hand-over between two threads of one process, about four microseconds on one
//! processor, for each batch of operations that maps something; unmapping needs none.
//!
//! So guest code that takes over its stub has its own process and nothing more, and a stub that
//! stops answering interrupts is ended.

/// What [`handshake`] is made of, here.
mod atomic {
    pub(crate) use core::sync::atomic::*;
}
mod bpf;
mod clock;
mod cpu;
mod executor;
pub mod handshake;
mod heap;
mod host;
pub mod hostfs;
mod hot_calls;
pub mod lockdown;
mod memfile;
mod platform;
mod random;
mod raw;
mod regions;
pub mod shared;
mod signals;
mod space;
mod sys;
mod zygote;

pub use executor::Registration;
pub use heap::CountedHeap;
pub use host::{Host, HostConfig};
pub use memfile::MemFile;
pub use signals::{HostSignal, HostSignals};

#[cfg(test)]
mod tests;
