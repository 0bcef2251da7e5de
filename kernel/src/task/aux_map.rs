//! The auxiliary map of a task.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::any::Any;

/// Values that an embedder hangs on a task, by name. A new task starts without any.
#[derive(Default)]
pub struct AuxMap(BTreeMap<&'static str, Box<dyn Any + Send>>);

impl AuxMap {
    /// The value of type `T` called `name`.
    pub fn get<T: Any>(&self, name: &str) -> Option<&T> {
        self.0.get(name)?.downcast_ref()
    }

    /// The same, to change it.
    pub fn get_mut<T: Any>(&mut self, name: &str) -> Option<&mut T> {
        self.0.get_mut(name)?.downcast_mut()
    }

    /// Stores a value in the place of whatever had that name.
    pub fn insert<T: Any + Send>(&mut self, name: &'static str, value: T) {
        self.0.insert(name, Box::new(value));
    }

    /// Takes a value out. It is dropped when it is of another type.
    pub fn remove<T: Any>(&mut self, name: &str) -> Option<Box<T>> {
        self.0.remove(name)?.downcast().ok()
    }
}

impl core::fmt::Debug for AuxMap {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
