//! How many keys a user may have; `/proc/key-users`.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use sync::Mutex;
use syserr::Errno;
use vfs::proc::KeyLimit;

/// The most keys and bytes of a user; `/proc/sys/kernel/keys`.
#[derive(Debug)]
pub(crate) struct KeyLimits([AtomicU64; 4]);

impl Default for KeyLimits {
    /// For root less than Linux's million keys, for they are the kernel's memory.
    fn default() -> KeyLimits {
        KeyLimits([200, 20_000, 20_000, 25_000_000].map(AtomicU64::new))
    }
}

impl KeyLimits {
    pub(crate) fn get(&self, limit: KeyLimit) -> u64 {
        self.0[limit as usize].load(Relaxed)
    }

    pub(crate) fn set(&self, limit: KeyLimit, to: u32) {
        self.0[limit as usize].store(u64::from(to), Relaxed);
    }

    /// Keys and bytes that a user may have.
    pub(super) fn of(&self, uid: u32) -> (u64, u64) {
        let (keys, bytes) = match uid {
            0 => (KeyLimit::RootMaxKeys, KeyLimit::RootMaxBytes),
            _ => (KeyLimit::MaxKeys, KeyLimit::MaxBytes),
        };
        (self.get(keys), self.get(bytes))
    }
}

/// Keys and bytes of one user.
pub(crate) struct Account {
    used: Mutex<(u64, u64)>,
    limits: Arc<KeyLimits>,
}

impl Account {
    pub(super) fn new(limits: &Arc<KeyLimits>) -> Account {
        Account { used: Mutex::default(), limits: limits.clone() }
    }

    /// Keys and bytes.
    pub(super) fn used(&self) -> (u64, u64) {
        *self.used.lock()
    }

    /// Counts more of them for `uid`, whose account it is.
    ///
    /// # Errors
    /// `EDQUOT`.
    pub(super) fn take(&self, uid: u32, keys: u64, bytes: u64) -> Result<(), Errno> {
        let (max_keys, max_bytes) = self.limits.of(uid);
        let mut used = self.used.lock();
        let new = (used.0 + keys, used.1 + bytes);
        if new.0 > max_keys || new.1 > max_bytes {
            return Err(Errno::EDQUOT);
        }
        *used = new;
        Ok(())
    }

    pub(super) fn give(&self, keys: u64, bytes: u64) {
        let mut used = self.used.lock();
        *used = (used.0.saturating_sub(keys), used.1.saturating_sub(bytes));
    }
}
