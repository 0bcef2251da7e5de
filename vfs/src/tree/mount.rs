//! Mounts.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicU32};
use sync::{Mutex, RwLock};
use syserr::Errno;

use super::{Dentry, FsContext, MountNs, Path};
use crate::notify::Watches;
use crate::{Creds, SuperBlock, UserNs};

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
        /// `MS_NOSYMFOLLOW`.
        const NOSYMFOLLOW = 256;
        /// `MS_NOATIME`.
        const NOATIME = 1024;
        /// `MS_NODIRATIME`.
        const NODIRATIME = 2048;
        /// `MS_RELATIME`.
        const RELATIME = 1 << 21;
    }
}

impl MountFlags {
    /// Those of the time of access.
    pub(crate) const ATIME: MountFlags =
        MountFlags::NOATIME.union(MountFlags::NODIRATIME).union(MountFlags::RELATIME);
}

/// Which mounts hear of mounts and unmounts below a mount; mount_namespaces(7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Propagation {
    /// The peer group that it is in, as in `shared:N`; 0 for a mount that is not shared.
    pub peers: u32,
    /// The peer group that it follows, as in `master:N`; 0 for a mount that is no slave.
    pub master: u32,
    /// It cannot be bound elsewhere.
    pub unbindable: bool,
}

/// The namespace whose tree a mount is in; none for one that only a descriptor holds.
#[derive(Clone, Default)]
pub(super) struct Home {
    pub(super) ns: Weak<MountNs>,
    /// Whom it belongs to.
    pub(super) owner: UserNs,
}

/// A file system, or a part of one, at a place in the tree.
pub struct Mount {
    pub(super) id: u64,
    pub(super) root: Arc<Dentry>,
    pub(super) sb: Arc<SuperBlock>,
    flags: AtomicU32,
    pub(super) point: RwLock<Option<Path>>,
    /// Changed by who holds the table of mounts.
    pub(super) propagation: Mutex<Propagation>,
    /// Changed by who holds the table of mounts.
    pub(super) home: RwLock<Home>,
    /// What is beneath may not show in this namespace, which has less rights than the one that
    /// mounted it (`MNT_LOCKED`).
    pub(super) locked: AtomicBool,
    /// Which flags may not be taken away for the same reason (`MNT_LOCK_*`); bits of
    /// [`MountFlags`], where those of the time of access stand for each other.
    kept_flags: AtomicU32,
    /// Descriptions that may write to files; none appears while it is read-only.
    writers: AtomicU32,
    /// Marked by `MNT_EXPIRE`, and not used since.
    expiring: AtomicBool,
    /// The watches of the kernel; none for objects without a name, which cannot be watched.
    watches: Option<Arc<Watches>>,
}

