//! Copies of trees of mounts, and what propagates when one is put in a place or taken from it;
//! `attach_recursive_mnt` and `umount_tree` in `fs/namespace.c`, `fs/pnode.c`.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use syserr::Errno;

use super::mount::{Mount, MountFlags, Propagation};
use super::mounts::Tables;
use super::namespace::as_mount_namespace;
use super::{Dentry, Path};

/// The ties of a copy of a mount.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ties {
    /// Those of the original.
    Same,
    /// It follows the original.
    Slave,
    /// It follows the original, and is shared itself.
    SharedSlave,
    /// It follows the original if that is shared.
    Follow,
}

/// A mount, and a copy of it.
pub(super) type Copied = (Arc<Mount>, Arc<Mount>);

/// A mount that hears of what is mounted at some place.
struct Listener {
    mount: Arc<Mount>,
    /// Which copy its own is made of: 0 is the original, n the copy of the listener n - 1.
    source: usize,
    ties: Ties,
}

impl Tables {
    fn same_ties(&mut self, m: &Mount, of: &Mount) {
        self.groups.join(m, of.propagation());
    }

    /// Copies a mount from a directory on, and with `recursive` what is mounted below that; what
    /// cannot be bound is left out.
    ///
    /// # Errors
    /// `EPERM` where what is left out would show what it hides; `EINVAL` for a mount namespace;
    /// `ENOSPC`.
    pub(super) fn copy(
        &mut self,
        of: &Path,
        recursive: bool,
        ties: Ties,
    ) -> Result<Arc<Mount>, Errno> {
        if as_mount_namespace(of).is_some() {
            return Err(Errno::EINVAL);
        }
        let made = self.copy_tree(of, recursive, false, ties)?;
        made.into_iter().next().map(|(_, m)| m).ok_or(Errno::EINVAL)
    }

    /// Copies a mount that is a mount namespace, which nothing can be mounted below.
    pub(super) fn copy_alone(&mut self, of: &Path) -> Result<Arc<Mount>, Errno> {
        let made = self.copy_tree(of, false, false, Ties::Same)?;
        made.into_iter().next().map(|(_, m)| m).ok_or(Errno::EINVAL)
    }

    /// Copies a mount and all below it, whether it can be bound or not; each with what it is a copy
    /// of, the top first.
    pub(super) fn copy_all(&mut self, of: &Path, ties: Ties) -> Result<Vec<Copied>, Errno> {
        self.copy_tree(of, true, true, ties)
    }

    fn copy_tree(
        &mut self,
        of: &Path,
        recursive: bool,
        unbindable: bool,
        ties: Ties,
    ) -> Result<Vec<Copied>, Errno> {
        let mut wanted = Vec::new();
        // Each is followed by all below it, which is the order in which `/proc/PID/mountinfo` shows
        // copies.
        let mut next = alloc::vec![(of.mount.clone(), of.dentry.clone(), None)];
        while let Some((m, root, place)) = next.pop() {
            let (i, first) = (wanted.len(), next.len());
            wanted.push((m.clone(), root.clone(), place));
            if !recursive {
                break;
            }
            for c in self.children(&m) {
                let Some(at) = c.point() else { continue };
                if !at.dentry.is_below(&root) || as_mount_namespace(&Path::of_mount(c)).is_some() {
                    continue;
                }
                if unbindable || !c.propagation().unbindable {
                    next.push((c.clone(), c.root.clone(), Some((i, at.dentry))));
                } else if c.is_locked() {
                    return Err(Errno::EPERM);
                }
            }
            next.get_mut(first..).unwrap_or_default().reverse();
        }
        if !self.has_room(wanted.len()) {
            return Err(Errno::ENOSPC);
        }
        let mut made: Vec<Copied> = Vec::with_capacity(wanted.len());
        for (original, root, place) in wanted {
            let m = self.add(root, &original);
            let old = original.propagation();
            match ties {
                Ties::Follow if old.peers == 0 => self.same_ties(&m, &original),
                Ties::Same => self.same_ties(&m, &original),
                Ties::Slave | Ties::SharedSlave | Ties::Follow => {
                    let master = old.peers;
                    self.groups.join(&m, Propagation { master, ..Propagation::default() });
                    if ties == Ties::SharedSlave {
                        self.groups.share(&m);
                    }
                }
            }
            if let Some((parent, dentry)) = place
                && let Some((_, parent)) = made.get(parent)
            {
                m.locked.store(original.is_locked(), Relaxed);
                self.put(&m, Path { mount: parent.clone(), dentry });
            }
            made.push((original, m));
        }
        Ok(made)
    }

    /// Keeps who has less rights than who mounted a tree from showing what it hides
    /// (`lock_mnt_tree`).
    pub(super) fn lock_tree(&self, top: &Arc<Mount>) {
        for m in self.tree(top) {
            m.keep_flags(m.flags() & !MountFlags::NOSYMFOLLOW | MountFlags::ATIME);
            m.locked.store(!Arc::ptr_eq(&m, top), Relaxed);
        }
    }

