//! Putting mounts in and out of their places: mount(2), move_mount(2), pivot_root(2), umount2(2).

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use syserr::Errno;

use super::graft::Ties;
use super::mount::{Mount, MountFlags, Propagation};
use super::mounts::{MountTable, Tables, follow};
use super::namespace::as_mount_namespace;
use super::{Dentry, MountNs, Path};
use crate::nsfs::Namespace;

fn is_dir(d: &Dentry) -> bool {
    d.inode().is_some_and(|i| i.kind() == crate::mode::IFDIR)
}

impl Tables {
    fn copy_for(
        &mut self,
        from: &Path,
        recursive: bool,
        ns: &MountNs,
    ) -> Result<Arc<Mount>, Errno> {
        let m = &from.mount;
        let here = m.is_in(ns) || self.is_live(m) && !m.is_visible() || m.sb.kind == "nsfs";
        if !here || m.propagation().unbindable || !recursive && self.has_locked_below(from) {
            return Err(Errno::EINVAL);
        }
        match as_mount_namespace(from) {
            None => self.copy(from, recursive, Ties::Same),
            Some(held) if held <= ns.ino() => Err(Errno::EINVAL),
            Some(_) => self.copy_alone(from),
        }
    }
}

impl MountTable {
    /// Puts `m`, which is nowhere, over what is at a place.
    ///
    /// # Errors
    /// `ENOSPC` at the limit of mounts; `EINVAL` where the place is not in the namespace's tree;
    /// `ENOENT` when the place has lost its name; `EBUSY` when the file system is there already.
    pub(crate) fn attach(&self, m: &Arc<Mount>, at: &Path, ns: &MountNs) -> Result<(), Errno> {
        let mut t = self.tables.write();
        let at = t.topmost(at.clone());
        if at.dentry.is_deleted() {
            return Err(Errno::ENOENT);
        }
        if !at.mount.is_in(ns) {
            return Err(Errno::EINVAL);
        }
        if Arc::ptr_eq(&at.dentry, &at.mount.root) && Arc::ptr_eq(&at.mount.sb, &m.sb) {
            return Err(Errno::EBUSY);
        }
        if is_dir(&at.dentry) != is_dir(&m.root) {
            return Err(Errno::ENOTDIR);
        }
        if !t.has_room(1) {
            return Err(Errno::ENOSPC);
        }
        t.all.insert(m.id, m.clone());
        let done = t.graft(m, at);
        if done.is_err() {
            t.forget(m);
        }
        drop(t);
        self.touch();
        done
    }

    /// A copy of the tree at a directory that is in no place.
    ///
    /// # Errors
    /// `EINVAL` for what cannot be bound, or is in another namespace than `ns`; `ENOSPC`.
    pub(crate) fn copy_out(
        &self,
        from: &Path,
        recursive: bool,
        ns: &MountNs,
    ) -> Result<Arc<Mount>, Errno> {
        self.tables.write().copy_for(from, recursive, ns)
    }

    /// Shows the tree at a directory at another place too.
    ///
    /// # Errors
    /// Those of [`MountTable::copy_out`]; `ENOTDIR`; `ENOENT`.
    pub(crate) fn bind(
        &self,
        from: &Path,
        at: &Path,
        recursive: bool,
        ns: &MountNs,
    ) -> Result<(), Errno> {
        let mut t = self.tables.write();
        let at = t.topmost(at.clone());
        if at.dentry.is_deleted() {
            return Err(Errno::ENOENT);
        }
        if !at.mount.is_in(ns) {
            return Err(Errno::EINVAL);
        }
        let copy = t.copy_for(from, recursive, ns)?;
        let fits = is_dir(&at.dentry) == is_dir(&copy.root);
        let done = if fits { t.graft(&copy, at) } else { Err(Errno::ENOTDIR) };
        drop(t);
        if done.is_err() {
            self.dissolve(&copy);
        } else {
            self.touch();
        }
        done
    }

