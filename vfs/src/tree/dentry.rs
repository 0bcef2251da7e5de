//! Names, cached.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicUsize, Ordering::Relaxed};
use smallvec::SmallVec;
use sync::{Mutex, MutexGuard, RwLock};

use crate::{Inode, Nanos};

/// A name in a directory and what it leads to, if anything.
///
/// A child holds its parent; a parent only knows its children. What nobody uses is kept by the
/// cache's clock, and forgotten when that lets go. The inode of a name never changes: when the
/// name is given to another file, that gets a dentry of its own.
pub struct Dentry {
    place: RwLock<Place>,
    inode: Option<Arc<dyn Inode>>,
    children: RwLock<Children>,
    changing: Mutex<()>,
    used: AtomicBool,
    deleted: AtomicBool,
    mounts: AtomicU32,
    checked: AtomicI64,
    /// The place in the cache's clock.
    slot: AtomicUsize,
}

struct Place {
    parent: Option<Arc<Dentry>>,
    name: Arc<[u8]>,
}

struct Child {
    name: Arc<[u8]>,
    dentry: Weak<Dentry>,
}

#[derive(Default)]
struct Children(BTreeMap<u64, SmallVec<[Child; 1]>>);

impl Children {
    fn find(&self, hash: u64, name: &[u8]) -> Option<Arc<Dentry>> {
        let bucket = self.0.get(&hash)?;
        bucket.iter().find(|c| *c.name == *name)?.dentry.upgrade()
    }

    fn put(&mut self, name: Arc<[u8]>, dentry: Weak<Dentry>) {
        let bucket = self.0.entry(hash(&name)).or_default();
        bucket.retain(|c| *c.name != *name);
        bucket.push(Child { name, dentry });
    }

    fn forget(&mut self, name: &[u8], dentry: *const Dentry) {
        let h = hash(name);
        if let Some(bucket) = self.0.get_mut(&h) {
            bucket.retain(|c| *c.name != *name || c.dentry.as_ptr() != dentry);
            if bucket.is_empty() {
                self.0.remove(&h);
            }
        }
    }
}

pub(crate) fn hash(name: &[u8]) -> u64 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut h = (name.len() as u64).wrapping_mul(K);
    let mut words = name.chunks_exact(8);
    for w in &mut words {
        let w = w.try_into().map_or(0, u64::from_le_bytes);
        h = (h.rotate_left(23) ^ w).wrapping_mul(K);
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(words.remainder()) {
        *to = *from;
    }
    h = (h.rotate_left(23) ^ u64::from_le_bytes(last)).wrapping_mul(K);
    h ^ (h >> 32)
}

impl Dentry {
    pub(crate) fn new(
        parent: Option<Arc<Dentry>>,
        name: &[u8],
        inode: Option<Arc<dyn Inode>>,
    ) -> Arc<Dentry> {
        Arc::new(Dentry {
            place: RwLock::new(Place { parent, name: name.into() }),
            inode,
            children: RwLock::default(),
            changing: Mutex::new(()),
            used: AtomicBool::new(false),
            deleted: AtomicBool::new(false),
            mounts: AtomicU32::new(0),
            checked: AtomicI64::new(0),
            slot: AtomicUsize::new(usize::MAX),
        })
    }

    /// The name, without a slash; empty for the root of a file system.
    pub fn name(&self) -> Arc<[u8]> {
        self.place.read().name.clone()
    }

    /// The directory that has the name.
    pub fn parent(&self) -> Option<Arc<Dentry>> {
        self.place.read().parent.clone()
    }

    pub(crate) fn place(&self) -> (Option<Arc<Dentry>>, Arc<[u8]>) {
        let p = self.place.read();
        (p.parent.clone(), p.name.clone())
    }

    /// The directory that it is in; itself at the top.
    pub(crate) fn parent_or_self(self: &Arc<Self>) -> Arc<Dentry> {
        self.place().0.unwrap_or_else(|| self.clone())
    }

    /// The inode; `None` for a name that leads nowhere.
    pub fn inode(&self) -> Option<&Arc<dyn Inode>> {
        self.inode.as_ref()
    }

    /// The inode of a dentry in a [`super::Path`], which is never negative.
    pub(crate) fn positive(&self) -> &Arc<dyn Inode> {
        match &self.inode {
            Some(i) => i,
            None => unreachable!("a path leads to an inode"),
        }
    }

    /// Whether the name was removed while the file was in use.
    pub fn is_deleted(&self) -> bool {
        self.deleted.load(Relaxed)
    }

    pub(crate) fn is_mountpoint(&self) -> bool {
        self.mounts.load(Relaxed) != 0
    }

    pub(crate) fn add_mount(&self) {
        self.mounts.fetch_add(1, Relaxed);
    }

    pub(crate) fn remove_mount(&self) {
        self.mounts.fetch_sub(1, Relaxed);
    }

