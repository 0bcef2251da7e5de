//! Addresses, register contexts, FPU state, signal frames, stack builder and mmap layout for
//! x86-64 and arm64 Linux guests.
//!
//! # The guest's architecture is data
//!
//! Kernels usually choose their architecture with `cfg`, and so half of their code is compiled on
//! one machine and none of it is tested on the other. Here [`Context`] is an `enum` of two concrete
//! types. A system call costs one predictable branch more than with `cfg`, and for that both
//! architectures' frames, stacks, restarts and register sets are compiled, tested and fuzzed on
//! every host, an embedder can run guests of one architecture on another, and a saved guest is
//! plain data wherever it is read. Nothing asks the processor anything: what depends on the
//! machine, such as the FPU's components ([`FpuLayout`]) and the limits of user space
//! ([`LayoutParams`]), comes in as a value, and so does randomness ([`Draws`]).
//!
//! Everything that reads guest memory goes through one trait, [`UserMemory`], and takes each byte
//! once. A frame or a register set that a guest or tracer hands in is checked before anything
//! changes, and what comes of it can be loaded by a processor ([`Context::is_loadable`]).
//!
//! # A handler and back
//!
//! ```
//! use arch::kit::Memory;
//! use arch::signal::code::SI_USER;
//! use arch::{
//!     AltStack, Arch, Context, FaultState, FpuLayout, SaFlags, SigAction, SigInfo,
//!     SignalDelivery, SignalSet, pop_frame, push_frame,
//! };
//!
//! let mem = Memory::new(0x8000, 0x8000); // the embedder's `UserMemory`
//! let mut thread = Context::new(Arch::Aarch64, &FpuLayout::fpsimd());
//! thread.set_ip(0x1000);
//! thread.set_sp(0xff00);
//!
//! let delivery = SignalDelivery {
//!     action: SigAction {
//!         handler: 0x2000,
//!         flags: SaFlags::SIGINFO | SaFlags::RESTORER,
//!         restorer: 0x3000,
//!         mask: SignalSet::EMPTY,
//!     },
//!     info: SigInfo::user(10, SI_USER, 1, 0),
//!     mask: SignalSet::of(&[2]),
//!     fault: FaultState::default(),
//!     trampoline: None,
//! };
//! let mut altstack = AltStack::DISABLED;
//! push_frame(&mut thread, &mem, &delivery, &mut altstack)?;
//! assert_eq!(thread.ip(), 0x2000);
//!
//! let back = pop_frame(&mut thread, &mem)?;
//! assert_eq!((thread.ip(), thread.sp(), back.mask), (0x1000, 0xff00, SignalSet::of(&[2])));
//! # Ok::<(), syserr::Errno>(())
//! ```
//!
//! # Features
//! `std`: turns on `syserr`'s conversions with `std::io::Error`. Off by default.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod aarch64;
mod access;
mod addr;
mod addr_seq;
pub mod auxv;
mod context;
pub mod fpu;
mod io;
pub mod kit;
mod layout;
mod ptrace;
pub mod signal;
pub mod stack;
mod tag;
mod usermem;
pub mod x86_64;

pub use access::Access;
pub use addr::{Addr, AddrRange, HUGE_PAGE_SIZE, PAGE_SIZE};
pub use addr_seq::AddrRangeSeq;
pub use auxv::AuxEntry;
pub use context::Context;
pub use fpu::{FpuLayout, FpuState};
pub use io::{BufDst, BufSrc, IoDst, IoSrc, UserIo};
pub use layout::{Draws, LayoutParams, MmapLayout, UNLIMITED};
pub use ptrace::RegSet;
pub use signal::{
    AltStack, BadFrame, FaultState, SaFlags, SigAction, SigInfo, SignalDelivery, SignalSet,
    min_signal_stack, pop_frame, push_frame,
};
pub use stack::{InitialStack, ParsedStack, Stack, StackLayout, parse_initial_stack};
pub use tag::untagged_addr;
pub use usermem::{Partial, Permissions, UserMemory, UserMemoryExt};

/// A guest's processor architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Arch {
    /// x86-64 (`EM_X86_64`).
    X86_64,
    /// arm64 (`EM_AARCH64`), little-endian.
    Aarch64,
}

/// A guest's operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Os {
    /// Linux.
    Linux,
    /// An embedder's own, under a number that the embedder chooses.
    Other(u16),
}

// A context moves with its task between the threads of an embedder.
static_assertions::assert_impl_all!(Context: Send, Sync);