    /// Whether something is mounted below a directory that may not be taken away.
    pub(super) fn has_locked_below(&self, at: &Path) -> bool {
        let below = |c: &Mount| c.point().is_some_and(|p| p.dentry.is_below(&at.dentry));
        self.children(&at.mount).any(|c| c.is_locked() && below(c))
    }

    pub(super) fn mounts<'a>(
        &'a self,
        ids: &'a BTreeSet<u64>,
    ) -> impl Iterator<Item = &'a Arc<Mount>> {
        ids.iter().filter_map(|id| self.all.get(id))
    }

    /// Who else hears of what happens at `at`, each after the one that it hears it from.
    fn listeners(&self, at: &Path) -> Vec<Listener> {
        // What only a descriptor holds hears nothing.
        let sees = |m: &Arc<Mount>| m.is_visible() && at.dentry.is_below(&m.root);
        let mut out: Vec<Listener> = Vec::new();
        let first = at.mount.propagation().peers;
        let mut seen = BTreeSet::from([first]);
        let mut groups = alloc::vec![(first, 0, at.mount.id)];
        while let Some((id, source, except)) = groups.pop() {
            let Some(group) = self.groups.get(id) else { continue };
            let peers = self.mounts(&group.members).filter(|m| m.id != except && sees(m));
            out.extend(peers.map(|m| Listener { mount: m.clone(), source, ties: Ties::Same }));
            for m in self.mounts(&group.slaves) {
                let peers = m.propagation().peers;
                if peers == 0 {
                    if sees(m) {
                        out.push(Listener { mount: m.clone(), source, ties: Ties::Slave });
                    }
                    continue;
                }
                if !seen.insert(peers) {
                    continue;
                }
                let members = self.groups.get(peers).map(|g| &g.members);
                match members.and_then(|g| self.mounts(g).find(|m| sees(m))) {
                    Some(first) => {
                        let mount = first.clone();
                        out.push(Listener { mount, source, ties: Ties::SharedSlave });
                        groups.push((peers, out.len(), first.id));
                    }
                    None => groups.push((peers, source, 0)),
                }
            }
        }
        out
    }

    /// Puts the tree of `top`, which is nowhere, at a place, and copies of it where that propagates
    /// to.
    pub(super) fn graft(&mut self, top: &Arc<Mount>, at: Path) -> Result<(), Errno> {
        let tree = self.tree(top);
        let listeners = self.listeners(&at);
        if !self.has_room(tree.len() * listeners.len()) {
            return Err(Errno::ENOSPC);
        }
        if at.mount.propagation().peers != 0 {
            tree.iter().for_each(|m| self.groups.share(m));
        }
        let mut copies: Vec<Arc<Mount>> = Vec::with_capacity(listeners.len());
        for l in &listeners {
            let source = l.source.checked_sub(1).and_then(|i| copies.get(i)).unwrap_or(top);
            copies.push(self.copy(&Path::of_mount(source), true, l.ties)?);
        }
        let dentry = at.dentry.clone();
        let owner = |m: &Mount| m.home.read().owner.clone();
        let own = owner(&at.mount);
        self.put(top, at);
        for (l, copy) in listeners.into_iter().zip(copies) {
            let foreign = owner(&l.mount) != own;
            self.put(&copy, Path { mount: l.mount, dentry: dentry.clone() });
            if foreign {
                self.lock_tree(&copy);
            }
        }
        Ok(())
    }

    pub(super) fn has_unbindable(&self, top: &Arc<Mount>) -> bool {
        self.tree(top).iter().any(|m| m.propagation().unbindable)
    }

    pub(super) fn is_ancestor(&self, m: &Arc<Mount>, of: &Arc<Mount>) -> bool {
        let mut at = Some(of.clone());
        while let Some(x) = at {
            if Arc::ptr_eq(&x, m) {
                return true;
            }
            at = x.point().map(|p| p.mount);
        }
        false
    }

    /// Whether somebody uses `m` or, where it is alone, one that propagated from it. It is held by
    /// both maps of the table, and `own` times by who asks (`propagate_mount_busy`).
    pub(super) fn is_busy(&self, m: &Arc<Mount>, own: usize) -> bool {
        let parent = |m: &Arc<Mount>| self.children(m).next().is_some();
        let held = |m: &Arc<Mount>| !parent(m) && Arc::strong_count(m) > 3;
        parent(m)
            || Arc::strong_count(m) > 2 + own
            || self.mirrors(core::slice::from_ref(m)).iter().any(held)
    }

    /// What propagated from the places of `set` to elsewhere, parents before children. What is
    /// mounted over the same names is asked, each once, whether it heard of them: there may be many
    /// in `set`, and many listeners.
    pub(super) fn mirrors(&self, set: &[Arc<Mount>]) -> Vec<Arc<Mount>> {
        let mut known: BTreeSet<u64> = set.iter().map(|m| m.id).collect();
        let mut heard: BTreeMap<usize, (Arc<Dentry>, BTreeSet<u32>)> = BTreeMap::new();
        for at in set.iter().filter_map(|m| m.point()) {
            let peers = at.mount.propagation().peers;
            if peers != 0 {
                let name = Arc::as_ptr(&at.dentry) as usize;
                heard.entry(name).or_insert((at.dentry, BTreeSet::new())).1.insert(peers);
            }
        }
        let mut found = Vec::new();
        for (name, groups) in heard.into_values() {
            let mut hears: BTreeMap<u32, bool> = groups.iter().map(|g| (*g, true)).collect();
            for m in self.over(&name).filter(|m| !known.contains(&m.id)) {
                let Some(at) = m.point() else { continue };
                let p = at.mount.propagation();
                let first = if p.peers != 0 { p.peers } else { p.master };
                if at.mount.is_visible() && self.hears(first, &mut hears) {
                    found.push(m.clone());
                }
            }
        }
        found.retain(|m| known.insert(m.id));
        let mut depths = BTreeMap::new();
        found.sort_by_cached_key(|m| depth(m, &mut depths));
        found
    }

    /// Whether a group is among those that are known to hear, or follows one; what is found out on
    /// the way is remembered.
    fn hears(&self, first: u32, known: &mut BTreeMap<u32, bool>) -> bool {
        let (mut at, mut passed) = (first, Vec::new());
        let answer = loop {
            match known.get(&at) {
                Some(answer) => break *answer,
                None if at == 0 => break false,
                None => passed.push(at),
            }
            let member = self.groups.get(at).and_then(|g| self.mounts(&g.members).next());
            at = member.map_or(0, |m| m.propagation().master);
        };
        known.extend(passed.into_iter().map(|g| (g, answer)));
        answer
    }

    /// Takes `set` away, and what of `mirrors` holds nothing else. Parents come before children in
    /// both.
    pub(super) fn uproot(&mut self, set: Vec<Arc<Mount>>, mirrors: Vec<Arc<Mount>>) -> Gone {
        let going = self.going(&set, &mirrors);
        let mut gone = Gone { mounts: Vec::new(), places: Vec::new() };
        // Children first: what lies over the root of one that goes comes to lie on its parent, which
        // may go as well.
        for m in set.into_iter().chain(mirrors).rev() {
            if !going.contains(&m.id) || !self.is_live(&m) {
                continue;
            }
            let heir = self.children(&m).find(|c| !going.contains(&c.id)).cloned();
            let place = self.lift(&m);
            if let (Some(heir), Some(place)) = (heir, &place) {
                gone.places.extend(self.lift(&heir));
                self.put(&heir, place.clone());
            }
            gone.places.extend(place);
            self.forget(&m);
            gone.mounts.push(m);
        }
        gone
    }

    /// Which of them go: all of `set`, and of `mirrors` those that nothing stays on but at most one
    /// mount over the root, which takes the place.
    fn going(&self, set: &[Arc<Mount>], mirrors: &[Arc<Mount>]) -> BTreeSet<u64> {
        let mut going: BTreeSet<u64> = set.iter().chain(mirrors).map(|m| m.id).collect();
        let own: BTreeSet<u64> = set.iter().map(|m| m.id).collect();
        // Those that go and leave something in their place.
        let mut replaced: BTreeSet<u64> = BTreeSet::new();
        for m in mirrors.iter().rev().filter(|m| !own.contains(&m.id)) {
            let stays = |c: &&Arc<Mount>| !going.contains(&c.id) || replaced.contains(&c.id);
            let over_root = |c: &Mount| c.point().is_some_and(|p| Arc::ptr_eq(&p.dentry, &m.root));
            match &*self.children(m).filter(stays).take(2).collect::<Vec<_>>() {
                [] => {}
                [one] if over_root(one) => {
                    replaced.insert(m.id);
                }
                _ => {
                    going.remove(&m.id);
                }
            }
        }
        // What may not show anything stays on what stays.
        for m in mirrors.iter().filter(|m| m.is_locked() && !own.contains(&m.id)) {
            if m.point().is_some_and(|p| !going.contains(&p.mount.id)) {
                going.remove(&m.id);
            }
        }
        going
    }
}

/// How many mounts lie beneath; what is found out on the way is remembered.
fn depth(m: &Arc<Mount>, known: &mut BTreeMap<u64, usize>) -> usize {
    let (mut at, mut passed) = (Some(m.clone()), Vec::new());
    let mut depth = loop {
        let Some(m) = at else { break 0 };
        if let Some(d) = known.get(&m.id) {
            break *d;
        }
        passed.push(m.id);
        at = m.point().map(|p| p.mount);
    };
    for id in passed.into_iter().rev() {
        depth += 1;
        known.insert(id, depth);
    }
    depth
}

/// What is to be dropped without the lock.
pub(super) struct Gone {
    pub(super) mounts: Vec<Arc<Mount>>,
    pub(super) places: Vec<Path>,
}
