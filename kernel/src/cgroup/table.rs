//! What groups hold: groups, processes, limits, owners.

use super::files::{FILES, file_named};
use super::{GROUPS_MAX, Group, Hierarchy, LEVELS_MAX};
use crate::ThreadGroup;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use sync::waitq::Queue;
use syserr::Errno;
use vfs::{Create, InodeState, Nanos, Perm, mode};

/// Processor time in user code and in the kernel, in nanoseconds.
pub(super) type Used = (u64, u64);

pub(super) fn sum(a: Used, b: Used) -> Used {
    (a.0.saturating_add(b.0), a.1.saturating_add(b.1))
}

/// A process in a group.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) process: Arc<ThreadGroup>,
    /// What it had used before it came.
    before: Used,
}

impl Member {
    /// What it has used here.
    pub(super) fn used(&self) -> Used {
        let (user, system) = times(&self.process);
        (user.saturating_sub(self.before.0), system.saturating_sub(self.before.1))
    }
}

fn times(process: &ThreadGroup) -> Used {
    let t = process.cpu_times();
    (t.user, t.system)
}

pub(super) struct Node {
    pub(super) group: Arc<Group>,
    /// By name.
    pub(super) children: BTreeMap<Vec<u8>, u64>,
    /// By thread group ID; of the root none.
    pub(super) members: BTreeMap<i32, Member>,
    /// Children with processes in them or below.
    full: usize,
    /// Groups below.
    pub(super) descendants: u32,
    /// `cgroup.max.descendants`.
    pub(super) most_descendants: Option<u32>,
    /// `cgroup.max.depth`.
    pub(super) most_levels: Option<u32>,
    /// What members used that have left, and groups below that were removed.
    pub(super) past: Used,
    /// The directory, and its files in the order of [`FILES`].
    pub(super) perms: [Perm; FILES.len() + 1],
    pub(super) made: Nanos,
}

impl Node {
    fn new(group: &Arc<Group>, directory: Perm, made: Nanos) -> Node {
        let (uid, gid) = (directory.uid, directory.gid);
        let mut perms = [directory; FILES.len() + 1];
        for (perm, file) in perms.iter_mut().skip(1).zip(FILES) {
            *perm = Perm { mode: mode::IFREG | file.mode, uid, gid };
        }
        Node {
            group: group.clone(),
            children: BTreeMap::new(),
            members: BTreeMap::new(),
            full: 0,
            descendants: 0,
            most_descendants: None,
            most_levels: None,
            past: (0, 0),
            perms,
            made,
        }
    }

    pub(super) fn is_populated(&self) -> bool {
        self.full > 0 || !self.members.is_empty()
    }
}

/// All groups that were not removed, by their IDs.
pub(super) struct Table {
    nodes: BTreeMap<u64, Node>,
    next: u64,
}

impl Table {
    pub(super) fn new(root: &Arc<Group>) -> Table {
        let perm = Perm { mode: mode::IFDIR | 0o555, uid: 0, gid: 0 };
        let nodes = BTreeMap::from([(root.id, Node::new(root, perm, 0))]);
        Table { nodes, next: 1 }
    }

    pub(super) fn has(&self, group: &Group) -> bool {
        self.nodes.contains_key(&group.id)
    }

    /// # Errors
    /// `ENODEV` when it was removed.
    pub(super) fn get(&self, group: &Group) -> Result<&Node, Errno> {
        self.nodes.get(&group.id).ok_or(Errno::ENODEV)
    }

    pub(super) fn get_mut(&mut self, group: &Group) -> Result<&mut Node, Errno> {
        self.nodes.get_mut(&group.id).ok_or(Errno::ENODEV)
    }

    pub(super) fn by_id(&self, id: u64) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// A group and all below it.
    pub(super) fn subtree(&self, group: &Group) -> Vec<&Node> {
        let mut found: Vec<&Node> = self.nodes.get(&group.id).into_iter().collect();
        let mut at = 0;
        while let Some(node) = found.get(at).copied() {
            found.extend(node.children.values().filter_map(|id| self.nodes.get(id)));
            at += 1;
        }
        found
    }

    /// A group is populated now, or not any more: those above hear, as far as that changes them.
    /// Who has changed is added to `told`.
    fn passed_up(&mut self, group: &Arc<Group>, populated: bool, told: &mut Vec<Arc<Group>>) {
        told.push(group.clone());
        for above in group.lineage().skip(1) {
            let Some(node) = self.nodes.get_mut(&above.id) else { return };
            let before = node.is_populated();
            node.full = if populated { node.full + 1 } else { node.full.saturating_sub(1) };
            if node.is_populated() == before {
                return;
            }
            told.push(above.clone());
        }
    }

