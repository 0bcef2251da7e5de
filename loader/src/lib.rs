//! Loads ELF programs and scripts as Linux does: parse, plan, apply, over small traits.
#![no_std]
#![forbid(unsafe_code)]
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
mod load;
mod parse;
mod plan;
mod property;
mod script;
mod seam;
mod stack;
pub mod vdso;

pub use args::{ArgLimits, BINPRM_BUF_SIZE, MAX_ARG_STRLEN};
pub use auxv::{AuxEntry, Credentials, Platform};
pub use dry::{Blob, DryRun, Op};
pub use error::{ElfDefect, Image, LoadError, SegmentDefect};
pub use inspect::{Details, Report, inspect};
pub use load::{LoadArgs, LoadedImage, Loader, Resolved, resolve};
pub use parse::{Elf, ElfKind, ProgramHeader, StackFlags, is_elf};
pub use plan::{AnonPart, FilePart, ImagePlan, Layout, Placement, Plan, Segment, ZeroPart, plan};
pub use property::Properties;
pub use script::{Script, parse_script};
pub use seam::{Executable, Mapper, Place, Random, ReadAt, Resolve};
