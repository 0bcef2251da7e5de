//! mount(2), umount2(2).

use alloc::sync::Arc;
use syserr::Errno;

use crate::{LookupFlags, Mount, MountFlags, Path, PathCx, SuperBlock, Vfs, cap, mode};

const MS_REMOUNT: u64 = 32;
const MS_BIND: u64 = 4096;
const MS_MOVE: u64 = 8192;
const MS_REC: u64 = 16384;
/// `MS_UNBINDABLE`, `MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED`.
const MS_PROPAGATION: u64 = 0xf << 17;
/// Old programs put this in the upper half of the flags.
const MS_MGC: u64 = 0xc0ed_0000;
const MS_MGC_MASK: u64 = 0xffff_0000;

const MNT_DETACH: u32 = 2;
const UMOUNT_NOFOLLOW: u32 = 8;
/// `MNT_FORCE`, `MNT_DETACH`, `MNT_EXPIRE`, `UMOUNT_NOFOLLOW`.
const UMOUNT_FLAGS: u32 = 15;

impl Vfs {
    /// Mounts a file system at a place.
    ///
    /// # Errors
    /// `ENOSPC` at the limit of mounts.
    pub fn mount_at(
        &self,
        at: &Path,
        sb: Arc<SuperBlock>,
        flags: MountFlags,
    ) -> Result<Arc<Mount>, Errno> {
        let root = crate::Dentry::new(None, b"", Some(sb.root.clone()));
        let m = self.mounts.new_mount(root, sb, flags);
        self.attach(&m, at)?;
        Ok(m)
    }

    fn attach(&self, m: &Arc<Mount>, at: &Path) -> Result<(), Errno> {
        let at = self.covered(at.clone());
        let over_dir = at.inode().kind() == mode::IFDIR;
        let is_dir = m.root().inode().is_some_and(|i| i.kind() == mode::IFDIR);
        if over_dir != is_dir {
            return Err(Errno::ENOTDIR);
        }
        self.mounts.attach(m, at)
    }

    /// mount(2).
    ///
    /// # Errors
    /// `EPERM` without `CAP_SYS_ADMIN`; `ENODEV` for a type that is not known; `EINVAL`, `EBUSY`,
    /// `ENOTDIR`, and those of path_resolution(7).
    pub fn mount(
        &self,
        cx: &PathCx<'_>,
        source: &[u8],
        target: &[u8],
        fs_type: &[u8],
        flags: u64,
        options: &[u8],
    ) -> Result<(), Errno> {
        let flags = if flags & MS_MGC_MASK == MS_MGC { flags & !MS_MGC_MASK } else { flags };
        let at = self.resolve(cx, crate::AT_FDCWD, target, LookupFlags::empty())?;
        if !cx.creds.has(cap::SYS_ADMIN) {
            return Err(Errno::EPERM);
        }
        let kept = MountFlags::from_bits_truncate(flags as u32);
        if flags & MS_REMOUNT != 0 {
            if !Arc::ptr_eq(at.dentry(), at.mount().root()) {
                return Err(Errno::EINVAL);
            }
            at.mount().set_flags(kept);
            return Ok(());
        }
        if flags & MS_BIND != 0 {
            return self.bind(cx, source, &at, flags & MS_REC != 0);
        }
        if flags & MS_PROPAGATION != 0 {
            // Every mount is private to the one namespace there is.
            let root = Arc::ptr_eq(at.dentry(), at.mount().root());
            return if root { Ok(()) } else { Err(Errno::EINVAL) };
        }
        if flags & MS_MOVE != 0 {
            return Err(Errno::EINVAL);
        }
        let name = core::str::from_utf8(fs_type).map_err(|_| Errno::ENODEV)?;
        let t = self.types.read().get(name).cloned().ok_or(Errno::ENODEV)?;
        let sb = t.make(source, options)?;
        self.mount_at(&at, sb, kept).map(|_| ())
    }

    fn bind(
        &self,
        cx: &PathCx<'_>,
        source: &[u8],
        at: &Path,
        recursive: bool,
    ) -> Result<(), Errno> {
        let from = self.resolve(cx, crate::AT_FDCWD, source, LookupFlags::empty())?;
        let copy = |of: &Path| {
            let sb = of.mount().super_block().clone();
            self.mounts.new_mount(of.dentry().clone(), sb, of.mount().flags())
        };
        // Listed before the new mount joins them, or a tree bound into itself would never end.
        let below = if recursive { self.mounts.all() } else { alloc::vec::Vec::new() };
        let top = copy(&from);
        self.attach(&top, at)?;
        let mut pairs = alloc::vec![(from.mount().clone(), top)];
        let mut i = 0;
        while let Some((old, new)) = pairs.get(i).cloned() {
            i += 1;
            for m in &below {
                let Some(p) = m.point() else { continue };
                if !Arc::ptr_eq(p.mount(), &old) || !p.dentry().is_below(new.root()) {
                    continue;
                }
                let root = Path { mount: m.clone(), dentry: m.root().clone() };
                let m2 = copy(&root);
                let at = Path { mount: new.clone(), dentry: p.dentry().clone() };
                self.mounts.attach(&m2, at)?;
                pairs.push((m.clone(), m2));
            }
        }
        Ok(())
    }

    /// umount2(2).
    ///
    /// # Errors
    /// `EPERM` without `CAP_SYS_ADMIN`; `EINVAL` when nothing is mounted there; `EBUSY` while it is
    /// in use, unless it is to be detached.
    pub fn umount(&self, cx: &PathCx<'_>, target: &[u8], flags: u32) -> Result<(), Errno> {
        if flags & !UMOUNT_FLAGS != 0 {
            return Err(Errno::EINVAL);
        }
        let mut lookup = LookupFlags::empty();
        lookup.set(LookupFlags::NOFOLLOW, flags & UMOUNT_NOFOLLOW != 0);
        let at = self.resolve(cx, crate::AT_FDCWD, target, lookup)?;
        if !cx.creds.has(cap::SYS_ADMIN) {
            return Err(Errno::EPERM);
        }
        let m = at.mount().clone();
        if !Arc::ptr_eq(at.dentry(), m.root()) || m.point().is_none() {
            return Err(Errno::EINVAL);
        }
        drop(at);
        if flags & MNT_DETACH == 0 {
            // Held by the two tables and by this function; whoever else holds it uses it.
            if self.mounts.has_children(&m) || Arc::strong_count(&m) > 3 {
                return Err(Errno::EBUSY);
            }
        }
        self.mounts.detach(&m);
        Ok(())
    }
}
