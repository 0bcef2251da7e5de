//! Attributes: stat, chmod, chown, utimens, truncate, access, statfs.

use alloc::sync::Arc;
use syserr::Errno;

use crate::file_caps;
use crate::file_flags::{self, FileFlags};
use crate::landlock::Access;
use crate::notify::{Mask, happened};
use crate::perm::{self, MAY_EXEC, MAY_WRITE};
use crate::{
    AT_FDCWD, File, LookupFlags, MountFlags, Nanos, OpenFlags, Path, PathCx, SetAttr, Stat, StatFs,
    Vfs, cap, mode,
};

/// A time for utimensat(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTime {
    /// `UTIME_NOW`.
    Now,
    /// `UTIME_OMIT`.
    Omit,
    /// Nanoseconds since the epoch.
    At(Nanos),
}

/// The mount that something was found in, for statx(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundIn {
    /// Its ID.
    pub mount: u64,
    /// Its [`crate::Mount::unique_id`].
    pub unique: u64,
    /// Whether what was found is what shows at its mount point.
    pub is_root: bool,
    /// What chattr(1) sets, where it can.
    pub flags: Option<FileFlags>,
}

impl FoundIn {
    fn of(path: &Path) -> FoundIn {
        let mount = path.mount();
        let is_root = Arc::ptr_eq(path.dentry(), mount.root());
        let flags = path.inode().flags();
        FoundIn { mount: mount.id(), unique: mount.unique_id(), is_root, flags }
    }
}

impl Vfs {
    /// What stat(2) says of a path; with `EMPTY_PATH` and an empty path, of `dirfd` itself.
    ///
    /// # Errors
    /// Those of stat(2).
    pub fn stat(
        &self,
        cx: &PathCx<'_>,
        dirfd: i32,
        path: &[u8],
        flags: LookupFlags,
    ) -> Result<Stat, Errno> {
        self.stat_with_mount(cx, dirfd, path, flags).map(|(stat, _)| stat)
    }

    /// As [`Vfs::stat`], and through which mount it was found.
    ///
    /// # Errors
    /// Those of statx(2).
    pub fn stat_with_mount(
        &self,
        cx: &PathCx<'_>,
        dirfd: i32,
        path: &[u8],
        flags: LookupFlags,
    ) -> Result<(Stat, FoundIn), Errno> {
        if path.is_empty() && flags.contains(LookupFlags::EMPTY_PATH) && dirfd != AT_FDCWD {
            let file = cx.files.get(dirfd)?;
            return Ok((file.stat()?, FoundIn::of(file.path())));
        }
        let path = self.resolve(cx, dirfd, path, flags)?;
        Ok((path.inode().stat()?, FoundIn::of(&path)))
    }

    /// What statfs(2) says of the file system at `path`.
    ///
    /// # Errors
    /// `EIO`.
    pub fn statfs(&self, path: &Path) -> Result<StatFs, Errno> {
        const ST_VALID: u64 = 0x20;
        const ST_RELATIME: u64 = 0x1000;
        const ST_NOSYMFOLLOW: u64 = 0x2000;
        let mut s = path.inode().statfs()?;
        let flags = path.mount().flags();
        let others = MountFlags::RELATIME | MountFlags::NOSYMFOLLOW;
        s.flags = u64::from((flags - others).bits()) | ST_VALID;
        if flags.contains(MountFlags::RELATIME) {
            s.flags |= ST_RELATIME;
        }
        if flags.contains(MountFlags::NOSYMFOLLOW) {
            s.flags |= ST_NOSYMFOLLOW;
        }
        if path.mount().super_block().state.is_read_only() {
            s.flags |= u64::from(MountFlags::RDONLY.bits());
        }
        s.fsid = path.mount().super_block().dev;
        Ok(s)
    }

