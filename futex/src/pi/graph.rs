//! Who waits for whom: deadlock detection and the inheritance of priorities.

use super::{PiTask, Priority, PriorityInheritance, TaskId};
use crate::key::Key;
use alloc::collections::{BTreeMap, VecDeque};
use smallvec::SmallVec;
use syserr::Errno;

/// How many owners a chain of locks may have: `max_lock_depth` in `kernel/locking/rtmutex.c`.
const MAX_DEPTH: usize = 1024;

/// Names the state of one PI futex for as long as somebody waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StateId(u64);

struct State {
    key: Key,
    owner: TaskId,
    /// In the order in which they came.
    waiters: VecDeque<Waiting>,
}

struct Waiting {
    task: TaskId,
    own: Priority,
    /// Its own priority or what it inherits, whichever is higher.
    effective: Priority,
}

impl State {
    fn highest(&self) -> Option<Priority> {
        self.waiters.iter().map(|w| w.effective).max()
    }
}

#[derive(Default)]
struct Task {
    blocked_on: Option<StateId>,
    owns: SmallVec<[StateId; 2]>,
    /// What the hook was told last.
    boost: Option<Priority>,
}

/// The waits-for graph of all contended PI futexes of a kernel.
#[derive(Default)]
pub(crate) struct Graph {
    next: u64,
    states: BTreeMap<StateId, State>,
    tasks: BTreeMap<TaskId, Task>,
}

impl Graph {
    pub(crate) fn add_state(&mut self, key: Key, owner: TaskId) -> StateId {
        self.next += 1;
        let id = StateId(self.next);
        self.states.insert(id, State { key, owner, waiters: VecDeque::new() });
        self.tasks.entry(owner).or_default().owns.push(id);
        id
    }

    pub(crate) fn remove_state(&mut self, id: StateId, hook: &dyn PriorityInheritance) {
        if let Some(s) = self.states.remove(&id) {
            self.disown(s.owner, id);
            self.update(s.owner, hook);
        }
    }

    pub(crate) fn owner(&self, id: StateId) -> Option<TaskId> {
        Some(self.states.get(&id)?.owner)
    }

    /// The states that a task owns.
    pub(crate) fn owned_by(&self, task: TaskId) -> SmallVec<[(StateId, Key); 2]> {
        let Some(t) = self.tasks.get(&task) else { return SmallVec::new() };
        t.owns.iter().filter_map(|id| Some((*id, self.states.get(id)?.key))).collect()
    }

    /// Lets `task` wait for `id`.
    ///
    /// # Errors
    /// `EDEADLK` when `id`'s owner waits for `task`, directly or through others, or the chain is
    /// longer than Linux follows.
    pub(crate) fn add_waiter(
        &mut self,
        id: StateId,
        task: PiTask,
        hook: &dyn PriorityInheritance,
    ) -> Result<(), Errno> {
        let mut at = Some(id);
        for _ in 0..MAX_DEPTH {
            let Some(owner) = at.and_then(|id| self.owner(id)) else {
                return self.insert_waiter(id, task, hook);
            };
            if owner == task.id {
                return Err(Errno::EDEADLK);
            }
            at = self.tasks.get(&owner).and_then(|t| t.blocked_on);
        }
        Err(Errno::EDEADLK)
    }

    fn insert_waiter(
        &mut self,
        id: StateId,
        task: PiTask,
        hook: &dyn PriorityInheritance,
    ) -> Result<(), Errno> {
        let Some(state) = self.states.get_mut(&id) else { return Err(Errno::EAGAIN) };
        let owner = state.owner;
        state.waiters.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let t = self.tasks.entry(task.id).or_default();
        t.blocked_on = Some(id);
        let own = task.priority;
        let effective = t.boost.map_or(own, |b| b.max(own));
        state.waiters.push_back(Waiting { task: task.id, own, effective });
        if self.tasks.get(&owner).is_some_and(|t| t.boost < Some(effective)) {
            self.update(owner, hook);
        }
        Ok(())
    }

    pub(crate) fn remove_waiter(
        &mut self,
        id: StateId,
        task: TaskId,
        hook: &dyn PriorityInheritance,
    ) {
        let Some(state) = self.states.get_mut(&id) else { return };
        if let Some(i) = state.waiters.iter().position(|w| w.task == task) {
            state.waiters.remove(i);
        }
        let owner = state.owner;
        if let Some(t) = self.tasks.get_mut(&task) {
            t.blocked_on = None;
        }
        self.forget_if_idle(task);
        self.update(owner, hook);
    }

    /// The waiter that is to have the lock next.
    pub(crate) fn top(&self, id: StateId) -> Option<TaskId> {
        let state = self.states.get(&id)?;
        let best = state.highest()?;
        state.waiters.iter().find(|w| w.effective == best).map(|w| w.task)
    }

    /// Makes the waiter `to` the owner.
    pub(crate) fn hand_over(&mut self, id: StateId, to: TaskId, hook: &dyn PriorityInheritance) {
        let Some(state) = self.states.get_mut(&id) else { return };
        let from = core::mem::replace(&mut state.owner, to);
        if let Some(i) = state.waiters.iter().position(|w| w.task == to) {
            state.waiters.remove(i);
        }
        self.disown(from, id);
        let t = self.tasks.entry(to).or_default();
        t.blocked_on = None;
        t.owns.push(id);
        self.update(from, hook);
        self.update(to, hook);
    }

    fn disown(&mut self, owner: TaskId, id: StateId) {
        if let Some(t) = self.tasks.get_mut(&owner) {
            t.owns.retain(|o| *o != id);
        }
    }

    /// Tells the hook what `task` inherits now, and goes on along the chain of those that wait.
    fn update(&mut self, task: TaskId, hook: &dyn PriorityInheritance) {
        let mut at = Some(task);
        for _ in 0..MAX_DEPTH {
            let Some(id) = at else { return };
            let Some(t) = self.tasks.get(&id) else { return };
            let states = t.owns.iter().filter_map(|s| self.states.get(s));
            let boost = states.filter_map(State::highest).max();
            let (changed, blocked_on) = (boost != t.boost, t.blocked_on);
            if changed {
                if let Some(t) = self.tasks.get_mut(&id) {
                    t.boost = boost;
                }
                hook.boost(id, boost);
                self.reorder(blocked_on, id, boost);
            }
            self.forget_if_idle(id);
            if !changed {
                return;
            }
            at = blocked_on.and_then(|s| self.owner(s));
        }
    }

    /// Makes what `task` inherits count in the queue where it waits.
    fn reorder(&mut self, on: Option<StateId>, task: TaskId, boost: Option<Priority>) {
        let state = on.and_then(|id| self.states.get_mut(&id));
        let waiting = state.and_then(|s| s.waiters.iter_mut().find(|w| w.task == task));
        if let Some(w) = waiting {
            w.effective = boost.map_or(w.own, |b| b.max(w.own));
        }
    }

    fn forget_if_idle(&mut self, task: TaskId) {
        if let Some(t) = self.tasks.get(&task)
            && t.blocked_on.is_none()
            && t.owns.is_empty()
            && t.boost.is_none()
        {
            self.tasks.remove(&task);
        }
    }
}
