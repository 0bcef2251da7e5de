//! A process's view of the tree.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use sync::RwLock;
use syserr::Errno;

use super::{MountNs, Path};
use crate::nsfs::Namespace;
use crate::{Creds, FdTable, cap};

/// The directory descriptor that means the working directory; openat(2).
pub const AT_FDCWD: i32 = -100;

struct Dirs {
    root: Path,
    cwd: Path,
    ns: Option<Arc<MountNs>>,
}

/// Root, working directory, umask and mount namespace; shared by tasks under `CLONE_FS`. The
/// namespace is here because whoever goes to another one gets other directories too.
pub struct FsContext {
    dirs: RwLock<Dirs>,
    umask: AtomicU32,
}

impl FsContext {
    /// A context with the umask 022, in the namespace of the root.
    pub fn new(root: Path, cwd: Path) -> Arc<FsContext> {
        let ns = root.mount.namespace();
        let dirs = RwLock::new(Dirs { root, cwd, ns });
        Arc::new(FsContext { dirs, umask: AtomicU32::new(0o022) })
    }

    /// A copy that changes on its own: fork(2) without `CLONE_FS`.
    pub fn fork(&self) -> Arc<FsContext> {
        let d = self.dirs.read();
        Arc::new(FsContext {
            dirs: RwLock::new(Dirs { root: d.root.clone(), cwd: d.cwd.clone(), ns: d.ns.clone() }),
            umask: AtomicU32::new(self.umask()),
        })
    }

    /// The root directory.
    pub fn root(&self) -> Path {
        self.dirs.read().root.clone()
    }

    /// The working directory.
    pub fn cwd(&self) -> Path {
        self.dirs.read().cwd.clone()
    }

    /// The mount namespace; `None` for a root that was in none.
    pub fn namespace(&self) -> Option<Arc<MountNs>> {
        self.dirs.read().ns.clone()
    }

    /// Goes to another mount namespace.
    pub fn enter(&self, ns: &Arc<MountNs>, root: Path, cwd: Path) {
        let new = Dirs { root, cwd, ns: Some(ns.clone()) };
        let old = core::mem::replace(&mut *self.dirs.write(), new);
        drop(old);
    }

    pub(crate) fn root_and_start(&self, absolute: bool) -> (Path, Path) {
        let d = self.dirs.read();
        (d.root.clone(), if absolute { d.root.clone() } else { d.cwd.clone() })
    }

    /// Changes the root directory.
    pub fn set_root(&self, path: Path) {
        let old = core::mem::replace(&mut self.dirs.write().root, path);
        drop(old);
    }

    /// Changes the working directory.
    pub fn set_cwd(&self, path: Path) {
        let old = core::mem::replace(&mut self.dirs.write().cwd, path);
        drop(old);
    }

    /// Goes to `new` where it is at `old`, as root and as working directory.
    pub fn replace(&self, old: &Path, new: &Path) {
        let mut left: [Option<Path>; 2] = [None, None];
        let mut dirs = self.dirs.write();
        let Dirs { root, cwd, .. } = &mut *dirs;
        for (dir, left) in [root, cwd].into_iter().zip(&mut left) {
            if dir == old {
                *left = Some(core::mem::replace(dir, new.clone()));
            }
        }
        drop(dirs);
        drop(left);
    }

    /// The file mode creation mask.
    pub fn umask(&self) -> u32 {
        self.umask.load(Relaxed)
    }

    /// Sets the file mode creation mask and returns the old one; umask(2).
    pub fn set_umask(&self, mask: u32) -> u32 {
        self.umask.swap(mask & 0o777, Relaxed)
    }
}

/// Who walks: everything about a caller that names and permissions depend on.
#[derive(Clone, Copy)]
pub struct PathCx<'a> {
    /// Credentials that permission checks use.
    pub creds: &'a Creds,
    /// Root, working directory and umask.
    pub fs: &'a FsContext,
    /// Descriptors, for calls that start at one.
    pub files: &'a FdTable,
    /// Thread group ID, for `/proc/self`.
    pub tgid: i32,
    /// Thread ID, for `/proc/thread-self`.
    pub tid: i32,
}

impl PathCx<'_> {
    /// The mount namespace.
    ///
    /// # Errors
    /// `EINVAL` for who is in none.
    pub(crate) fn mount_namespace(&self) -> Result<Arc<MountNs>, Errno> {
        self.fs.namespace().ok_or(Errno::EINVAL)
    }

    /// Whether the caller may change what is mounted where (`may_mount`).
    ///
    /// # Errors
    /// `EPERM`.
    pub fn may_mount(&self) -> Result<(), Errno> {
        let ns = self.fs.namespace();
        let may = ns.is_some_and(|ns| self.creds.has_in(&ns.owner(), cap::SYS_ADMIN));
        if may { Ok(()) } else { Err(Errno::EPERM) }
    }
}
