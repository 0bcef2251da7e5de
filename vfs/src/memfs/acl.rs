//! Access control lists, kept with the node.

use alloc::sync::Arc;
use syserr::Errno;

use super::Node;
use crate::acl::{Acl, AclKind};

/// The lists of a node; `None` for one that the lower's stands for.
#[derive(Default)]
pub(super) struct Acls {
    access: Option<Option<Arc<Acl>>>,
    default: Option<Option<Arc<Acl>>>,
}

impl Acls {
    fn slot(&mut self, kind: AclKind) -> &mut Option<Option<Arc<Acl>>> {
        match kind {
            AclKind::Access => &mut self.access,
            AclKind::Default => &mut self.default,
        }
    }

    /// Bytes of both.
    pub(super) fn size(&self) -> u64 {
        let own = [&self.access, &self.default].into_iter().flatten().flatten();
        own.map(|a| a.size()).sum()
    }
}

impl Node {
    /// # Errors
    /// `EOPNOTSUPP` in a file system without lists.
    pub(super) fn acl_of(&self, kind: AclKind) -> Result<Option<Arc<Acl>>, Errno> {
        if !self.fs.has_acls() {
            return Err(Errno::EOPNOTSUPP);
        }
        if let Some(own) = self.acls.lock().slot(kind) {
            return Ok(own.clone());
        }
        match self.lower.as_ref().map(|l| l.inode.acl(kind)) {
            None | Some(Err(Errno::EOPNOTSUPP)) => Ok(None),
            Some(lower) => lower,
        }
    }

    /// # Errors
    /// `ENOSPC` where all lists and attributes together are too long.
    pub(super) fn put_list(&self, kind: AclKind, acl: Option<&Arc<Acl>>) -> Result<(), Errno> {
        let mut acls = self.acls.lock();
        let slot = acls.slot(kind);
        let old = slot.iter().flatten().map(|a| a.size()).sum::<u64>();
        let new = acl.map_or(0, |a| a.size());
        self.fs.env.attributes.exchange(old, new)?;
        *slot = Some(acl.cloned());
        Ok(())
    }
}
