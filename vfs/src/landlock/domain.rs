//! Domains, each in another.

use super::ruleset::{Rules, Ruleset};
use alloc::sync::Arc;
use syserr::Errno;

/// The most domains in each other (`LANDLOCK_MAX_NUM_LAYERS`).
pub(super) const LAYERS_MAX: usize = 16;

/// A domain: the rules that a task took on, on top of those that it had.
pub struct Domain {
    outer: Option<Arc<Domain>>,
    pub(super) rules: Arc<Rules>,
    depth: usize,
    /// It, or one around it, is about files.
    files: bool,
}

impl Domain {
    /// A new one inside of `outer`; landlock_restrict_self(2).
    ///
    /// # Errors
    /// `E2BIG` for too many in each other.
    pub fn new(outer: Option<&Arc<Domain>>, ruleset: &Ruleset) -> Result<Arc<Domain>, Errno> {
        let depth = outer.map_or(0, |d| d.depth) + 1;
        if depth > LAYERS_MAX {
            return Err(Errno::E2BIG);
        }
        let rules = ruleset.rules();
        let files = rules.handles_files() || outer.is_some_and(|d| d.files);
        Ok(Arc::new(Domain { outer: outer.cloned(), rules, depth, files }))
    }

    /// Whether it, or one around it, is about files.
    pub fn is_about_files(&self) -> bool {
        self.files
    }

    /// This one and those around it.
    pub(super) fn layers(&self) -> impl Iterator<Item = &Domain> {
        core::iter::successors(Some(self), |d| d.outer.as_deref())
    }

    /// Whether it is `other` or inside of it.
    pub fn is_within(&self, other: &Domain) -> bool {
        self.layers().any(|d| core::ptr::eq(d, other))
    }
}

impl PartialEq for Domain {
    fn eq(&self, other: &Domain) -> bool {
        core::ptr::eq(self, other)
    }
}

impl Eq for Domain {}

impl core::fmt::Debug for Domain {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Domain").field("depth", &self.depth).finish_non_exhaustive()
    }
}