    /// Changes permission bits; fchmodat2(2) after the path was resolved.
    ///
    /// # Errors
    /// `EPERM`, `EROFS`; `EOPNOTSUPP` for a symbolic link.
    pub fn chmod(&self, cx: &PathCx<'_>, path: &Path, wanted: u32) -> Result<(), Errno> {
        path.mount().writable()?;
        let inode = path.inode();
        if inode.kind() == mode::IFLNK {
            return Err(Errno::EOPNOTSUPP);
        }
        perm::changeable(&**inode)?;
        let p = inode.perm()?;
        perm::owner(&p, cx.creds)?;
        let mut m = wanted & 0o7777;
        if !cx.creds.in_group(p.gid) && !cx.creds.has_over(p.uid, p.gid, cap::FSETID) {
            m &= !mode::ISGID;
        }
        inode.set_attr(&SetAttr { mode: Some(m), ..SetAttr::default() })?;
        happened(path, Mask::ATTRIB);
        Ok(())
    }

    /// Changes owner and group, as the caller's namespace calls them, `None` leaves one; fchownat(2)
    /// after the path was resolved.
    ///
    /// # Errors
    /// `EPERM`, `EROFS`; `EINVAL` for who is not known there, `EOVERFLOW` for who is not in the file
    /// system's.
    pub fn chown(
        &self,
        cx: &PathCx<'_>,
        path: &Path,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> Result<(), Errno> {
        path.mount().writable()?;
        let ns = &cx.creds.user_ns;
        let uid = uid.map(|u| ns.uid_in(u).ok_or(Errno::EINVAL)).transpose()?;
        let gid = gid.map(|g| ns.gid_in(g).ok_or(Errno::EINVAL)).transpose()?;
        let inode = path.inode();
        if uid.is_some() || gid.is_some() {
            perm::changeable(&**inode)?;
        }
        let p = inode.perm()?;
        path.mount().knows(uid.unwrap_or(p.uid), gid.unwrap_or(p.gid))?;
        let owner = cx.creds.fsuid == p.uid;
        let capable = cx.creds.has_over(p.uid, p.gid, cap::CHOWN);
        if let Some(u) = uid
            && !capable
            && !(owner && u == p.uid)
        {
            return Err(Errno::EPERM);
        }
        if let Some(g) = gid
            && !capable
            && !(owner && (cx.creds.in_group(g) || g == p.gid))
        {
            return Err(Errno::EPERM);
        }
        let mut set = SetAttr { uid, gid, ..SetAttr::default() };
        // Set-ID bits go with the owner they were given for, also when root changes it.
        if inode.kind() != mode::IFDIR {
            let mut m = p.mode & 0o7777;
            m &= !mode::ISUID;
            let kept = cx.creds.in_group(p.gid) || cx.creds.has_over(p.uid, p.gid, cap::FSETID);
            if m & 0o010 != 0 || !kept {
                m &= !mode::ISGID;
            }
            if m != p.mode & 0o7777 {
                // Who changes nothing else still has to be allowed that.
                perm::owner(&p, cx.creds)?;
                set.mode = Some(m);
            }
        }
        if inode.kind() != mode::IFDIR {
            file_caps::remove(path)?;
        }
        inode.set_attr(&set)?;
        if uid.is_some() || gid.is_some() || set.mode.is_some() {
            happened(path, Mask::ATTRIB);
        }
        Ok(())
    }

    /// Changes times; utimensat(2) after the path was resolved.
    ///
    /// # Errors
    /// `EACCES` to set the current time, `EPERM` to set another without owning the file; `EROFS`.
    pub fn utimens(
        &self,
        cx: &PathCx<'_>,
        path: &Path,
        atime: SetTime,
        mtime: SetTime,
    ) -> Result<(), Errno> {
        if atime == SetTime::Omit && mtime == SetTime::Omit {
            return Ok(());
        }
        path.mount().writable()?;
        let inode = path.inode();
        let p = inode.perm()?;
        let touches = atime == SetTime::Now && mtime == SetTime::Now;
        let keeping = if touches { FileFlags::IMMUTABLE } else { FileFlags::KEEPING };
        if file_flags::has(&**inode, keeping) {
            return Err(Errno::EPERM);
        }
        if touches {
            if perm::owner(&p, cx.creds).is_err() {
                perm::check_known(&**inode, &p, cx.creds, MAY_WRITE)?;
            }
        } else {
            perm::owner(&p, cx.creds)?;
        }
        let now = self.env.now();
        let value = |t| match t {
            SetTime::Now => Some(now),
            SetTime::Omit => None,
            SetTime::At(n) => Some(n),
        };
        let set = SetAttr { atime: value(atime), mtime: value(mtime), ..SetAttr::default() };
        inode.set_attr(&set)?;
        // As `fsnotify_change` (include/linux/fsnotify.h): a time alone stands for what sets it.
        let what = match (set.atime, set.mtime) {
            (Some(_), None) => Mask::ACCESS,
            (None, Some(_)) => Mask::MODIFY,
            _ => Mask::ATTRIB,
        };
        happened(path, what);
        Ok(())
    }

    /// The file at a path, for truncate(2) to change its size. It may have to wait for leases
    /// ([`File::waits_for_leases`]).
    ///
    /// # Errors
    /// `EISDIR`, `EINVAL`, `EACCES`, `EROFS`, `ETXTBSY`.
    pub fn open_to_truncate(&self, cx: &PathCx<'_>, path: &Path) -> Result<Arc<File>, Errno> {
        match path.inode().kind() {
            mode::IFREG => {}
            mode::IFDIR => return Err(Errno::EISDIR),
            _ => return Err(Errno::EINVAL),
        }
        self.open_path_for(cx, path.clone(), OpenFlags::WRONLY, false, Access::TRUNCATE)
    }

    /// Changes the size; truncate(2) after the path was resolved, without waiting. `limit` is
    /// `RLIMIT_FSIZE`.
    ///
    /// # Errors
    /// Those of [`Vfs::open_to_truncate`]; `EFBIG`, `EINVAL`; `EAGAIN` where leases are in the way.
    pub fn truncate(
        &self,
        cx: &PathCx<'_>,
        path: &Path,
        size: i64,
        limit: u64,
    ) -> Result<(), Errno> {
        let file = self.open_to_truncate(cx, path)?;
        if file.waits_for_leases() {
            return Err(Errno::EAGAIN);
        }
        file.truncate(size, limit, cx.creds)
    }

    /// Sets what chattr(1) sets of a file (`vfs_fileattr_set`).
    ///
    /// # Errors
    /// `EOPNOTSUPP` for a file that has none of that; `EPERM`, `EROFS`.
    pub fn set_file_flags(
        &self,
        cx: &PathCx<'_>,
        path: &Path,
        flags: FileFlags,
    ) -> Result<(), Errno> {
        path.mount().writable()?;
        let inode = path.inode();
        let old = inode.flags().ok_or(Errno::EOPNOTSUPP)?;
        perm::owner(&inode.perm()?, cx.creds)?;
        let keeping = (old ^ flags).intersects(FileFlags::KEEPING);
        if keeping && !cx.creds.has(cap::LINUX_IMMUTABLE) {
            return Err(Errno::EPERM);
        }
        inode.set_flags(flags)?;
        happened(path, Mask::ATTRIB);
        Ok(())
    }

    /// Checks whether `cx.creds` may do `mask` (`MAY_*` bits; 0 only asks whether it exists);
    /// faccessat2(2) after the path was resolved.
    ///
    /// # Errors
    /// `EACCES`, `EROFS`.
    pub fn access(&self, cx: &PathCx<'_>, path: &Path, mask: u32) -> Result<(), Errno> {
        let inode = path.inode();
        let p = inode.perm()?;
        let kind = inode.kind();
        if mask & MAY_EXEC != 0
            && kind == mode::IFREG
            && path.mount().flags().contains(MountFlags::NOEXEC)
        {
            return Err(Errno::EACCES);
        }
        if mask != 0 {
            perm::check_caller(&**inode, &p, cx, mask)?;
        }
        if mask & MAY_WRITE != 0 && matches!(kind, mode::IFREG | mode::IFDIR | mode::IFLNK) {
            path.mount().writable()?;
        }
        Ok(())
    }
}
