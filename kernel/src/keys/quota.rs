//! How many keys a user may have; `/proc/key-users`.

use sync::Mutex;
use syserr::Errno;

/// `/proc/sys/kernel/keys/maxkeys`.
pub(crate) const MAX_KEYS: u64 = 200;
/// `/proc/sys/kernel/keys/maxbytes`.
pub(crate) const MAX_BYTES: u64 = 20_000;
/// `/proc/sys/kernel/keys/root_maxkeys`: less than Linux's million, for they are the kernel's memory.
pub(crate) const ROOT_MAX_KEYS: u64 = 20_000;
/// `/proc/sys/kernel/keys/root_maxbytes`.
pub(crate) const ROOT_MAX_BYTES: u64 = 25_000_000;

pub(super) fn limits(uid: u32) -> (u64, u64) {
    if uid == 0 { (ROOT_MAX_KEYS, ROOT_MAX_BYTES) } else { (MAX_KEYS, MAX_BYTES) }
}

/// Keys and bytes of one user.
#[derive(Default)]
pub(crate) struct Account(Mutex<(u64, u64)>);

impl Account {
    /// Keys and bytes.
    pub(super) fn used(&self) -> (u64, u64) {
        *self.0.lock()
    }

    /// Counts more of them for `uid`, whose account it is.
    ///
    /// # Errors
    /// `EDQUOT`.
    pub(super) fn take(&self, uid: u32, keys: u64, bytes: u64) -> Result<(), Errno> {
        let (max_keys, max_bytes) = limits(uid);
        let mut used = self.0.lock();
        let new = (used.0 + keys, used.1 + bytes);
        if new.0 > max_keys || new.1 > max_bytes {
            return Err(Errno::EDQUOT);
        }
        *used = new;
        Ok(())
    }

    pub(super) fn give(&self, keys: u64, bytes: u64) {
        let mut used = self.0.lock();
        *used = (used.0.saturating_sub(keys), used.1.saturating_sub(bytes));
    }
}
