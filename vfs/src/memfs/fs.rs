//! One file system in memory.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use mm::{Allowance, MemoryObject};
use sync::Mutex;
use syserr::Errno;

use super::Node;
use super::lower::Identity;
use crate::{Create, Env, StatFs, SuperBlock, SuperState, UserNs, Validity, mode};

pub(super) const TMPFS_MAGIC: u64 = 0x0102_1994;
const SYSFS_MAGIC: u64 = 0x6265_6572;
const OVERLAYFS_MAGIC: u64 = 0x794c_7630;
pub(super) const RAMFS_MAGIC: u64 = 0x8584_58f6;

/// What a file system in memory is made with.
#[derive(Clone, Copy, Debug)]
pub struct MemOptions {
    /// The most bytes that files may have in all, beside what the memory file allows.
    pub size: u64,
    /// The most inodes.
    pub inodes: u64,
    /// Mode of the root directory.
    pub mode: u32,
    /// Owner of the root directory.
    pub uid: u32,
    /// Group of the root directory.
    pub gid: u32,
}

impl Default for MemOptions {
    /// As Linux mounts a tmpfs without options, on a machine of 2 GiB.
    fn default() -> MemOptions {
        MemOptions { size: u64::MAX, inodes: 1 << 18, mode: 0o1777, uid: 0, gid: 0 }
    }
}

pub(crate) struct MemFs {
    pub(super) env: Arc<Env>,
    pub(super) dev: u64,
    max_inodes: AtomicU64,
    /// The memory of its files.
    allowance: Arc<Allowance>,
    next_ino: AtomicU64,
    inodes: AtomicU64,
    magic: u64,
    /// Nodes by what lies beneath them, so that all links to a lower file lead to one node.
    pub(super) above: Mutex<BTreeMap<Identity, Weak<Node>>>,
    /// Nodes that differ from what lies beneath them and so must not be forgotten.
    pub(super) changed: Mutex<BTreeMap<Identity, Arc<Node>>>,
}

impl MemFs {
    fn new(env: &Arc<Env>, options: &MemOptions, magic: u64) -> Arc<MemFs> {
        Arc::new(MemFs {
            env: env.clone(),
            dev: env.new_device(),
            max_inodes: AtomicU64::new(options.inodes),
            allowance: Arc::new(Allowance::new(options.size)),
            // Far from what a lower file system is likely to use.
            next_ino: AtomicU64::new(if magic == OVERLAYFS_MAGIC { 1 << 48 } else { 1 }),
            inodes: AtomicU64::new(0),
            magic,
            above: Mutex::default(),
            changed: Mutex::default(),
        })
    }

    pub(crate) fn private(env: &Arc<Env>) -> Arc<MemFs> {
        MemFs::new(env, &MemOptions::default(), TMPFS_MAGIC)
    }

    pub(super) fn new_ino(&self) -> u64 {
        self.next_ino.fetch_add(1, Relaxed)
    }

    /// Counts one more inode.
    pub(super) fn take_inode(&self) -> Result<(), Errno> {
        let max = self.max_inodes.load(Relaxed);
        let more = |n: u64| (n < max).then_some(n + 1);
        self.env.inodes.exchange(0, 1)?;
        let taken = self.inodes.fetch_update(Relaxed, Relaxed, more);
        taken.map(|_| ()).map_err(|_| {
            self.env.inodes.give(1);
            Errno::ENOSPC
        })
    }

    pub(super) fn is_sysfs(&self) -> bool {
        self.magic == SYSFS_MAGIC
    }

    pub(super) fn has_acls(&self) -> bool {
        matches!(self.magic, TMPFS_MAGIC | OVERLAYFS_MAGIC)
    }

    pub(super) fn give_inode(&self) {
        self.inodes.fetch_sub(1, Relaxed);
        self.env.inodes.give(1);
    }

    /// Counts the page that the text of a long link takes (`SHORT_SYMLINK_LEN`).
    pub(super) fn take_link(&self, text: &[u8]) -> Result<(), Errno> {
        self.allowance.take(link_size(text)).map_err(|_| Errno::ENOSPC)
    }

    pub(super) fn give_link(&self, text: &[u8]) {
        self.allowance.give(link_size(text));
    }

