//! IDs that have numbers in deeper PID namespaces: these stay as long as somebody is called so.

use super::Tree;
use crate::ns::pid::{MayChoose, Numbers, PidNamespace};
use alloc::sync::Arc;
use syserr::Errno;

/// An ID's numbers, and how many use it: as a task, as a process group, as a session.
pub(super) struct Held {
    numbers: Arc<Numbers>,
    uses: u32,
}

impl Held {
    /// # Errors
    /// As [`Numbers::reserve`].
    pub(super) fn reserve(
        ns: &Arc<PidNamespace>,
        chosen: &[i32],
        may: MayChoose<'_>,
    ) -> Result<Held, Errno> {
        Ok(Held { numbers: Arc::new(Numbers::reserve(ns, chosen, may)?), uses: 1 })
    }

    pub(super) fn cancel(&self) {
        self.numbers.cancel();
    }
}

impl Tree {
    /// `id` is a task's from now on.
    pub(super) fn hold_new(&mut self, id: i32, held: Held) {
        if held.numbers.is_empty() {
            return;
        }
        held.numbers.bind(id);
        self.held.insert(id, held);
    }

    /// One more is called `id`.
    pub(super) fn hold(&mut self, id: i32) {
        if let Some(h) = self.held.get_mut(&id) {
            h.uses += 1;
        }
    }

    /// The task `id` is no more.
    pub(crate) fn task_gone(&mut self, id: i32) {
        if let Some(h) = self.held.get(&id) {
            h.numbers.task_gone();
        }
        self.release(id);
    }

    /// One less is called `id`: the last one's numbers are free again.
    pub(super) fn release(&mut self, id: i32) {
        let Some(h) = self.held.get_mut(&id) else { return };
        h.uses -= 1;
        if h.uses == 0
            && let Some(h) = self.held.remove(&id)
        {
            h.numbers.release(id);
        }
    }
}
