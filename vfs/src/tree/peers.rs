//! Peer groups of mounts and who follows them; mount_namespaces(7), `fs/pnode.c`.

use alloc::collections::{BTreeMap, BTreeSet};

use super::mount::{Mount, Propagation};

/// Mounts are known by their IDs.
#[derive(Default)]
pub(super) struct Group {
    pub(super) members: BTreeSet<u64>,
    pub(super) slaves: BTreeSet<u64>,
}

/// Every peer group. A group that follows another does so as a whole: all of its members have the
/// same master.
#[derive(Default)]
pub(super) struct Groups {
    by_id: BTreeMap<u32, Group>,
    /// All numbers below are taken.
    taken: u32,
}

impl Groups {
    pub(super) fn get(&self, id: u32) -> Option<&Group> {
        self.by_id.get(&id)
    }

    /// Shares `m`, in a group of its own if it is in none.
    pub(super) fn share(&mut self, m: &Mount) {
        let mut p = m.propagation.lock();
        if p.peers == 0 {
            let mut id = self.taken.max(1);
            while self.by_id.contains_key(&id) {
                id += 1;
            }
            self.taken = id + 1;
            self.by_id.entry(id).or_default().members.insert(m.id);
            p.peers = id;
        }
        p.unbindable = false;
    }

    /// Puts `m`, which has no ties, into the groups of `like`.
    pub(super) fn join(&mut self, m: &Mount, like: Propagation) {
        if let Some(g) = self.by_id.get_mut(&like.peers) {
            g.members.insert(m.id);
        }
        if let Some(g) = self.by_id.get_mut(&like.master) {
            g.slaves.insert(m.id);
        }
        *m.propagation.lock() = like;
    }

    /// Cuts the ties of `m`; who followed it alone follows its master.
    pub(super) fn cut(&mut self, m: &Mount, masters: impl Fn(u64, u32)) {
        let old = core::mem::take(&mut *m.propagation.lock());
        if let Some(g) = self.by_id.get_mut(&old.master) {
            g.slaves.remove(&m.id);
        }
        let Some(g) = self.by_id.get_mut(&old.peers) else { return };
        g.members.remove(&m.id);
        if !g.members.is_empty() {
            return;
        }
        self.taken = self.taken.min(old.peers);
        let slaves = self.by_id.remove(&old.peers).unwrap_or_default().slaves;
        slaves.iter().for_each(|s| masters(*s, old.master));
        if let Some(g) = self.by_id.get_mut(&old.master) {
            g.slaves.extend(slaves);
        }
    }

    /// Makes a shared mount follow its peers; without any it only leaves its group (`do_make_slave`).
    pub(super) fn enslave(&mut self, m: &Mount, masters: impl Fn(u64, u32)) {
        let old = m.propagation();
        if old.peers == 0 {
            return;
        }
        let others = self.by_id.get(&old.peers).is_some_and(|g| g.members.len() > 1);
        self.cut(m, masters);
        let master = if others { old.peers } else { old.master };
        self.join(m, Propagation { peers: 0, master, unbindable: false });
    }
}
