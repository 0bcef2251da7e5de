//! File systems as a whole, and their types.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::SeqCst;
use core::sync::atomic::{AtomicBool, AtomicU32};
use syserr::Errno;

use crate::{Inode, Nanos, PathCx, UserNs};

/// How long the walk may believe what it has looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// For ever: nobody changes the file system behind the kernel's back.
    Always,
    /// For so many nanoseconds; then [`Inode::revalidate`] is asked. 0 asks at every step.
    For(Nanos),
    /// Nothing is cached (proc).
    Never,
}

/// One file system that can be mounted.
pub struct SuperBlock {
    /// Type, as in `/proc/filesystems`.
    pub kind: &'static str,
    /// Source, as in `/proc/mounts`.
    pub source: Vec<u8>,
    /// Options beside the mount's own, as in `/proc/mounts`, without a leading comma.
    pub options: Vec<u8>,
    /// Device number.
    pub dev: u64,
    /// How long names are cached.
    pub validity: Validity,
    /// The root directory.
    pub root: Arc<dyn Inode>,
    /// Whether it can be written to.
    pub state: SuperState,
}

impl SuperBlock {
    /// The user namespace that it belongs to: who has privileges there may change its options.
    pub fn user_ns(&self) -> &UserNs {
        &self.state.user_ns
    }

    /// Whether its device nodes are none: whoever mounts it chooses what is in it.
    pub(crate) fn ignores_devices(&self) -> bool {
        !self.user_ns().is_initial() && self.kind != "devpts"
    }
}

/// To whom a file system belongs, whether it is read-only as a whole, and who keeps it from becoming
/// so.
#[derive(Default)]
pub struct SuperState {
    user_ns: UserNs,
    read_only: AtomicBool,
    /// Descriptions that may write to files.
    writers: AtomicU32,
    pub(crate) handles: crate::handles::Handles,
}

impl SuperState {
    /// Of a file system that belongs to `user_ns`.
    pub fn of(user_ns: &UserNs) -> SuperState {
        SuperState { user_ns: user_ns.clone(), ..SuperState::default() }
    }

    /// Whether nobody may write, whatever the mount says.
    pub fn is_read_only(&self) -> bool {
        self.read_only.load(SeqCst)
    }

    /// `EBUSY` where it is to become read-only and somebody writes.
    pub(crate) fn set_read_only(&self, to: bool) -> Result<(), Errno> {
        let old = self.read_only.swap(to, SeqCst);
        // A writer counts itself and looks after that.
        if to && !old && self.writers.load(SeqCst) > 0 {
            self.read_only.store(old, SeqCst);
            return Err(Errno::EBUSY);
        }
        Ok(())
    }

    pub(crate) fn start_writing(&self) -> bool {
        self.writers.fetch_add(1, SeqCst);
        !self.is_read_only()
    }

    pub(crate) fn stop_writing(&self) {
        self.writers.fetch_sub(1, SeqCst);
    }
}

/// A file system type that mount(2) can make.
pub trait FileSystemType: Send + Sync {
    /// Its name in mount(2) and `/proc/filesystems`.
    fn name(&self) -> &'static str;
    /// Makes a file system for who mounts it.
    ///
    /// # Errors
    /// `EINVAL` for options that it does not know.
    fn make(
        &self,
        mounter: &PathCx<'_>,
        source: &[u8],
        options: &[u8],
    ) -> Result<Arc<SuperBlock>, Errno>;
    /// Whether everybody may make one who has privileges in a user namespace of their own
    /// (`FS_USERNS_MOUNT`).
    fn is_for_users(&self) -> bool {
        false
    }
    /// Looks at one option, as fsconfig(2) sets them: one by one, and before there is a file system.
    /// Options without a value are to be flags.
    ///
    /// # Errors
    /// [`OptionError`].
    fn check(&self, key: &str, value: Option<&str>) -> Result<(), OptionError>;
    /// Whether there is only one file system of this type, which mounting shows again.
    fn is_shared(&self) -> bool {
        false
    }
    /// Gives a file system of this type other options; remounting. Without this it has none that can
    /// change.
    ///
    /// # Errors
    /// `EINVAL` for options that it does not know, or that do not go with what is there.
    fn reconfigure(&self, sb: &SuperBlock, options: &[u8]) -> Result<(), Errno> {
        let _ = (sb, options);
        Ok(())
    }
}

/// What is wrong with an option of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionError {
    /// There is none of that name.
    Unknown,
    /// It has another value, or another kind of value.
    BadValue,
}
