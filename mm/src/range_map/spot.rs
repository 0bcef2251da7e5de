//! Changes of one leaf: the way to it is found first, without a change, and then gone twice.
//!
//! Most changes touch few neighbours, which most often share a leaf. Whether they do shows on the
//! way down, in what the parents know of the leaf's siblings.

use super::edit::insert_split;
use super::share::exclusive;
use super::{Child, Entry, FAN, LEAF, Leaf, Node, Owner, RangeMap, SPARE, Summary, Value, rank};
use crate::seam::OutOfMemory;
use smallvec::SmallVec;
use triomphe::Arc;

/// Bits of a [`Spot`]'s path that say which child to go to: room for 16 levels, which no map gets
/// to. [`SPARE`] places at least are filled anew for each node that is split, so that takes `3^16`
/// insertions at chosen places.
const STEP: u32 = 4;
const _: () = assert!(FAN <= 1 << STEP);

/// A leaf, by the way to it from the root, and an entry in it.
#[derive(Clone, Copy)]
pub(crate) struct Spot {
    /// Indices of children, the root's in the lowest bits.
    path: u64,
    levels: u32,
    /// The first entry that ends after where the range begins.
    pub(super) at: usize,
}

impl Spot {
    /// [`Child::reach`] from the root.
    pub(super) fn reach<'a, V: Value>(
        &self,
        root: &'a mut Child<V>,
        owner: &impl Owner<V>,
    ) -> Result<Option<&'a mut Child<V>>, OutOfMemory> {
        root.reach(self.path, self.levels, owner)
    }

    /// [`Child::tell`] from the root.
    pub(super) fn tell<V: Value>(&self, root: &mut Child<V>, unmarked: bool) {
        if self.levels > 0 {
            root.tell(self.path, self.levels, unmarked);
        }
    }
}

/// What became of a node.
struct Changed<V: Value> {
    /// Whether nothing of this matters to the node above.
    same: bool,
    /// There was a mark below it, and now is none.
    unmarked: bool,
    /// It has fewer entries or children.
    shrunk: bool,
    /// What was split off it.
    upper: Option<Child<V>>,
}

/// Which child the lowest bits of a path mean.
fn index(path: u64) -> usize {
    (path & ((1 << STEP) - 1)) as usize
}

impl<V: Value> Child<V> {
    /// The leaf at the end of `path`, with all nodes on the way this map's own.
    fn reach(
        &mut self,
        mut path: u64,
        levels: u32,
        owner: &impl Owner<V>,
    ) -> Result<Option<&mut Child<V>>, OutOfMemory> {
        let mut c = self;
        for _ in 0..levels {
            let Node::Inner(v) = exclusive(&mut c.node, owner)? else { return Ok(None) };
            let Some(next) = v.get_mut(index(path)) else { return Ok(None) };
            path >>= STEP;
            c = next;
        }
        Ok(Some(c))
    }

    /// Brings what is known on the way to a leaf in line with it, after its entries have changed
    /// but no node has come or gone. Says whether that matters to the node above.
    fn tell(&mut self, path: u64, levels: u32, mut unmarked: bool) -> bool {
        let Some(Node::Inner(v)) = Arc::get_mut(&mut self.node) else { return false };
        let i = index(path);
        if levels > 1 {
            let Some(c) = v.get_mut(i) else { return false };
            let before = c.sum.marked;
            if !c.tell(path >> STEP, levels - 1, unmarked) {
                return false;
            }
            unmarked = before > c.sum.marked;
        }
        self.refresh_at(i, unmarked)
    }

    /// [`Child::tell`] after a leaf was split, or may be too small to stay.
    fn settle(&mut self, path: u64, levels: u32, leaf: Changed<V>) -> Changed<V> {
        let nothing = Changed { same: true, unmarked: false, shrunk: false, upper: None };
        let before = self.sum.marked;
        let Some(Node::Inner(v)) = Arc::get_mut(&mut self.node) else { return nothing };
        let i = index(path);
        let Some(c) = v.get_mut(i) else { return nothing };
        let below = if levels > 1 { c.settle(path >> STEP, levels - 1, leaf) } else { leaf };
        if below.same {
            return nothing;
        }
        let (mut upper, mut shrunk) = (None, false);
        let differs = if let Some(new) = below.upper {
            upper = insert_split(v, FAN, i + 1, new).map(|v| Child::new(Node::Inner(v)));
            self.refresh()
        } else if below.shrunk && c.is_empty() {
            v.remove(i);
            shrunk = true;
            self.refresh()
        } else if below.shrunk && c.is_small() && join_siblings(v, i) {
            shrunk = true;
            self.refresh()
        } else {
            self.refresh_at(i, below.unmarked)
        };
        let same = !differs && !shrunk && upper.is_none();
        Changed { same, unmarked: before > self.sum.marked, shrunk, upper }
    }

    fn is_small(&self) -> bool {
        match &*self.node {
            Node::Leaf(v) => v.len() <= LEAF / 4,
            Node::Inner(v) => v.len() <= FAN / 4,
        }
    }
}

