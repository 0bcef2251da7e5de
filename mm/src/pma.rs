//! Physical memory areas: what is there.

use crate::range_map::{Entry, Owner, RangeMap, Value};
use crate::seam::{FileRange, MemoryFile, OutOfMemory};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::Access;
use core::ops::Deref;

/// Whose the memory of a pma is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An address space allocated it; shared copy-on-write with relatives at most.
    Owned,
    /// An object's, mapped privately: copied before the first write.
    Borrowed,
    /// An object's, mapped shared.
    Shared,
    /// No memory: a guard page of `MADV_GUARD_INSTALL`.
    Guard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pma {
    /// Offset in the memory file of the first byte; 0 for guards.
    pub(crate) file: u64,
    /// The fork epoch in which this was known to be the manager's alone. Equal to the manager's
    /// epoch: nobody shares it, write in place.
    pub(crate) epoch: u64,
    pub(crate) kind: Kind,
    /// What the object permits.
    pub(crate) access: Access,
    /// Some of it was backed before anybody asked for it, so that it may not be in use yet.
    pub(crate) ahead: bool,
}

impl Value for Pma {
    fn advance(&self, by: u64) -> Pma {
        let file = if self.kind == Kind::Guard { 0 } else { self.file + by };
        Pma { file, ..*self }
    }

    fn merges(&self, len: u64, right: &Pma) -> bool {
        self.kind == right.kind
            && self.access == right.access
            && self.epoch == right.epoch
            && self.ahead == right.ahead
            && (self.kind == Kind::Guard || self.file + len == right.file)
    }
}

impl Entry<Pma> {
    /// The memory behind the entry.
    pub(crate) fn file_range(&self) -> Option<FileRange> {
        (self.value.kind != Kind::Guard)
            .then(|| FileRange { start: self.value.file, end: self.value.file + self.len() })
    }
}

/// What is mapped in the embedder's page tables: a superset of what really is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Installed {
    access: Access,
    /// Belongs to a private vma: the fork epoch in which this was mapped. A later epoch means
    /// that a fork has taken the permission to write away. `None` for shared vmas.
    epoch: Option<u64>,
}

impl Installed {
    /// Mapped in epoch `now`.
    pub(crate) fn new(access: Access, private: bool, now: u64) -> Installed {
        Installed { access, epoch: private.then_some(now) }
    }

    /// What the tables permit in epoch `now`.
    pub(crate) fn access(&self, now: u64) -> Access {
        if self.epoch.is_some_and(|e| e != now) { self.access - Access::WRITE } else { self.access }
    }

    pub(crate) fn is_private(&self) -> bool {
        self.epoch.is_some()
    }
}

/// Ranges that say nothing but that they are there.
impl Value for () {
    fn advance(&self, _: u64) {}

    fn merges(&self, _: u64, _: &()) -> bool {
        true
    }
}

impl Value for Installed {
    fn advance(&self, _: u64) -> Installed {
        *self
    }

    fn merges(&self, _: u64, right: &Installed) -> bool {
        self == right
    }
}

struct Refs<'a>(&'a dyn MemoryFile);

impl Owner<Pma> for Refs<'_> {
    fn acquire(&self, entries: &[Entry<Pma>]) -> Result<(), OutOfMemory> {
        for (i, e) in entries.iter().enumerate() {
            if let Some(r) = e.file_range()
                && let Err(error) = self.0.inc_ref(r)
            {
                self.release(entries.get(..i).unwrap_or(&[]));
                return Err(error);
            }
        }
        Ok(())
    }

    fn release(&self, entries: &[Entry<Pma>]) {
        entries.iter().filter_map(Entry::file_range).for_each(|r| self.0.dec_ref(r));
    }
}

/// The pmas of one address space, with the references that they hold.
pub(crate) struct Pmas {
    map: RangeMap<Pma>,
    memory: Arc<dyn MemoryFile>,
}

