//! Numbers and layouts that user space sees. Source: `include/uapi/linux/futex.h`, futex(2).

use static_assertions::const_assert_eq;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `FUTEX_WAITERS`: somebody is, or may be, asleep in the kernel on this PI or robust futex.
pub const WAITERS: u32 = 0x8000_0000;
/// `FUTEX_OWNER_DIED`: the owner ended without unlocking.
pub const OWNER_DIED: u32 = 0x4000_0000;
/// `FUTEX_TID_MASK`: the part of a PI or robust futex word that holds the owner's thread id.
pub const TID_MASK: u32 = 0x3fff_ffff;
/// `FUTEX_BITSET_MATCH_ANY`: the bitset that meets every waiter.
pub const MATCH_ANY: u32 = 0xffff_ffff;
/// `FUTEX_WAITV_MAX`: the most futexes that one futex_waitv(2) waits on.
pub const WAITV_MAX: usize = 128;
/// `ROBUST_LIST_LIMIT`: how many robust-list entries an exit walks at most.
pub const ROBUST_LIST_LIMIT: usize = 2048;

/// `FUTEX_PRIVATE_FLAG`.
pub const PRIVATE_FLAG: u32 = 128;
/// `FUTEX_CLOCK_REALTIME`.
pub const CLOCK_REALTIME_FLAG: u32 = 256;

/// The operations of futex(2), `FUTEX_*` without flags.
pub mod cmd {
    /// `FUTEX_WAIT`.
    pub const WAIT: u32 = 0;
    /// `FUTEX_WAKE`.
    pub const WAKE: u32 = 1;
    /// `FUTEX_REQUEUE`.
    pub const REQUEUE: u32 = 3;
    /// `FUTEX_CMP_REQUEUE`.
    pub const CMP_REQUEUE: u32 = 4;
    /// `FUTEX_WAKE_OP`.
    pub const WAKE_OP: u32 = 5;
    /// `FUTEX_LOCK_PI`.
    pub const LOCK_PI: u32 = 6;
    /// `FUTEX_UNLOCK_PI`.
    pub const UNLOCK_PI: u32 = 7;
    /// `FUTEX_TRYLOCK_PI`.
    pub const TRYLOCK_PI: u32 = 8;
    /// `FUTEX_WAIT_BITSET`.
    pub const WAIT_BITSET: u32 = 9;
    /// `FUTEX_WAKE_BITSET`.
    pub const WAKE_BITSET: u32 = 10;
    /// `FUTEX_WAIT_REQUEUE_PI`.
    pub const WAIT_REQUEUE_PI: u32 = 11;
    /// `FUTEX_CMP_REQUEUE_PI`.
    pub const CMP_REQUEUE_PI: u32 = 12;
    /// `FUTEX_LOCK_PI2`.
    pub const LOCK_PI2: u32 = 13;
}

/// `FUTEX2_SIZE_U32`: the only size that Linux has implemented.
pub const FUTEX2_SIZE_U32: u32 = 0x02;
/// The bits of a futex2 flags word that hold the size.
pub const FUTEX2_SIZE_MASK: u32 = 0x03;
/// `FUTEX2_PRIVATE`.
pub const FUTEX2_PRIVATE: u32 = PRIVATE_FLAG;

/// `struct futex_waitv`: one futex of futex_waitv(2) or futex_requeue(2).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct FutexWaitv {
    /// The expected value.
    pub val: u64,
    /// The address of the futex word.
    pub uaddr: u64,
    /// `FUTEX2_*` flags.
    pub flags: u32,
    /// Must be 0.
    pub reserved: u32,
}
const_assert_eq!(size_of::<FutexWaitv>(), 24);

/// `struct robust_list_head` of a 64-bit task.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct RobustListHead {
    /// Address of the first entry, or of the head itself when empty; the lowest bit marks PI.
    pub next: u64,
    /// Bytes from an entry to its futex word.
    pub futex_offset: i64,
    /// The entry that is being locked or unlocked, or 0.
    pub list_op_pending: u64,
}
const_assert_eq!(size_of::<RobustListHead>(), 24);
