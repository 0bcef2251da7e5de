//! The table of mounts.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use sync::RwLock;
use syserr::Errno;

use super::mount::{Home, Mount, MountFlags};
use super::peers::Groups;
use super::{Dentry, MountNs, Path};
use crate::notify::Watches;
use crate::{Changes, SuperBlock, Validity};

/// `fs.mount-max`'s default.
const MOUNT_MAX: u32 = 100_000;

#[derive(Default)]
pub(super) struct Tables {
    max: Max,
    next: u64,
    pub(super) by_point: BTreeMap<(u64, usize), Arc<Mount>>,
    /// The same places, by the name that is covered.
    by_name: BTreeSet<(usize, u64)>,
    /// Every mount that is in a tree, that of a namespace or one that a descriptor holds.
    pub(super) all: BTreeMap<u64, Arc<Mount>>,
    pub(super) groups: Groups,
}

#[derive(Default)]
pub(crate) struct MountTable {
    pub(super) tables: RwLock<Tables>,
    watches: Arc<Watches>,
    changes: Arc<Changes>,
}

pub(super) fn key(p: &Path) -> (u64, usize) {
    (p.mount.id, Arc::as_ptr(&p.dentry) as usize)
}

/// The most mounts that there can be; `fs.mount-max`.
struct Max(u32);

impl Default for Max {
    fn default() -> Max {
        Max(MOUNT_MAX)
    }
}

impl Tables {
    /// Whether there may be so many mounts more.
    pub(super) fn has_room(&self, more: usize) -> bool {
        self.all.len().saturating_add(more) <= self.max.0 as usize
    }

    fn occupy(&mut self, at: &Path, m: &Arc<Mount>) {
        let (parent, name) = key(at);
        at.dentry.add_mount();
        self.by_point.insert((parent, name), m.clone());
        self.by_name.insert((name, parent));
    }

    fn vacate(&mut self, at: &Path) {
        let (parent, name) = key(at);
        self.by_point.remove(&(parent, name));
        self.by_name.remove(&(name, parent));
        at.dentry.remove_mount();
    }

    /// What is mounted over a name, wherever it shows.
    pub(super) fn over(&self, name: &Arc<Dentry>) -> impl Iterator<Item = &Arc<Mount>> {
        let name = Arc::as_ptr(name) as usize;
        let places = self.by_name.range((name, 0)..=(name, u64::MAX));
        places.filter_map(move |(_, parent)| self.by_point.get(&(*parent, name)))
    }

    pub(super) fn children(&self, m: &Mount) -> impl Iterator<Item = &Arc<Mount>> {
        self.by_point.range((m.id, 0)..=(m.id, usize::MAX)).map(|(_, c)| c)
    }

    /// `top` and all that is mounted below it, parents first.
    pub(super) fn tree(&self, top: &Arc<Mount>) -> Vec<Arc<Mount>> {
        let mut out = alloc::vec![top.clone()];
        let mut i = 0;
        while let Some(m) = out.get(i).cloned() {
            i += 1;
            out.extend(self.children(&m).cloned());
        }
        out
    }

    /// What covers a place, and covers that, to the top.
    pub(super) fn topmost(&self, mut at: Path) -> Path {
        while let Some(m) = self.by_point.get(&key(&at)) {
            at = Path::of_mount(m);
        }
        at
    }

    pub(super) fn add(&mut self, root: Arc<Dentry>, like: &Mount) -> Arc<Mount> {
        self.next += 1;
        let (sb, watches) = (like.sb.clone(), like.watches().cloned());
        let m = Mount::new(self.next, root, sb, like.flags(), watches);
        m.keep_flags(like.kept_flags());
        self.all.insert(m.id, m.clone());
        m
    }

    /// Takes `m` from its place; whoever calls drops what is returned without the lock.
    pub(super) fn lift(&mut self, m: &Arc<Mount>) -> Option<Path> {
        let at = m.point.write().take()?;
        self.vacate(&at);
        Some(at)
    }

    /// Puts `m`, which is nowhere, at a place. What is there already comes to lie on top of it.
    pub(super) fn put(&mut self, m: &Arc<Mount>, at: Path) {
        let home = at.mount.home.read().clone();
        for m in self.tree(m) {
            *m.home.write() = home.clone();
        }
        if let Some(over) = self.by_point.get(&key(&at)).cloned() {
            let top = Path::of_mount(m);
            let top = self.topmost(top);
            drop(self.lift(&over));
            self.occupy(&top, &over);
            *over.point.write() = Some(top);
        }
        self.occupy(&at, m);
        if at.mount.sb.validity == Validity::Never {
            at.dentry.pin();
        }
        *m.point.write() = Some(at);
    }

