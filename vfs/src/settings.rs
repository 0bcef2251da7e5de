//! What proc_sys_fs(5) sets of how files behave, for a whole kernel.

use crate::fd::{NR_OPEN, NR_OPEN_MAX};
use crate::pipe::PipeUsers;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};
use syserr::Errno;

/// What is protected from others where many may write: `fs.protected_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protected {
    /// Files that are not one's own get no further names.
    Hardlinks,
    /// Links in sticky directories that everybody may write lead only their owners on.
    Symlinks,
    /// `O_CREAT` does not open other users' files in sticky directories.
    Regular,
    /// The same for FIFOs.
    Fifos,
}

/// The settings.
pub struct Settings {
    protected: [AtomicU8; 4],
    pipe_max: AtomicUsize,
    nr_open: AtomicU64,
    pipe_users: Arc<PipeUsers>,
}

impl Default for Settings {
    fn default() -> Settings {
        // Every distribution sets the first.
        let protected = [1, 0, 0, 0].map(AtomicU8::new);
        Settings {
            protected,
            pipe_max: AtomicUsize::new(crate::pipe::MAX_CAPACITY),
            nr_open: AtomicU64::new(NR_OPEN),
            pipe_users: Arc::default(),
        }
    }
}

impl Settings {
    /// How far something is protected; 0 is not at all.
    pub fn protected(&self, what: Protected) -> u8 {
        self.protected[what as usize].load(Relaxed)
    }

    /// Sets what [`Settings::protected`] says.
    ///
    /// # Errors
    /// `EINVAL` for what it cannot be.
    pub fn set_protected(&self, what: Protected, to: u64) -> Result<(), Errno> {
        let most = match what {
            Protected::Hardlinks | Protected::Symlinks => 1,
            Protected::Regular | Protected::Fifos => 2,
        };
        let to = u8::try_from(to).ok().filter(|n| *n <= most).ok_or(Errno::EINVAL)?;
        self.protected[what as usize].store(to, Relaxed);
        Ok(())
    }

    /// The most that `RLIMIT_NOFILE` can be: `fs.nr_open`.
    pub fn nr_open(&self) -> u64 {
        self.nr_open.load(Relaxed)
    }

    /// Sets what [`Settings::nr_open`] says.
    ///
    /// # Errors
    /// `EINVAL` below 64 and for more than a table can hold.
    pub fn set_nr_open(&self, to: u64) -> Result<(), Errno> {
        if !(64..=NR_OPEN_MAX).contains(&to) {
            return Err(Errno::EINVAL);
        }
        self.nr_open.store(to, Relaxed);
        Ok(())
    }

    /// What the pipes of each user hold, and may hold.
    pub fn pipe_users(&self) -> &Arc<PipeUsers> {
        &self.pipe_users
    }

    /// Bytes that a pipe of somebody without privileges can be made to hold: `fs.pipe-max-size`.
    pub fn pipe_max_size(&self) -> usize {
        self.pipe_max.load(Relaxed)
    }

    /// Sets what [`Settings::pipe_max_size`] says, to a number of pages that is a power of two.
    ///
    /// # Errors
    /// `EINVAL` for 0 and above 2 GiB.
    pub fn set_pipe_max_size(&self, bytes: u64) -> Result<(), Errno> {
        if !(1..=1 << 31).contains(&bytes) {
            return Err(Errno::EINVAL);
        }
        let bytes = bytes.max(arch::PAGE_SIZE).next_power_of_two();
        self.pipe_max.store(bytes as usize, Relaxed);
        Ok(())
    }
}
