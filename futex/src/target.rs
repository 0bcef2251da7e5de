//! The only way in which this crate touches user memory.

use alloc::sync::Arc;
use arch::Addr;
use syserr::Errno;

/// A word could not be accessed without faulting it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault;

/// Names a word of shared memory: the same word has the same key through whatever mapping, address
/// space or address it is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SharedKey {
    /// The mapped object. Never reused while a waiter may be queued on it, so best never at all.
    pub object: u64,
    /// Offset of the word in the object (not in the mapping), in bytes.
    pub offset: u64,
}

/// What lies under an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backing {
    /// Memory that belongs to this address space alone: the address is the key.
    Private,
    /// Memory that other address spaces can map.
    Shared(SharedKey),
}

/// One guest address space, as futexes see it.
///
/// The `_nofault` methods are called with a bucket locked: they must neither fault pages in nor
/// wait for a lock that is held while futex operations are called. They answer [`Fault`] instead,
/// and the operation unlocks, calls [`Target::fault_in`] and starts again.
pub trait Target {
    /// Whether `addr` may be a user address at all (`access_ok` in Linux).
    ///
    /// # Errors
    /// `EFAULT` when it is outside the user range.
    fn check(&self, addr: Addr) -> Result<(), Errno>;

    /// What lies under `addr`, for a shared operation. `write` tells whether the operation needs
    /// write access; a read-only mapping is enough otherwise.
    ///
    /// # Errors
    /// `EFAULT` when nothing (accessible) is mapped there.
    fn shared_key(&self, addr: Addr, write: bool) -> Result<Backing, Errno>;

    /// Reads an aligned word atomically, with sequentially consistent order.
    ///
    /// # Errors
    /// [`Fault`] when the word is not accessible right now.
    fn load_nofault(&self, addr: Addr) -> Result<u32, Fault>;

    /// Replaces an aligned word by `new` if it is `old`, atomically and with sequentially
    /// consistent order; returns what was there.
    ///
    /// # Errors
    /// [`Fault`] when the word is not writable right now.
    fn compare_exchange_nofault(&self, addr: Addr, old: u32, new: u32) -> Result<u32, Fault>;

    /// Makes the word accessible, for writing if `write`. Called with no lock held.
    ///
    /// # Errors
    /// `EFAULT` when the guest has no such access there.
    fn fault_in(&self, addr: Addr, write: bool) -> Result<(), Errno>;
}

macro_rules! forward {
    ($($p:ty),*) => {$(
        impl<T: Target + ?Sized> Target for $p {
            fn check(&self, addr: Addr) -> Result<(), Errno> {
                (**self).check(addr)
            }
            fn shared_key(&self, addr: Addr, write: bool) -> Result<Backing, Errno> {
                (**self).shared_key(addr, write)
            }
            fn load_nofault(&self, addr: Addr) -> Result<u32, Fault> {
                (**self).load_nofault(addr)
            }
            fn compare_exchange_nofault(&self, at: Addr, old: u32, new: u32) -> Result<u32, Fault> {
                (**self).compare_exchange_nofault(at, old, new)
            }
            fn fault_in(&self, addr: Addr, write: bool) -> Result<(), Errno> {
                (**self).fault_in(addr, write)
            }
        }
    )*};
}
forward!(&T, Arc<T>);
