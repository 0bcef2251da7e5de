//! devpts as a type of file systems.

use super::devpts::{instance_at, show};
use super::instance::Instance;
use super::options::Options;
use crate::{Env, FileSystemType, OptionError, PathCx, SuperBlock, UserNs};
use alloc::sync::Arc;
use syserr::Errno;

/// `devpts` for mount(2): each is a new instance.
pub struct DevptsType {
    env: Arc<Env>,
}

impl DevptsType {
    /// The type, whose file systems have device numbers of `env`.
    pub fn new(env: Arc<Env>) -> Arc<DevptsType> {
        Arc::new(DevptsType { env })
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
        let ns = &mounter.creds.user_ns;
        let options = Options::parse(options, ns)?;
        let root = ns.uid_in(0).zip(ns.gid_in(0)).ok_or(Errno::EINVAL)?;
        let shown = options.text();
        let instance = Instance::new(self.env.new_device(), options, root);
        Ok(show(instance, source, shown, ns))
    }

    fn is_for_users(&self) -> bool {
        true
    }

    fn check(&self, key: &str, value: Option<&str>) -> Result<(), OptionError> {
        Options::default().set(key, value, &UserNs::INITIAL)
    }

    fn reconfigure(&self, sb: &SuperBlock, options: &[u8]) -> Result<(), Errno> {
        let instance = instance_at(&sb.root).ok_or(Errno::EINVAL)?;
        instance.set_options(Options::parse(options, sb.user_ns())?);
        Ok(())
    }
}