    /// One at a time change the names in a directory, or fill its cache.
    pub(crate) fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock()
    }

    pub(crate) fn cached(&self, name: &[u8]) -> Option<Arc<Dentry>> {
        let d = self.children.read().find(hash(name), name)?;
        if !d.used.load(Relaxed) {
            d.used.store(true, Relaxed);
        }
        Some(d)
    }

    /// Makes the child `name` known, in place of what was known of it. Under [`Dentry::change`].
    pub(crate) fn add(
        self: &Arc<Self>,
        name: &[u8],
        inode: Option<Arc<dyn Inode>>,
        now: Nanos,
    ) -> Arc<Dentry> {
        let d = Dentry::new(Some(self.clone()), name, inode);
        d.checked.store(now, Relaxed);
        let name = d.name();
        self.children.write().put(name, Arc::downgrade(&d));
        d
    }

    /// Makes it and those above known to their parents, where names are not cached: something is
    /// mounted here, which walks have to find.
    pub(crate) fn pin(self: &Arc<Self>) {
        let mut at = self.clone();
        while let (Some(parent), name) = at.place() {
            // Not let go of under the lock, which a dentry takes when it goes.
            let known = parent.children.read().find(hash(&name), &name);
            if known.is_some() {
                break;
            }
            parent.children.write().put(name, Arc::downgrade(&at));
            at = parent;
        }
    }

    /// Forgets the child `name`. Under [`Dentry::change`].
    pub(crate) fn forget(&self, name: &[u8], child: &Arc<Dentry>) {
        self.children.write().forget(name, Arc::as_ptr(child));
    }

    /// Marks a child whose name was removed. Under [`Dentry::change`] of the parent.
    pub(crate) fn mark_deleted(&self) {
        self.deleted.store(true, Relaxed);
    }

    /// Gives the dentry another place. Under [`Dentry::change`] of both directories.
    pub(crate) fn move_to(self: &Arc<Self>, parent: &Arc<Dentry>, name: &[u8]) {
        let name: Arc<[u8]> = name.into();
        let (old_parent, old_name) = self.place();
        if let Some(p) = &old_parent {
            p.forget(&old_name, self);
        }
        let new = Place { parent: Some(parent.clone()), name: name.clone() };
        let old = core::mem::replace(&mut *self.place.write(), new);
        parent.children.write().put(name, Arc::downgrade(self));
        drop(old);
    }

    /// Exchanges the places of two dentries. Under [`Dentry::change`] of both directories.
    pub(crate) fn exchange(self: &Arc<Self>, other: &Arc<Dentry>) {
        let (pa, na) = self.place();
        let (pb, nb) = other.place();
        let (Some(pa), Some(pb)) = (pa, pb) else { return };
        self.move_to(&pb, &nb);
        let new = Place { parent: Some(pa.clone()), name: na.clone() };
        let old = core::mem::replace(&mut *other.place.write(), new);
        pa.children.write().put(na, Arc::downgrade(other));
        drop(old);
    }

    pub(crate) fn is_below(self: &Arc<Self>, top: &Arc<Dentry>) -> bool {
        let mut at = self.clone();
        loop {
            if Arc::ptr_eq(&at, top) {
                return true;
            }
            match at.parent() {
                Some(p) => at = p,
                None => return false,
            }
        }
    }

    pub(crate) fn checked_at(&self) -> Nanos {
        self.checked.load(Relaxed)
    }

    pub(crate) fn set_checked(&self, now: Nanos) {
        self.checked.store(now, Relaxed);
    }

    pub(crate) fn slot(&self) -> usize {
        self.slot.load(Relaxed)
    }

    pub(crate) fn set_slot(&self, slot: usize) {
        self.slot.store(slot, Relaxed);
    }

    /// What is known of the names below.
    pub(crate) fn children(&self) -> Vec<Arc<Dentry>> {
        let children = self.children.read();
        children.0.values().flatten().filter_map(|c| c.dentry.upgrade()).collect()
    }

    pub(crate) fn take_used(&self) -> bool {
        self.used.swap(false, Relaxed)
    }

    /// Nobody will find it again.
    pub(crate) fn is_dead(&self) -> bool {
        self.is_deleted()
    }

    fn leave(&mut self) -> Option<Arc<Dentry>> {
        let this: *const Dentry = self;
        let mut p = self.place.write();
        let parent = p.parent.take()?;
        parent.children.write().forget(&p.name, this);
        Some(parent)
    }
}

impl Drop for Dentry {
    fn drop(&mut self) {
        if let Some(inode) = self.inode.as_ref().filter(|_| self.is_deleted()) {
            crate::notify::name_let_go(&**inode);
        }
        // A guest can nest directories deeper than the stack is: let go of ancestors in a loop.
        let mut up = self.leave();
        while let Some(parent) = up {
            up = Arc::into_inner(parent).and_then(|mut p| p.leave());
        }
    }
}
