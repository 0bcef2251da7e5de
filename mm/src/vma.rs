//! Virtual memory areas: what the guest asked for.

use crate::config::{NumaPolicy, STACK_GUARD_PAGES};
use crate::range_map::{Entry, Value};
use crate::seam::{MappedObject, MappingSpace, ObjectMapping};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use arch::{Access, Addr, AddrRange, PAGE_SIZE};

bitflags::bitflags! {
    /// Properties of a vma beside its permissions.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
    pub struct VmaFlags: u32 {
        /// Writes reach the object.
        const SHARED = 1 << 0;
        /// Grows on a fault below it.
        const GROWSDOWN = 1 << 1;
        /// Made with `MAP_STACK`, which says nothing to Linux either.
        const STACK = 1 << 2;
        /// Counts as locked memory.
        const LOCKED = 1 << 3;
        /// Locked, without having been populated.
        const LOCKONFAULT = 1 << 4;
        /// A child does not get it.
        const DONTFORK = 1 << 5;
        /// A child gets it empty.
        const WIPEONFORK = 1 << 6;
        /// Not counted by the overcommit policy.
        const NORESERVE = 1 << 7;
        /// Cannot be unmapped, moved or changed (mseal(2)).
        const SEALED = 1 << 8;
        /// Left out of core dumps.
        const DONTDUMP = 1 << 9;
        /// `MADV_MERGEABLE`.
        const MERGEABLE = 1 << 10;
        /// `MADV_HUGEPAGE`.
        const HUGEPAGE = 1 << 11;
        /// `MADV_NOHUGEPAGE`.
        const NOHUGEPAGE = 1 << 12;
        /// `MADV_RANDOM`.
        const RAND_READ = 1 << 13;
        /// `MADV_SEQUENTIAL`.
        const SEQ_READ = 1 << 14;
        /// Cannot grow by mremap(2): the kernel's own pages.
        const DONTEXPAND = 1 << 15;
        /// Memory of no file, shared: its object lives in this crate.
        const SHARED_ANON = 1 << 16;
        /// Counted by the overcommit policy.
        const ACCOUNTED = 1 << 17;
        /// Its pages may be dropped, though none ever is: it cannot be locked, and what goes with that
        /// stays (`MAP_DROPPABLE`).
        const DROPPABLE = 1 << 18;
    }
}

#[derive(Clone)]
pub(crate) struct Vma {
    pub(crate) perms: Access,
    /// What mprotect(2) may ever make of `perms`.
    pub(crate) max: Access,
    pub(crate) flags: VmaFlags,
    /// Offset in the object of the first byte; 0 without one.
    pub(crate) offset: u64,
    pub(crate) object: Option<Arc<MappedObject>>,
    pub(crate) name: Option<Arc<Vec<u8>>>,
    pub(crate) numa: Option<Arc<NumaPolicy>>,
}

impl Vma {
    pub(crate) fn is_shared(&self) -> bool {
        self.flags.contains(VmaFlags::SHARED)
    }

    /// Private memory that starts as zeroes.
    pub(crate) fn is_anon(&self) -> bool {
        self.object.is_none()
    }

    /// Whether it maps an object whose contents guests cannot change.
    pub(crate) fn is_constant(&self) -> bool {
        self.object.as_ref().is_some_and(|o| o.object.is_constant())
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.flags.contains(VmaFlags::LOCKED)
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.flags.contains(VmaFlags::SEALED)
    }

    /// `is_data_mapping` of `mm/internal.h`: what `RLIMIT_DATA` counts.
    pub(crate) fn is_data(&self) -> bool {
        self.perms.contains(Access::WRITE)
            && !self.flags.intersects(VmaFlags::SHARED | VmaFlags::GROWSDOWN)
    }

    /// Whether the overcommit policy counts it: private and writable (`accountable_mapping`).
    pub(crate) fn is_accountable(&self) -> bool {
        self.perms.contains(Access::WRITE)
            && !self.flags.intersects(VmaFlags::SHARED | VmaFlags::NORESERVE)
    }

    pub(crate) fn same_object(&self, other: &Vma) -> bool {
        match (&self.object, &other.object) {
            (None, None) => true,
            (Some(a), Some(b)) => {
                Arc::ptr_eq(a, b)
                    || (Arc::ptr_eq(&a.object, &b.object) && Arc::ptr_eq(&a.identity, &b.identity))
            }
            _ => false,
        }
    }
}

impl Value for Vma {
    const SEARCHED: bool = true;

    fn advance(&self, by: u64) -> Vma {
        let mut v = self.clone();
        if v.object.is_some() {
            v.offset = v.offset.saturating_add(by);
        }
        v
    }

    fn merges(&self, len: u64, right: &Vma) -> bool {
        self.perms == right.perms
            && self.max == right.max
            && self.flags == right.flags
            && (self.object.is_none() || self.offset.checked_add(len) == Some(right.offset))
            && self.same_object(right)
            && self.name == right.name
            && self.numa == right.numa
    }

    fn guard(&self) -> u64 {
        if self.flags.contains(VmaFlags::GROWSDOWN) { STACK_GUARD_PAGES * PAGE_SIZE } else { 0 }
    }

    fn marked(&self) -> bool {
        self.object.is_some()
            || self.flags.intersects(
                VmaFlags::DONTFORK
                    | VmaFlags::WIPEONFORK
                    | VmaFlags::LOCKED
                    | VmaFlags::LOCKONFAULT,
            )
    }
}

impl Entry<Vma> {
    pub(crate) fn range(&self) -> AddrRange {
        AddrRange { start: Addr(self.start), end: Addr(self.end) }
    }

    /// What the object hears of this mapping.
    pub(crate) fn mapping(&self, space: &Weak<dyn MappingSpace>) -> ObjectMapping {
        ObjectMapping {
            space: space.clone(),
            range: self.range(),
            offset: self.value.offset,
            writable: self.value.is_shared() && self.value.max.contains(Access::WRITE),
        }
    }
}
