//! Names of the system; uts_namespaces(7).

use crate::Uts;
use sync::Mutex;
use vfs::nsfs::{Namespace, NsHead};

/// A UTS namespace.
pub(crate) struct UtsNs {
    head: NsHead,
    names: Mutex<Uts>,
}

impl UtsNs {
    pub(crate) fn new(head: NsHead, names: Uts) -> UtsNs {
        UtsNs { head, names: Mutex::new(names) }
    }

    /// The names now.
    pub(crate) fn names(&self) -> Uts {
        self.names.lock().clone()
    }

    /// Changes the names.
    pub(crate) fn change(&self, f: impl FnOnce(&mut Uts)) {
        f(&mut self.names.lock());
    }
}

impl Namespace for UtsNs {
    fn head(&self) -> Option<&NsHead> {
        Some(&self.head)
    }
}
