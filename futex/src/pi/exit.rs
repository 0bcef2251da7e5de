//! What the death of an owner does to its PI futexes.

use super::unlock::{hand_over, next_owner};
use super::{TaskId, drop_idle_state};
use crate::chain::{Wakers, wake_all};
use crate::manager::Manager;
use crate::slot::Place;

impl Manager {
    /// Gives every contended PI futex that `task` owns to its most urgent waiter, which marks the
    /// word with `FUTEX_OWNER_DIED`. To be called when a task exits or executes another program,
    /// after [`Manager::exit_robust_list`] and once [`super::PriorityInheritance::find`] does not
    /// find it any more. Source: `exit_pi_state_list` in `kernel/futex/core.c`.
    pub fn exit_pi_state(&self, task: TaskId) {
        let table = &*self.table;
        let owned = table.graph.lock().owned_by(task);
        for (id, key) in owned {
            let Ok(bucket) = table.of(key) else { continue };
            let mut queue = bucket.lock();
            // In between it may have been unlocked, or have lost its last waiter.
            let still = queue.pi_state(key).is_some_and(|s| s.id == id)
                && table.graph.lock().owner(id) == Some(task);
            if !still {
                continue;
            }
            let mut wakers = Wakers::new();
            match next_owner(table, &mut queue, key) {
                Some(next) => {
                    hand_over(table, &mut queue, key, next, Place::GrantedByDeath, &mut wakers);
                }
                None => {
                    if let Some(s) = queue.pi_state(key) {
                        s.unfixed = false;
                    }
                    drop_idle_state(table, &mut queue, key);
                }
            }
            drop(queue);
            wake_all(wakers);
        }
    }
}