    /// Moves a tree: from its place in the namespace's tree, or from where only a descriptor holds it.
    /// With `beneath` it goes under what is mounted at `to` (`do_move_mount`).
    ///
    /// # Errors
    /// `EINVAL`, `ENOENT`, `ENOSPC`; `ELOOP` for what would lie below itself, also as a namespace that
    /// holds itself.
    pub(crate) fn relocate(
        &self,
        from: &Path,
        to: &Path,
        beneath: bool,
        root: &Path,
        ns: &MountNs,
    ) -> Result<(), Errno> {
        let mut t = self.tables.write();
        let m = from.mount.clone();
        if !Arc::ptr_eq(&from.dentry, &m.root) || is_dir(&to.dentry) != is_dir(&from.dentry) {
            return Err(Errno::EINVAL);
        }
        let top = t.topmost(to.clone());
        let at = match (beneath, top.mount.point()) {
            (false, _) => top.clone(),
            (true, Some(at)) if Arc::ptr_eq(&top.dentry, &top.mount.root) => at,
            (true, _) => return Err(Errno::EINVAL),
        };
        if at.dentry.is_deleted() {
            return Err(Errno::ENOENT);
        }
        if m.is_visible() {
            let Some(parent) = m.point() else { return Err(Errno::EINVAL) };
            let here = m.is_in(ns) && at.mount.is_in(ns) && !m.is_locked();
            if parent.mount.propagation().peers != 0 || !here {
                return Err(Errno::EINVAL);
            }
        } else {
            let tree = t.tree(&m);
            let within = tree.iter().any(|x| Arc::ptr_eq(x, &at.mount));
            let there = at.mount.is_in(ns) || t.is_live(&at.mount) && !at.mount.is_visible();
            if m.point().is_some() || !t.is_live(&m) || within || !there {
                return Err(Errno::EINVAL);
            }
        }
        if beneath {
            let rootfs = at.mount.point().is_none() || top.mount.is_locked();
            let peers = at.mount.propagation().peers;
            // What is mounted below would come to lie on top of itself
            // (`propagation_would_overmount`).
            let over = |x: &Mount| {
                let p = x.propagation();
                Arc::ptr_eq(&x.root, &at.dentry) && (p.peers == peers || p.master == peers)
            };
            let loops = t.is_ancestor(&top.mount, &m);
            let shared = peers != 0 && (over(&top.mount) || m.is_visible() && over(&m));
            if Arc::ptr_eq(&top.mount, &root.mount) || rootfs || loops || shared {
                return Err(Errno::EINVAL);
            }
        }
        if at.mount.propagation().peers != 0 && t.has_unbindable(&m) {
            return Err(Errno::EINVAL);
        }
        let holds = |m: &Arc<Mount>| {
            as_mount_namespace(&Path::of_mount(m)).is_some_and(|held| held <= ns.ino())
        };
        if t.is_ancestor(&m, &at.mount) || t.tree(&m).iter().any(holds) {
            return Err(Errno::ELOOP);
        }
        let old = t.lift(&m);
        let done = t.graft(&m, at);
        if done.is_err()
            && let Some(old) = old.clone()
        {
            t.put(&m, old);
        }
        drop(t);
        drop(old);
        self.touch();
        done
    }

    /// Puts `new` in the place of `root`, and `root` at `put_old` (`path_pivot_root`).
    ///
    /// # Errors
    /// `EINVAL`, `EBUSY`, `ENOENT`.
    pub(crate) fn pivot(
        &self,
        new: &Path,
        put_old: &Path,
        root: &Path,
        ns: &MountNs,
    ) -> Result<(), Errno> {
        let mut t = self.tables.write();
        let old = t.topmost(put_old.clone());
        if old.dentry.is_deleted() {
            return Err(Errno::ENOENT);
        }
        let shared = |p: &Path| p.mount.propagation().peers != 0;
        let top = |p: &Path| Arc::ptr_eq(&p.dentry, &p.mount.root);
        let (new_at, root_at) = (new.mount.point(), root.mount.point());
        let parents = [Some(&old), new_at.as_ref(), root_at.as_ref()];
        if parents.into_iter().flatten().any(shared) {
            return Err(Errno::EINVAL);
        }
        if !root.mount.is_in(ns) || !new.mount.is_in(ns) || new.mount.is_locked() {
            return Err(Errno::EINVAL);
        }
        if new.dentry.is_deleted() {
            return Err(Errno::ENOENT);
        }
        if Arc::ptr_eq(&new.mount, &root.mount) || Arc::ptr_eq(&old.mount, &root.mount) {
            return Err(Errno::EBUSY);
        }
        let (Some(_), Some(root_at)) = (new_at, root_at) else { return Err(Errno::EINVAL) };
        if !top(root) || !top(new) || !old.is_reachable_from(new) || !new.is_reachable_from(root) {
            return Err(Errno::EINVAL);
        }
        // What the old root hid, the new one hides.
        new.mount.locked.store(root.mount.locked.swap(false, Relaxed), Relaxed);
        let places = [t.lift(&new.mount), t.lift(&root.mount)];
        t.put(&root.mount, old);
        t.put(&new.mount, root_at);
        drop(t);
        drop(places);
        self.touch();
        Ok(())
    }

    /// Whether somebody uses `m`; `own` is how often who asks holds it.
    pub(crate) fn is_busy(&self, m: &Arc<Mount>, own: usize) -> bool {
        self.tables.read().is_busy(m, own)
    }

    /// Takes `m` away from its place. `lazy` takes all that is below it too, and asks nobody whether
    /// they use it; `own` is how many hold `m` beside the table.
    ///
    /// # Errors
    /// `EBUSY`.
    pub(crate) fn umount(&self, m: &Arc<Mount>, lazy: bool, own: usize) -> Result<(), Errno> {
        let mut t = self.tables.write();
        if !lazy && t.is_busy(m, own) {
            return Err(Errno::EBUSY);
        }
        let set = if lazy { t.tree(m) } else { alloc::vec![m.clone()] };
        let mirrors = t.mirrors(&set);
        let gone = t.uproot(set, mirrors);
        drop(t);
        self.tell_gone(&gone.mounts);
        drop(gone.places);
        self.touch();
        Ok(())
    }

