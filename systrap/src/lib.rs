//! The hosted platform: stub processes, shared contexts, a memory file and an executor on an
//! ordinary Linux host.
//!
//! A user thread is not a host thread. It is a context in memory that the sentry shares with the
//! stub process of its address space, and any host thread of that process can carry it. So the
//! way from one trap to the next context needs no host system call on either side: the stub's
//! signal handler stores registers, sets a bit and takes the next ready context from a ring, while
//! the sentry, on another processor, polls that bit. Both sides spin only as long as guests are
//! known to run between traps, and then sleep without a tick. What a trap costs is the host's
//! signal, about two microseconds, and little else.
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
//! each word of it once and believes none: a trap counts only for a slot that was made ready,
//! progress only up to what was queued, a thread id only within the process, an FPU image only
//! after cleaning. The seccomp filter lets the stub wait, ring, and return from its handler; the
//! host operations need a cookie of 96 bits that is in the process only while operations are on
//! their way, and that the stub takes away before user code runs.
//!
//! What is left: a guest with several threads may catch the cookie while another thread of its
//! process performs operations, or pretend that memory is unmapped that is not. Either gives it
//! other guests' memory in the same sandbox; neither gives it the sentry or the host. Processes of
//! one sandbox are therefore protected from each other's mistakes, not from each other's attacks
//! on the stub.

mod bpf;
mod clock;
mod cpu;
mod executor;
mod host;
pub mod hostfs;
pub mod lockdown;
mod memfile;
mod platform;
mod random;
mod raw;
mod regions;
pub mod shared;
mod space;
mod sys;
mod zygote;

pub use executor::Registration;
pub use host::{Host, HostConfig};
pub use memfile::MemFile;

#[cfg(test)]
mod tests;
