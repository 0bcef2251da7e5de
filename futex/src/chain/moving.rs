//! Moving waiters from one chain to another.

use super::{Chain, Kind, NIL, Sleep};
use crate::slot::Place;

impl Chain {
    /// How many plain waiters come before the first that is there for a PI operation.
    pub(crate) fn plain(&self) -> u32 {
        if self.for_pi == 0 {
            return self.len;
        }
        let (mut at, mut count) = (self.head, 0);
        while let Some(n) = self.nodes.get(at as usize)
            && n.sleep.kind == Kind::Plain
        {
            (at, count) = (n.next, count + 1);
        }
        count
    }

    /// Moves the first waiter of `from` to the end, as what `change` makes of it.
    pub(crate) fn take_first_of(&mut self, from: &mut Chain, change: impl FnOnce(Kind) -> Kind) {
        if let Some(index) = self.adopt(from, from.head, change) {
            self.link_last(index);
        }
    }

    /// Moves all waiters of `from` before those that are here.
    pub(crate) fn take_all_before(&mut self, from: &mut Chain) {
        while let Some(index) = self.adopt(from, from.tail, |kind| kind) {
            self.link_first(index);
        }
    }

    /// Makes a waiter of `from` one of this chain that is not linked yet.
    fn adopt(
        &mut self,
        from: &mut Chain,
        index: u32,
        change: impl FnOnce(Kind) -> Kind,
    ) -> Option<u32> {
        let n = from.nodes.get(index as usize)?;
        let (slot, sleep) = (n.slot.clone(), Sleep { kind: change(n.sleep.kind), ..n.sleep });
        let waker = from.take(index);
        let index = self.occupy(sleep, &slot);
        self.nodes.get_mut(index as usize)?.waker = waker;
        slot.set(sleep.entry as usize, Place::Queued { chain: self.id, index });
        Some(index)
    }

    fn link_first(&mut self, index: u32) {
        let next = core::mem::replace(&mut self.head, index);
        if let Some(n) = self.nodes.get_mut(index as usize) {
            (n.prev, n.next) = (NIL, next);
        }
        match self.nodes.get_mut(next as usize) {
            Some(n) => n.prev = index,
            None => self.tail = index,
        }
    }
}
