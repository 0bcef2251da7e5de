//! Shared anonymous memory.

use super::{MemoryObject, SavedObject};
use crate::Reservation;
use crate::mmap::own_object;
use crate::seam::{
    Mappable, MappedObject, MappingIdentity, MemoryFile, ObjectMapping, TranslateError, Translation,
};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::Access;
use core::ops::Range;
use syserr::Errno;

/// What mmap(2) maps with `MAP_SHARED | MAP_ANONYMOUS`: shared with children, named as Linux
/// names it.
pub struct SharedAnon(
    pub(super) MemoryObject,
    #[expect(dead_code, reason = "held until the memory is dropped")] Option<Reservation>,
);

impl SharedAnon {
    /// `size` bytes of zeroes.
    pub fn new(memory: Arc<dyn MemoryFile>, size: u64) -> SharedAnon {
        SharedAnon::with(MemoryObject::new(memory, size), None)
    }

    pub(super) fn with(memory: MemoryObject, reserved: Option<Reservation>) -> SharedAnon {
        SharedAnon(memory, reserved)
    }

    /// The same, ready to be mapped, with what is reserved for it.
    pub fn mapped(
        memory: Arc<dyn MemoryFile>,
        size: u64,
        reserved: Option<Reservation>,
    ) -> MappedObject {
        SharedAnon::with(MemoryObject::new(memory, size), reserved).into_mapped()
    }

    /// Ready to be mapped.
    pub fn into_mapped(self) -> MappedObject {
        own_object(Arc::new(self))
    }
}

impl MappingIdentity for SharedAnon {
    fn device(&self) -> u64 {
        1
    }

    fn inode(&self) -> u64 {
        (self.object_id() >> 4) & 0xffff_ffff
    }

    fn path(&self) -> Vec<u8> {
        b"/dev/zero (deleted)".to_vec()
    }
}

impl Mappable for SharedAnon {
    fn object_id(&self) -> u64 {
        self.0.object_id()
    }

    fn translate(
        &self,
        required: Range<u64>,
        optional: Range<u64>,
        access: Access,
    ) -> Result<Translation, TranslateError> {
        self.0.translate(required, optional, access)
    }

    fn resident(&self, range: Range<u64>) -> Option<Translation> {
        self.0.resident(range)
    }

    fn add_mapping(&self, mapping: &ObjectMapping) -> Result<(), Errno> {
        self.0.add_mapping(mapping)
    }

    fn remove_mapping(&self, mapping: &ObjectMapping) {
        self.0.remove_mapping(mapping);
    }

    fn sync(&self, range: Range<u64>) -> Result<(), Errno> {
        self.0.sync(range)
    }

    fn punch_hole(&self, range: Range<u64>) -> Result<(), Errno> {
        self.0.punch_hole(range)
    }

    fn save(&self) -> Option<SavedObject> {
        self.0.save()
    }
}
