//! Addresses, register contexts, FPU state, signal frames, stack builder and mmap layout for
//! x86-64 and arm64 Linux guests.
//!
//! The guest's architecture is data, never `cfg`: both are compiled and tested on every host.
#![no_std]
#![forbid(unsafe_code)]
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
    AltStack, FaultState, SaFlags, SigAction, SigInfo, SignalDelivery, SignalSet, min_signal_stack,
    pop_frame, push_frame,
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
}