/// Where the numbers of statmount(2) begin; `MNT_UNIQUE_ID_OFFSET`.
pub const UNIQUE_ID_OFFSET: u64 = 1 << 31;

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
            propagation: Mutex::default(),
            home: RwLock::default(),
            locked: AtomicBool::new(false),
            kept_flags: AtomicU32::new(0),
            writers: AtomicU32::new(0),
            expiring: AtomicBool::new(false),
            watches,
        })
    }

    /// Mount ID, as in `/proc/self/mountinfo`.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The number that no other mount has had or will have, as statmount(2) takes it.
    pub fn unique_id(&self) -> u64 {
        UNIQUE_ID_OFFSET + self.id
    }

    /// Who hears of what is mounted below.
    pub fn propagation(&self) -> Propagation {
        *self.propagation.lock()
    }

    /// Whether it is in the tree of a namespace, and not in one that only a descriptor holds.
    pub fn is_visible(&self) -> bool {
        self.home.read().ns.strong_count() > 0
    }

    /// Whether it is in the tree of that namespace.
    pub(crate) fn is_in(&self, ns: &MountNs) -> bool {
        core::ptr::eq(self.home.read().ns.as_ptr(), ns)
    }

    /// The namespace whose tree it is in. Not for who holds the table of mounts: the last reference
    /// takes the tree away.
    pub fn namespace(&self) -> Option<Arc<MountNs>> {
        self.home.read().ns.upgrade()
    }

    /// Whether it may not be taken from its place.
    pub(crate) fn is_locked(&self) -> bool {
        self.locked.load(Relaxed)
    }

    /// Flags that may not be taken away.
    pub(super) fn kept_flags(&self) -> MountFlags {
        MountFlags::from_bits_retain(self.kept_flags.load(Relaxed))
    }

    /// Takes flags that may not be taken away any more.
    pub(crate) fn keep_flags(&self, flags: MountFlags) {
        self.kept_flags.fetch_or(flags.bits(), Relaxed);
    }

    /// Whether it may have these flags (`can_change_kept_flags`).
    pub(crate) fn may_have(&self, new: MountFlags) -> bool {
        let kept = self.kept_flags();
        let times = kept & MountFlags::ATIME;
        new.contains(kept - MountFlags::ATIME) && new & times == self.flags() & times
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

    /// Whether nobody writes, or it is read-only already.
    pub(crate) fn may_become_read_only(&self) -> bool {
        self.flags().contains(MountFlags::RDONLY) || self.writers.load(SeqCst) == 0
    }

    /// Counts a description that may write; `EROFS` where nobody may.
    pub(crate) fn start_writing(&self) -> Result<(), Errno> {
        self.writers.fetch_add(1, SeqCst);
        let whole = self.sb.state.start_writing();
        if whole && self.flags.load(SeqCst) & MountFlags::RDONLY.bits() == 0 {
            return Ok(());
        }
        self.stop_writing();
        Err(Errno::EROFS)
    }

    pub(crate) fn stop_writing(&self) {
        self.sb.state.stop_writing();
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

    /// Where in its file system the file lies that shows at the mount point: "/" for its root, with
    /// `//deleted` appended when its name is gone (`dentry_path`), and of a file without a place in
    /// any tree its name (`ns_dentry_operations`).
    pub fn root_path(&self) -> Vec<u8> {
        let mut names: Vec<Arc<[u8]>> = Vec::new();
        let (mut parent, mut name) = self.root.place();
        while let Some(above) = parent {
            names.push(name);
            (parent, name) = above.place();
        }
        // Of the root of a file system it is empty.
        let mut out = name.to_vec();
        for name in names.iter().rev() {
            out.push(b'/');
            out.extend_from_slice(name);
        }
        if self.root.is_deleted() {
            out.extend_from_slice(b"//deleted");
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

    /// Whether a program here may run as the owner of its file (`mnt_may_suid`): not one of a file
    /// system that belongs to others than those that the caller is among, nor out of the tree.
    pub fn lets_become(&self, creds: &Creds, fs: &FsContext) -> bool {
        !self.flags().contains(MountFlags::NOSUID)
            && fs.namespace().is_some_and(|ns| self.is_in(&ns))
            && creds.user_ns.is_within(self.sb.user_ns())
    }

    /// Whether the file system knows user and group of what the caller makes.
    ///
    /// # Errors
    /// `EOVERFLOW`.
    pub(crate) fn knows(&self, uid: u32, gid: u32) -> Result<(), Errno> {
        if self.sb.user_ns().knows(uid, gid) { Ok(()) } else { Err(Errno::EOVERFLOW) }
    }

    /// Whether it is that of an object without a name, and in no tree.
    pub(crate) fn is_internal(&self) -> bool {
        self.id == 0
    }

    /// Whether device nodes here are devices. Those of a user's file system are not looked at
    /// (`SB_I_NODEV`), but for terminals.
    pub fn has_devices(&self) -> bool {
        !self.flags().contains(MountFlags::NODEV) && !self.sb.ignores_devices()
    }

    /// Whether anybody may write.
    ///
    /// # Errors
    /// `EROFS`.
    pub fn writable(&self) -> Result<(), Errno> {
        let read_only = self.flags().contains(MountFlags::RDONLY) || self.sb.state.is_read_only();
        if read_only { Err(Errno::EROFS) } else { Ok(()) }
    }
}
