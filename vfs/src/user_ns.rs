//! User namespaces; user_namespaces(7).

use alloc::sync::Arc;

use crate::nsfs::{Namespace, NamespaceKind, NsHead};

/// A user namespace. The initial one is nothing in memory, so that credentials without a kernel can
/// be in it.
#[derive(Clone, Default)]
pub struct UserNs(Option<Arc<Made>>);

struct Made {
    head: NsHead,
    level: u32,
    owner: u32,
}

impl UserNs {
    /// The one that a kernel begins with.
    pub const INITIAL: UserNs = UserNs(None);

    /// A new one below the owner in `head`, made by a user with the ID `owner`.
    pub fn new(head: NsHead, owner: u32) -> UserNs {
        let level = head.owner().level() + 1;
        UserNs(Some(Arc::new(Made { head, level, owner })))
    }

    /// Whether it is the one that a kernel begins with.
    pub fn is_initial(&self) -> bool {
        self.0.is_none()
    }

    /// The one that it was made in; `None` for the initial one.
    pub fn parent_ns(&self) -> Option<UserNs> {
        self.0.as_ref().map(|m| m.head.owner().clone())
    }

    /// How many there are above it.
    pub fn level(&self) -> u32 {
        self.0.as_ref().map_or(0, |m| m.level)
    }

    /// The effective user ID of who made it, as the initial namespace knows it.
    pub fn owner_uid(&self) -> u32 {
        self.0.as_ref().map_or(0, |m| m.owner)
    }

    /// Whether it is `other` or below that.
    pub fn is_within(&self, other: &UserNs) -> bool {
        let mut at = self.clone();
        loop {
            if at == *other {
                return true;
            }
            match at.parent_ns() {
                Some(above) => at = above,
                None => return false,
            }
        }
    }
}

impl PartialEq for UserNs {
    fn eq(&self, other: &UserNs) -> bool {
        self.0.as_ref().map(Arc::as_ptr) == other.0.as_ref().map(Arc::as_ptr)
    }
}

impl Eq for UserNs {}

impl core::fmt::Debug for UserNs {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("UserNs").field(&self.ino()).finish()
    }
}

impl Namespace for UserNs {
    fn kind(&self) -> NamespaceKind {
        NamespaceKind::User
    }

    fn ino(&self) -> u64 {
        self.0.as_ref().map_or_else(|| NamespaceKind::User.initial_ino(), |m| m.head.ino())
    }

    fn owner(&self) -> UserNs {
        self.parent_ns().unwrap_or_default()
    }
}
