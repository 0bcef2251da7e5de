//! `Mutex` and `RwLock` with one interface over `std`, `spin` and `loom`.

#[cfg(all(feature = "std", not(loom)))]
mod imp {
    pub(super) use std::sync::{Mutex, RwLock};
    pub(super) use std::sync::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};
}
#[cfg(loom)]
mod imp {
    pub(super) use loom::sync::{Mutex, RwLock};
    pub(super) use loom::sync::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};
}
#[cfg(not(any(feature = "std", loom)))]
mod imp {
    pub(super) use spin::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
}

/// What [`Mutex::lock`] returns: unlocks when dropped.
pub type MutexGuard<'a, T> = imp::MutexGuard<'a, T>;
/// What [`RwLock::read`] returns: unlocks when dropped.
pub type RwLockReadGuard<'a, T> = imp::RwLockReadGuard<'a, T>;
/// What [`RwLock::write`] returns: unlocks when dropped.
pub type RwLockWriteGuard<'a, T> = imp::RwLockWriteGuard<'a, T>;

/// A mutual-exclusion lock.
#[derive(Debug, Default)]
pub struct Mutex<T: ?Sized>(imp::Mutex<T>);

/// A lock that many readers or one writer may hold.
#[derive(Debug, Default)]
pub struct RwLock<T: ?Sized>(imp::RwLock<T>);

macro_rules! const_unless_loom {
    ($(#[$m:meta])* pub fn $name:ident($v:ident: T) -> Self $body:block) => {
        #[cfg(not(loom))]
        $(#[$m])*
        pub const fn $name($v: T) -> Self $body
        #[cfg(loom)]
        $(#[$m])*
        pub fn $name($v: T) -> Self $body
    };
}

impl<T> Mutex<T> {
    const_unless_loom! {
        /// A lock around `value`.
        pub fn new(value: T) -> Self { Mutex(imp::Mutex::new(value)) }
    }

    /// Takes the value out.
    pub fn into_inner(self) -> T {
        #[cfg(any(feature = "std", loom))]
        return self.0.into_inner().unwrap_or_else(|e| e.into_inner());
        #[cfg(not(any(feature = "std", loom)))]
        self.0.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits for the lock and takes it.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        #[cfg(any(feature = "std", loom))]
        return self.0.lock().unwrap_or_else(|e| e.into_inner());
        #[cfg(not(any(feature = "std", loom)))]
        self.0.lock()
    }

    /// Takes the lock if nobody has it.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        #[cfg(any(feature = "std", loom))]
        return self.0.try_lock().ok();
        #[cfg(not(any(feature = "std", loom)))]
        self.0.try_lock()
    }
}

impl<T> RwLock<T> {
    const_unless_loom! {
        /// A lock around `value`.
        pub fn new(value: T) -> Self { RwLock(imp::RwLock::new(value)) }
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits for a shared hold.
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        #[cfg(any(feature = "std", loom))]
        return self.0.read().unwrap_or_else(|e| e.into_inner());
        #[cfg(not(any(feature = "std", loom)))]
        self.0.read()
    }

    /// Waits for the exclusive hold.
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        #[cfg(any(feature = "std", loom))]
        return self.0.write().unwrap_or_else(|e| e.into_inner());
        #[cfg(not(any(feature = "std", loom)))]
        self.0.write()
    }
}
