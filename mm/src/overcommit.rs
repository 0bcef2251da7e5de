//! How much may be mapped on a whole machine: `Documentation/mm/overcommit-accounting`,
//! proc_sys_vm(5).

use alloc::sync::Arc;
use sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use syserr::Errno;

/// Linux's default for `vm.max_map_count`.
pub const DEFAULT_MAX_MAP_COUNT: usize = 65530;

/// The most vmas that an address space may have: `vm.max_map_count`. Clones are one limit.
#[derive(Clone, Debug)]
pub struct MapCountLimit(Arc<AtomicUsize>);

impl MapCountLimit {
    /// The limit now.
    pub fn get(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// Changes it; what there is stays.
    pub fn set(&self, to: usize) {
        self.0.store(to, Relaxed);
    }
}

impl From<usize> for MapCountLimit {
    fn from(most: usize) -> MapCountLimit {
        MapCountLimit(Arc::new(AtomicUsize::new(most)))
    }
}

impl Default for MapCountLimit {
    fn default() -> MapCountLimit {
        DEFAULT_MAX_MAP_COUNT.into()
    }
}

/// Who asks for memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Bytes that its address space has mapped.
    pub mapped: u64,
    /// [`crate::Limits::is_admin`].
    pub is_admin: bool,
}

/// Decides whether the system has room for more memory that nothing else holds: private and
/// writable, or shared and of no file.
pub trait Overcommit: Send + Sync {
    /// Reserves `bytes`.
    ///
    /// # Errors
    /// `ENOMEM` to refuse.
    fn charge(&self, bytes: u64, by: Asker) -> Result<(), Errno>;
    /// Gives `bytes` back.
    fn uncharge(&self, bytes: u64);
    /// Whether all memory is counted, that with `MAP_NORESERVE` too.
    fn counts_all(&self) -> bool {
        false
    }
}

/// Memory that is reserved until this is dropped: that of an object.
pub struct Reservation {
    policy: Arc<dyn Overcommit>,
    bytes: u64,
}

impl Reservation {
    /// Reserves `bytes`.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new(policy: Arc<dyn Overcommit>, bytes: u64, by: Asker) -> Result<Reservation, Errno> {
        policy.charge(bytes, by)?;
        Ok(Reservation { policy, bytes })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.policy.uncharge(self.bytes);
    }
}

/// `vm.overcommit_memory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum OvercommitMode {
    /// Only a single request for more than there is at all is refused.
    Heuristic = 0,
    /// Nothing is refused.
    Always = 1,
    /// All that is reserved is less than the limit.
    Never = 2,
}

/// The three modes of Linux, over so much memory.
#[derive(Debug)]
pub struct LinuxOvercommit {
    total: u64,
    committed: AtomicU64,
    mode: AtomicU8,
    ratio: AtomicU32,
    kbytes: AtomicU64,
    admin_reserve_kbytes: AtomicU64,
    user_reserve_kbytes: AtomicU64,
}

/// A number that is set from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OvercommitSetting {
    /// `vm.overcommit_kbytes`: the limit of [`OvercommitMode::Never`]; 0 for the ratio.
    Kbytes,
    /// `vm.overcommit_ratio`: the same, in hundredths of all memory.
    Ratio,
    /// `vm.admin_reserve_kbytes`: what of the limit only who repairs the system gets.
    AdminReserve,
    /// `vm.user_reserve_kbytes`: what of the limit no process can take from all others.
    UserReserve,
}

impl LinuxOvercommit {
    /// Linux's defaults for `total` bytes of memory and swap.
    pub fn new(total: u64) -> LinuxOvercommit {
        // `init_admin_reserve` and `init_user_reserve`, where all memory is free at first.
        let share = total / 1024 / 32;
        LinuxOvercommit {
            total,
            committed: AtomicU64::new(0),
            mode: AtomicU8::new(OvercommitMode::Heuristic as u8),
            ratio: AtomicU32::new(50),
            kbytes: AtomicU64::new(0),
            admin_reserve_kbytes: AtomicU64::new(share.min(1 << 13)),
            user_reserve_kbytes: AtomicU64::new(share.min(1 << 17)),
        }
    }

    /// How requests are judged.
    pub fn mode(&self) -> OvercommitMode {
        match self.mode.load(Relaxed) {
            1 => OvercommitMode::Always,
            2 => OvercommitMode::Never,
            _ => OvercommitMode::Heuristic,
        }
    }

    /// Changes it; what is reserved stays.
    pub fn set_mode(&self, mode: OvercommitMode) {
        self.mode.store(mode as u8, Relaxed);
    }

    /// A setting.
    pub fn setting(&self, which: OvercommitSetting) -> u64 {
        match which {
            OvercommitSetting::Kbytes => self.kbytes.load(Relaxed),
            OvercommitSetting::Ratio => self.ratio.load(Relaxed).into(),
            OvercommitSetting::AdminReserve => self.admin_reserve_kbytes.load(Relaxed),
            OvercommitSetting::UserReserve => self.user_reserve_kbytes.load(Relaxed),
        }
    }

