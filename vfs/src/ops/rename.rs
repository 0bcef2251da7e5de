//! rename(2), renameat2(2).

use alloc::sync::Arc;
use syserr::Errno;

use crate::landlock::{self, Referring};
use crate::notify;
use crate::perm::{self, MAY_EXEC, MAY_WRITE};
use crate::tree::{Dentry, Last, Walker};
use crate::{Create, LookupFlags, Path, PathCx, RenameFlags, Validity, Vfs, mode};

/// One side of a rename.
struct Side {
    dir: Path,
    name: alloc::vec::Vec<u8>,
    slash: bool,
    child: Option<Arc<Dentry>>,
}

fn is_dir(d: &Dentry) -> bool {
    d.inode().is_some_and(|i| i.kind() == mode::IFDIR)
}

impl Vfs {
    /// Renames a file; renameat2(2).
    ///
    /// # Errors
    /// Those of rename(2).
    pub fn rename(
        &self,
        cx: &PathCx<'_>,
        old: (i32, &[u8]),
        new: (i32, &[u8]),
        flags: RenameFlags,
    ) -> Result<(), Errno> {
        let exclusive = RenameFlags::NOREPLACE | RenameFlags::WHITEOUT;
        if !RenameFlags::all().contains(flags)
            || flags.contains(RenameFlags::EXCHANGE) && flags.intersects(exclusive)
        {
            return Err(Errno::EINVAL);
        }
        let mut from = Walker::new(self, cx, old.0, old.1, LookupFlags::NOFOLLOW)?;
        let old_last = from.seek_last()?;
        let mut to = Walker::new(self, cx, new.0, new.1, LookupFlags::NOFOLLOW)?;
        let new_last = to.seek_last()?;
        if !Arc::ptr_eq(from.at.mount(), to.at.mount()) {
            return Err(Errno::EXDEV);
        }
        let Last::Name(old_name) = old_last else { return Err(Errno::EBUSY) };
        let Last::Name(new_name) = new_last else {
            let no_replace = flags.contains(RenameFlags::NOREPLACE);
            return Err(if no_replace { Errno::EEXIST } else { Errno::EBUSY });
        };
        from.at.mount().writable()?;
        // Directories stand still from here on, so that the check for circles holds.
        let _renaming = self.renaming.lock();
        loop {
            let old = from.child(&old_name)?;
            let new = match to.child(&new_name) {
                Ok(d) => Some(d),
                Err(Errno::ENOENT) => None,
                Err(e) => return Err(e),
            };
            let a = Side {
                dir: from.at.clone(),
                name: old_name.to_vec(),
                slash: from.slash,
                child: Some(old.clone()),
            };
            let b = Side {
                dir: to.at.clone(),
                name: new_name.to_vec(),
                slash: to.slash,
                child: new.clone(),
            };
            if self.rename_once(cx, &a, &b, &old, flags)? {
                return Ok(());
            }
        }
    }

    /// Whether it was done; false when the names changed meanwhile.
    fn rename_once(
        &self,
        cx: &PathCx<'_>,
        a: &Side,
        b: &Side,
        old: &Arc<Dentry>,
        flags: RenameFlags,
    ) -> Result<bool, Errno> {
        let exchange = flags.contains(RenameFlags::EXCHANGE);
        if flags.contains(RenameFlags::NOREPLACE) && b.child.is_some() {
            return Err(Errno::EEXIST);
        }
        if exchange {
            let new = b.child.as_ref().ok_or(Errno::ENOENT)?;
            if !is_dir(new) && b.slash {
                return Err(Errno::ENOTDIR);
            }
        }
        if !is_dir(old) && (a.slash || !exchange && b.slash) {
            return Err(Errno::ENOTDIR);
        }
        if b.dir.dentry.is_below(old) {
            return Err(Errno::EINVAL);
        }
        if let Some(new) = &b.child
            && a.dir.dentry.is_below(new)
        {
            return Err(if exchange { Errno::EINVAL } else { Errno::ENOTEMPTY });
        }
        let referring = Referring {
            from: &a.dir,
            old,
            to: &b.dir,
            new: b.child.as_ref(),
            removes: true,
            exchanges: exchange,
        };
        landlock::may_refer(cx.creds, &referring)?;
        if let Some(new) = &b.child
            && Arc::ptr_eq(old.positive(), new.positive())
        {
            return Ok(true);
        }
        self.may_rename(cx, a, b, old, exchange)?;
        let ns = cx.fs.namespace();
        let mounted = |d: &Arc<Dentry>| self.mounts.is_covered_in(d, ns.as_deref());
        if mounted(old) || b.child.as_ref().is_some_and(mounted) {
            return Err(Errno::EBUSY);
        }
        self.rename_locked(cx, a, b, old, flags)
    }

