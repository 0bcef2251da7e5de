//! Options that devpts is mounted with.

use crate::{OptionError, UserNs};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use syserr::Errno;

/// The most terminals of an instance (`NR_UNIX98_PTY_MAX`), where options do not say less.
const MAX: u32 = 1 << 20;

/// Whose terminals are, with which permissions, and how many there may be.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// Owner and group of terminals, where they are not those of who makes one.
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) mode: u32,
    pub(super) ptmx_mode: u32,
    pub(super) max: u32,
}

impl Default for Options {
    fn default() -> Options {
        Options { uid: None, gid: None, mode: 0o600, ptmx_mode: 0, max: MAX }
    }
}

impl Options {
    /// Those of the instance that a kernel begins with, as distributions mount it.
    pub(super) fn first() -> Options {
        Options { gid: Some(5), mode: 0o620, ptmx_mode: 0o666, ..Options::default() }
    }

    /// What `text` says, with users and groups of `ns` (`devpts_parse_param` of
    /// `fs/devpts/inode.c`).
    ///
    /// # Errors
    /// `EINVAL`.
    pub(super) fn parse(text: &[u8], ns: &UserNs) -> Result<Options, Errno> {
        let mut options = Options::default();
        let text = core::str::from_utf8(text).map_err(|_| Errno::EINVAL)?;
        for option in text.split(',').filter(|o| !o.is_empty()) {
            let (key, value) = option.split_once('=').map_or((option, None), |(k, v)| (k, Some(v)));
            options.set(key, value, ns).map_err(|_| Errno::EINVAL)?;
        }
        Ok(options)
    }

    pub(super) fn set(
        &mut self,
        key: &str,
        value: Option<&str>,
        ns: &UserNs,
    ) -> Result<(), OptionError> {
        let bad = OptionError::BadValue;
        let number = |radix| value.and_then(|v| u32::from_str_radix(v, radix).ok()).ok_or(bad);
        match key {
            "uid" => self.uid = Some(ns.uid_in(number(10)?).ok_or(bad)?),
            "gid" => self.gid = Some(ns.gid_in(number(10)?).ok_or(bad)?),
            "mode" => self.mode = number(8)? & 0o7777,
            "ptmxmode" => self.ptmx_mode = number(8)? & 0o7777,
            "max" => self.max = Some(number(10)?).filter(|n| *n <= MAX).ok_or(bad)?,
            // Each is a new one.
            "newinstance" if value.is_none() => {}
            "newinstance" => return Err(bad),
            _ => return Err(OptionError::Unknown),
        }
        Ok(())
    }

    /// As `/proc/mounts` shows them.
    pub(super) fn text(&self) -> Vec<u8> {
        let mut out = String::new();
        let ids = [("uid", self.uid), ("gid", self.gid)];
        for (name, id) in ids.into_iter().filter_map(|(name, id)| id.map(|id| (name, id))) {
            let _ = write!(out, "{name}={id},");
        }
        out += &format!("mode={:03o},ptmxmode={:03o}", self.mode, self.ptmx_mode);
        if self.max < MAX {
            out += &format!(",max={}", self.max);
        }
        out.into_bytes()
    }
}