    /// Whether something is mounted over a name in a namespace (`is_local_mountpoint`).
    pub(crate) fn is_covered_in(&self, name: &Arc<Dentry>, ns: Option<&MountNs>) -> bool {
        let here = |m: &Arc<Mount>| ns.is_some_and(|ns| m.is_in(ns));
        name.is_mountpoint() && self.tables.read().over(name).any(here)
    }

    /// Takes away what others have mounted over a name that is no more (`detach_mounts`).
    pub(crate) fn uncover(&self, name: &Arc<Dentry>) {
        if !name.is_mountpoint() {
            return;
        }
        let mut t = self.tables.write();
        let over: Vec<_> = t.over(name).cloned().collect();
        let set: Vec<_> = over.iter().flat_map(|m| t.tree(m)).collect();
        let gone = t.uproot(set, Vec::new());
        drop(t);
        drop(over);
        self.tell_gone(&gone.mounts);
        drop(gone.places);
        self.touch();
    }

    /// Whether `m` is in a tree.
    pub(crate) fn is_live(&self, m: &Mount) -> bool {
        self.tables.read().is_live(m)
    }

    /// Takes a tree away that is in no place, if it is in none still.
    pub(crate) fn dissolve(&self, top: &Arc<Mount>) {
        let mut t = self.tables.write();
        if top.is_visible() || top.point().is_some() || !t.is_live(top) {
            return;
        }
        let tree = t.tree(top);
        let gone = t.uproot(tree, Vec::new());
        drop(t);
        self.tell_gone(&gone.mounts);
        drop(gone.places);
    }

    /// Gives `m`, or it and all below it, other flags and ties, while no mount comes or goes.
    ///
    /// # Errors
    /// Those of `check`, which sees all of them first; `EBUSY` where somebody began to write since
    /// then. Nothing has changed then.
    pub(crate) fn change(
        &self,
        m: &Arc<Mount>,
        recursive: bool,
        check: impl Fn(&Mount) -> Result<(), Errno>,
        flags: impl Fn(&Mount) -> MountFlags,
        kind: Option<PropagationKind>,
    ) -> Result<(), Errno> {
        let mut t = self.tables.write();
        let set = if recursive { t.tree(m) } else { alloc::vec![m.clone()] };
        set.iter().try_for_each(|m| check(m))?;
        let old: Vec<MountFlags> = set.iter().map(|m| m.flags()).collect();
        for (i, m) in set.iter().enumerate() {
            if let Err(e) = m.set_flags(flags(m)) {
                for (m, old) in set.iter().zip(&old).take(i) {
                    // They were read-only already, or are writable again.
                    let _ = m.set_flags(*old);
                }
                return Err(e);
            }
        }
        for m in &set {
            let Tables { groups, all, .. } = &mut *t;
            let masters = |slave: u64, master: u32| follow(all, slave, master);
            match kind {
                None => {}
                Some(PropagationKind::Shared) => groups.share(m),
                Some(PropagationKind::Slave) => groups.enslave(m, masters),
                Some(PropagationKind::Private) => groups.cut(m, masters),
                Some(PropagationKind::Unbindable) => {
                    groups.cut(m, masters);
                    m.propagation.lock().unbindable = true;
                }
            }
        }
        drop(t);
        Ok(())
    }

    /// Gives `to`, which is private, the ties of `from` (`do_set_group`).
    ///
    /// # Errors
    /// `EINVAL`.
    pub(crate) fn set_group(&self, from: &Path, to: &Path) -> Result<(), Errno> {
        let mut t = self.tables.write();
        let top = |p: &Path| Arc::ptr_eq(&p.dentry, &p.mount.root) && t.is_live(&p.mount);
        let (old, new) = (to.mount.propagation(), from.mount.propagation());
        let good = top(from)
            && top(to)
            && old.peers == 0
            && old.master == 0
            && (new.peers != 0 || new.master != 0)
            && Arc::ptr_eq(&from.mount.sb, &to.mount.sb)
            && to.mount.root.is_below(&from.mount.root);
        if !good {
            return Err(Errno::EINVAL);
        }
        t.groups.join(&to.mount, Propagation { unbindable: false, ..new });
        Ok(())
    }

    /// The nearest group that `m` hears from and that has a member below `root`
    /// (`get_dominating_id`).
    pub(crate) fn dominating(&self, m: &Mount, root: &Path) -> u32 {
        let t = self.tables.read();
        let mut master = m.propagation().master;
        while let Some(group) = t.groups.get(master) {
            if t.mounts(&group.members).any(|m| Path::of_mount(m).is_reachable_from(root)) {
                return master;
            }
            let any = t.mounts(&group.members).next();
            master = any.map_or(0, |m| m.propagation().master);
        }
        0
    }
}

/// `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE`, `MS_UNBINDABLE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropagationKind {
    /// In a peer group.
    Shared,
    /// Follows what was its peer group.
    Slave,
    /// Without ties.
    Private,
    /// Without ties, and not to be bound.
    Unbindable,
}
