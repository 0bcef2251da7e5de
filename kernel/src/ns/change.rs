//! New namespaces for clone(2) and unshare(2), and other ones by setns(2); `kernel/nsproxy.c`.

use super::{CgroupNs, IpcNs, Namespaces, PidNamespace, TimeNs, UtsNs};
use crate::clone::CloneFlags;
use crate::{Kernel, Task, ThreadGroup};
use alloc::sync::Arc;
use alloc::vec::Vec;
use syserr::Errno;
use vfs::nsfs::{NamespaceKind, NamespaceRef, NsHead, downcast};
use vfs::{Creds, FsContext, MountNs, UserNs, cap};

/// Namespaces that can be made; the others are `EPERM`, as where `user.max_*_namespaces` is 0.
const MADE: CloneFlags = CloneFlags::NEWUTS
    .union(CloneFlags::NEWIPC)
    .union(CloneFlags::NEWCGROUP)
    .union(CloneFlags::NEWNET)
    .union(CloneFlags::NEWNS)
    .union(CloneFlags::NEWPID)
    .union(CloneFlags::NEWTIME);

/// What is in the place of a task's namespaces from now on.
pub(crate) struct Change {
    /// The namespaces.
    pub(crate) namespaces: Arc<Namespaces>,
    /// Directories, in another mount namespace.
    pub(crate) fs: Option<Arc<FsContext>>,
    /// Credentials, in another user namespace.
    pub(crate) creds: Option<Creds>,
}

/// Credentials in a new user namespace.
///
/// # Errors
/// `EPERM` for who has another root directory than everybody in the mount namespace; those of
/// [`UserNs::create`].
fn in_new_user_ns(kernel: &Kernel, fs: &FsContext, creds: &Creds) -> Result<Creds, Errno> {
    let ns = UserNs::create(creds, kernel.vfs().env())?;
    // Only with the whole tree before it does a root there see what it may not get around
    // (`current_chrooted`).
    if fs.namespace().and_then(|ns| ns.root()) != Some(fs.root()) {
        return Err(Errno::EPERM);
    }
    Ok(creds.entering(ns))
}

impl Change {
    /// New namespaces of the kinds in `flags` for a process that has `creds`; `None` where `flags` name none.
    ///
    /// # Errors
    /// `EPERM` without `CAP_SYS_ADMIN` in the user namespace; `EINVAL` for a list of what is to be
    /// undone that is shared with another IPC namespace, and for a second PID namespace of
    /// children; `ENOSPC` when there are too many.
    pub(crate) fn made(
        kernel: &Kernel,
        (process, old, fs): (&ThreadGroup, &Namespaces, &FsContext),
        creds: &Creds,
        flags: CloneFlags,
    ) -> Result<Option<Change>, Errno> {
        let undo = flags.contains(CloneFlags::NEWIPC | CloneFlags::SYSVSEM);
        let flags = flags & CloneFlags::NAMESPACES;
        if flags.is_empty() {
            return Ok(None);
        }
        let entered = match flags.contains(CloneFlags::NEWUSER) {
            true => Some(in_new_user_ns(kernel, fs, creds)?),
            false => None,
        };
        // The others belong to it.
        let (flags, creds) = (flags - CloneFlags::NEWUSER, entered.as_ref().unwrap_or(creds));
        let owner = &creds.user_ns;
        if !creds.has_in(owner, cap::SYS_ADMIN) || !MADE.contains(flags) {
            return Err(Errno::EPERM);
        }
        // What is undone at the end belongs to one namespace.
        if undo {
            return Err(Errno::EINVAL);
        }
        let env = kernel.vfs().env();
        let mut new = old.clone();
        if flags.contains(CloneFlags::NEWUTS) {
            let head = NsHead::new(NamespaceKind::Uts, owner, env)?;
            new.uts = Arc::new(UtsNs::new(head, old.uts.names()));
        }
        if flags.contains(CloneFlags::NEWIPC) {
            let head = NsHead::new(NamespaceKind::Ipc, owner, env)?;
            new.ipc = Arc::new(IpcNs::new(head, kernel.ipc_bounds(), (creds.fsuid, creds.fsgid)));
        }
        if flags.contains(CloneFlags::NEWCGROUP) {
            let head = NsHead::new(NamespaceKind::Cgroup, owner, env)?;
            new.cgroup = Arc::new(CgroupNs::new(head, process.cgroup.lock().clone()));
        }
        if flags.contains(CloneFlags::NEWNET) {
            new.net = old.net.another(NsHead::new(NamespaceKind::Net, owner, env)?);
        }
        if flags.contains(CloneFlags::NEWPID) {
            // Not where children go to another one already.
            if !Arc::ptr_eq(&old.pid, process.pid_ns()) {
                return Err(Errno::EINVAL);
            }
            new.pid = old.pid.below(owner, env)?;
        }
        if flags.contains(CloneFlags::NEWTIME) {
            let head = NsHead::new(NamespaceKind::Time, owner, env)?;
            new.time_for_children = Arc::new(old.time_for_children.like(head));
        }
        let mut moved = None;
        if flags.contains(CloneFlags::NEWNS) {
            let fs = fs.fork();
            kernel.vfs().new_mount_namespace(&fs, owner)?;
            moved = Some(fs);
        }
        Ok(Some(Change { namespaces: Arc::new(new), fs: moved, creds: entered }))
    }