    /// A new, empty file's contents.
    pub(super) fn empty_object(&self) -> MemoryObject {
        MemoryObject::within(self.env.memory().clone(), 0, self.allowance.clone())
    }

    /// Takes other limits; remounting a tmpfs.
    pub(super) fn change_limits(
        &self,
        size: Option<u64>,
        inodes: Option<u64>,
    ) -> Result<(), Errno> {
        let fewer = |limit: Option<u64>, used: u64| limit.is_some_and(|l| l < used);
        if fewer(size, self.allowance.used()) || fewer(inodes, self.inodes.load(Relaxed)) {
            return Err(Errno::EINVAL);
        }
        if let Some(size) = size {
            self.allowance.set_limit(size);
        }
        if let Some(inodes) = inodes {
            self.max_inodes.store(inodes, Relaxed);
        }
        Ok(())
    }

    pub(super) fn statfs(&self) -> StatFs {
        if self.is_sysfs() {
            // What only shows something has no blocks.
            return StatFs { magic: self.magic, bsize: 4096, namelen: 255, ..StatFs::default() };
        }
        let memory = self.env.memory();
        let limit = memory.limit().min(self.allowance.limit()).min(1 << 46);
        let own = self.allowance.limit().saturating_sub(self.allowance.used());
        let free = memory.limit().saturating_sub(memory.used()).min(own).min(limit);
        let (files, used) = (self.max_inodes.load(Relaxed), self.inodes.load(Relaxed));
        StatFs {
            magic: self.magic,
            bsize: 4096,
            blocks: limit / 4096,
            bfree: free / 4096,
            bavail: free / 4096,
            files,
            ffree: files.saturating_sub(used),
            namelen: 255,
            ..StatFs::default()
        }
    }
}

/// What a link to `text` takes of the file system's size.
fn link_size(text: &[u8]) -> u64 {
    const SHORT: usize = 128;
    if text.len() < SHORT { 0 } else { arch::PAGE_SIZE }
}

/// A new, empty tmpfs.
///
/// # Errors
/// `ENOSPC` when its options allow no inode.
pub fn tmpfs(env: &Arc<Env>, options: MemOptions, source: &[u8]) -> Result<Arc<SuperBlock>, Errno> {
    in_memory(env, &options, "tmpfs", TMPFS_MAGIC, source, &UserNs::INITIAL)
}

/// An empty tree that [`crate::sysfs()`] fills.
pub(crate) fn for_sysfs(env: &Arc<Env>) -> Result<Arc<SuperBlock>, Errno> {
    let options = MemOptions { mode: 0o555, ..MemOptions::default() };
    in_memory(env, &options, "sysfs", SYSFS_MAGIC, b"sysfs", &UserNs::INITIAL)
}

pub(super) fn in_memory(
    env: &Arc<Env>,
    options: &MemOptions,
    kind: &'static str,
    magic: u64,
    source: &[u8],
    user_ns: &UserNs,
) -> Result<Arc<SuperBlock>, Errno> {
    let fs = MemFs::new(env, options, magic);
    let what = Create {
        mode: mode::IFDIR | options.mode & 0o7777,
        uid: options.uid,
        gid: options.gid,
        ..Create::default()
    };
    let root = Node::create(&fs, &what)?;
    Ok(Arc::new(SuperBlock {
        kind,
        source: source.to_vec(),
        options: Vec::new(),
        dev: fs.dev,
        validity: Validity::Always,
        root,
        state: SuperState::of(user_ns),
    }))
}

/// The tree of `lower` with changes kept in memory; nothing is ever written to `lower`.
///
/// # Errors
/// `EINVAL` when `lower` is of a type that cannot be lain over; `EIO` when its root cannot be read.
pub fn overlay(
    env: &Arc<Env>,
    lower: &SuperBlock,
    options: MemOptions,
) -> Result<Arc<SuperBlock>, Errno> {
    let fs = MemFs::new(env, &options, OVERLAYFS_MAGIC);
    let root = Node::above(&fs, lower.root.clone().as_lower().ok_or(Errno::EINVAL)?, None)?;
    Ok(Arc::new(SuperBlock {
        kind: "overlay",
        source: b"overlay".to_vec(),
        options: Vec::new(),
        dev: fs.dev,
        validity: lower.validity,
        root,
        state: SuperState::default(),
    }))
}
