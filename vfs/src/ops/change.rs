//! Making and removing names: mkdir, mknod, symlink, link, unlink, rmdir; readlink.

use alloc::sync::Arc;
use alloc::vec::Vec;
use syserr::Errno;

use crate::acl::{AclKind, Inherited};
use crate::landlock::{self, Access, Referring};
use crate::notify::{self, Mask};
use crate::perm::{self, MAY_EXEC, MAY_WRITE};
use crate::tree::{Dentry, Last, Walker};
use crate::{
    Create, Inode, Link, LookupFlags, Path, PathCx, Perm, Protected, Validity, Vfs, cap, mode,
};

/// Longest text of a symbolic link in bytes, with its NUL.
const LINK_MAX: usize = 4096;

fn is_device(kind: u32) -> bool {
    matches!(kind, mode::IFCHR | mode::IFBLK)
}

impl Vfs {
    /// Makes `name` in `dir`, where there is nothing; permission is checked here.
    pub(super) fn make(
        &self,
        cx: &PathCx<'_>,
        dir: &Path,
        name: &[u8],
        wanted: u32,
        rdev: u64,
        target: &[u8],
    ) -> Result<Arc<Dentry>, Errno> {
        dir.mount().writable()?;
        landlock::check(cx.creds, dir, Access::to_make(wanted))?;
        let inode = dir.inode();
        let p = inode.perm()?;
        if dir.dentry.is_deleted() || inode.has_fixed_names() {
            return Err(Errno::ENOENT);
        }
        dir.mount().knows(cx.creds.fsuid, cx.creds.fsgid)?;
        perm::check_known(&**inode, &p, cx.creds, MAY_WRITE | MAY_EXEC)?;
        // A character device 0:0 is a whiteout, which anyone may make.
        let whiteout = wanted & mode::IFMT == mode::IFCHR && rdev == 0;
        if is_device(wanted & mode::IFMT) && !whiteout && !cx.creds.has(cap::MKNOD) {
            return Err(Errno::EPERM);
        }
        let what = Create { rdev, target, ..self.to_create(cx, inode, &p, wanted)? };
        let changing = dir.dentry.change();
        let new = inode.create(name, &what)?;
        let made = self.remember(&dir.dentry, name, Some(new));
        drop(changing);
        notify::name_changed(dir, name, &**made.positive(), Mask::CREATE);
        Ok(made)
    }

