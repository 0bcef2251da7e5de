//! A Linux address space: vmas, pmas, faults, copy-on-write, fork and user-memory I/O over the
//! embedder's memory.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod brk;
mod config;
mod cow;
mod fault;
mod flags;
mod fork;
mod invalidate;
mod io;
mod madvise;
mod manager;
mod meta;
mod misc;
mod mlock;
mod mmap;
mod mremap;
mod object;
mod pin;
mod place;
mod pma;
mod protect;
mod range_map;
mod seam;
mod special;
mod state;
#[cfg(feature = "testkit")]
pub mod testkit;
mod views;
mod vma;

pub use config::*;
pub use flags::*;
pub use manager::MemoryManager;
pub use meta::Meta;
pub use misc::ANON_VMA_NAME_MAX;
pub use object::{MappingSet, MemoryObject, SharedAnon};
pub use pin::Pinned;
pub use special::{SpecialMapArgs, SpecialObject};
pub use views::{MmStats, VmaInfo};
pub use vma::VmaFlags;

pub use seam::{
    AddressSpace, FileRange, Mappable, MappedObject, MappingIdentity, MappingSpace, MemoryFile,
    ObjectMapping, OutOfMemory, TranslateError, Translation,
};
