//! Working and root directory.

use alloc::vec::Vec;
use syserr::Errno;

use crate::perm::{self, MAY_EXEC};
use crate::{LookupFlags, Path, PathCx, Vfs, cap, mode};

fn enterable(cx: &PathCx<'_>, path: &Path) -> Result<(), Errno> {
    if path.inode().kind() != mode::IFDIR {
        return Err(Errno::ENOTDIR);
    }
    let inode = path.inode();
    perm::check_caller(&**inode, &inode.perm()?, cx, MAY_EXEC)
}

impl Vfs {
    /// Changes the working directory; chdir(2).
    ///
    /// # Errors
    /// `ENOTDIR`, `EACCES`, and those of path_resolution(7).
    pub fn chdir(&self, cx: &PathCx<'_>, dirfd: i32, path: &[u8]) -> Result<(), Errno> {
        let at = self.resolve(cx, dirfd, path, LookupFlags::DIRECTORY)?;
        self.enter(cx, at)
    }

    /// Makes a place the working directory; fchdir(2).
    ///
    /// # Errors
    /// `ENOTDIR`, `EACCES`.
    pub fn enter(&self, cx: &PathCx<'_>, at: Path) -> Result<(), Errno> {
        enterable(cx, &at)?;
        cx.fs.set_cwd(at);
        Ok(())
    }

    /// Changes the root directory; chroot(2).
    ///
    /// # Errors
    /// `EPERM` without `CAP_SYS_CHROOT`, else as [`Vfs::chdir`].
    pub fn chroot(&self, cx: &PathCx<'_>, dirfd: i32, path: &[u8]) -> Result<(), Errno> {
        let at = self.resolve(cx, dirfd, path, LookupFlags::DIRECTORY)?;
        enterable(cx, &at)?;
        if !cx.creds.has_here(cap::SYS_CHROOT) {
            return Err(Errno::EPERM);
        }
        cx.fs.set_root(at);
        Ok(())
    }

    /// The path of the working directory; getcwd(2).
    ///
    /// # Errors
    /// `ENOENT` when it was removed; `ENAMETOOLONG` past 4095 bytes.
    pub fn getcwd(&self, cx: &PathCx<'_>) -> Result<Vec<u8>, Errno> {
        let cwd = cx.fs.cwd();
        if cwd.dentry.is_deleted() {
            return Err(Errno::ENOENT);
        }
        let path = cwd.display(Some(&cx.fs.root()));
        if path.len() >= 4096 { Err(Errno::ENAMETOOLONG) } else { Ok(path) }
    }
}
