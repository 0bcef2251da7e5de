//! Instances of devpts: each shows the pseudo-terminals that were made through it.

use super::Ptys;
use super::devpts::{self, DEV};
use crate::{Creds, Env, FileSystemType, OptionError, PathCx, SharedType, SuperBlock};
use alloc::sync::Arc;
use syserr::Errno;

/// Whose nodes an instance has, and with which permissions.
#[derive(Debug)]
pub(super) struct Instance {
    /// Its device number.
    pub(super) dev: u64,
    /// Owner and group of terminals, where they are not those of who makes one.
    uid: Option<u32>,
    gid: Option<u32>,
    mode: u32,
    pub(super) ptmx_mode: u32,
    /// Owner and group of `ptmx`.
    pub(super) root: (u32, u32),
}

impl Instance {
    /// The one that a kernel begins with.
    pub(super) fn first() -> Instance {
        Instance { dev: DEV, uid: None, gid: Some(5), mode: 0o620, ptmx_mode: 0o666, root: (0, 0) }
    }

    /// One for `who`, as `options` say (`parse_mount_options` of `fs/devpts/inode.c`).
    fn of(who: &Creds, env: &Env, options: &[u8]) -> Result<Instance, Errno> {
        let ns = &who.user_ns;
        let root = ns.uid_in(0).zip(ns.gid_in(0)).ok_or(Errno::EINVAL)?;
        let (dev, mode) = (env.new_device(), 0o600);
        let mut new = Instance { dev, uid: None, gid: None, mode, ptmx_mode: 0, root };
        let text = core::str::from_utf8(options).map_err(|_| Errno::EINVAL)?;
        for option in text.split(',') {
            let Some((key, value)) = option.split_once('=') else { continue };
            let number = |radix| u32::from_str_radix(value, radix).map_err(|_| Errno::EINVAL);
            match key {
                "uid" => new.uid = Some(ns.uid_in(number(10)?).ok_or(Errno::EINVAL)?),
                "gid" => new.gid = Some(ns.gid_in(number(10)?).ok_or(Errno::EINVAL)?),
                "mode" => new.mode = number(8)? & 0o7777,
                "ptmxmode" => new.ptmx_mode = number(8)? & 0o7777,
                _ => {}
            }
        }
        Ok(new)
    }

    /// Owner, group and mode of a terminal that `creds` make.
    pub(super) fn owner(&self, creds: &Creds) -> (u32, u32, u32) {
        (self.uid.unwrap_or(creds.fsuid), self.gid.unwrap_or(creds.fsgid), self.mode)
    }
}

/// `devpts` for mount(2): in the initial user namespace the kernel's own, elsewhere a new one.
pub struct DevptsType {
    env: Arc<Env>,
    ptys: Arc<Ptys>,
    own: Arc<SharedType>,
}

impl DevptsType {
    /// The type of `own`, which shows `ptys`.
    pub fn new(env: Arc<Env>, ptys: Arc<Ptys>, own: Arc<SuperBlock>) -> Arc<DevptsType> {
        let options = &["uid", "gid", "mode", "ptmxmode", "newinstance", "max"];
        Arc::new(DevptsType { env, ptys, own: SharedType::new(own, options) })
    }
}

impl FileSystemType for DevptsType {
    fn name(&self) -> &'static str {
        "devpts"
    }

    fn make(
        &self,
        mounter: &PathCx<'_>,
        source: &[u8],
        options: &[u8],
    ) -> Result<Arc<SuperBlock>, Errno> {
        let own = self.own.make(mounter, source, options)?;
        let who = mounter.creds;
        if who.user_ns.is_initial() {
            return Ok(own);
        }
        let instance = Instance::of(who, &self.env, options)?;
        Ok(devpts::show(self.ptys.clone(), instance, source, options, &who.user_ns))
    }

    fn check(&self, key: &str, value: Option<&str>) -> Result<(), OptionError> {
        self.own.check(key, value)
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn reconfigure(&self, sb: &SuperBlock, options: &[u8]) -> Result<(), Errno> {
        self.own.reconfigure(sb, options)
    }
}
