//! mount(2), umount2(2), pivot_root(2).

use alloc::sync::Arc;
use syserr::Errno;

use crate::nsfs::Namespace;
use crate::{
    Creds, FileSystemType, LookupFlags, Mount, MountFlags, Path, PathCx, PropagationKind,
    SuperBlock, Vfs, cap,
};

const MS_REMOUNT: u64 = 32;
const MS_NOATIME: u64 = 1024;
const MS_NODIRATIME: u64 = 2048;
const MS_SILENT: u64 = 32768;
const MS_RELATIME: u64 = 1 << 21;
const MS_STRICTATIME: u64 = 1 << 24;
const MS_BIND: u64 = 4096;
const MS_MOVE: u64 = 8192;
const MS_REC: u64 = 16384;
const MS_UNBINDABLE: u64 = 1 << 17;
const MS_PRIVATE: u64 = 1 << 18;
const MS_SLAVE: u64 = 1 << 19;
const MS_SHARED: u64 = 1 << 20;
const MS_PROPAGATION: u64 = MS_UNBINDABLE | MS_PRIVATE | MS_SLAVE | MS_SHARED;
/// `MS_NOUSER`, which is the kernel's own.
const MS_NOUSER: u64 = 1 << 31;
/// Old programs put this in the upper half of the flags.
const MS_MGC: u64 = 0xc0ed_0000;
const MS_MGC_MASK: u64 = 0xffff_0000;

const MNT_FORCE: u32 = 1;
const MNT_DETACH: u32 = 2;
const MNT_EXPIRE: u32 = 4;
const UMOUNT_NOFOLLOW: u32 = 8;
/// `MNT_FORCE`, `MNT_DETACH`, `MNT_EXPIRE`, `UMOUNT_NOFOLLOW`.
const UMOUNT_FLAGS: u32 = 15;

/// The mount's own of the flags: `relatime` is the default (`path_mount`).
fn wanted(flags: u64) -> MountFlags {
    let mut m = MountFlags::from_bits_truncate(flags as u32);
    m.set(MountFlags::RELATIME, flags & MS_NOATIME == 0);
    if flags & MS_STRICTATIME != 0 {
        m.remove(MountFlags::RELATIME | MountFlags::NOATIME);
    }
    m
}

/// What the propagation bits of mount(2) ask for; `None` for none or several.
pub(super) fn propagation_kind(flags: u64) -> Option<PropagationKind> {
    match flags {
        MS_UNBINDABLE => Some(PropagationKind::Unbindable),
        MS_PRIVATE => Some(PropagationKind::Private),
        MS_SLAVE => Some(PropagationKind::Slave),
        MS_SHARED => Some(PropagationKind::Shared),
        _ => None,
    }
}