    /// # Errors
    /// `ENODEV` when it was removed.
    pub(super) fn enter(
        &mut self,
        group: &Arc<Group>,
        process: &Arc<ThreadGroup>,
        told: &mut Vec<Arc<Group>>,
    ) -> Result<(), Errno> {
        let node = self.get_mut(group)?;
        if group.is_root() {
            return Ok(());
        }
        let empty = !node.is_populated();
        let member = Member { process: process.clone(), before: times(process) };
        node.members.insert(process.tgid(), member);
        if empty {
            self.passed_up(group, true, told);
        }
        Ok(())
    }

    /// What the process was to the group, which may have to be let go of without locks.
    pub(super) fn leave(
        &mut self,
        group: &Arc<Group>,
        process: &ThreadGroup,
        told: &mut Vec<Arc<Group>>,
    ) -> Option<Member> {
        let node = self.nodes.get_mut(&group.id)?;
        let member = node.members.remove(&process.tgid())?;
        node.past = sum(node.past, member.used());
        if !node.is_populated() {
            self.passed_up(group, false, told);
        }
        Some(member)
    }
}

impl Hierarchy {
    /// Makes a group; mkdir(2).
    ///
    /// # Errors
    /// `EINVAL` for a name that `/proc/PID/cgroup` could not show; `ENOENT` in a group that was
    /// removed; `EEXIST`; `EAGAIN` where there are enough, or it would lie too deep.
    pub(super) fn make(
        &self,
        parent: &Arc<Group>,
        name: &[u8],
        what: &Create<'_>,
        now: Nanos,
    ) -> Result<Arc<Group>, Errno> {
        if name.contains(&b'\n') {
            return Err(Errno::EINVAL);
        }
        let mut table = self.table.lock();
        let node = table.get(parent).map_err(|_| Errno::ENOENT)?;
        if node.children.contains_key(name) || file_named(name, parent.is_root()).is_some() {
            return Err(Errno::EEXIST);
        }
        for (levels, above) in parent.lineage().enumerate() {
            let node = table.get(above)?;
            let many = node.most_descendants.is_some_and(|most| node.descendants >= most);
            if many || node.most_levels.is_some_and(|most| levels >= most as usize) {
                return Err(Errno::EAGAIN);
            }
        }
        if parent.level >= LEVELS_MAX || self.count.load(Relaxed) >= GROUPS_MAX {
            return Err(Errno::EAGAIN);
        }
        self.count.fetch_add(1, Relaxed);
        let id = table.next;
        table.next += 1;
        let group = Arc::new(Group {
            id,
            name: name.to_vec(),
            parent: Some(parent.clone()),
            level: parent.level + 1,
            changes: AtomicU64::new(0),
            waiting: Queue::new(),
            events_inode: InodeState::default(),
            count: self.count.clone(),
        });
        let perm = Perm { mode: what.mode, uid: what.uid, gid: what.gid };
        table.nodes.insert(id, Node::new(&group, perm, now));
        table.get_mut(parent)?.children.insert(name.to_vec(), id);
        for above in parent.lineage() {
            table.get_mut(above)?.descendants += 1;
        }
        Ok(group)
    }

    /// Removes a group; rmdir(2).
    ///
    /// # Errors
    /// `EBUSY` with groups or processes in it; `ENOENT` when it was removed.
    pub(super) fn remove(&self, group: &Arc<Group>) -> Result<(), Errno> {
        let mut table = self.table.lock();
        let node = table.get(group).map_err(|_| Errno::ENOENT)?;
        let Some(parent) = group.parent.as_ref() else { return Err(Errno::EBUSY) };
        if node.is_populated() || !node.children.is_empty() {
            return Err(Errno::EBUSY);
        }
        let used = node.past;
        let above = table.get_mut(parent)?;
        above.children.remove(&group.name);
        above.past = sum(above.past, used);
        for above in parent.lineage() {
            table.get_mut(above)?.descendants -= 1;
        }
        let gone = table.nodes.remove(&group.id);
        drop(table);
        drop(gone);
        Ok(())
    }

    /// Sets `cgroup.max.descendants`, or else `cgroup.max.depth`.
    ///
    /// # Errors
    /// `ENODEV` when the group was removed.
    pub(super) fn set_limit(
        &self,
        group: &Group,
        descendants: bool,
        most: Option<u32>,
    ) -> Result<(), Errno> {
        let mut table = self.table.lock();
        let node = table.get_mut(group)?;
        *(if descendants { &mut node.most_descendants } else { &mut node.most_levels }) = most;
        Ok(())
    }
}
