//! The kernel's own pages in an address space: vDSO, vvar.

use crate::MemoryManager;
use crate::mmap::own_object;
use crate::range_map::Entry;
use crate::seam::{
    FileRange, Mappable, MappingIdentity, MemoryFile, ObjectMapping, TranslateError, Translation,
};
use crate::state::page_align;
use crate::vma::{Vma, VmaFlags};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Access, Addr};
use core::ops::Range;
use syserr::Errno;

/// Memory with a name that is always there, in one piece: `[vdso]`, `[vvar]`.
pub struct SpecialObject {
    memory: Arc<dyn MemoryFile>,
    file: FileRange,
    access: Access,
    name: &'static str,
}

impl SpecialObject {
    /// An object over `file`, on which the caller's reference becomes the object's. `access` is
    /// what any mapping of it may have: without `WRITE`, a private mapping copies before it
    /// writes and a shared one cannot.
    pub fn new(
        memory: Arc<dyn MemoryFile>,
        file: FileRange,
        access: Access,
        name: &'static str,
    ) -> Arc<SpecialObject> {
        Arc::new(SpecialObject { memory, file, access, name })
    }

    /// The memory.
    pub fn file_range(&self) -> FileRange {
        self.file
    }
}

impl Drop for SpecialObject {
    fn drop(&mut self) {
        self.memory.dec_ref(self.file);
    }
}

impl MappingIdentity for SpecialObject {
    fn device(&self) -> u64 {
        0
    }

    fn inode(&self) -> u64 {
        0
    }

    fn path(&self) -> Vec<u8> {
        self.name.as_bytes().to_vec()
    }
}

impl Mappable for SpecialObject {
    fn object_id(&self) -> u64 {
        core::ptr::from_ref(self) as usize as u64
    }

    fn translate(
        &self,
        required: Range<u64>,
        _: Range<u64>,
        _: Access,
    ) -> Result<Translation, TranslateError> {
        if required.start >= self.file.len() {
            return Err(TranslateError::Bus);
        }
        self.memory.inc_ref(self.file).map_err(|_| TranslateError::NoMemory)?;
        Ok(Translation { offset: 0, file: self.file, access: self.access })
    }

    fn resident(&self, range: Range<u64>) -> Option<Translation> {
        let (start, end) = (range.start, range.end.min(self.file.len()));
        if start >= end {
            return None;
        }
        let file = FileRange { start: self.file.start + start, end: self.file.start + end };
        self.memory.inc_ref(file).ok()?;
        Some(Translation { offset: start, file, access: self.access })
    }

    fn add_mapping(&self, _: &ObjectMapping) -> Result<(), Errno> {
        Ok(())
    }

    fn remove_mapping(&self, _: &ObjectMapping) {}

    fn sync(&self, _: Range<u64>) -> Result<(), Errno> {
        Ok(())
    }

    fn punch_hole(&self, _: Range<u64>) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
}

/// Arguments of [`MemoryManager::special_map`].
#[derive(Clone)]
pub struct SpecialMapArgs {
    /// Where; must be free.
    pub addr: Addr,
    /// Length in bytes.
    pub len: u64,
    /// Permissions.
    pub prot: Access,
    /// What mprotect(2) may ever make of them.
    pub max_prot: Access,
    /// What is mapped, from its start.
    pub object: Arc<SpecialObject>,
}

impl MemoryManager {
    /// Room for `len` bytes where mmap(2) would put them, near `hint` if it is not null: for the
    /// loader, which must know addresses before it maps.
    ///
    /// # Errors
    /// `ENOMEM` when there is none.
    pub fn find_room(&self, hint: Addr, len: u64) -> Result<Addr, Errno> {
        let len = page_align(len).ok_or(Errno::ENOMEM)?;
        self.read().place(hint.0, len, crate::MapFlags::empty()).map(Addr)
    }

    /// Maps pages of the kernel's own: private, not expandable, named by the object.
    ///
    /// # Errors
    /// `EINVAL` for a bad range; `EEXIST` when it is not free; `ENOMEM`.
    pub fn special_map(&self, args: SpecialMapArgs) -> Result<(), Errno> {
        let len = page_align(args.len).filter(|&l| l > 0).ok_or(Errno::EINVAL)?;
        let end = args.addr.checked_add(len).ok_or(Errno::ENOMEM)?.0;
        let at = args.addr.0;
        let mut tx = self.lock();
        if !args.addr.is_page_aligned() {
            return Err(Errno::EINVAL);
        }
        if end > tx.st.layout.max.0 {
            return Err(Errno::ENOMEM);
        }
        if !tx.st.is_room(at, end) {
            return Err(Errno::EEXIST);
        }
        let object = Arc::new(own_object(args.object));
        let value = Vma {
            perms: args.prot,
            max: args.max_prot,
            flags: VmaFlags::DONTEXPAND | VmaFlags::DONTDUMP,
            offset: 0,
            object: Some(object.clone()),
            name: None,
            numa: None,
        };
        let e = Entry { start: at, end, value };
        object.object.add_mapping(&e.mapping(&self.mapping_space()))?;
        tx.insert_vma(e.clone());
        tx.map_ahead(at, end, &e);
        Ok(())
    }
}
