//! Loads ELF programs and scripts as Linux does: parse, plan, apply, over small traits.
//!
//! execve(2) is usually written as one long function that reads a little, maps a little, and reads
//! on, with a file system on one side and page tables on the other. Its rules are then hard to test
//! and impossible to take elsewhere. Here the three things it does are apart:
//!
//! 1. **Parse** ([`resolve`], [`Elf`], [`parse_script`]): follow `#!` lines to a program and the
//!    program to its interpreter, and check headers. Reads bytes, changes nothing. Every defect
//!    that Linux reports to the caller of execve(2) is found here.
//! 2. **Plan** ([`plan`]): a pure function from headers and a [`Layout`], in which all random draws
//!    are already made, to a list of mappings at link-time addresses.
//! 3. **Apply** ([`Loader::apply`]): run the plan on a [`Mapper`], write the initial stack with its
//!    auxiliary vector, map the vDSO.
//!
//! What the loader needs of its embedder is five small traits over plain values: [`ReadAt`] and
//! [`Executable`] for files, [`Resolve`] for paths, [`Mapper`] for an address space and [`Random`].
//! It knows no page tables, no file descriptors and no global state, so it fits a kernel, a
//! sandbox, an emulator, or a tool that only wants to know what would happen ([`inspect`]).
//!
//! The guest's architecture is a value: x86-64 and arm64 programs are parsed and planned on every
//! host.
//!
//! # How faithful
//!
//! Linux is lenient where specifications are strict: it ignores class and byte order, takes
//! overlapping and unordered segments, and keeps a read-only segment's tail. So does this crate; the
//! host kernel executes the same damaged files in the tests, and must return the same error number
//! or run the same code. A new image is built beside the old one, so that also what Linux finds too
//! late to report can be reported: see [`LoadError::is_late`].
//!
//! # Example
//!
//! ```
//! use arch::{Addr, AddrRange, Arch};
//! use loader::{Blob, DryRun, Executable, Layout, LoadArgs, Loader, Random, Resolve};
//! use std::sync::Arc;
//! use syserr::Errno;
//!
//! /// There are no other files.
//! struct Nothing;
//! impl Resolve for Nothing {
//!     fn open(&mut self, _: &[u8]) -> Result<Arc<dyn Executable>, Errno> {
//!         Err(Errno::ENOENT)
//!     }
//! }
//! impl Random for Nothing {
//!     fn fill(&mut self, buf: &mut [u8]) {
//!         buf.fill(7);
//!     }
//! }
//!
//! let script = Arc::new(Blob(b"#!/bin/lua -i\nprint(1)\n"[..].into()));
//! let args = LoadArgs::new(b"./hello", script, Layout::fixed(Arch::X86_64));
//! let mut space = DryRun::new(AddrRange { start: Addr(1 << 16), end: Addr(1 << 46) });
//! let error = Loader { resolve: &mut Nothing, mapper: &mut space, random: &mut Nothing }
//!     .load(&args)
//!     .unwrap_err();
//! assert_eq!(error.errno(), Errno::ENOENT);
//! assert_eq!(
//!     error.to_string(),
//!     "cannot open script interpreter /bin/lua: No such file or directory"
//! );
//! ```
//!
//! # Features
//!
//! - `std`: passed on to `syserr` and `arch`; the loader itself has no use for it.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod abi;
mod apply;
mod args;
mod auxv;
mod dry;
mod error;
mod inspect;
pub mod kit;
mod load;
mod parse;
mod plan;
mod property;
mod resolve;
mod script;
mod seam;
pub mod vdso;

pub use arch::AuxEntry;
pub use args::{ArgLimits, BINPRM_BUF_SIZE, MAX_ARG_STRLEN};
pub use auxv::{Credentials, Platform};
pub use dry::{Blob, DryRun, Op};
pub use error::{ElfDefect, Image, LoadError, SegmentDefect};
pub use inspect::{Details, Report, inspect};
pub use load::{LoadArgs, LoadedImage, Loader};
pub use parse::{Elf, ElfKind, ProgramHeader, StackFlags, is_elf};
pub use plan::{AnonPart, FilePart, ImagePlan, Layout, Placement, Plan, Segment, ZeroPart, plan};
pub use property::Properties;
pub use resolve::{Resolved, resolve};
pub use script::{Script, parse_script};
pub use seam::{Executable, Mapper, Place, Random, ReadAt, Resolve};
pub use vdso::{ClockParams, Vdso, VdsoDefect, VdsoParams};
