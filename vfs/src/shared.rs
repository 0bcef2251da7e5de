//! File system types of which there is one file system.

use alloc::sync::Arc;
use syserr::Errno;

use crate::{FileSystemType, OptionError, PathCx, SuperBlock};

/// A type of which there is one file system, which every mount(2) shows again: proc, sysfs.
pub struct SharedType {
    sb: Arc<SuperBlock>,
    options: &'static [&'static str],
}

impl SharedType {
    /// The type of `sb`, whose mounts may come with the options named. They change nothing.
    pub fn new(sb: Arc<SuperBlock>, options: &'static [&'static str]) -> Arc<SharedType> {
        Arc::new(SharedType { sb, options })
    }
}

impl FileSystemType for SharedType {
    fn name(&self) -> &'static str {
        self.sb.kind
    }

    fn make(&self, _: &PathCx<'_>, _: &[u8], options: &[u8]) -> Result<Arc<SuperBlock>, Errno> {
        self.reconfigure(&self.sb, options)?;
        Ok(self.sb.clone())
    }

    fn check(&self, key: &str, value: Option<&str>) -> Result<(), OptionError> {
        if !self.options.contains(&key) {
            return Err(OptionError::Unknown);
        }
        let good = match key {
            "gid" => value.is_some_and(|v| v.parse::<u32>().is_ok()),
            "subset" => value == Some("pid"),
            "hidepid" => matches!(
                value,
                Some("0" | "1" | "2" | "4" | "off" | "noaccess" | "invisible" | "ptraceable")
            ),
            _ => value.is_some(),
        };
        if good { Ok(()) } else { Err(OptionError::BadValue) }
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn reconfigure(&self, _: &SuperBlock, options: &[u8]) -> Result<(), Errno> {
        let text = core::str::from_utf8(options).map_err(|_| Errno::EINVAL)?;
        for option in text.split(',').filter(|o| !o.is_empty()) {
            let (key, value) = option.split_once('=').map_or((option, None), |(k, v)| (k, Some(v)));
            self.check(key, value).map_err(|_| Errno::EINVAL)?;
        }
        Ok(())
    }
}
