//! Mounts.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicU32};
use sync::RwLock;
use syserr::Errno;

use super::{Dentry, Path};
use crate::SuperBlock;
use crate::notify::Watches;

bitflags::bitflags! {
    /// Per-mount flags of mount(2) that matter after mounting (`MS_*`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct MountFlags: u32 {
        /// `MS_RDONLY`.
        const RDONLY = 1;
        /// `MS_NOSUID`.
        const NOSUID = 2;
        /// `MS_NODEV`.
        const NODEV = 4;
        /// `MS_NOEXEC`.
        const NOEXEC = 8;
        /// `MS_NOATIME`.
        const NOATIME = 1024;
        /// `MS_NODIRATIME`.
        const NODIRATIME = 2048;
        /// `MS_RELATIME`.
        const RELATIME = 1 << 21;
    }
}

/// A file system, or a part of one, at a place in the tree.
pub struct Mount {
    id: u64,
    root: Arc<Dentry>,
    sb: Arc<SuperBlock>,
    flags: AtomicU32,
    point: RwLock<Option<Path>>,
    /// Descriptions that may write to files; none appears while it is read-only.
    writers: AtomicU32,
    /// Marked by `MNT_EXPIRE`, and not used since.
    expiring: AtomicBool,
    /// The watches of the kernel; none for objects without a name, which cannot be watched.
    watches: Option<Arc<Watches>>,
}

impl Mount {
    pub(crate) fn new(
        id: u64,
        root: Arc<Dentry>,
        sb: Arc<SuperBlock>,
        flags: MountFlags,
        watches: Option<Arc<Watches>>,
    ) -> Arc<Mount> {
        let flags = AtomicU32::new(flags.bits());
        Arc::new(Mount {
            id,
            root,
            sb,
            flags,
            point: RwLock::new(None),
            writers: AtomicU32::new(0),
            expiring: AtomicBool::new(false),
            watches,
        })
    }

    /// Mount ID, as in `/proc/self/mountinfo`.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The directory of the file system that shows at the mount point.
    pub fn root(&self) -> &Arc<Dentry> {
        &self.root
    }

    /// The file system.
    pub fn super_block(&self) -> &Arc<SuperBlock> {
        &self.sb
    }

    /// Flags.
    pub fn flags(&self) -> MountFlags {
        MountFlags::from_bits_retain(self.flags.load(Relaxed))
    }

    /// `EBUSY` where it is to become read-only and somebody writes.
    pub(crate) fn set_flags(&self, flags: MountFlags) -> Result<(), Errno> {
        let old = self.flags.swap(flags.bits(), SeqCst);
        // A writer counts itself and looks at the flags after that.
        if flags.contains(MountFlags::RDONLY) && self.writers.load(SeqCst) > 0 {
            self.flags.store(old, SeqCst);
            return Err(Errno::EBUSY);
        }
        Ok(())
    }

    /// Counts a description that may write; `EROFS` where nobody may.
    pub(crate) fn start_writing(&self) -> Result<(), Errno> {
        self.writers.fetch_add(1, SeqCst);
        if self.flags.load(SeqCst) & MountFlags::RDONLY.bits() == 0 {
            return Ok(());
        }
        self.stop_writing();
        Err(Errno::EROFS)
    }

    pub(crate) fn stop_writing(&self) {
        self.writers.fetch_sub(1, SeqCst);
    }

    /// Marks it to go when it is asked for the next time and was not used; says whether it was
    /// marked.
    pub(crate) fn expire(&self) -> bool {
        self.expiring.swap(true, Relaxed)
    }

    pub(crate) fn used(&self) {
        if self.expiring.load(Relaxed) {
            self.expiring.store(false, Relaxed);
        }
    }

    /// Where in its file system the directory lies that shows at the mount point; "/" for its root.
    pub fn root_path(&self) -> Vec<u8> {
        let mut names: Vec<Arc<[u8]>> = Vec::new();
        let mut at = self.root.clone();
        while let (Some(parent), name) = at.place() {
            names.push(name);
            at = parent;
        }
        let mut out = Vec::new();
        for name in names.iter().rev() {
            out.push(b'/');
            out.extend_from_slice(name);
        }
        if out.is_empty() { b"/".to_vec() } else { out }
    }

    /// Where it is mounted: the parent mount and the covered name. `None` for the top, and for a
    /// mount that was taken away.
    pub fn point(&self) -> Option<Path> {
        self.point.read().clone()
    }

    pub(crate) fn watches(&self) -> Option<&Arc<Watches>> {
        self.watches.as_ref()
    }