/// Makes one of child `i` and the one after it, or before it if it is the last, when both are small
/// and not shared.
fn join_siblings<V: Value>(v: &mut SmallVec<[Child<V>; FAN]>, i: usize) -> bool {
    let at = i.min(v.len().saturating_sub(2));
    let Some([left, right]) = v.get_mut(at..at + 2).and_then(|s| <&mut [_; 2]>::try_from(s).ok())
    else {
        return false;
    };
    let (Some(l), Some(r)) = (Arc::get_mut(&mut left.node), Arc::get_mut(&mut right.node)) else {
        return false;
    };
    match (l, r) {
        (Node::Leaf(l), Node::Leaf(r)) if l.len() + r.len() <= LEAF / 2 => l.extend(r.drain(..)),
        (Node::Inner(l), Node::Inner(r)) if l.len() + r.len() <= FAN / 2 => l.extend(r.drain(..)),
        _ => return false,
    }
    left.refresh();
    v.remove(at + 1);
    true
}

/// Splits a leaf that has grown too long since its summary was `before`. What grows at one end
/// leaves leaves behind that are full but for [`SPARE`].
#[inline(never)]
fn split_leaf<V: Value>(v: &mut Leaf<V>, before: &Summary) -> Child<V> {
    let at = if v.last().is_some_and(|e| e.end > before.end) {
        v.len() - SPARE
    } else if v.first().is_some_and(|e| e.start < before.first) {
        SPARE
    } else {
        v.len() / 2
    };
    let mut upper = Leaf::new();
    upper.extend(v.drain(at..));
    Child::new(Node::Leaf(upper))
}

impl<V: Value> RangeMap<V> {
    /// The one leaf that holds all of `lo..hi`, with `touching` also what adjoins that, and its
    /// entries from the first that ends after `lo` on. `None` when entries of other leaves are too
    /// near, or there is no leaf.
    #[inline(always)]
    pub(crate) fn spot(&self, lo: u64, hi: u64, touching: bool) -> Option<(Spot, &[Entry<V>])> {
        let mut c = self.root.as_ref()?;
        let (mut left, mut right) = (0, u64::MAX);
        let (mut path, mut levels) = (0, 0);
        loop {
            match &*c.node {
                Node::Leaf(v) => {
                    let near = u64::from(touching);
                    let alone = left <= lo.saturating_sub(near) && right >= hi.saturating_add(near);
                    let at = rank(v, |e| e.end <= lo);
                    return alone.then_some((Spot { path, levels, at }, v.get(at..)?));
                }
                Node::Inner(v) => {
                    let i = rank(v, |c| c.sum.first <= lo).saturating_sub(1);
                    if let Some(c) = i.checked_sub(1).and_then(|i| v.get(i)) {
                        left = c.sum.end;
                    }
                    if let Some(c) = v.get(i + 1) {
                        right = c.sum.first;
                    }
                    path |= (i as u64).checked_shl(levels * STEP)?;
                    levels += 1;
                    c = v.get(i)?;
                }
            }
        }
    }

    /// Runs `f` on the leaf that a spot is in, with the entry that it names; `f` changes what lies
    /// below `hi`.
    ///
    /// # Errors
    /// When a shared leaf cannot be copied; then `f` was not called.
    pub(super) fn edit<R>(
        &mut self,
        spot: Spot,
        hi: u64,
        owner: &impl Owner<V>,
        f: impl FnOnce(&mut Leaf<V>, usize) -> R,
    ) -> Result<Option<R>, OutOfMemory> {
        let Some(root) = &mut self.root else { return Ok(None) };
        let Some(c) = spot.reach(root, owner)? else { return Ok(None) };
        let Node::Leaf(v) = exclusive(&mut c.node, owner)? else { return Ok(None) };
        let (before, len) = (c.sum, v.len());
        let r = f(v, spot.at);
        let now = v.len();
        self.len = (self.len + now).saturating_sub(len);
        let upper = if now > LEAF { Some(split_leaf(v, &before)) } else { None };
        let differs = if upper.is_some() { c.refresh() } else { c.refresh_around(spot.at, hi) };
        let unmarked = before.marked > c.sum.marked;
        let shrunk = now < len;
        if upper.is_none() && (spot.levels == 0 || !(shrunk && c.is_small())) {
            if differs {
                spot.tell(root, unmarked);
            }
            return Ok(Some(r));
        }
        let leaf = Changed { same: false, unmarked, shrunk, upper };
        let root = if spot.levels == 0 { leaf } else { root.settle(spot.path, spot.levels, leaf) };
        if let Some(upper) = root.upper {
            self.grow(upper);
        } else if root.shrunk && spot.levels > 0 {
            self.shrink();
        }
        Ok(Some(r))
    }

    /// A new root over the old one and its upper part.
    pub(super) fn grow(&mut self, upper: Child<V>) {
        self.root = Some(match self.root.take() {
            None => upper,
            Some(lower) => Child::new(Node::Inner(SmallVec::from_iter([lower, upper]))),
        });
    }

    /// Takes roots away that hold nothing, or one child.
    fn shrink(&mut self) {
        while let Some(root) = &self.root {
            // An empty leaf stays: maps that are often empty need not allocate it again.
            let Node::Inner(v) = &*root.node else { return };
            match v.as_slice() {
                [] => self.root = None,
                [only] => self.root = Some(only.clone()),
                _ => return,
            }
        }
    }
}
