//! Changes inside one leaf: one descent, nothing allocated unless the leaf splits.
//!
//! Most changes touch few neighbours, which most often share a leaf. Whether they do shows on the
//! way down, in what the parents know of the leaf's siblings; if not, nothing was changed.

use super::edit::{insert_split, join_siblings};
use super::share::exclusive;
use super::{Child, Entry, FAN, LEAF, Leaf, Node, Owner, RangeMap, Summary, Value, rank};
use crate::seam::OutOfMemory;
use smallvec::SmallVec;

/// Where a change is, and how near the entries of other leaves may come.
struct Span {
    at: u64,
    left: u64,
    right: u64,
}

/// What an edit did.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edited {
    /// Nothing: entries of other leaves are too near.
    TooNear,
    /// Nothing that shows in the summary.
    Inside,
    /// The summary is another one.
    Outside,
}

/// The largest of the gaps in and on both sides of child `i`, if its summary is `s`.
fn gap_at<V: Value>(v: &[Child<V>], i: usize, s: &Summary) -> u64 {
    let left = i.checked_sub(1).and_then(|i| v.get(i)).map_or(0, |l| l.sum.gap_below(s));
    let right = v.get(i + 1).map_or(0, |r| s.gap_below(&r.sum));
    s.gap.max(left).max(right)
}

impl<V: Value> Child<V> {
    /// [`Child::refresh`] of an inner node after nothing but the summary of its child `i` has
    /// changed: most often without a look at the others.
    fn refresh_at(&mut self, i: usize, before: &Summary) -> bool {
        let Node::Inner(v) = &*self.node else { return false };
        let (Some(c), Some(first), Some(last)) = (v.get(i), v.first(), v.last()) else {
            return false;
        };
        let (old, new) = (gap_at(v, i, before), gap_at(v, i, &c.sum));
        let unmarked = before.marked > c.sum.marked;
        if unmarked || (old == self.sum.gap && new < old) {
            return self.refresh();
        }
        let sum = Summary {
            first: first.sum.first,
            end: last.sum.end,
            guard: first.sum.guard,
            gap: self.sum.gap.max(new),
            marked: self.sum.marked | c.sum.marked,
        };
        let differs = sum.differs(&self.sum);
        self.sum = sum;
        differs
    }

    /// Runs `f` on the leaf that `span` lies in; `left` and `right` are where the nearest entries
    /// outside of this sub-tree end and start. When this node had to be split, `upper` is its
    /// upper part.
    fn edit(
        &mut self,
        span: &Span,
        left: Option<u64>,
        right: Option<u64>,
        owner: &impl Owner<V>,
        f: &mut impl FnMut(&mut Leaf<V>),
        upper: &mut Option<Child<V>>,
    ) -> Result<Edited, OutOfMemory> {
        if left.is_some_and(|end| end > span.left) || right.is_some_and(|start| start < span.right)
        {
            return Ok(Edited::TooNear);
        }
        match exclusive(&mut self.node, owner)? {
            Node::Leaf(v) => {
                let ends = (v.first().map(|e| e.start), v.last().map(|e| e.start));
                f(v);
                if let Some(more) = split_leaf(v, ends) {
                    *upper = Some(Child::new(Node::Leaf(more)));
                }
            }
            Node::Inner(v) => {
                let i = rank(v, |c| c.sum.first <= span.at).saturating_sub(1);
                let left = i.checked_sub(1).and_then(|i| v.get(i)).map(|c| c.sum.end).or(left);
                let right = v.get(i + 1).map(|c| c.sum.first).or(right);
                let Some(c) = v.get_mut(i) else { return Ok(Edited::TooNear) };
                let before = c.sum;
                let edited = c.edit(span, left, right, owner, f, upper)?;
                if let Some(new) = upper.take() {
                    let more = insert_split(v, FAN, i + 1, new);
                    *upper = more.map(|v| Child::new(Node::Inner(v)));
                } else if edited != Edited::Outside {
                    return Ok(edited);
                } else if c.is_empty() {
                    v.remove(i);
                } else if c.is_small() {
                    join_siblings(v, i.min(v.len().saturating_sub(2)));
                } else {
                    return Ok(changed(self.refresh_at(i, &before)));
                }
            }
        }
        // A part was split off: the summary is another one.
        let differs = self.refresh();
        Ok(changed(differs || upper.is_some()))
    }