    /// What a file of type and permission bits `wanted` is to be in a directory with permissions
    /// `p`: of the caller, unless the directory passes its group on, and without what the directory's
    /// default list or the umask takes away.
    pub(super) fn to_create(
        &self,
        cx: &PathCx<'_>,
        dir: &Arc<dyn Inode>,
        p: &Perm,
        wanted: u32,
    ) -> Result<Create<'static>, Errno> {
        let inherits = wanted & mode::IFMT != mode::IFLNK;
        let default = match inherits.then(|| dir.acl(AclKind::Default)) {
            None | Some(Err(Errno::EOPNOTSUPP)) => None,
            Some(other) => other?,
        };
        let new = Inherited::of(default, wanted, cx.fs.umask());
        let (gid, mode) = perm::inherit(p, cx.creds, new.mode);
        Ok(Create {
            mode,
            uid: cx.creds.fsuid,
            gid,
            acl: new.access,
            default_acl: new.default,
            tid: Some(cx.tid),
            ..Create::default()
        })
    }

    /// Walks to the directory of a name that is to be made, and checks that nothing has it.
    fn new_name(
        &self,
        cx: &PathCx<'_>,
        dirfd: i32,
        path: &[u8],
        directory: bool,
    ) -> Result<(Path, Vec<u8>), Errno> {
        let mut w = Walker::new(self, cx, dirfd, path, LookupFlags::NOFOLLOW)?;
        let Last::Name(name) = w.seek_last()? else { return Err(Errno::EEXIST) };
        match w.child(&name) {
            Ok(_) => Err(Errno::EEXIST),
            Err(Errno::ENOENT) if w.slash && !directory => Err(Errno::ENOENT),
            Err(Errno::ENOENT) => Ok((w.at, name.to_vec())),
            Err(e) => Err(e),
        }
    }

    /// Makes a directory; mkdirat(2).
    ///
    /// # Errors
    /// Those of mkdir(2).
    pub fn mkdir(
        &self,
        cx: &PathCx<'_>,
        dirfd: i32,
        path: &[u8],
        wanted: u32,
    ) -> Result<(), Errno> {
        let (dir, name) = self.new_name(cx, dirfd, path, true)?;
        let wanted = mode::IFDIR | wanted & 0o1777;
        self.make(cx, &dir, &name, wanted, 0, &[]).map(|_| ())
    }

    /// Makes a file of any type but directory and link; mknodat(2). Also how a socket is bound to
    /// a name.
    ///
    /// # Errors
    /// Those of mknod(2).
    pub fn mknod(
        &self,
        cx: &PathCx<'_>,
        dirfd: i32,
        path: &[u8],
        wanted: u32,
        rdev: u64,
    ) -> Result<Path, Errno> {
        let kind = Vfs::node_kind(wanted)?;
        let (dir, name) = self.new_name(cx, dirfd, path, false)?;
        let rdev = if is_device(kind) { rdev } else { 0 };
        let dentry = self.make(cx, &dir, &name, kind | wanted & 0o7777, rdev, &[])?;
        Ok(Path { mount: dir.mount, dentry })
    }

    /// The `S_IFMT` type of what mknod(2) makes with a mode (`may_mknod`).
    ///
    /// # Errors
    /// `EPERM` for a directory, `EINVAL` for what is no type or a link.
    pub fn node_kind(wanted: u32) -> Result<u32, Errno> {
        match wanted & mode::IFMT {
            0 => Ok(mode::IFREG),
            mode::IFDIR => Err(Errno::EPERM),
            k @ (mode::IFREG | mode::IFCHR | mode::IFBLK | mode::IFIFO | mode::IFSOCK) => Ok(k),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Makes a symbolic link; symlinkat(2).
    ///
    /// # Errors
    /// Those of symlink(2).
    pub fn symlink(
        &self,
        cx: &PathCx<'_>,
        target: &[u8],
        dirfd: i32,
        path: &[u8],
    ) -> Result<(), Errno> {
        if target.is_empty() {
            return Err(Errno::ENOENT);
        }
        if target.len() >= LINK_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let (dir, name) = self.new_name(cx, dirfd, path, false)?;
        self.make(cx, &dir, &name, mode::IFLNK | 0o777, 0, target).map(|_| ())
    }

    /// Gives a file another name; linkat(2). `flags`: without `NOFOLLOW` a link at the end of
    /// `old` is followed; `EMPTY_PATH` needs `CAP_DAC_READ_SEARCH`.
    ///
    /// # Errors
    /// Those of link(2).
    pub fn link(
        &self,
        cx: &PathCx<'_>,
        old: (i32, &[u8]),
        new: (i32, &[u8]),
        flags: LookupFlags,
    ) -> Result<(), Errno> {
        let empty = flags.contains(LookupFlags::EMPTY_PATH) && old.1.is_empty();
        if empty && old.0 != crate::AT_FDCWD {
            // `path_init` with `LOOKUP_LINKAT_EMPTY` in `fs/namei.c`.
            let file = cx.files.get(old.0)?;
            if !file.was_opened_with(cx.creds) && !cx.creds.has(cap::DAC_READ_SEARCH) {
                return Err(Errno::ENOENT);
            }
        }
        let source = self.resolve(cx, old.0, old.1, flags)?;
        let (dir, name) = self.new_name(cx, new.0, new.1, false)?;
        dir.mount().writable()?;
        if !Arc::ptr_eq(source.mount(), dir.mount()) {
            return Err(Errno::EXDEV);
        }
        if self.settings.protected(Protected::Hardlinks) != 0 {
            perm::linkable(&**source.inode(), cx.creds)?;
        }
        let from = Path { mount: source.mount.clone(), dentry: source.dentry.parent_or_self() };
        let referring = Referring {
            from: &from,
            old: &source.dentry,
            to: &dir,
            new: None,
            removes: false,
            exchanges: false,
        };
        landlock::may_refer(cx.creds, &referring)?;
        if dir.dentry.is_deleted() {
            return Err(Errno::ENOENT);
        }
        perm::check(&**dir.inode(), cx.creds, MAY_WRITE | MAY_EXEC)?;
        perm::changeable(&**source.inode())?;
        if source.inode().kind() == mode::IFDIR {
            return Err(Errno::EPERM);
        }
        // A file without names gets one only if it was opened with O_TMPFILE and without O_EXCL.
        let linkable = source.inode().state().is_some_and(|s| s.is_linkable());
        if source.inode().stat()?.nlink == 0 && !linkable {
            return Err(Errno::ENOENT);
        }
        let changing = dir.dentry.change();
        dir.inode().link(&name, source.inode())?;
        self.remember(&dir.dentry, &name, Some(source.inode().clone()));
        drop(changing);
        notify::happened_to(source.inode(), Mask::ATTRIB);
        notify::name_changed(&dir, &name, &**source.inode(), Mask::CREATE);
        Ok(())
    }

    /// Removes a name of a file that is no directory; unlinkat(2).
    ///
    /// # Errors
    /// Those of unlink(2).
    pub fn unlink(&self, cx: &PathCx<'_>, dirfd: i32, path: &[u8]) -> Result<(), Errno> {
        let mut w = Walker::new(self, cx, dirfd, path, LookupFlags::NOFOLLOW)?;
        let Last::Name(name) = w.seek_last()? else { return Err(Errno::EISDIR) };
        w.at.mount().writable()?;
        let child = w.child(&name)?;
        if w.slash {
            let directory = child.inode().is_some_and(|i| i.kind() == mode::IFDIR);
            return Err(if directory { Errno::EISDIR } else { Errno::ENOTDIR });
        }
        self.remove(cx, w, &name, child, false)
    }

    /// Removes an empty directory; rmdir(2).
    ///
    /// # Errors
    /// Those of rmdir(2).
    pub fn rmdir(&self, cx: &PathCx<'_>, dirfd: i32, path: &[u8]) -> Result<(), Errno> {
        let mut w = Walker::new(self, cx, dirfd, path, LookupFlags::NOFOLLOW)?;
        let name = match w.seek_last()? {
            Last::Name(name) => name,
            Last::Here => return Err(Errno::EBUSY),
            Last::Dot => return Err(Errno::EINVAL),
            Last::DotDot => return Err(Errno::ENOTEMPTY),
        };
        w.at.mount().writable()?;
        let child = w.child(&name)?;
        self.remove(cx, w, &name, child, true)
    }

    fn remove(
        &self,
        cx: &PathCx<'_>,
        mut w: Walker<'_>,
        name: &[u8],
        mut child: Arc<Dentry>,
        directory: bool,
    ) -> Result<(), Errno> {
        let dir = w.at.clone();
        let access = if directory { Access::REMOVE_DIR } else { Access::REMOVE_FILE };
        landlock::check(cx.creds, &dir, access)?;
        loop {
            let inode = child.positive();
            perm::delete(&**dir.inode(), &**inode, cx.creds)?;
            match (directory, inode.kind() == mode::IFDIR) {
                (true, false) => return Err(Errno::ENOTDIR),
                (false, true) => return Err(Errno::EISDIR),
                _ => {}
            }
            if self.mounts.is_covered_in(&child, cx.fs.namespace().as_deref()) {
                return Err(Errno::EBUSY);
            }
            let changing = dir.dentry.change();
            if dir.mount.super_block().validity != Validity::Never {
                let same = dir.dentry.cached(name).is_some_and(|d| Arc::ptr_eq(&d, &child));
                if !same {
                    // Somebody else changed it between the look-up and the lock.
                    drop(changing);
                    child = w.child(name)?;
                    continue;
                }
            }
            dir.inode().remove(name, inode)?;
            child.mark_deleted();
            dir.dentry.forget(name, &child);
            self.dcache.forget(&child);
            self.remember(&dir.dentry, name, None);
            drop(changing);
            self.mounts.uncover(&child);
            let inode = inode.clone();
            if !directory {
                notify::happened_to(&inode, Mask::ATTRIB);
            }
            // Its own watches hear first, if nobody has it open.
            drop(child);
            notify::name_changed(&dir, name, &*inode, Mask::DELETE);
            return Ok(());
        }
    }

    /// The text of a symbolic link; readlinkat(2). With an empty path, of the link that `dirfd`
    /// was opened at with `O_PATH`.
    ///
    /// # Errors
    /// `EINVAL` when it is not a link (`ENOENT` for an empty path); those of path_resolution(7).
    pub fn readlink(&self, cx: &PathCx<'_>, dirfd: i32, path: &[u8]) -> Result<Vec<u8>, Errno> {
        let flags = LookupFlags::NOFOLLOW | LookupFlags::EMPTY_PATH;
        let place = self.resolve(cx, dirfd, path, flags)?;
        let inode = place.inode();
        if inode.kind() != mode::IFLNK {
            return Err(if path.is_empty() { Errno::ENOENT } else { Errno::EINVAL });
        }
        if let Some(text) = inode.link_text(cx)? {
            return Ok(text);
        }
        match inode.follow(cx)? {
            Link::Text(t) => Ok(t.to_vec()),
            Link::Magic(p) => Ok(p.display(Some(&cx.fs.root()))),
        }
    }
}
