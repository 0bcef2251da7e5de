//! A Linux address space: vmas, pmas, faults, copy-on-write, fork and user-memory I/O over the
//! embedder's memory.
//!
//! A [`MemoryManager`] is one address space. It knows what the guest asked for (*vmas*) and what
//! is there (*pmas*), and brings the embedder's page tables in line. The embedder supplies two
//! things, as values: a [`MemoryFile`], where all guest memory comes from, and for each address
//! space an [`AddressSpace`], its page tables or whatever stands for them. What else can be mapped
//! is a [`Mappable`]; [`MemoryObject`] is one that is made of memory.
//!
//! # The key decision
//!
//! Page tables are a cache. Everything that matters is in two persistent B+trees whose nodes are
//! shared by reference count, and the tables may forget what they hold at any time: a fault
//! builds it anew. Three things follow. *Fork* does not cost what the parent has: the child takes a
//! reference on the root of each tree, and whoever changes a leaf first copies that leaf, and takes
//! the references on memory for it then. What the tables let the parent write is taken back in one
//! operation for each vma that was written since the fork before. *Failure* is simple: an operation plans, makes the leaves that it will touch its own, which is
//! the step that can run out of memory, and then commits without a way to fail. And *ownership*
//! needs no reverse map: a page is written in place if its tree's fork epoch says that nobody
//! can share it, or if the file counts one reference; so a sole owner never copies.
//!
//! Locks: each manager has one reader-writer lock. Reads and writes of memory that is there share
//! it, and remember a few places that they found there, through which later reads, and changes of
//! words, go without it; everything else takes it alone, and forgets them. Objects are asked to
//! translate under it, and hear of mappings under it; they must call [`MappingSpace::invalidate`]
//! without any lock of their own. Names of mappings are dropped, and objects synced or punched,
//! with no lock held.
//!
//! # Example
//!
//! ```
//! use arch::{Access, Addr, Permissions, UserMemory};
//! use mm::testkit::{RecordingSpace, VecMemoryFile};
//! use mm::{Limits, MemoryManager, MmConfig, MmapArgs};
//!
//! let memory = VecMemoryFile::new(1 << 20);
//! let space = RecordingSpace::new(memory.clone());
//! let mm = MemoryManager::new(MmConfig::new(memory.clone(), space));
//! let limits = Limits::DEFAULT;
//! let at = mm.mmap(MmapArgs::anonymous(Addr(0), 8192, Access::RW, &limits))?;
//! mm.copy_out(at, b"hello", Permissions::Obey)?;
//!
//! let child = mm.fork(RecordingSpace::new(memory.clone()))?;
//! child.copy_out(at, b"HELLO", Permissions::Obey)?;
//! let mut text = [0; 5];
//! mm.copy_in(at, &mut text, Permissions::Obey)?;
//! assert_eq!(&text, b"hello");
//! # child.dec_users();
//! # mm.dec_users();
//! # Ok::<(), syserr::Errno>(())
//! ```
//!
//! # Features
//!
//! `std`: sleeping locks in place of spinning ones. `testkit`: doubles of the seams, and checks of
//! their contracts for an embedder's own.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod ahead;
mod brk;
mod config;
mod cow;
mod fault;
mod flags;
mod fork;
mod hot;
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
mod overcommit;
mod pin;
mod place;
mod pma;
mod protect;
mod range_map;
mod remap;
mod seam;
mod snapshot;
mod special;
mod state;
#[cfg(feature = "testkit")]
pub mod testkit;
mod text;
mod users;
mod views;
mod vma;

pub use config::*;
pub use flags::*;
pub use manager::MemoryManager;
pub use meta::Meta;
pub use misc::ANON_VMA_NAME_MAX;
pub use object::{Allowance, MappingSet, MemoryObject, SavedObject, SharedAnon};
pub use overcommit::{
    Asker, DEFAULT_MAX_MAP_COUNT, LinuxOvercommit, MapCountLimit, Overcommit, OvercommitMode,
    OvercommitSetting, Reservation,
};
pub use pin::Pinned;
pub use snapshot::{Restore, SavedMemory, SavedVma, Snapshot};
pub use special::{SpecialMapArgs, SpecialObject};
pub use views::{ClearRefs, MapsChunk, MapsFile, MmStats, PageInfo, VmaInfo};
pub use vma::VmaFlags;

pub use seam::{
    AddressSpace, FileRange, Mappable, MappedObject, MappingIdentity, MappingSpace, MemoryFile,
    ObjectMapping, OutOfMemory, TranslateError, Translation,
};
