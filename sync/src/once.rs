//! A cell that is filled once, when it is first needed.

use alloc::boxed::Box;
use once_cell::race;

/// A cell that is filled once: reading it is one load.
///
/// Two threads that fill it at the same time both make a value, and one of them is dropped.
pub struct OnceBox<T> {
    cell: race::OnceBox<T>,
    /// What orders the accesses in a model; `race` does so with atomics that loom does not know.
    #[cfg(loom)]
    model: (loom::sync::atomic::AtomicBool, loom::sync::Mutex<()>),
}

impl<T> core::fmt::Debug for OnceBox<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("OnceBox").finish_non_exhaustive()
    }
}

impl<T> Default for OnceBox<T> {
    fn default() -> OnceBox<T> {
        OnceBox::new()
    }
}

#[cfg(not(loom))]
impl<T> OnceBox<T> {
    /// An empty cell.
    pub const fn new() -> OnceBox<T> {
        OnceBox { cell: race::OnceBox::new() }
    }

    /// What it holds, if it was filled.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.cell.get()
    }

    /// What it holds; `f` fills it if it is empty.
    ///
    /// # Errors
    /// What `f` fails with.
    #[inline]
    pub fn get_or_try_init<E>(&self, f: impl FnOnce() -> Result<Box<T>, E>) -> Result<&T, E> {
        self.cell.get_or_try_init(f)
    }
}

#[cfg(loom)]
#[expect(missing_docs, reason = "as above")]
impl<T> OnceBox<T> {
    pub fn new() -> OnceBox<T> {
        OnceBox { cell: race::OnceBox::new(), model: Default::default() }
    }

    pub fn get(&self) -> Option<&T> {
        let filled = self.model.0.load(loom::sync::atomic::Ordering::Acquire);
        if filled { self.cell.get() } else { None }
    }

    pub fn get_or_try_init<E>(&self, f: impl FnOnce() -> Result<Box<T>, E>) -> Result<&T, E> {
        if let Some(v) = self.get() {
            return Ok(v);
        }
        let _filling = self.model.1.lock().unwrap_or_else(|e| e.into_inner());
        let v = self.cell.get_or_try_init(f)?;
        self.model.0.store(true, loom::sync::atomic::Ordering::Release);
        Ok(v)
    }
}