    /// Puts it into effect for a task that runs.
    pub(crate) fn commit(self, task: &Task) {
        let new = self.namespaces;
        if let Some(fs) = self.fs {
            task.set_fs(fs);
        }
        if let Some(creds) = self.creds {
            if !task.creds().covers(&creds) {
                task.hide_memory();
                task.policy.lock().parent_death_signal = 0;
            }
            task.set_creds(creds);
        }
        let old = task.resources.lock().namespaces.replace(new.clone());
        if let (Some(old), Some(mm)) = (&old, task.mm())
            && !Arc::ptr_eq(&old.time, &new.time)
        {
            task.kernel().join_time(&mm, &new.time, old.time.has_own_clocks());
        }
        // What it did with `SEM_UNDO` it leaves behind (`exit_sem`), unless threads share that.
        if let Some(old) = &old
            && !Arc::ptr_eq(&old.ipc, &new.ipc)
            && task.group_ref().thread_count() == 1
        {
            old.ipc.objects.process_ended(task.tgid());
        }
    }
}

/// Takes a task into other namespaces; setns(2). All of them, or none.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN` in the user namespaces that they belong to and in the own one,
/// and for mounts also `CAP_SYS_CHROOT`; `EINVAL` for the own user namespace, and to take only one
/// thread or a user of shared directories to another; `EUSERS`.
pub(crate) fn enter(task: &Task, targets: &[NamespaceRef]) -> Result<(), Errno> {
    let mut creds = task.creds();
    let mut entered = None;
    let mut new = (*task.namespaces().ok_or(Errno::ESRCH)?).clone();
    let mut moved = None;
    for ns in targets {
        if let Some(user) = downcast::<UserNs>(ns.clone()) {
            // Nobody enters their own anew (`userns_install`).
            let alone = task.group_ref().thread_count() == 1 && !task.shares_fs(|_| true);
            if *user == creds.user_ns || !alone {
                return Err(Errno::EINVAL);
            }
            if !creds.has_in(&user, cap::SYS_ADMIN) {
                return Err(Errno::EPERM);
            }
            let inside = creds.entering((*user).clone());
            creds = Arc::new(inside.clone());
            entered = Some(inside);
            continue;
        }
        let may = |c| creds.has_here(c);
        if !creds.has_in(&ns.owner(), cap::SYS_ADMIN) || !may(cap::SYS_ADMIN) {
            return Err(Errno::EPERM);
        }
        match ns.kind() {
            NamespaceKind::Uts => new.uts = downcast(ns.clone()).ok_or(Errno::EINVAL)?,
            NamespaceKind::Ipc => new.ipc = downcast(ns.clone()).ok_or(Errno::EINVAL)?,
            NamespaceKind::Cgroup => new.cgroup = downcast(ns.clone()).ok_or(Errno::EINVAL)?,
            NamespaceKind::Mnt if !may(cap::SYS_CHROOT) => return Err(Errno::EPERM),
            // Not while others have the same directories.
            NamespaceKind::Mnt if task.shares_fs(|_| true) => return Err(Errno::EINVAL),
            NamespaceKind::Mnt => {
                let ns: Arc<MountNs> = downcast(ns.clone()).ok_or(Errno::EINVAL)?;
                let (fs, root) = (task.fs().fork(), ns.root().ok_or(Errno::EINVAL)?);
                fs.enter(&ns, root.clone(), root);
                moved = Some(fs);
            }
            NamespaceKind::Time if task.group_ref().thread_count() > 1 => {
                return Err(Errno::EUSERS);
            }
            NamespaceKind::Net => new.net = downcast(ns.clone()).ok_or(Errno::EINVAL)?,
            NamespaceKind::Pid => {
                let ns: Arc<PidNamespace> = downcast(ns.clone()).ok_or(Errno::EINVAL)?;
                // Nobody gets out.
                if !ns.is_within(task.pid_ns()) {
                    return Err(Errno::EINVAL);
                }
                new.pid = ns;
            }
            NamespaceKind::Time => {
                let ns: Arc<TimeNs> = downcast(ns.clone()).ok_or(Errno::EINVAL)?;
                new.time_for_children = ns.clone();
                new.time = ns;
            }
            NamespaceKind::User => return Err(Errno::EINVAL),
        }
    }
    Change { namespaces: Arc::new(new), fs: moved, creds: entered }.commit(task);
    Ok(())
}

/// The namespaces of a task that `flags` name.
///
/// # Errors
/// `ESRCH` when it has ended.
pub(crate) fn of(task: &Task, flags: CloneFlags) -> Result<Vec<NamespaceRef>, Errno> {
    const KINDS: [NamespaceKind; 8] = [
        NamespaceKind::User,
        NamespaceKind::Mnt,
        NamespaceKind::Uts,
        NamespaceKind::Ipc,
        NamespaceKind::Pid,
        NamespaceKind::Cgroup,
        NamespaceKind::Net,
        NamespaceKind::Time,
    ];
    let wanted = |k: &NamespaceKind| flags.bits() & u64::from(k.flag()) != 0;
    let found = KINDS.into_iter().filter(wanted).map(|k| super::of_task(task, k));
    found.map(|ns| ns.ok_or(Errno::ESRCH)).collect()
}