    fn is_small(&self) -> bool {
        match &*self.node {
            Node::Leaf(v) => v.len() <= LEAF / 4,
            Node::Inner(v) => v.len() <= FAN / 4,
        }
    }
}

fn changed(differs: bool) -> Edited {
    if differs { Edited::Outside } else { Edited::Inside }
}

/// Splits a leaf that has grown too long. What grows at one end leaves full leaves behind.
fn split_leaf<V: Value>(v: &mut Leaf<V>, before: (Option<u64>, Option<u64>)) -> Option<Leaf<V>> {
    if v.len() <= LEAF {
        return None;
    }
    let now = (v.first().map(|e| e.start), v.last().map(|e| e.start));
    let at = if now.1 > before.1 {
        v.len() - 1
    } else if now.0 < before.0 {
        1
    } else {
        v.len() / 2
    };
    let mut upper = Leaf::new();
    upper.extend(v.drain(at..));
    Some(upper)
}

/// Inserts an entry that overlaps no other and merges it with its neighbours; says by how much
/// the leaf grew.
fn insert<V: Value>(v: &mut Leaf<V>, e: Entry<V>) -> isize {
    let i = rank(v, |x| x.start < e.start);
    let joins_left = i.checked_sub(1).and_then(|i| v.get(i)).is_some_and(|l| l.meets(&e));
    let joins_right = v.get(i).is_some_and(|r| e.meets(r));
    match (joins_left, joins_right) {
        (true, true) => {
            let right = v.remove(i);
            set_end(v, i - 1, right.end);
            -1
        }
        (true, false) => {
            set_end(v, i - 1, e.end);
            0
        }
        (false, true) => {
            if let Some(r) = v.get_mut(i) {
                *r = Entry { end: r.end, ..e };
            }
            0
        }
        (false, false) => {
            v.insert(i, e);
            1
        }
    }
}

fn set_end<V>(v: &mut [Entry<V>], i: usize, end: u64) {
    if let Some(e) = v.get_mut(i) {
        e.end = end;
    }
}

/// Splits the entry that `at` lies inside of; returns the index of the first that starts there or
/// later.
fn split<V: Value>(v: &mut Leaf<V>, at: u64) -> usize {
    let i = rank(v, |e| e.end <= at);
    let Some(e) = v.get_mut(i) else { return i };
    if e.start >= at {
        return i;
    }
    let upper = e.clip(at, u64::MAX);
    e.end = at;
    if let Some(upper) = upper {
        v.insert(i + 1, upper);
    }
    i + 1
}

/// Removes what lies in `lo..hi` and hands it over, clipped, in order.
fn remove<V: Value>(v: &mut Leaf<V>, lo: u64, hi: u64, f: &mut impl FnMut(Entry<V>)) {
    let mut i = rank(v, |e| e.end <= lo);
    if v.get(i).is_some_and(|e| e.start < lo) {
        i = split(v, lo);
    }
    let mut to = i;
    while v.get(to).is_some_and(|e| e.end <= hi) {
        to += 1;
    }
    match v.get_mut(to) {
        Some(e) if e.start < hi => {
            let (part, rest) = (e.clip(0, hi), e.clip(hi, u64::MAX));
            if let Some(rest) = rest {
                *e = rest;
            }
            v.drain(i..to).for_each(&mut *f);
            part.into_iter().for_each(f);
        }
        _ => v.drain(i..to).for_each(f),
    }
}

/// Changes the values in `lo..hi` and merges what became equal.
fn modify<V: Value>(v: &mut Leaf<V>, lo: u64, hi: u64, f: &mut impl FnMut(u64, u64, &mut V)) {
    let from = split(v, lo);
    let to = split(v, hi);
    for e in v.iter_mut().take(to).skip(from) {
        f(e.start, e.end, &mut e.value);
    }
    // From the top, so that indices below stay.
    for i in (from.max(1)..=to).rev() {
        let Some([left, right]) = v.get(i - 1..=i) else { continue };
        if left.meets(right) {
            let end = right.end;
            v.remove(i);
            set_end(v, i - 1, end);
        }
    }
}