    fn may_rename(
        &self,
        cx: &PathCx<'_>,
        a: &Side,
        b: &Side,
        old: &Dentry,
        exchange: bool,
    ) -> Result<(), Errno> {
        let (from, to) = (&**a.dir.inode(), &**b.dir.inode());
        perm::delete(from, &**old.positive(), cx.creds)?;
        match &b.child {
            None => {
                if b.dir.dentry.is_deleted() {
                    return Err(Errno::ENOENT);
                }
                perm::check(to, cx.creds, MAY_WRITE | MAY_EXEC)?;
            }
            Some(new) => {
                perm::delete(to, &**new.positive(), cx.creds)?;
                match (is_dir(old), is_dir(new)) {
                    (true, false) if !exchange => return Err(Errno::ENOTDIR),
                    (false, true) if !exchange => return Err(Errno::EISDIR),
                    _ => {}
                }
            }
        }
        // A directory that moves gets another "..": that is a write to it.
        if !Arc::ptr_eq(&a.dir.dentry, &b.dir.dentry) {
            if is_dir(old) {
                perm::check(&**old.positive(), cx.creds, MAY_WRITE)?;
            }
            if let Some(new) = &b.child
                && exchange
                && is_dir(new)
            {
                perm::check(&**new.positive(), cx.creds, MAY_WRITE)?;
            }
        }
        Ok(())
    }

    fn rename_locked(
        &self,
        cx: &PathCx<'_>,
        a: &Side,
        b: &Side,
        old: &Arc<Dentry>,
        flags: RenameFlags,
    ) -> Result<bool, Errno> {
        let (from, to) = (&a.dir.dentry, &b.dir.dentry);
        let (mut first, mut second) = (None, None);
        if Arc::ptr_eq(from, to) {
            first = Some(from.change());
        } else if Arc::as_ptr(from) < Arc::as_ptr(to) {
            first = Some(from.change());
            second = Some(to.change());
        } else {
            second = Some(to.change());
            first.get_or_insert_with(|| from.change());
        }
        if a.dir.mount.super_block().validity != Validity::Never {
            let same = |dir: &Arc<Dentry>, side: &Side| {
                let now = dir.cached(&side.name).filter(|d| d.inode().is_some());
                match (&now, &side.child) {
                    (Some(x), Some(y)) => Arc::ptr_eq(x, y),
                    (None, None) => true,
                    _ => false,
                }
            };
            if !same(from, a) || !same(to, b) {
                return Ok(false);
            }
        }
        let (gid, mode) = perm::inherit(&a.dir.inode().perm()?, cx.creds, mode::IFCHR);
        let left = Create { mode, uid: cx.creds.fsuid, gid, ..Create::default() };
        a.dir.inode().rename(&a.name, b.dir.inode(), &b.name, flags, &left)?;
        match &b.child {
            Some(new) if flags.contains(RenameFlags::EXCHANGE) => old.exchange(new),
            replaced => {
                if let Some(new) = replaced {
                    new.mark_deleted();
                    to.forget(&b.name, new);
                    self.dcache.forget(new);
                }
                if let Some(nothing) = to.cached(&b.name) {
                    self.dcache.forget(&nothing);
                }
                old.move_to(to, &b.name);
                if !flags.contains(RenameFlags::WHITEOUT) {
                    self.remember(from, &a.name, None);
                }
            }
        }
        drop((first, second));
        if let Some(new) = b.child.as_ref().filter(|_| !flags.contains(RenameFlags::EXCHANGE)) {
            self.mounts.uncover(new);
        }
        let (from, to) = ((&a.dir, &*a.name), (&b.dir, &*b.name));
        let new = b.child.as_ref().map(|d| d.positive());
        if flags.contains(RenameFlags::EXCHANGE) {
            notify::moved(from, to, old.positive(), None);
            if let Some(new) = new {
                notify::moved(to, from, new, None);
            }
        } else {
            notify::moved(from, to, old.positive(), new);
        }
        Ok(true)
    }
}
