//! Whether a domain allows an access (`security/landlock/fs.c`).

use super::domain::{Domain, LAYERS_MAX};
use super::{Access, PortAccess};
use crate::{Creds, Inode, OpenFlags, Path, mode};
use alloc::sync::Arc;
use syserr::Errno;

/// What each of the domains around a task has still to allow, innermost first.
#[derive(Clone, Copy)]
pub(super) struct Missing([Access; LAYERS_MAX]);

impl Missing {
    /// All of `request` that the domains handle.
    pub(super) fn new(domain: &Domain, request: Access) -> Missing {
        let mut out = Missing([Access::empty(); LAYERS_MAX]);
        for (left, d) in out.0.iter_mut().zip(domain.layers()) {
            *left = d.rules.handled() & request;
        }
        out
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|m| m.is_empty())
    }

    /// Takes what the rules of a file allow.
    pub(super) fn allow(&mut self, domain: &Domain, inode: &dyn Inode) {
        for (left, d) in self.0.iter_mut().zip(domain.layers()) {
            if !left.is_empty() {
                *left -= d.rules.allowed(inode);
            }
        }
    }

    /// Only what of it is in `request`.
    pub(super) fn limit(&mut self, request: Access) {
        self.0.iter_mut().for_each(|m| *m &= request);
    }

    pub(super) fn intersects(&self, access: Access) -> bool {
        self.0.iter().any(|m| m.intersects(access))
    }

    /// What any of them has still to allow.
    pub(super) fn all(&self) -> Access {
        self.0.iter().fold(Access::empty(), |all, m| all | *m)
    }

    /// Layer by layer.
    pub(super) fn layers(&self) -> impl Iterator<Item = Access> {
        self.0.iter().copied()
    }
}

/// The next place above, without names that something is mounted over; `None` at the top.
pub(super) fn above(at: &Path) -> Option<Path> {
    let mut at = at.clone();
    while Arc::ptr_eq(&at.dentry, at.mount.root()) {
        at = at.mount.point()?;
    }
    at.dentry = match at.dentry.place().0 {
        Some(parent) => parent,
        // A directory out of the mount's own: what is above the mount counts.
        None => at.mount.root().clone(),
    };
    Some(at)
}

/// What the domains have still to allow of `request` after the rules for a place and all above it.
fn missing(domain: &Domain, path: &Path, request: Access) -> Missing {
    let mut left = Missing::new(domain, request);
    let mut at = Some(path.clone());
    while let Some(place) = at.filter(|_| !left.is_empty()) {
        if let Some(inode) = place.dentry.inode() {
            left.allow(domain, &**inode);
        }
        at = above(&place);
    }
    left
}

/// Of what is asked for, what whoever has `creds` may do to what is at `path`.
pub(crate) fn granted(creds: &Creds, path: &Path, request: Access) -> Access {
    match &creds.landlock {
        Some(domain) if domain.is_about_files() && !path.mount.is_internal() => {
            request - missing(domain, path, request).all()
        }
        _ => request,
    }
}

/// Whether all of it is granted.
///
/// # Errors
/// `EACCES`.
pub(crate) fn check(creds: &Creds, path: &Path, request: Access) -> Result<(), Errno> {
    if granted(creds, path, request) == request { Ok(()) } else { Err(Errno::EACCES) }
}

/// Whether whoever has `creds` may use a TCP port.
pub fn may_use_port(creds: &Creds, port: u16, access: PortAccess) -> bool {
    let Some(domain) = &creds.landlock else { return true };
    domain.layers().all(|d| d.rules.allows_port(port, access))
}

/// Whoever is in a domain changes no mounts: what it was allowed would be elsewhere.
///
/// # Errors
/// `EPERM`.
pub fn may_change_mounts(creds: &Creds) -> Result<(), Errno> {
    let bound = creds.landlock.as_ref().is_some_and(|d| d.is_about_files());
    if bound { Err(Errno::EPERM) } else { Ok(()) }
}

/// What it takes to open a file of an `S_IFMT` type.
pub(crate) fn opening(kind: u32, flags: OpenFlags) -> Access {
    let mut access = Access::empty();
    if flags.readable() {
        if kind == mode::IFDIR {
            return Access::READ_DIR;
        }
        access |= Access::READ_FILE;
    }
    access.set(Access::WRITE_FILE, flags.writable());
    access
}