impl<V: Value> RangeMap<V> {
    /// Runs `f` on the one leaf that holds `lo..hi`, with its ends where `touching` is set; says
    /// whether there was such a leaf.
    fn edit_leaf(
        &mut self,
        lo: u64,
        hi: u64,
        touching: bool,
        owner: &impl Owner<V>,
        mut f: impl FnMut(&mut Leaf<V>),
    ) -> Result<bool, OutOfMemory> {
        let Some(root) = &mut self.root else { return Ok(false) };
        let near = u64::from(touching);
        let span = Span { at: lo, left: lo.saturating_sub(near), right: hi.saturating_add(near) };
        let (mut change, mut upper) = (0, None);
        let mut f = |leaf: &mut Leaf<V>| {
            let before = leaf.len();
            f(leaf);
            change = leaf.len() as isize - before as isize;
        };
        if root.edit(&span, None, None, owner, &mut f, &mut upper)? == Edited::TooNear {
            return Ok(false);
        }
        self.len = self.len.saturating_add_signed(change);
        match upper {
            Some(upper) => self.grow(upper),
            None => self.shrink(),
        }
        Ok(true)
    }

    /// A new root over the old one and its upper part.
    pub(super) fn grow(&mut self, upper: Child<V>) {
        self.root = Some(match self.root.take() {
            None => upper,
            Some(lower) => Child::new(Node::Inner(SmallVec::from_iter([lower, upper]))),
        });
    }

    /// Takes roots away that hold nothing, or one child.
    pub(super) fn shrink(&mut self) {
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

    /// Inserts a range that overlaps no other, and merges it with its neighbours.
    ///
    /// # Errors
    /// When a shared leaf cannot be copied; the map holds the same as before then.
    pub(crate) fn insert(&mut self, e: Entry<V>, owner: &impl Owner<V>) -> Result<(), OutOfMemory> {
        let (lo, hi) = (e.start, e.end);
        let mut e = Some(e);
        let done = self.edit_leaf(lo, hi, true, owner, |leaf| {
            e.take().map(|e| insert(leaf, e));
        })?;
        match e {
            Some(e) if !done => self.insert_anywhere(e, owner),
            _ => Ok(()),
        }
    }

    /// Puts an entry in the place of whatever is there.
    ///
    /// # Errors
    /// As [`RangeMap::remove`].
    pub(crate) fn set(&mut self, e: Entry<V>, owner: &impl Owner<V>) -> Result<(), OutOfMemory> {
        let (lo, hi) = (e.start, e.end);
        let mut e = Some(e);
        let done = self.edit_leaf(lo, hi, true, owner, |leaf| {
            remove(leaf, lo, hi, &mut |_| ());
            e.take().map(|e| insert(leaf, e));
        })?;
        match e {
            Some(e) if !done => {
                self.remove_anywhere(lo, hi, owner, |_| ())?;
                self.insert_anywhere(e, owner)
            }
            _ => Ok(()),
        }
    }

    /// Removes what lies in `lo..hi` and hands it over, clipped, in order.
    ///
    /// # Errors
    /// When a shared leaf cannot be copied: never after [`RangeMap::unshare`] of the range.
    pub(crate) fn remove(
        &mut self,
        lo: u64,
        hi: u64,
        owner: &impl Owner<V>,
        mut f: impl FnMut(Entry<V>),
    ) -> Result<(), OutOfMemory> {
        if self.edit_leaf(lo, hi, false, owner, |leaf| remove(leaf, lo, hi, &mut f))? {
            return Ok(());
        }
        self.remove_anywhere(lo, hi, owner, f)
    }

    /// Changes the values in `lo..hi`, splitting at its ends, and merges what became equal.
    ///
    /// # Errors
    /// As [`RangeMap::remove`].
    pub(crate) fn modify(
        &mut self,
        lo: u64,
        hi: u64,
        owner: &impl Owner<V>,
        mut f: impl FnMut(u64, u64, &mut V),
    ) -> Result<(), OutOfMemory> {
        if self.edit_leaf(lo, hi, true, owner, |leaf| modify(leaf, lo, hi, &mut f))? {
            return Ok(());
        }
        self.modify_anywhere(lo, hi, owner, f)
    }
}
