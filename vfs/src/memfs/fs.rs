//! One file system in memory.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use sync::Mutex;
use syserr::Errno;

use super::Node;
use super::lower::Identity;
use crate::{Create, Env, FileSystemType, StatFs, SuperBlock, Validity, mode};

const TMPFS_MAGIC: u64 = 0x0102_1994;
const OVERLAYFS_MAGIC: u64 = 0x794c_7630;

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
    options: MemOptions,
    next_ino: AtomicU64,
    inodes: AtomicU64,
    magic: u64,
    /// Reads are noted only where a mount with `relatime` does; in what is mounted nowhere, always.
    pub(super) relatime: bool,
    /// Nodes by what lies beneath them, so that all links to a lower file lead to one node.
    pub(super) above: Mutex<BTreeMap<Identity, Weak<Node>>>,
    /// Nodes that differ from what lies beneath them and so must not be forgotten.
    pub(super) changed: Mutex<BTreeMap<Identity, Arc<Node>>>,
}

impl MemFs {
    fn new(env: &Arc<Env>, options: MemOptions, magic: u64, relatime: bool) -> Arc<MemFs> {
        Arc::new(MemFs {
            env: env.clone(),
            dev: env.new_device(),
            options,
            // Far from what a lower file system is likely to use.
            next_ino: AtomicU64::new(if magic == TMPFS_MAGIC { 1 } else { 1 << 48 }),
            inodes: AtomicU64::new(0),
            magic,
            relatime,
            above: Mutex::default(),
            changed: Mutex::default(),
        })
    }

    pub(crate) fn private(env: &Arc<Env>) -> Arc<MemFs> {
        MemFs::new(env, MemOptions::default(), TMPFS_MAGIC, false)
    }

    pub(super) fn new_ino(&self) -> u64 {
        self.next_ino.fetch_add(1, Relaxed)
    }

    /// Counts one more inode.
    pub(super) fn take_inode(&self) -> Result<(), Errno> {
        let more = |n: u64| (n < self.options.inodes).then_some(n + 1);
        self.inodes.fetch_update(Relaxed, Relaxed, more).map(|_| ()).map_err(|_| Errno::ENOSPC)
    }

    pub(super) fn give_inode(&self) {
        self.inodes.fetch_sub(1, Relaxed);
    }

    pub(super) fn statfs(&self) -> StatFs {
        let memory = self.env.memory();
        let limit = memory.limit().min(self.options.size).min(1 << 46);
        let free = limit.saturating_sub(memory.used());
        let used = self.inodes.load(Relaxed);
        StatFs {
            magic: self.magic,
            bsize: 4096,
            blocks: limit / 4096,
            bfree: free / 4096,
            bavail: free / 4096,
            files: self.options.inodes,
            ffree: self.options.inodes.saturating_sub(used),
            namelen: 255,
            ..StatFs::default()
        }
    }
}

/// A new, empty tmpfs.
///
/// # Errors
/// `ENOSPC` when its options allow no inode.
pub fn tmpfs(env: &Arc<Env>, options: MemOptions, source: &[u8]) -> Result<Arc<SuperBlock>, Errno> {
    let fs = MemFs::new(env, options, TMPFS_MAGIC, true);
    let what = Create {
        mode: mode::IFDIR | options.mode & 0o7777,
        uid: options.uid,
        gid: options.gid,
        rdev: 0,
        target: &[],
    };
    let root = Node::create(&fs, &what)?;
    Ok(Arc::new(SuperBlock {
        kind: "tmpfs",
        source: source.to_vec(),
        options: Vec::new(),
        dev: fs.dev,
        validity: Validity::Always,
        root,
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
    let fs = MemFs::new(env, options, OVERLAYFS_MAGIC, true);
    let root = Node::above(&fs, lower.root.clone().as_lower().ok_or(Errno::EINVAL)?, None)?;
    Ok(Arc::new(SuperBlock {
        kind: "overlay",
        source: b"overlay".to_vec(),
        options: Vec::new(),
        dev: fs.dev,
        validity: lower.validity,
        root,
    }))
}

/// `tmpfs` for mount(2), with the options `size`, `nr_inodes`, `mode`, `uid` and `gid`.
pub struct TmpfsType {
    env: Arc<Env>,
}

impl TmpfsType {
    /// Makes file systems whose contents lie in the memory of `env`.
    pub fn new(env: Arc<Env>) -> Arc<TmpfsType> {
        Arc::new(TmpfsType { env })
    }
}

fn number(text: &str, radix: u32) -> Result<u64, Errno> {
    u64::from_str_radix(text, radix).map_err(|_| Errno::EINVAL)
}

/// A number with an optional `k`, `m` or `g`, as Linux's `memparse` reads it; 0 is no limit.
fn amount(text: &str) -> Result<u64, Errno> {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 20),
        Some(b'g' | b'G') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let n = number(digits, 10)?.checked_mul(1 << shift).ok_or(Errno::EINVAL)?;
    Ok(if n == 0 { u64::MAX } else { n })
}

impl FileSystemType for TmpfsType {
    fn name(&self) -> &'static str {
        "tmpfs"
    }

    fn make(&self, source: &[u8], options: &[u8]) -> Result<Arc<SuperBlock>, Errno> {
        let mut o = MemOptions::default();
        let text = core::str::from_utf8(options).map_err(|_| Errno::EINVAL)?;
        for option in text.split(',').filter(|o| !o.is_empty()) {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            match key {
                // A share of the machine's memory means nothing here; the memory file limits.
                "size" if value.ends_with('%') => {}
                "size" => o.size = amount(value)?,
                // More than the default is not given: inodes are the kernel's own memory.
                "nr_inodes" => o.inodes = amount(value)?.min(o.inodes),
                "mode" => o.mode = number(value, 8)? as u32 & 0o7777,
                "uid" => o.uid = u32::try_from(number(value, 10)?).map_err(|_| Errno::EINVAL)?,
                "gid" => o.gid = u32::try_from(number(value, 10)?).map_err(|_| Errno::EINVAL)?,
                "nr_blocks" | "huge" | "inode64" | "inode32" | "noswap" | "mpol" => {}
                _ => return Err(Errno::EINVAL),
            }
        }
        tmpfs(&self.env, o, source)
    }
}
