//! Namespaces of tasks; namespaces(7). User namespaces are a part of the credentials, in `vfs`.

mod cgroup;
mod change;
mod ipc;
pub(crate) mod pid;
mod time;
mod uts;

pub(crate) use cgroup::CgroupNs;
pub(crate) use change::{Change, enter, of};
pub(crate) use ipc::IpcNs;
pub use pid::PidNamespace;
pub(crate) use time::{Offsets, OwnClock, TimeNs};
pub(crate) use uts::UtsNs;

use crate::syscalls::ipc::Bounds;
use crate::{Kernel, Task, TaskCx};
use alloc::sync::{Arc, Weak};
use syserr::Errno;
use vfs::PathCx;
use vfs::nsfs::{NamespaceKind, NamespaceRef, NsHead};
use vfs::socket::Net;

/// The namespaces that a task is in (`struct nsproxy`), but for mounts, which are with the
/// directories. Replaced as a whole, never changed in place.
#[derive(Clone)]
pub(crate) struct Namespaces {
    pub(crate) uts: Arc<UtsNs>,
    pub(crate) ipc: Arc<IpcNs>,
    pub(crate) cgroup: Arc<CgroupNs>,
    pub(crate) net: Arc<Net>,
    /// That of children to come; the own one is the process's.
    pub(crate) pid: Arc<PidNamespace>,
    pub(crate) time: Arc<TimeNs>,
    /// Where children begin, and the next program.
    pub(crate) time_for_children: Arc<TimeNs>,
}

impl Namespaces {
    /// Those that a kernel begins with.
    pub(crate) fn initial(uts: crate::Uts, bounds: &Arc<Bounds>, net: &Arc<Net>) -> Namespaces {
        let head = NsHead::initial;
        let time = Arc::new(TimeNs::initial(head(NamespaceKind::Time)));
        Namespaces {
            uts: Arc::new(UtsNs::new(head(NamespaceKind::Uts), uts)),
            ipc: Arc::new(IpcNs::new(head(NamespaceKind::Ipc), bounds, (0, 0))),
            cgroup: Arc::new(CgroupNs::new(head(NamespaceKind::Cgroup), None)),
            net: net.clone(),
            pid: PidNamespace::initial(),
            time_for_children: time.clone(),
            time,
        }
    }

    /// The one of a kind that is here.
    fn get(&self, kind: NamespaceKind) -> Option<NamespaceRef> {
        Some(match kind {
            NamespaceKind::Uts => self.uts.clone(),
            NamespaceKind::Ipc => self.ipc.clone(),
            NamespaceKind::Cgroup => self.cgroup.clone(),
            NamespaceKind::Net => self.net.clone(),
            NamespaceKind::Pid => self.pid.clone(),
            NamespaceKind::Time => self.time.clone(),
            NamespaceKind::User | NamespaceKind::Mnt => return None,
        })
    }
}

impl Namespaces {
    /// Those of a new process, or program, in the time namespace that was made for it
    /// (`timens_on_fork`); `None` where that changes nothing.
    pub(crate) fn in_time_for_children(self: &Arc<Self>) -> Option<Arc<Namespaces>> {
        let time = &self.time_for_children;
        let moves = !Arc::ptr_eq(&self.time, time);
        moves.then(|| Arc::new(Namespaces { time: time.clone(), ..(**self).clone() }))
    }
}

impl TaskCx {
    /// The namespaces of the caller.
    pub(crate) fn namespaces(&self) -> Arc<Namespaces> {
        // Only who has ended has none.
        self.task.namespaces().unwrap_or_else(|| self.kernel().namespaces().clone())
    }
}

/// The namespaces of who mounts a file system of `kernel`.
///
/// # Errors
/// `ESRCH` when either has ended.
pub(crate) fn of_mounter(
    kernel: &Weak<Kernel>,
    mounter: &PathCx<'_>,
) -> Result<(Arc<Kernel>, Arc<Namespaces>), Errno> {
    let kernel = kernel.upgrade().ok_or(Errno::ESRCH)?;
    let task = kernel.task(mounter.tid).ok_or(Errno::ESRCH)?;
    let namespaces = task.namespaces().ok_or(Errno::ESRCH)?;
    Ok((kernel, namespaces))
}

/// The namespace that the children of a task will be in, of the kinds that can differ.
pub(crate) fn of_children(task: &Task, kind: NamespaceKind) -> Option<NamespaceRef> {
    let own = task.namespaces()?;
    if kind == NamespaceKind::Time {
        return Some(own.time_for_children.clone());
    }
    // As long as there is no first process, it does not show (`pidns_for_children_get`).
    own.pid.is_populated().then(|| own.pid.clone() as NamespaceRef)
}

/// The namespace of a task that `/proc/PID/ns` shows; `None` when the task has ended.
pub(crate) fn of_task(task: &Task, kind: NamespaceKind) -> Option<NamespaceRef> {
    match kind {
        NamespaceKind::User => Some(Arc::new(task.creds().user_ns.clone())),
        NamespaceKind::Mnt => {
            let fs = task.resources.lock().fs.clone();
            fs?.namespace().map(|ns| ns as NamespaceRef)
        }
        NamespaceKind::Pid => Some(task.pid_ns().clone()),
        _ => task.resources.lock().namespaces.as_ref()?.get(kind),
    }
}
