//! open_tree(2), move_mount(2), mount_setattr(2).

use alloc::sync::Arc;
use core::any::Any;
use sync::waitq::Events;
use syserr::Errno;

use super::mount::propagation_kind;
use crate::{
    File, FileOps, Inode, LookupFlags, Mount, MountFlags, OpenFlags, Path, PathCx, Stat, Vfs,
};

/// What mount_setattr(2) changes.
#[derive(Clone, Copy, Debug, Default)]
pub struct AttrChange {
    /// Flags to clear, before the others are set.
    pub clear: MountFlags,
    /// Flags to set.
    pub set: MountFlags,
    /// `MS_SHARED` and its like; 0 for no change.
    pub propagation: u64,
}

/// One end of move_mount(2).
#[derive(Clone, Copy, Debug)]
pub struct MovePlace<'a> {
    /// The directory that a relative path starts at.
    pub dirfd: i32,
    /// The path.
    pub path: &'a [u8],
    /// `NOFOLLOW`, `EMPTY_PATH`.
    pub lookup: LookupFlags,
}

/// The descriptor of a tree that is in no place, and goes with it.
struct DetachedTree {
    vfs: Arc<Vfs>,
    top: Arc<Mount>,
    inode: Arc<dyn Inode>,
}

impl FileOps for DetachedTree {
    fn stat(&self) -> Result<Stat, Errno> {
        self.inode.stat()
    }

    fn readiness(&self) -> Events {
        Events::NVAL
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for DetachedTree {
    fn drop(&mut self) {
        self.vfs.mounts.dissolve(&self.top);
    }
}

impl Vfs {
    /// A descriptor of a tree that nothing else holds.
    pub(super) fn open_detached(self: &Arc<Self>, top: Arc<Mount>) -> Arc<File> {
        let path = Path::of_mount(&top);
        let ops = DetachedTree { vfs: self.clone(), inode: path.inode().clone(), top };
        File::new(Arc::new(ops), OpenFlags::PATH, path)
    }

    /// open_tree(2): a place as a descriptor, or with `OPEN_TREE_CLONE` a copy of what is mounted
    /// there, `Some(true)` with all that is below.
    ///
    /// # Errors
    /// `EPERM` for a copy without `CAP_SYS_ADMIN`; `EINVAL` for what cannot be bound.
    pub fn open_tree(
        self: &Arc<Self>,
        cx: &PathCx<'_>,
        at: MovePlace<'_>,
        copy: Option<bool>,
    ) -> Result<Arc<File>, Errno> {
        if copy.is_some() {
            cx.may_mount()?;
        }
        let path = self.resolve(cx, at.dirfd, at.path, at.lookup)?;
        match copy {
            Some(recursive) => {
                let top = self.mounts.copy_out(&path, recursive, &*cx.mount_namespace()?)?;
                Ok(self.open_detached(top))
            }
            None => self.open_path(cx, path, OpenFlags::PATH, false),
        }
    }

    /// move_mount(2) with the flags that are not about paths.
    ///
    /// # Errors
    /// `EINVAL`, `ELOOP`, `ENOENT`, `ENOTDIR`.
    pub fn move_mount(
        &self,
        cx: &PathCx<'_>,
        from: MovePlace<'_>,
        to: MovePlace<'_>,
        beneath: bool,
        set_group: bool,
    ) -> Result<(), Errno> {
        let to = self.resolve(cx, to.dirfd, to.path, to.lookup)?;
        let from = self.resolve(cx, from.dirfd, from.path, from.lookup)?;
        if set_group {
            return self.mounts.set_group(&from, &to);
        }
        self.mounts.relocate(&from, &to, beneath, &cx.fs.root(), &*cx.mount_namespace()?)
    }

    /// mount_setattr(2) after the path was resolved.
    ///
    /// # Errors
    /// `EINVAL` where nothing is mounted; `EBUSY` where somebody writes.
    pub fn mount_setattr(
        &self,
        cx: &PathCx<'_>,
        at: &Path,
        recursive: bool,
        change: &AttrChange,
    ) -> Result<(), Errno> {
        let m = at.mount();
        let detached = m.point().is_none() && self.mounts.is_live(m);
        if !Arc::ptr_eq(at.dentry(), m.root()) || !(m.is_in(&*cx.mount_namespace()?) || detached) {
            return Err(Errno::EINVAL);
        }
        let freezes = change.set.contains(MountFlags::RDONLY);
        let check = |m: &Mount| {
            if !m.may_have((m.flags() - change.clear) | change.set) {
                return Err(Errno::EPERM);
            }
            if freezes && !m.may_become_read_only() { Err(Errno::EBUSY) } else { Ok(()) }
        };
        let flags = |m: &Mount| (m.flags() - change.clear) | change.set;
        let kind = propagation_kind(change.propagation);
        self.mounts.change(m, recursive, check, flags, kind)?;
        self.mounts.touch();
        Ok(())
    }
}
