//! mount(2), umount2(2).

use alloc::sync::Arc;
use syserr::Errno;

use crate::{LookupFlags, Mount, MountFlags, Path, PathCx, SuperBlock, Vfs, cap, mode};

const MS_REMOUNT: u64 = 32;
const MS_NOATIME: u64 = 1024;
const MS_NODIRATIME: u64 = 2048;
const MS_SILENT: u64 = 32768;
const MS_RELATIME: u64 = 1 << 21;
const MS_STRICTATIME: u64 = 1 << 24;
const MS_BIND: u64 = 4096;
const MS_MOVE: u64 = 8192;
const MS_REC: u64 = 16384;
/// `MS_UNBINDABLE`, `MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED`.
const MS_PROPAGATION: u64 = 0xf << 17;
/// Old programs put this in the upper half of the flags.
const MS_MGC: u64 = 0xc0ed_0000;
const MS_MGC_MASK: u64 = 0xffff_0000;

const MNT_FORCE: u32 = 1;
const MNT_DETACH: u32 = 2;
const MNT_EXPIRE: u32 = 4;
const UMOUNT_NOFOLLOW: u32 = 8;
/// `MNT_FORCE`, `MNT_DETACH`, `MNT_EXPIRE`, `UMOUNT_NOFOLLOW`.
const UMOUNT_FLAGS: u32 = 15;

const ATIME: MountFlags =
    MountFlags::NOATIME.union(MountFlags::NODIRATIME).union(MountFlags::RELATIME);

/// The mount's own of the flags: `relatime` is the default (`path_mount`).
fn wanted(flags: u64) -> MountFlags {
    let mut m = MountFlags::from_bits_truncate(flags as u32);
    m.set(MountFlags::RELATIME, flags & MS_NOATIME == 0);
    if flags & MS_STRICTATIME != 0 {
        m.remove(MountFlags::RELATIME | MountFlags::NOATIME);
    }
    m
}

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
        // Names are cached once, wherever the file system shows.
        let root = self.mounts.shown_root(&sb);
        let root = root.unwrap_or_else(|| crate::Dentry::new(None, b"", Some(sb.root.clone())));
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
    /// `EPERM` without `CAP_SYS_ADMIN`; `ENODEV` for a type that is not known; `EBUSY` where what
    /// somebody writes is to become read-only; `ELOOP` for a mount that is to move below itself;
    /// `EINVAL`, `ENOTDIR`, and those of path_resolution(7).
    pub fn mount(
        &self,
        cx: &PathCx<'_>,
        source: Option<&[u8]>,
        target: &[u8],
        fs_type: Option<&[u8]>,
        flags: u64,
        options: &[u8],
    ) -> Result<(), Errno> {
        let flags = if flags & MS_MGC_MASK == MS_MGC { flags & !MS_MGC_MASK } else { flags };
        let at = self.resolve(cx, crate::AT_FDCWD, target, LookupFlags::empty())?;
        if !cx.creds.has(cap::SYS_ADMIN) {
            return Err(Errno::EPERM);
        }
        let is_root = Arc::ptr_eq(at.dentry(), at.mount().root());
        if flags & MS_REMOUNT != 0 {
            return if is_root { self.remount(&at, flags, options) } else { Err(Errno::EINVAL) };
        }
        if flags & MS_BIND != 0 {
            let source = source.filter(|s| !s.is_empty()).ok_or(Errno::EINVAL)?;
            return self.bind(cx, source, &at, flags & MS_REC != 0);
        }
        if flags & MS_PROPAGATION != 0 {
            // Every mount is private to the one namespace there is.
            let kind = flags & !(MS_REC | MS_SILENT);
            let one = kind & !MS_PROPAGATION == 0 && kind.is_power_of_two();
            return if one && is_root { Ok(()) } else { Err(Errno::EINVAL) };
        }
        if flags & MS_MOVE != 0 {
            return self.move_mount(cx, source, &at);
        }
        let name = core::str::from_utf8(fs_type.ok_or(Errno::EINVAL)?);
        let t = name.ok().and_then(|name| self.types.read().get(name).cloned());
        let sb = t.ok_or(Errno::ENODEV)?.make(source.unwrap_or(b"none"), options)?;
        self.mount_at(&at, sb, wanted(flags)).map(|_| ())
    }

    fn remount(&self, at: &Path, flags: u64, options: &[u8]) -> Result<(), Errno> {
        let mount = at.mount();
        let mut new = wanted(flags);
        if flags & (MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME) == 0 {
            new = (new - ATIME) | mount.flags() & ATIME;
        }
        if flags & MS_BIND == 0 {
            let sb = mount.super_block();
            let t = self.types.read().get(sb.kind).cloned();
            t.map_or(Ok(()), |t| t.reconfigure(sb, options))?;
        }
        mount.set_flags(new)
    }

    /// `MS_MOVE` (`do_move_mount`).
    fn move_mount(&self, cx: &PathCx<'_>, source: Option<&[u8]>, to: &Path) -> Result<(), Errno> {
        let source = source.filter(|s| !s.is_empty()).ok_or(Errno::EINVAL)?;
        let from = self.resolve(cx, crate::AT_FDCWD, source, LookupFlags::empty())?;
        let m = from.mount();
        let directory = |p: &Path| p.inode().kind() == mode::IFDIR;
        if !Arc::ptr_eq(from.dentry(), m.root())
            || m.point().is_none()
            || directory(&from) != directory(to)
        {
            return Err(Errno::EINVAL);
        }
        let mut above = Some(to.clone());
        while let Some(p) = above {
            if Arc::ptr_eq(p.mount(), m) {
                return Err(Errno::ELOOP);
            }
            above = p.mount().point();
        }
        self.mounts.relocate(m, self.covered(to.clone()))
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
    /// in use, unless it is to be detached; `EAGAIN` for `MNT_EXPIRE` when it was used lately.
    pub fn umount(&self, cx: &PathCx<'_>, target: &[u8], flags: u32) -> Result<(), Errno> {
        if flags & !UMOUNT_FLAGS != 0 {
            return Err(Errno::EINVAL);
        }
        let mut lookup = LookupFlags::empty();
        lookup.set(LookupFlags::NOFOLLOW, flags & UMOUNT_NOFOLLOW != 0);
        let at = self.resolve_unused(cx, crate::AT_FDCWD, target, lookup)?;
        if !cx.creds.has(cap::SYS_ADMIN) {
            return Err(Errno::EPERM);
        }
        let m = at.mount().clone();
        if !Arc::ptr_eq(at.dentry(), m.root()) || m.point().is_none() {
            return Err(Errno::EINVAL);
        }
        drop(at);
        let expire = flags & MNT_EXPIRE != 0;
        if expire && flags & (MNT_FORCE | MNT_DETACH) != 0 {
            return Err(Errno::EINVAL);
        }
        if flags & MNT_DETACH == 0 {
            // Held by the two tables and by this function; whoever else holds it uses it.
            if self.mounts.has_children(&m) || Arc::strong_count(&m) > 3 {
                return Err(Errno::EBUSY);
            }
        }
        if expire && !m.expire() {
            return Err(Errno::EAGAIN);
        }
        self.mounts.detach(&m);
        Ok(())
    }
}
