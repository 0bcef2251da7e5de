//! Mount namespaces; mount_namespaces(7).

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use sync::Mutex;
use syserr::Errno;

use super::graft::{Copied, Ties};
use super::mount::Home;
use super::mounts::MountTable;
use super::{FsContext, Mount, Path};
use crate::nsfs::{self, Namespace, NamespaceKind, NsHead, namespace_of_inode};
use crate::{UserNs, Vfs};

/// A tree of mounts, for those who are in it. What is mounted in it goes with it.
pub struct MountNs {
    head: NsHead,
    vfs: Weak<Vfs>,
    /// What the root is mounted over.
    beneath: Mutex<Option<Arc<Mount>>>,
}

impl MountNs {
    /// Without mounts.
    pub(crate) fn new(head: NsHead, vfs: Weak<Vfs>) -> Arc<MountNs> {
        Arc::new(MountNs { head, vfs, beneath: Mutex::new(None) })
    }

    pub(super) fn set_beneath(&self, m: &Arc<Mount>) {
        *self.beneath.lock() = Some(m.clone());
    }

    pub(super) fn owner_ref(&self) -> &UserNs {
        self.head.owner()
    }

    /// As its mounts know it.
    fn home(self: &Arc<Self>) -> Home {
        Home { ns: Arc::downgrade(self), owner: self.head.owner().clone() }
    }

    /// Its number for statmount(2) and listmount(2).
    pub fn id(&self) -> u64 {
        /// `MNT_NS_INIT_ID`.
        const INITIAL: u64 = 3;
        if self.ino() == NamespaceKind::Mnt.initial_ino() { INITIAL } else { self.ino() }
    }

    /// The root directory; `None` when the file systems have gone.
    pub fn root(&self) -> Option<Path> {
        let beneath = self.beneath.lock().clone()?;
        Some(self.vfs.upgrade()?.mounts.topmost(Path::of_mount(&beneath)))
    }
}

impl Namespace for MountNs {
    fn head(&self) -> Option<&NsHead> {
        Some(&self.head)
    }
}

impl Drop for MountNs {
    fn drop(&mut self) {
        let beneath = self.beneath.lock().take();
        if let (Some(vfs), Some(m)) = (self.vfs.upgrade(), beneath) {
            vfs.mounts.dissolve(&m);
        }
    }
}

/// The mount namespace that a place is the file of. Only those may show in a tree that were made
/// after its own namespace: so none can hold itself.
pub(super) fn as_mount_namespace(at: &Path) -> Option<u64> {
    let ns = namespace_of_inode(&**at.dentry.inode()?)?;
    nsfs::downcast::<MountNs>(ns).map(|ns| ns.ino())
}

impl MountTable {
    /// Makes `beneath` the bottom of the tree that `ns` is.
    pub(crate) fn found(&self, ns: &Arc<MountNs>, beneath: &Arc<Mount>) {
        *beneath.home.write() = ns.home();
        ns.set_beneath(beneath);
    }

    /// Copies the tree of `old` for `new`; returns what each mount was copied from.
    fn copy_namespace(&self, old: &MountNs, new: &Arc<MountNs>) -> Result<Vec<Copied>, Errno> {
        let beneath = old.beneath.lock().clone().ok_or(Errno::EINVAL)?;
        let foreign = old.owner_ref() != new.owner_ref();
        let mut t = self.tables.write();
        let ties = if foreign { Ties::Follow } else { Ties::Same };
        let made = t.copy_all(&Path::of_mount(&beneath), ties)?;
        for (_, m) in &made {
            *m.home.write() = new.home();
        }
        let Some((_, top)) = made.first() else { return Err(Errno::EINVAL) };
        new.set_beneath(top);
        if foreign {
            t.lock_tree(top);
        }
        Ok(made)
    }
}

impl Vfs {
    /// The mount namespace that everything begins in.
    pub fn mount_namespace(&self) -> &Arc<MountNs> {
        &self.namespace
    }

    /// Takes `fs` into a new namespace that belongs to `owner`, with a copy of each mount of its own
    /// one (`copy_mnt_ns`).
    ///
    /// # Errors
    /// `ENOSPC` when there are too many namespaces or mounts; `EINVAL` for a context that is in none.
    pub fn new_mount_namespace(
        self: &Arc<Self>,
        fs: &FsContext,
        owner: &UserNs,
    ) -> Result<(), Errno> {
        let old = fs.namespace().ok_or(Errno::EINVAL)?;
        let head = NsHead::new(NamespaceKind::Mnt, owner, &self.env)?;
        let new = MountNs::new(head, Arc::downgrade(self));
        let made = self.mounts.copy_namespace(&old, &new)?;
        let there = |at: Path| {
            let copy = made.iter().find(|(from, _)| Arc::ptr_eq(from, &at.mount));
            copy.map_or(at.clone(), |(_, m)| Path { mount: m.clone(), dentry: at.dentry })
        };
        fs.enter(&new, there(fs.root()), there(fs.cwd()));
        Ok(())
    }
}