impl Deref for Pmas {
    type Target = RangeMap<Pma>;

    fn deref(&self) -> &RangeMap<Pma> {
        &self.map
    }
}

impl Pmas {
    pub(crate) fn new(memory: Arc<dyn MemoryFile>) -> Pmas {
        Pmas { map: RangeMap::default(), memory }
    }

    /// The same pmas for a child; leaves are shared until one of the two changes them.
    pub(crate) fn share(&self) -> Pmas {
        Pmas { map: self.map.clone(), memory: self.memory.clone() }
    }

    pub(crate) fn unshare(&mut self, lo: u64, hi: u64) -> Result<(), OutOfMemory> {
        self.map.unshare(lo, hi, &Refs(&*self.memory))
    }

    /// Inserts; the reference on the memory becomes the map's. On error it stays the caller's.
    pub(crate) fn insert(&mut self, e: Entry<Pma>) -> Result<(), OutOfMemory> {
        self.map.insert(e, &Refs(&*self.memory))
    }

    /// Takes out what lies in `lo..hi`, if anything; the references become the receiver's. On
    /// error nothing has changed, and without, an insertion into the range cannot fail where
    /// something was.
    pub(crate) fn take(
        &mut self,
        lo: u64,
        hi: u64,
        f: impl FnMut(Entry<Pma>),
    ) -> Result<(), OutOfMemory> {
        let spot = match self.map.spot(lo, hi, true) {
            Some((_, rest)) if rest.first().is_none_or(|e| e.start >= hi) => return Ok(()),
            Some((spot, _)) => Some(spot),
            None if self.map.is_free(lo, hi) => return Ok(()),
            None => {
                self.unshare(lo, hi)?;
                None
            }
        };
        self.map.remove_at(spot, lo, hi, &Refs(&*self.memory), f)
    }

    /// Puts an entry in the place of what is there, which is taken out. The reference on its
    /// memory becomes the map's, but stays the caller's on error; nothing has changed then.
    pub(crate) fn replace(
        &mut self,
        e: Entry<Pma>,
        f: impl FnMut(Entry<Pma>),
    ) -> Result<(), OutOfMemory> {
        let spot = self.map.spot(e.start, e.end, true).map(|s| s.0);
        if spot.is_none() {
            self.unshare(e.start, e.end)?;
        }
        self.map.set_at(spot, e, &Refs(&*self.memory), f)
    }

    pub(crate) fn modify(
        &mut self,
        lo: u64,
        hi: u64,
        mut f: impl FnMut(&mut Pma),
    ) -> Result<(), OutOfMemory> {
        self.map.modify(lo, hi, &Refs(&*self.memory), |_, _, p| f(p))
    }

    /// Empties the map. What `held` says may still be mapped is returned, with a reference each:
    /// the caller keeps it until it is not mapped any more.
    pub(crate) fn clear(&mut self, held: impl Fn(u64, u64) -> bool) -> Vec<FileRange> {
        let memory = &self.memory;
        let keep = core::cell::RefCell::new(Vec::new());
        let mut shared = |e: &Entry<Pma>| {
            if let Some(r) = e.file_range().filter(|_| held(e.start, e.end)) {
                // Refused only when a counter is at its limit, and then it does not get to zero
                // before this space is gone.
                if memory.inc_ref(r).is_ok() {
                    keep.borrow_mut().push(r);
                }
            }
        };
        let mut last = |e: Entry<Pma>| {
            if let Some(r) = e.file_range() {
                if held(e.start, e.end) { keep.borrow_mut().push(r) } else { memory.dec_ref(r) }
            }
        };
        self.map.drain(&mut shared, &mut last);
        keep.into_inner()
    }
}

impl Drop for Pmas {
    fn drop(&mut self) {
        let memory = &self.memory;
        self.map.discard(&mut |e| {
            if let Some(r) = e.file_range() {
                memory.dec_ref(r);
            }
        });
    }
}