    /// Changes a setting. Of ratio and kbytes, the one that is set counts and the other becomes 0.
    ///
    /// # Errors
    /// `EINVAL` for a ratio that is no `int`.
    pub fn set(&self, which: OvercommitSetting, to: u64) -> Result<(), Errno> {
        match which {
            OvercommitSetting::Kbytes => {
                self.kbytes.store(to, Relaxed);
                self.ratio.store(0, Relaxed);
            }
            OvercommitSetting::Ratio => {
                let to = i32::try_from(to).map_err(|_| Errno::EINVAL)?;
                self.ratio.store(to.unsigned_abs(), Relaxed);
                self.kbytes.store(0, Relaxed);
            }
            OvercommitSetting::AdminReserve => self.admin_reserve_kbytes.store(to, Relaxed),
            OvercommitSetting::UserReserve => self.user_reserve_kbytes.store(to, Relaxed),
        }
        Ok(())
    }

    /// `CommitLimit`: what [`OvercommitMode::Never`] allows, in bytes.
    pub fn limit(&self) -> u64 {
        match self.kbytes.load(Relaxed) {
            0 => (self.total / 100).saturating_mul(self.ratio.load(Relaxed).into()),
            kbytes => kbytes.saturating_mul(1024),
        }
    }

    /// `Committed_AS`: what is reserved, in bytes.
    pub fn committed(&self) -> u64 {
        self.committed.load(Relaxed)
    }

    fn allows(&self, bytes: u64, committed: u64, by: Asker) -> bool {
        match self.mode() {
            OvercommitMode::Always => true,
            OvercommitMode::Heuristic => bytes <= self.total,
            OvercommitMode::Never => {
                let kept = |kbytes: &AtomicU64| kbytes.load(Relaxed).saturating_mul(1024);
                let admin = if by.is_admin { 0 } else { kept(&self.admin_reserve_kbytes) };
                let user = kept(&self.user_reserve_kbytes).min(by.mapped / 32);
                committed < self.limit().saturating_sub(admin).saturating_sub(user)
            }
        }
    }
}

impl Overcommit for LinuxOvercommit {
    fn charge(&self, bytes: u64, by: Asker) -> Result<(), Errno> {
        let committed = self.committed.fetch_add(bytes, Relaxed).saturating_add(bytes);
        if self.allows(bytes, committed, by) {
            return Ok(());
        }
        self.uncharge(bytes);
        Err(Errno::ENOMEM)
    }

    fn uncharge(&self, bytes: u64) {
        self.committed.fetch_sub(bytes, Relaxed);
    }

    fn counts_all(&self) -> bool {
        self.mode() == OvercommitMode::Never
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const NOBODY: Asker = Asker { mapped: 0, is_admin: false };
    const ADMIN: Asker = Asker { mapped: 0, is_admin: true };
    const MIB: u64 = 1 << 20;

    #[test]
    fn each_mode_refuses_what_linux_refuses() {
        let o = LinuxOvercommit::new(1000 * MIB);
        assert_eq!(o.charge(1001 * MIB, ADMIN), Err(Errno::ENOMEM));
        assert_eq!(o.committed(), 0, "what is refused is not counted");
        assert_eq!((o.charge(900 * MIB, NOBODY), o.charge(900 * MIB, NOBODY)), (Ok(()), Ok(())));
        o.set_mode(OvercommitMode::Never);
        assert_eq!(o.charge(1, ADMIN), Err(Errno::ENOMEM), "more is reserved than the limit");
        o.uncharge(1800 * MIB);
        assert_eq!(o.limit(), 500 * MIB);
        assert_eq!(o.charge(493 * MIB, NOBODY), Err(Errno::ENOMEM), "8 MiB are kept");
        assert_eq!(o.charge(493 * MIB, ADMIN), Ok(()));
        o.uncharge(493 * MIB);
        let large = Asker { mapped: 320 * MIB, ..ADMIN };
        assert_eq!(o.charge(493 * MIB, large), Err(Errno::ENOMEM), "10 MiB for others");
        o.set_mode(OvercommitMode::Always);
        assert_eq!(o.charge(u64::MAX / 2, NOBODY), Ok(()));
    }

    #[test]
    fn ratio_and_kbytes_exclude_each_other() {
        let o = LinuxOvercommit::new(1000 * MIB);
        o.set(OvercommitSetting::Kbytes, 1024).unwrap();
        assert_eq!((o.limit(), o.setting(OvercommitSetting::Ratio)), (MIB, 0));
        o.set(OvercommitSetting::Ratio, 10).unwrap();
        assert_eq!((o.limit(), o.setting(OvercommitSetting::Kbytes)), (100 * MIB, 0));
        assert_eq!(o.set(OvercommitSetting::Ratio, 1 << 31), Err(Errno::EINVAL));
    }
}
