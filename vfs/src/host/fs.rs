//! One view of the host.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use sync::Mutex;
use syserr::Errno;

use super::cache::PageBudget;
use super::{HostInode, HostNode};
use crate::{Env, Nanos, Stat, SuperBlock, SuperState, Validity};

/// How a directory of the host is shown.
#[derive(Clone, Copy, Debug)]
pub struct HostOptions {
    /// Whether guests may change it.
    pub writable: bool,
    /// How long, in nanoseconds, attributes and names are believed.
    pub valid_for: Nanos,
}

impl HostOptions {
    /// Read only; changes on the host show after a second.
    pub const READ_ONLY: HostOptions = HostOptions { writable: false, valid_for: 1_000_000_000 };
    /// Writable; changes on the host show at once.
    pub const WRITABLE: HostOptions = HostOptions { writable: true, valid_for: 0 };
}

/// A view of a directory of the host.
pub struct HostFs {
    pub(super) env: Arc<Env>,
    pub(super) dev: u64,
    pub(super) options: HostOptions,
    pub(super) budget: PageBudget,
    /// Inodes in use, by device and number.
    inodes: Mutex<BTreeMap<(u64, u64), Weak<HostInode>>>,
    /// Host device numbers, in the order in which they were seen.
    devices: Mutex<Vec<u64>>,
}

#[expect(clippy::new_ret_no_self, reason = "the view is only ever used through its root")]
impl HostFs {
    /// Shows the directory `root`. Pages of its files take at most half of the memory file.
    ///
    /// # Errors
    /// The host's, when `root` cannot be read.
    pub fn new(
        env: &Arc<Env>,
        root: Arc<dyn HostNode>,
        options: HostOptions,
    ) -> Result<Arc<HostInode>, Errno> {
        let limit = env.memory().limit() / 2;
        let fs = Arc::new(HostFs {
            env: env.clone(),
            dev: env.new_device(),
            options,
            budget: PageBudget::new(limit),
            inodes: Mutex::default(),
            devices: Mutex::default(),
        });
        let stat = root.stat()?;
        Ok(fs.inode(root, stat))
    }

    /// The inode of a node, one for each file however many names it has.
    pub(super) fn inode(self: &Arc<Self>, node: Arc<dyn HostNode>, stat: Stat) -> Arc<HostInode> {
        let key = (stat.dev, stat.ino);
        // Let go of only after the lock, which an inode takes when it goes.
        let known;
        let mut inodes = self.inodes.lock();
        known = inodes.get(&key).and_then(Weak::upgrade);
        if let Some(i) = &known
            && i.is_same(&stat)
        {
            drop(inodes);
            i.refresh(stat);
            return i.clone();
        }
        let ino = self.number(&stat);
        let inode = HostInode::new(self, node, stat, ino);
        inodes.insert(key, Arc::downgrade(&inode));
        inode
    }

    /// An inode number that is unique over all host devices in the view: that of the root's device
    /// as it is, of others with the device's index in the upper bits.
    pub(super) fn number(&self, stat: &Stat) -> u64 {
        let mut devices = self.devices.lock();
        let index = devices.iter().position(|d| *d == stat.dev).unwrap_or_else(|| {
            devices.push(stat.dev);
            devices.len() - 1
        });
        stat.ino ^ (index as u64) << 48
    }

    pub(super) fn forget(&self, key: (u64, u64)) {
        let mut inodes = self.inodes.lock();
        if inodes.get(&key).is_some_and(|w| w.strong_count() == 0) {
            inodes.remove(&key);
        }
    }
}

impl HostInode {
    /// A file system whose root this is, of the type `host`.
    pub fn super_block(self: &Arc<Self>, source: &[u8]) -> Arc<SuperBlock> {
        Arc::new(SuperBlock {
            kind: "host",
            source: source.to_vec(),
            options: Vec::new(),
            dev: self.fs().dev,
            validity: self.validity(),
            root: self.clone(),
            state: SuperState::default(),
        })
    }

    /// How long names are believed.
    pub fn validity(&self) -> Validity {
        Validity::For(self.fs().options.valid_for)
    }
}