    /// Whether there may be somebody to tell.
    pub(crate) fn is_watched(&self) -> bool {
        self.watches.as_ref().is_some_and(|w| w.any())
    }

    pub(crate) fn writable(&self) -> Result<(), Errno> {
        if self.flags().contains(MountFlags::RDONLY) { Err(Errno::EROFS) } else { Ok(()) }
    }
}

/// The most mounts that there can be; `fs.mount-max`'s default.
const MOUNT_MAX: usize = 100_000;

#[derive(Default)]
struct Tables {
    next: u64,
    by_point: BTreeMap<(u64, usize), Arc<Mount>>,
    all: BTreeMap<u64, Arc<Mount>>,
}

#[derive(Default)]
pub(crate) struct MountTable {
    tables: RwLock<Tables>,
    watches: Arc<Watches>,
}

fn key(p: &Path) -> (u64, usize) {
    (p.mount.id, Arc::as_ptr(&p.dentry) as usize)
}

impl MountTable {
    pub(crate) fn watches(&self) -> &Arc<Watches> {
        &self.watches
    }

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

    pub(crate) fn add_top(&self, m: &Arc<Mount>) {
        self.tables.write().all.insert(m.id, m.clone());
    }

    /// Puts `m` over `at`, which nothing covers yet.
    pub(crate) fn attach(&self, m: &Arc<Mount>, at: Path) -> Result<(), Errno> {
        let mut t = self.tables.write();
        if t.all.len() >= MOUNT_MAX {
            return Err(Errno::ENOSPC);
        }
        if t.by_point.contains_key(&key(&at)) {
            return Err(Errno::EBUSY);
        }
        at.dentry.add_mount();
        t.by_point.insert(key(&at), m.clone());
        t.all.insert(m.id, m.clone());
        *m.point.write() = Some(at);
        Ok(())
    }

    /// Puts `m`, which is mounted somewhere, over `to`, which nothing covers yet.
    pub(crate) fn relocate(&self, m: &Arc<Mount>, to: Path) -> Result<(), Errno> {
        let mut t = self.tables.write();
        if t.by_point.contains_key(&key(&to)) {
            return Err(Errno::EBUSY);
        }
        let mut point = m.point.write();
        let from = point.take().ok_or(Errno::EINVAL)?;
        t.by_point.remove(&key(&from));
        from.dentry.remove_mount();
        to.dentry.add_mount();
        t.by_point.insert(key(&to), m.clone());
        *point = Some(to);
        drop(point);
        drop(t);
        drop(from);
        Ok(())
    }

    /// The root of a file system that shows somewhere in whole.
    pub(crate) fn shown_root(&self, sb: &Arc<SuperBlock>) -> Option<Arc<Dentry>> {
        let whole = |m: &&Arc<Mount>| Arc::ptr_eq(&m.sb, sb) && m.root.place().0.is_none();
        self.tables.read().all.values().find(whole).map(|m| m.root.clone())
    }

    /// What covers `at`.
    pub(crate) fn covering(&self, at: &Path) -> Option<Arc<Mount>> {
        self.tables.read().by_point.get(&key(at)).cloned()
    }

    pub(crate) fn covers(&self, mount: &Mount, dentry: &Arc<Dentry>) -> Option<Arc<Mount>> {
        self.tables.read().by_point.get(&(mount.id, Arc::as_ptr(dentry) as usize)).cloned()
    }

    pub(crate) fn has_children(&self, m: &Mount) -> bool {
        self.tables.read().by_point.range((m.id, 0)..=(m.id, usize::MAX)).next().is_some()
    }

    /// Takes `m` away, and what is mounted below it.
    pub(crate) fn detach(&self, m: &Arc<Mount>) {
        let mut gone = alloc::vec![m.clone()];
        let mut points = Vec::new();
        let mut t = self.tables.write();
        while let Some(m) = gone.pop() {
            gone.extend(t.by_point.range((m.id, 0)..=(m.id, usize::MAX)).map(|(_, c)| c.clone()));
            t.all.remove(&m.id);
            let point = m.point.write().take();
            if let Some(p) = point {
                t.by_point.remove(&key(&p));
                p.dentry.remove_mount();
                points.push((p, m));
            }
        }
        let shows = |sb: &Arc<SuperBlock>| t.all.values().any(|m| Arc::ptr_eq(&m.sb, sb));
        let mut ended: Vec<_> = points.iter().map(|(_, m)| m.sb.clone()).collect();
        ended.retain(|sb| !shows(sb));
        drop(t);
        ended.iter().for_each(|sb| self.watches.unmounted(sb));
    }

    pub(crate) fn all(&self) -> Vec<Arc<Mount>> {
        self.tables.read().all.values().cloned().collect()
    }
}