/// Makes a file system for who may have one of that type (`mount_capable`).
///
/// # Errors
/// `EPERM`; those of the type.
pub(super) fn make(
    cx: &PathCx<'_>,
    kind: &dyn FileSystemType,
    source: &[u8],
    options: &[u8],
) -> Result<Arc<SuperBlock>, Errno> {
    let who = cx.creds;
    let own = kind.is_for_users() && who.has_here(cap::SYS_ADMIN);
    if !own && !kind.is_shared() && !who.has(cap::SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    let sb = kind.make(cx, source, options)?;
    if who.has_in(sb.user_ns(), cap::SYS_ADMIN) { Ok(sb) } else { Err(Errno::EPERM) }
}

impl Vfs {
    /// Mounts a file system at a place.
    ///
    /// # Errors
    /// `ENOSPC` at the limit of mounts; `EBUSY` when it is what shows there; `ENOTDIR`.
    pub fn mount_at(
        &self,
        at: &Path,
        sb: Arc<SuperBlock>,
        flags: MountFlags,
    ) -> Result<Arc<Mount>, Errno> {
        let ns = at.mount().namespace().ok_or(Errno::EINVAL)?;
        let m = self.mounts.new_mount(self.root_of(&sb), sb, flags);
        self.mounts.attach(&m, at, &ns)?;
        Ok(m)
    }

    /// Names are cached once, wherever the file system shows.
    pub(super) fn root_of(&self, sb: &Arc<SuperBlock>) -> Arc<crate::Dentry> {
        let root = self.mounts.shown_root(sb);
        root.unwrap_or_else(|| crate::Dentry::new(None, b"", Some(sb.root.clone())))
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
        if flags & MS_NOUSER != 0 {
            return Err(Errno::EINVAL);
        }
        cx.may_mount()?;
        let ns = cx.mount_namespace()?;
        let is_root = Arc::ptr_eq(at.dentry(), at.mount().root());
        let from = || {
            let source = source.filter(|s| !s.is_empty()).ok_or(Errno::EINVAL)?;
            self.resolve(cx, crate::AT_FDCWD, source, LookupFlags::empty())
        };
        if flags & MS_REMOUNT != 0 {
            let here = is_root && at.mount().is_in(&ns);
            return if here { self.remount(cx, &at, flags, options) } else { Err(Errno::EINVAL) };
        }
        if flags & MS_BIND != 0 {
            return self.mounts.bind(&from()?, &at, flags & MS_REC != 0, &ns);
        }
        if flags & MS_PROPAGATION != 0 {
            let kind = propagation_kind(flags & !(MS_REC | MS_SILENT)).ok_or(Errno::EINVAL)?;
            if !is_root || !self.mounts.is_live(at.mount()) {
                return Err(Errno::EINVAL);
            }
            // In another namespace too (`may_change_propagation`).
            let there = at.mount().namespace();
            if there.is_some_and(|ns| !cx.creds.has_in(&ns.owner(), cap::SYS_ADMIN)) {
                return Err(Errno::EPERM);
            }
            let recursive = flags & MS_REC != 0;
            return self.mounts.change(at.mount(), recursive, |_| Ok(()), Mount::flags, Some(kind));
        }
        if flags & MS_MOVE != 0 {
            return self.mounts.relocate(&from()?, &at, false, &cx.fs.root(), &ns);
        }
        let t = self.file_system_type(fs_type.ok_or(Errno::EINVAL)?)?;
        let sb = make(cx, &*t, source.unwrap_or(b"none"), options)?;
        if !t.is_shared() {
            sb.state.set_read_only(wanted(flags).contains(MountFlags::RDONLY))?;
        }
        if !at.mount().is_in(&ns) {
            return Err(Errno::EINVAL);
        }
        let kept = self.mounts.kept_by(&ns, &sb, wanted(flags))?;
        self.mount_at(&at, sb, wanted(flags))?.keep_flags(kept);
        Ok(())
    }

    /// # Errors
    /// `ENODEV`.
    pub(super) fn file_system_type(&self, name: &[u8]) -> Result<Arc<dyn FileSystemType>, Errno> {
        let name = core::str::from_utf8(name).map_err(|_| Errno::ENODEV)?;
        self.types.read().get(name).cloned().ok_or(Errno::ENODEV)
    }

    fn remount(&self, cx: &PathCx<'_>, at: &Path, flags: u64, options: &[u8]) -> Result<(), Errno> {
        let mount = at.mount();
        let mut new = wanted(flags);
        if flags & (MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME) == 0 {
            new = (new - MountFlags::ATIME) | mount.flags() & MountFlags::ATIME;
        }
        if !mount.may_have(new) {
            return Err(Errno::EPERM);
        }
        let read_only = new.contains(MountFlags::RDONLY);
        if flags & MS_BIND != 0 {
            mount.set_flags(new)?;
        } else {
            self.reconfigure(cx.creds, mount.super_block(), options, Some(read_only))?;
            // Who writes has been asked.
            mount.set_flags(new)?;
        }
        self.mounts.touch();
        Ok(())
    }

    /// Gives a file system other options, and makes it read-only or writable.
    ///
    /// # Errors
    /// `EPERM` without `CAP_SYS_ADMIN` where it belongs; `EBUSY` where somebody writes; `EINVAL` for
    /// options that cannot change.
    pub(super) fn reconfigure(
        &self,
        who: &Creds,
        sb: &Arc<SuperBlock>,
        options: &[u8],
        read_only: Option<bool>,
    ) -> Result<(), Errno> {
        if !who.has_in(sb.user_ns(), cap::SYS_ADMIN) {
            return Err(Errno::EPERM);
        }
        // Writers go before the options change, and come after: so what fails can be undone.
        let freezes = read_only == Some(true) && !sb.state.is_read_only();
        if freezes {
            sb.state.set_read_only(true)?;
        }
        let t = self.types.read().get(sb.kind).cloned();
        let done = t.map_or(Ok(()), |t| t.reconfigure(sb, options));
        if done.is_err() && freezes || done.is_ok() && read_only == Some(false) {
            sb.state.set_read_only(false)?;
        }
        done
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
        cx.may_mount()?;
        let ns = cx.mount_namespace()?;
        // What covers the place counts, even where `.` says it (`LOOKUP_MOUNTPOINT`).
        let at = self.mounts.topmost(at);
        let m = at.mount().clone();
        let top = Arc::ptr_eq(at.dentry(), m.root());
        drop(at);
        if !top || m.point().is_none() || !m.is_in(&ns) || m.is_locked() {
            return Err(Errno::EINVAL);
        }
        // It is for all who have the file system, and not only here (`can_umount`).
        let may = || cx.creds.has_in(m.super_block().user_ns(), cap::SYS_ADMIN);
        if flags & MNT_FORCE != 0 && !may() {
            return Err(Errno::EPERM);
        }
        crate::landlock::may_change_mounts(cx.creds)?;
        let expire = flags & MNT_EXPIRE != 0;
        let is_root = Arc::ptr_eq(&m, cx.fs.root().mount());
        if expire && (is_root || flags & (MNT_FORCE | MNT_DETACH) != 0) {
            return Err(Errno::EINVAL);
        }
        if is_root && flags & MNT_DETACH == 0 {
            // The caller's root stays, and can be written to no more (`do_umount_root`).
            return self.reconfigure(cx.creds, m.super_block(), b"", Some(true));
        }
        // This function holds it.
        let busy = || self.mounts.is_busy(&m, 1);
        if flags & MNT_DETACH == 0 && busy() {
            return Err(Errno::EBUSY);
        }
        if expire && !m.expire() {
            return Err(Errno::EAGAIN);
        }
        self.mounts.umount(&m, flags & MNT_DETACH != 0, 1)
    }

    /// Puts the tree at `new` in the place of the caller's root, and that at `put_old`;
    /// pivot_root(2). Returns the old root and the new one: whoever was in the first is in the
    /// second from now on.
    ///
    /// # Errors
    /// `EPERM` without `CAP_SYS_ADMIN`; `EBUSY`, `EINVAL`, `ENOTDIR` as pivot_root(2) says.
    pub fn pivot_root(
        &self,
        cx: &PathCx<'_>,
        new: &[u8],
        put_old: &[u8],
    ) -> Result<(Path, Path), Errno> {
        cx.may_mount()?;
        let find = |at| self.resolve(cx, crate::AT_FDCWD, at, LookupFlags::DIRECTORY);
        let (new, put_old) = (find(new)?, find(put_old)?);
        let root = cx.fs.root();
        self.mounts.pivot(&new, &put_old, &root, &*cx.mount_namespace()?)?;
        Ok((root, new))
    }
}
