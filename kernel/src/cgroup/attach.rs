//! Who is in which group: forks, ends, moves.

use super::files::PROCS;
use super::{Group, Hierarchy};
use crate::ns::CgroupNs;
use crate::tree::Tree;
use crate::{Kernel, ThreadGroup};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use syserr::Errno;
use vfs::Creds;
use vfs::perm::{MAY_WRITE, check_bits};

fn tell(changed: Vec<Arc<Group>>) {
    changed.iter().for_each(|g| g.changed());
}

impl Hierarchy {
    /// A new process begins in `into`, or where its parent is. Under the lock of the tree.
    ///
    /// # Errors
    /// `ENODEV` when the group was removed.
    pub(crate) fn forked(
        &self,
        parent: &ThreadGroup,
        child: &Arc<ThreadGroup>,
        into: Option<&Arc<Group>>,
    ) -> Result<(), Errno> {
        let group = match into {
            Some(g) => g.clone(),
            None => match &*parent.cgroup.lock() {
                Some(g) => g.clone(),
                None => return Ok(()),
            },
        };
        let mut told = Vec::new();
        self.table.lock().enter(&group, child, &mut told)?;
        *child.cgroup.lock() = Some(group).filter(|g| !g.is_root());
        tell(told);
        Ok(())
    }

    /// A process has ended: it counts nowhere any more, and shows where it was. Under the lock of the
    /// tree.
    pub(crate) fn ended(&self, process: &ThreadGroup) {
        let Some(group) = process.cgroup.lock().clone() else { return };
        let mut told = Vec::new();
        let gone = self.table.lock().leave(&group, process, &mut told);
        drop(gone);
        tell(told);
    }

    /// Moves a process. Under the lock of the tree.
    ///
    /// # Errors
    /// `ENODEV` when the group was removed.
    fn attach(&self, process: &Arc<ThreadGroup>, to: &Arc<Group>) -> Result<(), Errno> {
        let from = self.group_of(process);
        if Arc::ptr_eq(&from, to) {
            return Ok(());
        }
        let mut told = Vec::new();
        let gone = {
            let mut table = self.table.lock();
            table.enter(to, process, &mut told)?;
            table.leave(&from, process, &mut told)
        };
        let old = core::mem::replace(
            &mut *process.cgroup.lock(),
            Some(to.clone()).filter(|g| !g.is_root()),
        );
        drop((gone, old));
        tell(told);
        Ok(())
    }

    /// Whether `creds` may take a process from one group to another: they need the right to write
    /// `cgroup.procs` of the lowest group above both (`cgroup_procs_write_permission`).
    ///
    /// # Errors
    /// `EACCES`; `ENOENT` for what the namespace with `nsdelegate` keeps.
    fn may_move(
        &self,
        from: &Arc<Group>,
        to: &Arc<Group>,
        creds: &Creds,
        ns: &CgroupNs,
    ) -> Result<(), Errno> {
        let above = from.lineage().find(|g| to.is_within(g)).unwrap_or(&self.root);
        self.may_write(above, creds)?;
        let outside = |g: &Arc<Group>| ns.root().is_some_and(|r| !g.is_within(r));
        if self.delegates.load(Relaxed) && (outside(from) || outside(to)) {
            return Err(Errno::ENOENT);
        }
        Ok(())
    }

    fn may_write(&self, group: &Group, creds: &Creds) -> Result<(), Errno> {
        let perm = self.table.lock().get(group)?.perms[PROCS + 1];
        check_bits(&perm, creds, MAY_WRITE)
    }

    /// Whether a child of `parent` may begin in `group` (`cgroup_css_set_fork`).
    ///
    /// # Errors
    /// `EACCES`; `ENOENT`; `ENODEV`; `EOPNOTSUPP` for a thread that is to be where its process is
    /// not.
    pub(crate) fn may_fork_into(
        &self,
        parent: &ThreadGroup,
        group: &Arc<Group>,
        (creds, ns): (&Creds, &CgroupNs),
        thread: bool,
    ) -> Result<(), Errno> {
        self.may_write(group, creds)?;
        let from = self.group_of(parent);
        self.may_move(&from, group, creds, ns)?;
        if thread && !Arc::ptr_eq(&from, group) {
            return Err(Errno::EOPNOTSUPP);
        }
        Ok(())
    }

    /// Moves the process that `tid` is of; writing `cgroup.procs`, or for a thread alone, which
    /// cannot be elsewhere than its process, `cgroup.threads`.
    ///
    /// # Errors
    /// `ENODEV`; `ESRCH`; those of moving it; `EOPNOTSUPP` for a thread.
    pub(super) fn move_task(
        &self,
        kernel: &Kernel,
        tid: Option<i32>,
        to: &Arc<Group>,
        (creds, ns): (&Creds, &CgroupNs),
        thread: bool,
    ) -> Result<(), Errno> {
        let tree = kernel.tree();
        if !self.table.lock().has(to) {
            return Err(Errno::ENODEV);
        }
        let task = tid.and_then(|t| tree.tasks.get(&t)).ok_or(Errno::ESRCH)?;
        let process = task.group();
        let from = self.group_of(&process);
        self.may_move(&from, to, creds, ns)?;
        if thread && !Arc::ptr_eq(&from, to) {
            return Err(Errno::EOPNOTSUPP);
        }
        // What has ended stays where it was.
        if has_ended(&tree, &process) { Ok(()) } else { self.attach(&process, to) }
    }

    /// The live processes of a group.
    pub(super) fn processes(
        &self,
        kernel: &Kernel,
        group: &Group,
    ) -> Result<Vec<Arc<ThreadGroup>>, Errno> {
        if group.is_root() {
            let tree = kernel.tree();
            let live = tree.procs.values().filter(|p| p.zombie.is_none());
            let own = live.filter(|p| p.group.cgroup.lock().is_none());
            return Ok(own.map(|p| p.group.clone()).collect());
        }
        let table = self.table.lock();
        Ok(table.get(group)?.members.values().map(|m| m.process.clone()).collect())
    }

    /// Kills all processes of a group and of those below; `cgroup.kill`.
    pub(super) fn kill(&self, kernel: &Kernel, group: &Group) {
        // Under the lock of the tree: who is forked later has a parent that ends already.
        let _tree = kernel.tree();
        let victims: Vec<_> = {
            let table = self.table.lock();
            let all = table.subtree(group).into_iter();
            all.flat_map(|n| n.members.values().map(|m| m.process.clone())).collect()
        };
        for process in victims {
            let info = crate::signal::SigInfo::kernel(crate::signal::SIGKILL);
            // A group that is ending already is fine.
            let _ = process.post(crate::signal::SIGKILL, info);
        }
    }
}

fn has_ended(tree: &Tree, process: &ThreadGroup) -> bool {
    tree.procs.get(&process.tgid()).is_none_or(|p| p.zombie.is_some())
}
