//! Control groups: the one hierarchy of cgroups(7), version 2, without controllers.
//!
//! A process is in one group. One in the root group holds nothing but an empty place, and costs its
//! forks and its end nothing more; every other group knows its members. What groups hold lies in one
//! table under one lock. Lock order: the process tree, then this table, then the signal lock of a
//! member, for the time that it has used.

mod attach;
mod files;
mod fs;
mod table;

pub use fs::CgroupType;
pub(crate) use fs::group_of_file;

use crate::ThreadGroup;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use sync::Mutex;
use sync::waitq::{Events, Queue};
use table::Table;
use vfs::{InodeState, SuperBlock};

/// The most groups of a kernel, removed ones that somebody still holds included.
const GROUPS_MAX: usize = 4096;
/// The deepest that groups lie in each other, whatever `cgroup.max.depth` says.
const LEVELS_MAX: u32 = 64;

/// One group. That it was removed shows in the table, which it is not in then.
pub(crate) struct Group {
    id: u64,
    name: Vec<u8>,
    parent: Option<Arc<Group>>,
    level: u32,
    /// `cgroup.events` has changed so many times; who polls it is told, and who watches it.
    changes: AtomicU64,
    waiting: Queue,
    events_inode: InodeState,
    /// How many there are.
    count: Arc<AtomicUsize>,
}

impl Group {
    /// Itself, its parent, and so on to the root.
    fn lineage(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Group>> {
        core::iter::successors(Some(self), |g| g.parent.as_ref())
    }

    fn is_root(&self) -> bool {
        self.parent.is_none()
    }

    fn is_within(self: &Arc<Self>, top: &Arc<Group>) -> bool {
        self.lineage().any(|g| Arc::ptr_eq(g, top))
    }

    /// `cgroup.events` says something else now (`cgroup_file_notify`).
    fn changed(&self) {
        self.changes.fetch_add(1, Relaxed);
        self.waiting.notify(Events::PRI | Events::ERR);
        self.events_inode.contents_changed();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Relaxed);
    }
}

/// All groups of a kernel.
pub(crate) struct Hierarchy {
    root: Arc<Group>,
    table: Mutex<Table>,
    count: Arc<AtomicUsize>,
    /// `nsdelegate`: cgroup namespaces keep their members.
    delegates: AtomicBool,
    /// The file system that shows all of it, while it is mounted.
    shown: Mutex<Weak<SuperBlock>>,
}

impl Hierarchy {
    /// Only the root.
    pub(crate) fn new() -> Hierarchy {
        let count = Arc::new(AtomicUsize::new(1));
        let root = Arc::new(Group {
            id: 0,
            name: Vec::new(),
            parent: None,
            level: 0,
            changes: AtomicU64::new(0),
            waiting: Queue::new(),
            events_inode: InodeState::default(),
            count: count.clone(),
        });
        Hierarchy {
            table: Mutex::new(Table::new(&root)),
            root,
            count,
            delegates: AtomicBool::new(false),
            shown: Mutex::default(),
        }
    }

    /// The group that a process is in, or was in when it ended.
    pub(crate) fn group_of(&self, process: &ThreadGroup) -> Arc<Group> {
        process.cgroup.lock().clone().unwrap_or_else(|| self.root.clone())
    }

    /// The number of that group's directory.
    pub(crate) fn id_of(&self, process: &ThreadGroup) -> u64 {
        fs::directory_number(&self.group_of(process))
    }

    /// What `/proc/PID/cgroup` shows of a process to who has `seen_from` as root
    /// (`cgroup_path_ns`).
    pub(crate) fn path_of(&self, process: &ThreadGroup, seen_from: Option<&Arc<Group>>) -> Vec<u8> {
        let group = self.group_of(process);
        let mut path = path(seen_from.unwrap_or(&self.root), &group);
        if !self.table.lock().has(&group) {
            path.extend_from_slice(b" (deleted)");
        }
        path
    }
}

/// The way from one group to another.
fn path(from: &Arc<Group>, to: &Arc<Group>) -> Vec<u8> {
    let up = from.lineage().take_while(|g| !to.is_within(g)).count();
    let down: Vec<_> = to.lineage().take_while(|g| !from.is_within(g)).collect();
    let mut out = b"/..".repeat(up);
    for g in down.iter().rev() {
        out.push(b'/');
        out.extend_from_slice(&g.name);
    }
    if out.is_empty() {
        out.push(b'/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use syserr::Errno;
    use vfs::Create;

    fn make(h: &Hierarchy, at: &Arc<Group>, name: &str) -> Result<Arc<Group>, Errno> {
        h.make(at, name.as_bytes(), &Create::default(), 0)
    }

    #[test]
    fn paths_lead_up_and_down() -> Result<(), Errno> {
        let h = Hierarchy::new();
        let a = make(&h, &h.root, "a")?;
        let b = make(&h, &a, "b")?;
        let c = make(&h, &h.root, "c")?;
        assert_eq!(path(&h.root, &b), b"/a/b");
        assert_eq!(path(&b, &b), b"/");
        assert_eq!(path(&b, &a), b"/..");
        assert_eq!(path(&b, &c), b"/../../c");
        assert_eq!(path(&h.root, &h.root), b"/");
        Ok(())
    }

    #[test]
    fn groups_are_bounded_in_number_and_depth() -> Result<(), Errno> {
        let h = Hierarchy::new();
        let mut at = h.root.clone();
        let error = loop {
            match make(&h, &at, "x") {
                Ok(g) => at = g,
                Err(e) => break e,
            }
        };
        assert_eq!((error, at.level), (Errno::EAGAIN, LEVELS_MAX));
        let made =
            (0..GROUPS_MAX).take_while(|i| make(&h, &h.root, &alloc::format!("{i}")).is_ok());
        assert_eq!(made.count(), GROUPS_MAX - 1 - LEVELS_MAX as usize);
        // One that is gone makes room once nobody holds it.
        let upper = at.parent.clone().ok_or(Errno::EINVAL)?;
        assert_eq!(h.remove(&upper), Err(Errno::EBUSY));
        h.remove(&at)?;
        assert_eq!(make(&h, &h.root, "new").err(), Some(Errno::EAGAIN));
        assert_eq!(make(&h, &at, "new").err(), Some(Errno::ENOENT));
        drop(at);
        make(&h, &h.root, "new")?;
        Ok(())
    }

    #[test]
    fn limits_count_all_below() -> Result<(), Errno> {
        let h = Hierarchy::new();
        let a = make(&h, &h.root, "a")?;
        h.set_limit(&a, true, Some(2))?;
        let b = make(&h, &a, "b")?;
        make(&h, &b, "c")?;
        assert_eq!(make(&h, &a, "d").err(), Some(Errno::EAGAIN));
        h.set_limit(&a, true, None)?;
        h.set_limit(&a, false, Some(1))?;
        assert_eq!(make(&h, &b, "d").err(), Some(Errno::EAGAIN));
        make(&h, &a, "d")?;
        assert_eq!(make(&h, &a, "d").err(), Some(Errno::EEXIST));
        assert_eq!(make(&h, &a, "cgroup.procs").err(), Some(Errno::EEXIST));
        assert_eq!(make(&h, &a, "x\ny").err(), Some(Errno::EINVAL));
        Ok(())
    }
}
