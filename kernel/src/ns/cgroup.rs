//! What processes see as the root of control groups; cgroup_namespaces(7).

use crate::cgroup::Group;
use alloc::sync::Arc;
use vfs::UserNs;
use vfs::nsfs::{Namespace, NsHead};

/// A cgroup namespace.
pub(crate) struct CgroupNs {
    head: NsHead,
    root: Option<Arc<Group>>,
}

impl CgroupNs {
    /// One whose root is `root`, or that of all groups.
    pub(crate) fn new(head: NsHead, root: Option<Arc<Group>>) -> CgroupNs {
        CgroupNs { head, root }
    }

    /// The group that shows as the root; `None` for the root of all.
    pub(crate) fn root(&self) -> Option<&Arc<Group>> {
        self.root.as_ref()
    }

    /// The user namespace that it belongs to.
    pub(crate) fn owner_ns(&self) -> &UserNs {
        self.head.owner()
    }
}

impl Namespace for CgroupNs {
    fn head(&self) -> Option<&NsHead> {
        Some(&self.head)
    }
}
