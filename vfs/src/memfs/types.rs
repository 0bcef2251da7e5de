//! The types of file systems in memory that mount(2) makes.

use alloc::sync::Arc;
use syserr::Errno;

use super::fs::{RAMFS_MAGIC, TMPFS_MAGIC, in_memory};
use super::{MemOptions, Node};
use crate::{Env, FileSystemType, OptionError, PathCx, SuperBlock};

/// `tmpfs` for mount(2), with the options `size`, `nr_blocks`, `nr_inodes`, `mode`, `uid` and `gid`.
pub struct TmpfsType {
    env: Arc<Env>,
}

/// `ramfs` for mount(2): without limits of its own, and with the option `mode` only.
pub struct RamfsType {
    env: Arc<Env>,
}

/// What the options of a tmpfs ask for.
#[derive(Default)]
struct Wanted {
    size: Option<u64>,
    inodes: Option<u64>,
    mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
}

fn number(text: &str, radix: u32) -> Result<u64, Errno> {
    u64::from_str_radix(text, radix).map_err(|_| Errno::EINVAL)
}

fn id(text: &str) -> Result<Option<u32>, Errno> {
    u32::try_from(number(text, 10)?).map(Some).map_err(|_| Errno::EINVAL)
}

/// A number with an optional `k`, `m` or `g`, as Linux's `memparse` reads it, times `unit`; 0 is no
/// limit.
fn amount(text: &str, unit: u64) -> Result<u64, Errno> {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 20),
        Some(b'g' | b'G') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let n = number(digits, 10)?.checked_mul(unit << shift).ok_or(Errno::EINVAL)?;
    Ok(if n == 0 { u64::MAX } else { n })
}

/// A size in bytes, rounded up to pages, or as a share of the memory there is.
fn size(text: &str, memory: u64) -> Result<u64, Errno> {
    let bytes = match text.strip_suffix('%') {
        Some(share) => (memory / 100).saturating_mul(number(share, 10)?),
        None => amount(text, 1)?,
    };
    Ok(bytes.checked_next_multiple_of(arch::PAGE_SIZE).unwrap_or(u64::MAX))
}

impl Wanted {
    fn parse(options: &[u8], memory: u64) -> Result<Wanted, Errno> {
        let mut w = Wanted::default();
        let text = core::str::from_utf8(options).map_err(|_| Errno::EINVAL)?;
        for option in text.split(',').filter(|o| !o.is_empty()) {
            let (key, value) = option.split_once('=').map_or((option, None), |(k, v)| (k, Some(v)));
            w.set(key, value, memory).map_err(|_| Errno::EINVAL)?;
        }
        Ok(w)
    }

    /// `ENOENT` for an option that is not known.
    fn set(&mut self, key: &str, value: Option<&str>, memory: u64) -> Result<(), Errno> {
        let given = value.unwrap_or("");
        match key {
            "size" => self.size = Some(size(given, memory)?),
            "nr_blocks" => self.size = Some(amount(given, arch::PAGE_SIZE)?),
            // More than the default is not given: inodes are the kernel's own memory.
            "nr_inodes" => {
                self.inodes = Some(amount(given, 1)?.min(MemOptions::default().inodes));
            }
            "mode" => self.mode = Some(number(given, 8)? as u32 & 0o7777),
            "uid" => self.uid = id(given)?,
            "gid" => self.gid = id(given)?,
            "huge" | "mpol" => drop(value.ok_or(Errno::EINVAL)?),
            "inode64" | "inode32" | "noswap" if value.is_none() => {}
            "inode64" | "inode32" | "noswap" => return Err(Errno::EINVAL),
            _ => return Err(Errno::ENOENT),
        }
        Ok(())
    }
}

impl TmpfsType {
    /// Makes file systems whose contents lie in the memory of `env`.
    pub fn new(env: Arc<Env>) -> Arc<TmpfsType> {
        Arc::new(TmpfsType { env })
    }
}

impl FileSystemType for TmpfsType {
    fn name(&self) -> &'static str {
        "tmpfs"
    }

    fn make(
        &self,
        cx: &PathCx<'_>,
        source: &[u8],
        options: &[u8],
    ) -> Result<Arc<SuperBlock>, Errno> {
        let ns = &cx.creds.user_ns;
        let w = Wanted::parse(options, self.env.memory().limit())?;
        let d = MemOptions::default();
        let options = MemOptions {
            size: w.size.unwrap_or(d.size),
            inodes: w.inodes.unwrap_or(d.inodes),
            mode: w.mode.unwrap_or(d.mode),
            uid: w.uid.map_or(Some(cx.creds.fsuid), |u| ns.uid_in(u)).ok_or(Errno::EINVAL)?,
            gid: w.gid.map_or(Some(cx.creds.fsgid), |g| ns.gid_in(g)).ok_or(Errno::EINVAL)?,
        };
        in_memory(&self.env, &options, "tmpfs", TMPFS_MAGIC, source, ns)
    }

    fn is_for_users(&self) -> bool {
        true
    }

    fn check(&self, key: &str, value: Option<&str>) -> Result<(), OptionError> {
        let known = Wanted::default().set(key, value, self.env.memory().limit());
        known.map_err(
            |e| if e == Errno::ENOENT { OptionError::Unknown } else { OptionError::BadValue },
        )
    }

    fn reconfigure(&self, sb: &SuperBlock, options: &[u8]) -> Result<(), Errno> {
        let w = Wanted::parse(options, self.env.memory().limit())?;
        // Mode and owner are the root directory's, and stay (`shmem_reconfigure`).
        Node::of(&sb.root)?.fs.change_limits(w.size, w.inodes)
    }
}

impl RamfsType {
    /// Makes file systems whose contents lie in the memory of `env`.
    pub fn new(env: Arc<Env>) -> Arc<RamfsType> {
        Arc::new(RamfsType { env })
    }
}

impl FileSystemType for RamfsType {
    fn name(&self) -> &'static str {
        "ramfs"
    }

    /// Options that it does not know are ignored (`ramfs_parse_param`).
    fn make(
        &self,
        cx: &PathCx<'_>,
        source: &[u8],
        options: &[u8],
    ) -> Result<Arc<SuperBlock>, Errno> {
        let (uid, gid) = (cx.creds.fsuid, cx.creds.fsgid);
        let mut o = MemOptions { mode: 0o755, uid, gid, ..MemOptions::default() };
        let text = core::str::from_utf8(options).unwrap_or("");
        if let Some(mode) = text.split(',').filter_map(|o| o.strip_prefix("mode=")).next_back() {
            o.mode = number(mode, 8)? as u32 & 0o7777;
        }
        in_memory(&self.env, &o, "ramfs", RAMFS_MAGIC, source, &cx.creds.user_ns)
    }

    fn is_for_users(&self) -> bool {
        true
    }

    /// Whatever else there is is not looked at (`ramfs_parse_param`).
    fn check(&self, key: &str, value: Option<&str>) -> Result<(), OptionError> {
        let bad = key == "mode" && number(value.unwrap_or(""), 8).is_err();
        if bad { Err(OptionError::BadValue) } else { Ok(()) }
    }
}