    /// Forgets `m`, which is a part of no tree any more.
    pub(super) fn forget(&mut self, m: &Arc<Mount>) {
        self.all.remove(&m.id);
        *m.home.write() = Home::default();
        let Tables { groups, all, .. } = self;
        groups.cut(m, |slave, master| follow(all, slave, master));
    }

    pub(super) fn is_live(&self, m: &Mount) -> bool {
        self.all.contains_key(&m.id)
    }
}

pub(super) fn follow(all: &BTreeMap<u64, Arc<Mount>>, slave: u64, master: u32) {
    if let Some(m) = all.get(&slave) {
        m.propagation.lock().master = master;
    }
}

impl MountTable {
    pub(crate) fn watches(&self) -> &Arc<Watches> {
        &self.watches
    }

    /// A mount that is nowhere yet, and goes with who has it.
    pub(crate) fn new_mount(
        &self,
        root: Arc<Dentry>,
        sb: Arc<SuperBlock>,
        flags: MountFlags,
    ) -> Arc<Mount> {
        let mut t = self.tables.write();
        t.next += 1;
        Mount::new(t.next, root, sb, flags, Some(self.watches.clone()))
    }

    /// Makes `m`, mounted over `beneath`, the tree that a namespace is.
    pub(crate) fn add_first(&self, beneath: &Path, m: &Arc<Mount>) {
        let mut t = self.tables.write();
        for m in [&beneath.mount, m] {
            t.all.insert(m.id, m.clone());
        }
        t.put(m, beneath.clone());
    }

    /// Makes `m` a tree of its own.
    ///
    /// # Errors
    /// `ENOSPC` at the limit of mounts.
    pub(crate) fn add_detached(&self, m: &Arc<Mount>) -> Result<(), Errno> {
        let mut t = self.tables.write();
        if !t.has_room(1) {
            return Err(Errno::ENOSPC);
        }
        t.all.insert(m.id, m.clone());
        Ok(())
    }

    /// The root of a file system that shows somewhere in whole.
    pub(crate) fn shown_root(&self, sb: &Arc<SuperBlock>) -> Option<Arc<Dentry>> {
        let whole = |m: &&Arc<Mount>| Arc::ptr_eq(&m.sb, sb) && m.root.place().0.is_none();
        self.tables.read().all.values().find(whole).map(|m| m.root.clone())
    }

    /// What covers a place, to the top.
    pub(crate) fn topmost(&self, at: Path) -> Path {
        self.tables.read().topmost(at)
    }

    pub(crate) fn covers(&self, mount: &Mount, dentry: &Arc<Dentry>) -> Option<Arc<Mount>> {
        self.tables.read().by_point.get(&(mount.id, Arc::as_ptr(dentry) as usize)).cloned()
    }

    /// Every mount.
    pub(crate) fn all(&self) -> Vec<Arc<Mount>> {
        self.tables.read().all.values().cloned().collect()
    }

    /// The file system with a device number.
    pub(crate) fn super_block(&self, dev: u64) -> Option<Arc<SuperBlock>> {
        let t = self.tables.read();
        t.all.values().map(|m| m.super_block()).find(|sb| sb.dev == dev).cloned()
    }

    /// At most `count` mounts of a namespace with IDs from `id` on.
    pub(crate) fn of(&self, ns: &MountNs, id: u64, count: usize) -> Vec<Arc<Mount>> {
        let t = self.tables.read();
        let all = t.all.range(id..).map(|(_, m)| m);
        all.filter(|m| m.is_in(ns)).take(count).cloned().collect()
    }

    /// Tells who polls the list of mounts that it has changed.
    pub(crate) fn touch(&self) {
        self.changes.note();
    }

    /// The most mounts that there can be.
    pub(crate) fn max(&self) -> u32 {
        self.tables.read().max.0
    }

    pub(crate) fn set_max(&self, to: u32) {
        self.tables.write().max.0 = to;
    }

    pub(crate) fn changes(&self) -> &Arc<Changes> {
        &self.changes
    }

    /// Tells watches of file systems that show nowhere any more.
    pub(super) fn tell_gone(&self, gone: &[Arc<Mount>]) {
        if !self.watches.any() {
            return;
        }
        let shown: BTreeSet<_> =
            self.tables.read().all.values().map(|m| Arc::as_ptr(&m.sb).addr()).collect();
        let ended = gone.iter().map(|m| &m.sb);
        let ended: Vec<_> = ended.filter(|sb| !shown.contains(&Arc::as_ptr(sb).addr())).collect();
        ended.iter().for_each(|sb| self.watches.unmounted(sb));
    }
}
