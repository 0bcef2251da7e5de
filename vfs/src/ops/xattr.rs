//! Extended attributes; xattr(7).

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use syserr::Errno;

use crate::acl::{Acl, AclKind};
use crate::fd::anon::{self, SOCKPROTONAME};
use crate::file_caps;
use crate::notify::{Mask, happened};
use crate::perm::{self, MAY_READ, MAY_WRITE};
use crate::{Path, PathCx, Vfs, XattrSet, cap, mode};

/// Longest name in bytes; `XATTR_NAME_MAX`.
const NAME_MAX: usize = 255;
/// Longest value in bytes; `XATTR_SIZE_MAX`.
const VALUE_MAX: usize = 65536;

fn check_name(name: &[u8]) -> Result<(), Errno> {
    if name.is_empty() || name.len() > NAME_MAX { Err(Errno::ERANGE) } else { Ok(()) }
}

/// `xattr_permission` in `fs/xattr.c`.
fn check(cx: &PathCx<'_>, path: &Path, name: &[u8], mask: u32) -> Result<(), Errno> {
    if mask & MAY_WRITE != 0 {
        path.mount().writable()?;
    }
    let writes = mask & MAY_WRITE != 0;
    let refused = if writes { Errno::EPERM } else { Errno::ENODATA };
    if name.starts_with(b"security.") {
        // Who rules the file system says what is secure on it (`cap_inode_setxattr`).
        let may = || cx.creds.has_in(path.mount().super_block().user_ns(), cap::SYS_ADMIN);
        if writes && !may() {
            return Err(Errno::EPERM);
        }
    } else if name.starts_with(b"trusted.") {
        if !cx.creds.has(cap::SYS_ADMIN) {
            return Err(refused);
        }
    } else if !name.starts_with(b"system.") {
        let p = path.inode().perm()?;
        if name.starts_with(b"user.") {
            match path.inode().kind() {
                mode::IFREG => {}
                mode::IFDIR if writes && p.mode & mode::ISVTX != 0 => perm::owner(&p, cx.creds)?,
                mode::IFDIR => {}
                _ => return Err(refused),
            }
        }
        perm::check_known(&**path.inode(), &p, cx.creds, mask)?;
    }
    check_known_prefix(name)
}

/// `xattr_resolve_name` in `fs/xattr.c`.
fn check_known_prefix(name: &[u8]) -> Result<(), Errno> {
    let prefixes: [&[u8]; 3] = [b"security.", b"trusted.", b"user."];
    match prefixes.into_iter().find_map(|p| name.strip_prefix(p)) {
        Some(b"") => Err(Errno::EINVAL),
        Some(_) => Ok(()),
        None => Err(Errno::EOPNOTSUPP),
    }
}

fn get_acl(cx: &PathCx<'_>, path: &Path, kind: AclKind) -> Result<Vec<u8>, Errno> {
    if path.inode().kind() == mode::IFLNK {
        return Err(Errno::EOPNOTSUPP);
    }
    Ok(path.inode().acl(kind)?.ok_or(Errno::ENODATA)?.bytes(&cx.creds.user_ns))
}

/// `set_posix_acl`, `simple_set_acl`.
fn set_acl(cx: &PathCx<'_>, path: &Path, kind: AclKind, acl: Option<Acl>) -> Result<(), Errno> {
    let inode = path.inode();
    if inode.kind() == mode::IFLNK {
        return Err(Errno::EOPNOTSUPP);
    }
    inode.acl(kind)?;
    if kind == AclKind::Default && inode.kind() != mode::IFDIR {
        return if acl.is_some() { Err(Errno::EACCES) } else { Ok(()) };
    }
    let p = inode.perm()?;
    perm::owner(&p, cx.creds)?;
    let mut acl = acl.map(|a| a.check().map(|()| Arc::new(a))).transpose()?;
    let mut bits = None;
    if kind == AclKind::Access {
        let mut m = p.mode & 0o7777;
        if let Some(a) = &acl {
            let (mode, all) = a.mode();
            m = m & !0o777 | mode;
            if all {
                acl = None;
            }
        }
        if !cx.creds.in_group(p.gid) && !cx.creds.has_over(p.uid, p.gid, cap::FSETID) {
            m &= !mode::ISGID;
        }
        bits = Some(m);
    }
    inode.set_acl(kind, acl.as_ref(), bits)?;
    happened(path, Mask::ATTRIB);
    Ok(())
}

impl Vfs {
    /// The value of an attribute.
    ///
    /// # Errors
    /// Those of getxattr(2).
    pub fn get_xattr(&self, cx: &PathCx<'_>, path: &Path, name: &[u8]) -> Result<Vec<u8>, Errno> {
        check_name(name)?;
        if let Some(kind) = AclKind::of(name) {
            return get_acl(cx, path, kind);
        }
        if name == SOCKPROTONAME && anon::object(&**path.inode()).is_some() {
            return path.inode().get_xattr(name);
        }
        if name == file_caps::NAME {
            return file_caps::show(path, &cx.creds.user_ns);
        }
        check(cx, path, name, MAY_READ)?;
        path.inode().get_xattr(name)
    }

    /// Sets an attribute.
    ///
    /// # Errors
    /// Those of setxattr(2).
    pub fn set_xattr(
        &self,
        cx: &PathCx<'_>,
        path: &Path,
        name: &[u8],
        value: &[u8],
        how: XattrSet,
    ) -> Result<(), Errno> {
        check_name(name)?;
        if value.len() > VALUE_MAX {
            return Err(Errno::E2BIG);
        }
        path.mount().writable()?;
        perm::changeable(&**path.inode())?;
        if let Some(kind) = AclKind::of(name) {
            return set_acl(cx, path, kind, Acl::parse(value, &cx.creds.user_ns)?);
        }
        if name == file_caps::NAME {
            let value = file_caps::to_store(cx.creds, path, value)?;
            file_caps::store(&**path.inode(), &value, how)?;
        } else {
            check(cx, path, name, MAY_WRITE)?;
            path.inode().set_xattr(name, value, how)?;
        }
        happened(path, Mask::ATTRIB);
        Ok(())
    }

    /// The names of a file's attributes; those of `trusted` only for `CAP_SYS_ADMIN`.
    ///
    /// # Errors
    /// Those of listxattr(2).
    pub fn list_xattr(&self, cx: &PathCx<'_>, path: &Path) -> Result<Vec<Box<[u8]>>, Errno> {
        let mut names = path.inode().list_xattr()?;
        if !cx.creds.has(cap::SYS_ADMIN) {
            names.retain(|n| !n.starts_with(b"trusted."));
        }
        Ok(names)
    }

    /// Removes an attribute.
    ///
    /// # Errors
    /// Those of removexattr(2).
    pub fn remove_xattr(&self, cx: &PathCx<'_>, path: &Path, name: &[u8]) -> Result<(), Errno> {
        check_name(name)?;
        path.mount().writable()?;
        perm::changeable(&**path.inode())?;
        if let Some(kind) = AclKind::of(name) {
            return set_acl(cx, path, kind, None);
        }
        if name == file_caps::NAME {
            file_caps::may_change(cx.creds, path)?;
        } else {
            check(cx, path, name, MAY_WRITE)?;
        }
        path.inode().remove_xattr(name)?;
        happened(path, Mask::ATTRIB);
        Ok(())
    }
}
