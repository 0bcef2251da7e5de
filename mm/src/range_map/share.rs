//! Sharing of nodes between maps, and what shared leaves mean for what their entries own.

use super::{Child, Entry, Node, RangeMap, Value, rank};
use crate::seam::OutOfMemory;
use triomphe::{Arc, UniqueArc};

/// Keeps count of what entries own. A leaf owns it once, however many maps share the leaf.
pub(crate) trait Owner<V> {
    /// A second leaf will hold the same entries.
    ///
    /// # Errors
    /// When a count would overflow; nothing was counted then.
    fn acquire(&self, entries: &[Entry<V>]) -> Result<(), OutOfMemory>;
    /// A leaf with these entries is gone.
    fn release(&self, entries: &[Entry<V>]);
}

/// For values that own nothing.
pub(crate) struct Free;

impl<V> Owner<V> for Free {
    fn acquire(&self, _: &[Entry<V>]) -> Result<(), OutOfMemory> {
        Ok(())
    }

    fn release(&self, _: &[Entry<V>]) {}
}

/// The node, not shared with any other map.
///
/// Nobody else can begin to share a node while this map is borrowed mutably, so a count of one is
/// final.
#[inline(always)]
pub(super) fn exclusive<'a, V: Value>(
    arc: &'a mut Arc<Node<V>>,
    owner: &impl Owner<V>,
) -> Result<&'a mut Node<V>, OutOfMemory> {
    if !arc.is_unique() {
        copy(arc, owner)?;
    }
    Ok(Arc::make_mut(arc))
}

/// Puts a copy in the place of a node that is shared.
#[cold]
#[inline(never)]
fn copy<V: Value>(arc: &mut Arc<Node<V>>, owner: &impl Owner<V>) -> Result<(), OutOfMemory> {
    if let Node::Leaf(v) = &**arc {
        owner.acquire(v)?;
    }
    let copy = Arc::new((**arc).clone());
    // The other map may have let go of the node meanwhile; then this was its last holder.
    if let Some(Node::Leaf(v)) = into_inner(core::mem::replace(arc, copy)) {
        owner.release(&v);
    }
    Ok(())
}

/// The node, for the last of its holders: of all that let go of it this way, one gets it.
fn into_inner<V: Value>(arc: Arc<Node<V>>) -> Option<Node<V>> {
    Arc::into_unique(arc).map(UniqueArc::into_inner)
}

impl<V: Value> RangeMap<V> {
    /// Makes every leaf with an entry that touches or adjoins `lo..hi`, and the one that an
    /// insertion there goes to, this map's own: changes there cannot fail any more.
    ///
    /// # Errors
    /// As [`Owner::acquire`]. What the map holds is the same in any case.
    pub(crate) fn unshare(
        &mut self,
        lo: u64,
        hi: u64,
        owner: &impl Owner<V>,
    ) -> Result<(), OutOfMemory> {
        fn walk<V: Value>(
            c: &mut Child<V>,
            lo: u64,
            hi: u64,
            owner: &impl Owner<V>,
        ) -> Result<(), OutOfMemory> {
            if let Node::Inner(v) = exclusive(&mut c.node, owner)? {
                let mut from = rank(v, |c| c.sum.end < lo);
                if v.get(from).is_none_or(|c| c.sum.first > lo) {
                    from = from.saturating_sub(1);
                }
                for c in v.iter_mut().skip(from).take_while(|c| c.sum.first <= hi) {
                    walk(c, lo, hi, owner)?;
                }
            }
            Ok(())
        }
        match &mut self.root {
            Some(root) => walk(root, lo, hi, owner),
            None => Ok(()),
        }
    }

    /// How many maps hold the leaf around `at`, as far as this map can tell: each further holder
    /// of a node on the way is one more.
    pub(crate) fn sharers(&self, at: u64) -> u32 {
        let mut n = 1usize;
        let mut next = self.root.as_ref();
        while let Some(c) = next {
            n += Arc::strong_count(&c.node) - 1;
            next = match &*c.node {
                Node::Leaf(_) => None,
                Node::Inner(v) => v.get(rank(v, |c| c.sum.end <= at)),
            };
        }
        u32::try_from(n).unwrap_or(u32::MAX)
    }

    /// Empties the map. `shared` is told of entries in leaves that seem to be shared, before the
    /// map lets go of them; `last` gets the entries of leaves that nobody else holds.
    pub(crate) fn drain(
        &mut self,
        shared: &mut impl FnMut(&Entry<V>),
        last: &mut impl FnMut(Entry<V>),
    ) {
        fn walk<V: Value>(
            arc: Arc<Node<V>>,
            through_shared: bool,
            shared: &mut impl FnMut(&Entry<V>),
            last: &mut impl FnMut(Entry<V>),
        ) {
            let through_shared = through_shared || !arc.is_unique();
            if through_shared {
                match &*arc {
                    Node::Leaf(v) => v.iter().for_each(&mut *shared),
                    Node::Inner(v) => {
                        // The children outlive this node's count: visit them, then let go.
                        let children: alloc::vec::Vec<_> =
                            v.iter().map(|c| c.node.clone()).collect();
                        drop(arc);
                        for c in children {
                            walk(c, true, shared, last);
                        }
                        return;
                    }
                }
            }
            match into_inner(arc) {
                Some(Node::Leaf(v)) => v.into_iter().for_each(last),
                Some(Node::Inner(v)) => {
                    for c in v {
                        walk(c.node, through_shared, shared, last);
                    }
                }
                None => {}
            }
        }
        self.len = 0;
        if let Some(root) = self.root.take() {
            walk(root.node, false, shared, last);
        }
    }

    /// Lets go of everything without a look at shared leaves.
    pub(crate) fn discard(&mut self, last: &mut impl FnMut(Entry<V>)) {
        fn walk<V: Value>(arc: Arc<Node<V>>, last: &mut impl FnMut(Entry<V>)) {
            match into_inner(arc) {
                Some(Node::Leaf(v)) => v.into_iter().for_each(last),
                Some(Node::Inner(v)) => v.into_iter().for_each(|c| walk(c.node, last)),
                None => {}
            }
        }
        self.len = 0;
        if let Some(root) = self.root.take() {
            walk(root.node, last);
        }
    }
}
