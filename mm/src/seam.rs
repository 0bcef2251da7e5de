//! What an embedder supplies: memory, page tables, mappable objects.

use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Access, AddrRange};
use core::any::Any;
use core::ops::Range;
use core::task::{Context, Poll};
use syserr::Errno;

/// A page-aligned, half-open range of byte offsets in a [`MemoryFile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileRange {
    /// First byte.
    pub start: u64,
    /// First byte past the range.
    pub end: u64,
}

impl FileRange {
    /// Length in bytes.
    pub const fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether it holds no byte.
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// The memory file cannot give what was asked for; guests see `ENOMEM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

impl From<OutOfMemory> for Errno {
    fn from(_: OutOfMemory) -> Errno {
        Errno::ENOMEM
    }
}

/// Where guest memory comes from: a memfd, a frame allocator, a `Vec`.
///
/// Pages are counted one by one, with counters of at least 32 bits that refuse to overflow. The
/// byte operations go to the kernel's own view of the pages; the caller holds a reference on what
/// it names, and guests may write the same bytes meanwhile.
pub trait MemoryFile: Send + Sync {
    /// `len` contiguous bytes (a multiple of the page size, not zero) of zeroes, each page with
    /// one reference, which is the caller's.
    ///
    /// # Errors
    /// [`OutOfMemory`] at the file's limit; nothing was allocated then.
    fn allocate(&self, len: u64) -> Result<FileRange, OutOfMemory>;
    /// [`MemoryFile::allocate`] of memory that begins as a copy of the `len` bytes at `from`: it need
    /// not be cleared before.
    ///
    /// # Errors
    /// As [`MemoryFile::allocate`].
    fn allocate_copy(&self, from: u64, len: u64) -> Result<FileRange, OutOfMemory> {
        let r = self.allocate(len)?;
        self.copy(from, r.start, len);
        Ok(r)
    }
    /// Whether memory that nobody uses any more is still on its way back, so that an allocation that
    /// has failed may succeed soon.
    fn is_returning(&self) -> bool {
        false
    }
    /// Bytes that the kernel keeps for guests in memory of its own, where they are counted: they are
    /// not [`MemoryFile::used`].
    fn overhead(&self) -> u64 {
        0
    }
    /// Whether the kernel keeps more for guests than the limit allows, so that some of them have to
    /// go. Costs little, to be asked often.
    fn is_exhausted(&self) -> bool {
        false
    }
    /// One more reference on every page of `r`: all of them or, on error, none.
    ///
    /// # Errors
    /// [`OutOfMemory`] when a counter would overflow.
    fn inc_ref(&self, r: FileRange) -> Result<(), OutOfMemory>;
    /// One reference fewer on every page of `r`; a page at zero is free.
    fn dec_ref(&self, r: FileRange);
    /// References on the page at `offset`.
    fn ref_count(&self, offset: u64) -> u32;
    /// Whether every page of `r` has exactly one reference.
    fn is_sole(&self, r: FileRange) -> bool {
        let mut at = r.start;
        while at < r.end {
            if self.ref_count(at) != 1 {
                return false;
            }
            at += arch::PAGE_SIZE;
        }
        true
    }
    /// Copies bytes out of the file.
    fn read(&self, offset: u64, to: &mut [u8]);
    /// [`MemoryFile::read`] of memory that may have been freed, and be somebody else's, by now:
    /// whatever is there, for a caller that looks afterwards whether it was still its own. `false`
    /// when the file has no such way; then the caller locks and reads.
    fn peek(&self, offset: u64, to: &mut [u8]) -> bool {
        let _ = (offset, to);
        false
    }
    /// [`MemoryFile::load_u32`] in the same way as [`MemoryFile::peek`].
    fn peek_u32(&self, offset: u64) -> Option<u32> {
        let _ = offset;
        None
    }
    /// Copies bytes into the file.
    fn write(&self, offset: u64, from: &[u8]);
    /// Writes zeroes.
    fn zero(&self, offset: u64, len: u64);
    /// Copies within the file; the ranges do not overlap.
    fn copy(&self, from: u64, to: u64, len: u64);
    /// Atomic read of an aligned word.
    fn load_u32(&self, offset: u64) -> u32;
    /// Atomic exchange of an aligned word.
    fn swap_u32(&self, offset: u64, new: u32) -> u32;
    /// Atomic compare-and-exchange of an aligned word; returns what was there.
    fn compare_exchange_u32(&self, offset: u64, old: u32, new: u32) -> u32;
    /// Bytes that are referenced now.
    fn used(&self) -> u64;
    /// The most bytes that may be referenced, `u64::MAX` without a limit.
    fn limit(&self) -> u64;
}

/// Page tables, or the stub process that stands for them: a cache of vmas and pmas.
///
/// Operations may be queued. They take effect, in order, before any context of this address space
/// that is resumed later executes another instruction. Unmapping more than was asked is always
/// legal: later faults rebuild it.
pub trait AddressSpace: Send + Sync {
    /// Maps the memory file at `offset` over `at`, replacing what was there. `precommit` asks for
    /// the pages to be entered at once, as a hint.
    ///
    /// # Errors
    /// [`OutOfMemory`] when the tables cannot grow.
    fn map(
        &self,
        at: AddrRange,
        offset: u64,
        access: Access,
        precommit: bool,
    ) -> Result<(), OutOfMemory>;
    /// Changes what is mapped in `at` to `access`; holes are skipped. Loss of a permission cannot
    /// fail: an implementation that cannot split a mapping unmaps it.
    fn protect(&self, at: AddrRange, access: Access);
    /// Takes the permission to write away at a fork: everything that is mapped in `at` keeps
    /// `access`. `mapped` names the parts of `at` in which something writable may be mapped, for
    /// tables that cannot skip holes cheaply; it is what the default goes by.
    fn write_protect(
        &self,
        at: AddrRange,
        access: Access,
        mapped: &mut dyn Iterator<Item = AddrRange>,
    ) {
        let _ = at;
        mapped.for_each(|r| self.protect(r, access));
    }
    /// Unmaps whatever is mapped in `at`.
    fn unmap(&self, at: AddrRange);
    /// Takes one reference on each range over from the caller and drops it once everything queued
    /// so far has taken effect: memory returns to the file only after it is unmapped.
    fn retire(&self, ranges: &[FileRange]);
    /// Makes what is queued take effect even if no context of this space is resumed.
    fn flush(&self);
    /// Ready when all that was queued before the call has taken effect in every running context.
    fn poll_flushed(&self, cx: &mut Context<'_>) -> Poll<()>;
    /// Hears that it begins as a copy of `parent`, at a fork.
    fn inherit(&self, parent: &dyn AddressSpace) {
        let _ = parent;
    }
    /// Ready when this address space may run: a platform of which only so many can be in use at a
    /// time lets others wait. Whoever runs a guest asks before it enters user code.
    fn poll_active(&self, cx: &mut Context<'_>) -> Poll<()> {
        let _ = cx;
        Poll::Ready(())
    }
    /// For the platform, to find its own type again.
    fn as_any(&self) -> &dyn Any;
}

/// Why an object cannot deliver a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TranslateError {
    /// Past the object's end: the guest gets `SIGBUS`.
    Bus,
    /// No memory for the page.
    NoMemory,
}

/// A part of an object, in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// First byte of the part, as offset in the object; page-aligned.
    pub offset: u64,
    /// Where it lies. One reference on each page is the receiver's.
    pub file: FileRange,
    /// What the object permits there; an object that must hear of the first write leaves
    /// [`Access::WRITE`] out until it was asked for it.
    pub access: Access,
}

