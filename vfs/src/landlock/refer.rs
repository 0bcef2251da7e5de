//! Files that get names in other directories: nothing is to become possible that was not.

use super::Access;
use super::check::{Missing, above, check};
use super::domain::Domain;
use crate::tree::Dentry;
use crate::{Creds, Path, mode};
use alloc::sync::Arc;
use syserr::Errno;

fn kind(d: &Dentry) -> u32 {
    d.inode().map_or(0, |i| i.kind())
}

/// A link or a rename: the file `old` of the directory `from` gets a name in the directory `to`, where
/// `new` is now.
pub(crate) struct Referring<'a> {
    pub(crate) from: &'a Path,
    pub(crate) old: &'a Arc<Dentry>,
    pub(crate) to: &'a Path,
    pub(crate) new: Option<&'a Arc<Dentry>>,
    /// `old` loses its name, and `new`, if it is not exchanged.
    pub(crate) removes: bool,
    pub(crate) exchanges: bool,
}

/// Whether whoever has `creds` may do it (`current_check_refer_path`).
///
/// # Errors
/// `EACCES` for what no rule allows; `EXDEV` where only the other directory is in the way.
pub(crate) fn may_refer(creds: &Creds, r: &Referring<'_>) -> Result<(), Errno> {
    let domain = creds.landlock.as_ref().filter(|d| d.is_about_files());
    let Some(domain) = domain else { return Ok(()) };
    let mut at_source = Access::empty();
    let mut at_target = Access::to_make(kind(r.old));
    if let Some(new) = r.new.filter(|_| r.exchanges) {
        at_source |= Access::to_make(kind(new));
    }
    if r.removes {
        at_source |= Access::to_remove(kind(r.old));
        if let Some(new) = r.new {
            at_target |= Access::to_remove(kind(new));
        }
    }
    if Arc::ptr_eq(&r.from.dentry, &r.to.dentry) {
        return check(creds, r.to, at_source | at_target);
    }
    at_source |= Access::REFER;
    at_target |= Access::REFER;
    let mut move_ = Move {
        domain,
        source: within_mount(domain, r.from),
        target: within_mount(domain, r.to),
        old: Child::new(domain, r.old),
        new: r.new.filter(|_| r.exchanges).map(|d| Child::new(domain, d)),
    };
    if move_.is_allowed(Path::of_mount(&r.to.mount), at_source, at_target) {
        return Ok(());
    }
    let denied = |left: &Missing, request: Access| left.intersects(request - Access::REFER);
    let denied = denied(&move_.source, at_source) || denied(&move_.target, at_target);
    Err(if denied { Errno::EACCES } else { Errno::EXDEV })
}

/// What is missing after the rules for a directory and those above it, below the mount's root
/// (`collect_domain_accesses`).
fn within_mount(domain: &Domain, dir: &Path) -> Missing {
    let mut left = Missing::new(domain, Access::all());
    let mut at = Some(dir.dentry.clone());
    while let Some(d) = at.filter(|_| !left.is_empty()) {
        if let Some(inode) = d.inode() {
            left.allow(domain, &**inode);
        }
        let top = Arc::ptr_eq(&d, dir.mount.root());
        at = if top { None } else { d.place().0 };
    }
    left
}

/// A file that moves, with what its own rules do not allow.
struct Child {
    missing: Missing,
    directory: bool,
}

impl Child {
    fn new(domain: &Domain, d: &Dentry) -> Child {
        let mut missing = Missing::new(domain, Access::all());
        if let Some(inode) = d.inode() {
            missing.allow(domain, &**inode);
        }
        Child { missing, directory: kind(d) == mode::IFDIR }
    }

    /// Whether it can do no more in a directory that lacks `there` than where it is, which lacks
    /// `here` (`no_more_access`).
    fn gains_nothing(&self, here: &Missing, there: &Missing) -> bool {
        let counts = if self.directory { Access::all() } else { Access::OF_FILES };
        let own = here.layers().zip(self.missing.layers()).map(|(here, own)| here & own & counts);
        own.zip(there.layers()).all(|(own, there)| there.contains(own))
    }
}

struct Move<'a> {
    domain: &'a Domain,
    source: Missing,
    target: Missing,
    old: Child,
    new: Option<Child>,
}

impl Move<'_> {
    /// Follows the directories from the mount's root up, until everything is allowed
    /// (`is_access_to_paths_allowed`).
    fn is_allowed(&mut self, top: Path, at_source: Access, at_target: Access) -> bool {
        // Everything handled counts, until it is known that the move adds nothing.
        let mut compared = false;
        let mut place = top;
        loop {
            if !compared && self.adds_nothing() {
                compared = true;
                self.source.limit(at_source);
                self.target.limit(at_target);
            }
            if self.is_settled() {
                return true;
            }
            if let Some(inode) = place.dentry.inode() {
                self.source.allow(self.domain, &**inode);
                self.target.allow(self.domain, &**inode);
            }
            match above(&place) {
                _ if self.is_settled() => return true,
                Some(next) => place = next,
                None => return false,
            }
        }
    }

    fn is_settled(&self) -> bool {
        self.source.is_empty() && self.target.is_empty()
    }

    fn adds_nothing(&self) -> bool {
        let back = |new: &Child| new.gains_nothing(&self.target, &self.source);
        self.old.gains_nothing(&self.source, &self.target) && self.new.as_ref().is_none_or(back)
    }
}
