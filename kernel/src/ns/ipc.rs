//! System V IPC objects and POSIX message queues; ipc_namespaces(7).

use crate::syscalls::ipc::{Bounds, Ipc};
use crate::syscalls::mqueue::Queues;
use alloc::sync::Arc;
use vfs::UserNs;
use vfs::nsfs::{Namespace, NsHead};

/// An IPC namespace. What is in it goes with it.
pub(crate) struct IpcNs {
    head: NsHead,
    /// Shared memory, semaphores and message queues of System V.
    pub(crate) objects: Ipc,
    /// POSIX message queues.
    pub(crate) queues: Arc<Queues>,
}

impl IpcNs {
    /// An empty one, whose directory of message queues belongs to `owner`, a user and a group. What
    /// all namespaces of a kernel hold together is bounded.
    pub(crate) fn new(head: NsHead, bounds: &Arc<Bounds>, owner: (u32, u32)) -> IpcNs {
        let queues = Queues::new(&bounds.queues, owner);
        IpcNs { head, objects: Ipc::new(bounds), queues }
    }

    /// The user namespace that it belongs to.
    pub(crate) fn owner_ns(&self) -> &UserNs {
        self.head.owner()
    }
}

impl Namespace for IpcNs {
    fn head(&self) -> Option<&NsHead> {
        Some(&self.head)
    }
}
