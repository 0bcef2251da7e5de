//! Names of the system; uts_namespaces(7).

use crate::Uts;
use alloc::sync::Arc;
use alloc::vec::Vec;
use sync::Mutex;
use vfs::Changes;
use vfs::nsfs::{Namespace, NsHead};

/// A UTS namespace.
pub(crate) struct UtsNs {
    head: NsHead,
    names: Mutex<Uts>,
    host: Arc<Changes>,
    domain: Arc<Changes>,
}

impl UtsNs {
    pub(crate) fn new(head: NsHead, names: Uts) -> UtsNs {
        let (host, domain) = (Arc::default(), Arc::default());
        UtsNs { head, names: Mutex::new(names), host, domain }
    }

    /// The names now.
    pub(crate) fn names(&self) -> Uts {
        self.names.lock().clone()
    }

    /// Who is told when the name of the host changes.
    pub(crate) fn host_changes(&self) -> &Arc<Changes> {
        &self.host
    }

    /// Who is told when that of its domain does.
    pub(crate) fn domain_changes(&self) -> &Arc<Changes> {
        &self.domain
    }

    /// Names the host.
    pub(crate) fn set_host(&self, name: Vec<u8>) {
        self.names.lock().host = name;
        self.host.note();
    }

    /// Names its domain.
    pub(crate) fn set_domain(&self, name: Vec<u8>) {
        self.names.lock().domain = name;
        self.domain.note();
    }
}

impl Namespace for UtsNs {
    fn head(&self) -> Option<&NsHead> {
        Some(&self.head)
    }
}