/// Someone who maps an object and must hear when its contents go away.
pub trait MappingSpace: Send + Sync {
    /// Forgets what was translated in `at`. With `private_copies`, also pages that were copied on
    /// write (truncation); without, only shared ones.
    fn invalidate(&self, at: AddrRange, private_copies: bool);
}

/// One mapping of an object in one space.
#[derive(Clone)]
pub struct ObjectMapping {
    /// Who maps.
    pub space: alloc::sync::Weak<dyn MappingSpace>,
    /// Where.
    pub range: AddrRange,
    /// Object offset of the first byte of `range`.
    pub offset: u64,
    /// Shared and ever writable: the object may be written through it.
    pub writable: bool,
}

/// What mmap(2) can map besides anonymous memory: the page cache of a file, shared memory.
pub trait Mappable: Send + Sync {
    /// Identifies the object for as long as it lives: two opens of one file share it. With the
    /// offset it is the key of shared futexes.
    fn object_id(&self) -> u64;
    /// The memory of `required`, and of as much of `optional` around it as is cheap.
    ///
    /// # Errors
    /// [`TranslateError`] when not even the first page of `required` can be had.
    fn translate(
        &self,
        required: Range<u64>,
        optional: Range<u64>,
        access: Access,
    ) -> Result<Translation, TranslateError>;
    /// What is in memory already of `range`: the first piece at or after its start, for reading,
    /// without any work. New mappings begin with it, so that their first access does not fault.
    fn resident(&self, _range: Range<u64>) -> Option<Translation> {
        None
    }
    /// Whether guests cannot change the contents: pages of private mappings may then be copied
    /// before they are written.
    fn is_constant(&self) -> bool {
        false
    }
    /// Hears of a new mapping.
    ///
    /// # Errors
    /// `EPERM` when a seal forbids it; others as the object likes. The mapping is not made then.
    fn add_mapping(&self, mapping: &ObjectMapping) -> Result<(), Errno>;
    /// Hears of a mapping that is a copy of one that there is, or that it is moved to: what forbids
    /// only new mappings does not matter.
    ///
    /// # Errors
    /// As the object likes. The mapping is not made then.
    fn copy_mapping(&self, mapping: &ObjectMapping) -> Result<(), Errno> {
        self.add_mapping(mapping)
    }
    /// Hears that (a part of) a mapping is gone.
    fn remove_mapping(&self, mapping: &ObjectMapping);
    /// Writes changed bytes of `range` back: msync(2) with `MS_SYNC`.
    ///
    /// # Errors
    /// `EIO`.
    fn sync(&self, range: Range<u64>) -> Result<(), Errno>;
    /// Frees the memory of `range`, so that it reads as zeroes: `MADV_REMOVE`.
    ///
    /// # Errors
    /// `EOPNOTSUPP` when the object cannot.
    fn punch_hole(&self, range: Range<u64>) -> Result<(), Errno>;
    /// The object as plain data, if its contents are nowhere but in the memory file: for whoever
    /// saves an address space. Others are saved as what they are made from.
    fn save(&self) -> Option<crate::SavedObject> {
        None
    }
}

/// What `/proc/PID/maps` says of a file mapping; the open file description itself, usually.
pub trait MappingIdentity: Any + Send + Sync {
    /// Device number, as `st_dev`.
    fn device(&self) -> u64;
    /// Inode number.
    fn inode(&self) -> u64;
    /// Path as the guest would name it now.
    fn path(&self) -> Vec<u8>;
}

/// A mappable object with the name under which it was mapped.
#[derive(Clone)]
pub struct MappedObject {
    /// The object.
    pub object: Arc<dyn Mappable>,
    /// Its name.
    pub identity: Arc<dyn MappingIdentity>,
}
