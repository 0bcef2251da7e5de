//! Moving the end of one entry: what brk(2) and mremap(2) do most.

use super::share::exclusive;
use super::{Entry, Node, Owner, RangeMap, Spot, Value};
use crate::seam::OutOfMemory;

impl<V: Value> RangeMap<V> {
    /// Moves the end of the entry that `spot` names to `end` if `f` agrees. No other entry lies
    /// there, nor does one begin there that would have to be merged. Says whether it did.
    ///
    /// # Errors
    /// When a shared leaf cannot be copied; then `f` was not called.
    pub(crate) fn move_end(
        &mut self,
        spot: Spot,
        end: u64,
        owner: &impl Owner<V>,
        f: impl FnOnce(&Entry<V>) -> bool,
    ) -> Result<bool, OutOfMemory> {
        let Some(root) = &mut self.root else { return Ok(false) };
        let Some(c) = spot.reach(root, owner)? else { return Ok(false) };
        let Node::Leaf(v) = exclusive(&mut c.node, owner)? else { return Ok(false) };
        let Some(e) = v.get_mut(spot.at).filter(|e| f(e)) else { return Ok(false) };
        e.end = end;
        if c.refresh_end(spot.at) {
            spot.tell(root, false);
        }
        Ok(true)
    }
}
