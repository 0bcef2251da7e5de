//! memfd_create(2) and its seals.

use alloc::sync::Arc;
use core::ops::Range;
use core::sync::atomic::Ordering::Relaxed;
use mm::{Mappable, MemoryObject, ObjectMapping, SavedObject, TranslateError, Translation};
use syserr::Errno;

use super::Node;
use crate::tree::{Dentry, Mount, MountFlags};
use crate::{
    Create, Creds, File, Inode, OpenFlags, Path, SuperBlock, SuperState, Validity, Vfs, mode,
};

/// `F_SEAL_SEAL`.
pub(super) const SEAL_SEAL: u32 = 1;
/// `F_SEAL_SHRINK`.
pub(super) const SEAL_SHRINK: u32 = 2;
/// `F_SEAL_GROW`.
pub(super) const SEAL_GROW: u32 = 4;
/// `F_SEAL_WRITE`.
pub(super) const SEAL_WRITE: u32 = 8;
/// `F_SEAL_FUTURE_WRITE`.
pub(super) const SEAL_FUTURE_WRITE: u32 = 16;
/// `F_SEAL_EXEC`.
pub(super) const SEAL_EXEC: u32 = 32;
const SEALS: u32 = 63;

impl Vfs {
    /// An unnamed file in memory, open for reading and writing; `name` (at most 249 bytes) only
    /// shows in `/proc`.
    ///
    /// # Errors
    /// `EINVAL` for a longer name; `ENOSPC` when there are too many files.
    pub fn new_memfd(
        &self,
        creds: &Creds,
        name: &[u8],
        sealable: bool,
        executable: bool,
    ) -> Result<Arc<File>, Errno> {
        if name.len() > 249 {
            return Err(Errno::EINVAL);
        }
        let fs = &self.unnamed;
        let what = Create {
            mode: mode::IFREG | if executable { 0o777 } else { 0o666 },
            uid: creds.fsuid,
            gid: creds.fsgid,
            ..Create::default()
        };
        let node = Node::create(fs, &what)?;
        node.update(|a| a.nlink = 0)?;
        if sealable {
            node.seals.store(if executable { 0 } else { SEAL_EXEC }, Relaxed);
        }
        let inode: Arc<dyn Inode> = node.clone();
        let sb = Arc::new(SuperBlock {
            kind: "tmpfs",
            source: b"tmpfs".to_vec(),
            options: alloc::vec::Vec::new(),
            dev: fs.dev,
            validity: Validity::Always,
            root: inode.clone(),
            state: SuperState::default(),
        });
        let mut shown = b"/memfd:".to_vec();
        shown.extend_from_slice(name);
        let dentry = Dentry::new(None, &shown, Some(inode));
        dentry.mark_deleted();
        let mount = Mount::new(0, Dentry::new(None, b"", None), sb, MountFlags::empty(), None);
        let flags = OpenFlags::RDWR | OpenFlags::LARGEFILE;
        Ok(File::new(node, flags, Path { mount, dentry }))
    }
}

impl File {
    /// Adds `F_SEAL_*` bits; `F_ADD_SEALS` of fcntl(2).
    ///
    /// # Errors
    /// `EINVAL` for a file without seals or unknown bits; `EPERM` when not open for writing or
    /// sealed against that; `EBUSY` for `F_SEAL_WRITE` while it may be written through a mapping.
    pub fn add_seals(&self, seals: u32) -> Result<(), Errno> {
        let node: &Node = self.downcast().ok_or(Errno::EINVAL)?;
        if node.kind != mode::IFREG {
            return Err(Errno::EINVAL);
        }
        if !self.flags().writable() {
            return Err(Errno::EPERM);
        }
        if seals & !SEALS != 0 {
            return Err(Errno::EINVAL);
        }
        if node.sealed(SEAL_SEAL) {
            return Err(Errno::EPERM);
        }
        let mut seals = seals;
        if seals & SEAL_EXEC != 0 && node.quick_perm()?.mode & 0o111 != 0 {
            seals |= SEAL_SHRINK | SEAL_GROW | SEAL_WRITE | SEAL_FUTURE_WRITE;
        }
        if seals & SEAL_WRITE != 0 && node.has_writable_mapping() {
            return Err(Errno::EBUSY);
        }
        node.seals.fetch_or(seals, Relaxed);
        Ok(())
    }

    /// The `F_SEAL_*` bits; `F_GET_SEALS` of fcntl(2).
    ///
    /// # Errors
    /// `EINVAL` for a file without seals.
    pub fn seals(&self) -> Result<u32, Errno> {
        let node: &Node = self.downcast().ok_or(Errno::EINVAL)?;
        if node.kind != mode::IFREG {
            return Err(Errno::EINVAL);
        }
        Ok(node.seals.load(Relaxed))
    }
}

/// The pages of a file as it is mapped: seals count, and writes show in its times.
pub(super) struct FilePages {
    pub(super) node: Arc<Node>,
    pub(super) object: Arc<MemoryObject>,
}

impl Mappable for FilePages {
    fn object_id(&self) -> u64 {
        self.object.object_id()
    }

    fn translate(
        &self,
        required: Range<u64>,
        optional: Range<u64>,
        access: arch::Access,
    ) -> Result<Translation, TranslateError> {
        let found = self.object.translate(required, optional, access)?;
        if access.contains(arch::Access::WRITE) {
            self.node.written_through_mapping();
        }
        Ok(found)
    }

    fn resident(&self, range: Range<u64>) -> Option<Translation> {
        // Not for writing: the first write is to be heard of.
        let found = self.object.resident(range)?;
        Some(Translation { access: arch::Access::READ | arch::Access::EXEC, ..found })
    }

    fn add_mapping(&self, mapping: &ObjectMapping) -> Result<(), Errno> {
        if mapping.writable && self.node.sealed(SEAL_WRITE | SEAL_FUTURE_WRITE) {
            return Err(Errno::EPERM);
        }
        self.object.add_mapping(mapping)
    }

    fn copy_mapping(&self, mapping: &ObjectMapping) -> Result<(), Errno> {
        self.object.copy_mapping(mapping)
    }

    fn remove_mapping(&self, mapping: &ObjectMapping) {
        self.object.remove_mapping(mapping);
    }

    fn sync(&self, range: Range<u64>) -> Result<(), Errno> {
        self.object.sync(range)
    }

    fn punch_hole(&self, range: Range<u64>) -> Result<(), Errno> {
        if self.node.sealed(SEAL_WRITE | SEAL_FUTURE_WRITE) {
            return Err(Errno::EPERM);
        }
        self.object.punch_hole(range)
    }

    fn save(&self) -> Option<SavedObject> {
        self.object.save()
    }
}
