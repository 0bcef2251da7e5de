//! Rulesets, which are made by descriptors before anybody takes them on.

use super::{Access, PortAccess};
use crate::{FileOps, Inode, Path, Stat, Vfs, anon, mode};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;
use sync::Mutex;
use syserr::Errno;

/// The most rules of one kernel.
const RULES_MAX: usize = 1 << 18;

/// How many rules there are in one kernel.
pub(crate) type RuleCount = Arc<AtomicUsize>;

/// A file as rules know it, whatever its names: where it keeps its state, or else its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    State(usize),
    Number(u64, u64),
}

impl Key {
    fn of(inode: &dyn Inode) -> Option<Key> {
        match inode.state() {
            Some(state) => Some(Key::State(core::ptr::from_ref(state).addr())),
            None => inode.stat().ok().map(|s| Key::Number(s.dev, s.ino)),
        }
    }
}

/// The rules of one ruleset. They hold their files, so that no other takes a key over.
pub(crate) struct Rules {
    /// What is allowed only by a rule.
    handled: Access,
    by_file: BTreeMap<Key, (Arc<dyn Inode>, Access)>,
    ports_handled: PortAccess,
    by_port: BTreeMap<u16, PortAccess>,
    count: RuleCount,
}

impl Rules {
    /// What is allowed only by a rule: always also to move files between directories.
    pub(crate) fn handled(&self) -> Access {
        self.handled | Access::REFER
    }

    /// Whether it is about files at all.
    pub(super) fn handles_files(&self) -> bool {
        !self.handled.is_empty()
    }

    /// Whether a port may be used so.
    pub(super) fn allows_port(&self, port: u16, access: PortAccess) -> bool {
        let allowed = self.by_port.get(&port).copied().unwrap_or_default();
        allowed.contains(access & self.ports_handled)
    }

    fn len(&self) -> usize {
        self.by_file.len() + self.by_port.len()
    }

    /// What the rule of a file allows.
    pub(crate) fn allowed(&self, inode: &dyn Inode) -> Access {
        if self.by_file.is_empty() {
            return Access::empty();
        }
        let rule = Key::of(inode).and_then(|k| self.by_file.get(&k));
        rule.map_or(Access::empty(), |(_, allowed)| *allowed)
    }
}

impl Clone for Rules {
    fn clone(&self) -> Rules {
        self.count.fetch_add(self.len(), Relaxed);
        Rules {
            by_file: self.by_file.clone(),
            by_port: self.by_port.clone(),
            count: self.count.clone(),
            ..*self
        }
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        self.count.fetch_sub(self.len(), Relaxed);
    }
}

/// The file that landlock_create_ruleset(2) makes.
pub struct Ruleset(Mutex<Arc<Rules>>);

impl Vfs {
    /// A ruleset without rules.
    pub fn landlock_ruleset(&self, handled: Access, ports_handled: PortAccess) -> Ruleset {
        Ruleset(Mutex::new(Arc::new(Rules {
            handled,
            by_file: BTreeMap::new(),
            ports_handled,
            by_port: BTreeMap::new(),
            count: self.landlock_rules.clone(),
        })))
    }
}

impl Ruleset {
    /// Allows accesses to what `path` leads to and to all below; landlock_add_rule(2). Who has taken
    /// the ruleset on already has it as it was.
    ///
    /// # Errors
    /// `EINVAL` for what is not handled, or makes no sense for a file; `EBADFD` for what is in no
    /// tree; `ENOMEM` for too many rules.
    pub fn allow(&self, path: &Path, allowed: Access) -> Result<(), Errno> {
        let mut rules = self.0.lock();
        if !rules.handled.contains(allowed) {
            return Err(Errno::EINVAL);
        }
        let inode = path.inode();
        if path.mount.is_internal() {
            return Err(Errno::EBADFD);
        }
        if inode.kind() != mode::IFDIR && !Access::OF_FILES.contains(allowed) {
            return Err(Errno::EINVAL);
        }
        let key = Key::of(&**inode).ok_or(Errno::EBADFD)?;
        let rules = with_room(&mut rules)?;
        let old = rules.by_file.get(&key).map(|(_, a)| *a);
        rules.by_file.insert(key, (inode.clone(), old.unwrap_or_default() | allowed));
        if old.is_none() {
            rules.count.fetch_add(1, Relaxed);
        }
        Ok(())
    }

    /// Allows a port to be used; landlock_add_rule(2).
    ///
    /// # Errors
    /// `EINVAL` for what is not handled, `ENOMEM` for too many rules.
    pub fn allow_port(&self, port: u16, allowed: PortAccess) -> Result<(), Errno> {
        let mut rules = self.0.lock();
        if !rules.ports_handled.contains(allowed) {
            return Err(Errno::EINVAL);
        }
        let rules = with_room(&mut rules)?;
        let old = rules.by_port.get(&port).copied();
        rules.by_port.insert(port, old.unwrap_or_default() | allowed);
        if old.is_none() {
            rules.count.fetch_add(1, Relaxed);
        }
        Ok(())
    }

    /// The rules so far.
    pub(super) fn rules(&self) -> Arc<Rules> {
        self.0.lock().clone()
    }

    /// Whether rules may allow an access.
    pub fn handles(&self, access: Access) -> bool {
        self.0.lock().handled.contains(access)
    }

    /// Whether rules may allow ports to be used so.
    pub fn handles_ports(&self, access: PortAccess) -> bool {
        self.0.lock().ports_handled.contains(access)
    }
}

/// The rules, which others have as they were, to add one.
fn with_room(rules: &mut Arc<Rules>) -> Result<&mut Rules, Errno> {
    let copied = if Arc::strong_count(rules) > 1 { rules.len() } else { 0 };
    if rules.count.load(Relaxed).saturating_add(copied) >= RULES_MAX {
        return Err(Errno::ENOMEM);
    }
    Ok(Arc::make_mut(rules))
}

impl FileOps for Ruleset {
    fn stat(&self) -> Result<Stat, Errno> {
        Ok(anon::anon_stat())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl core::fmt::Debug for Ruleset {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Ruleset").finish_non_exhaustive()
    }
}
