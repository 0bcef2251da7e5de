//! Changes that reach over several leaves, entry by entry.

use super::share::exclusive;
use super::{Child, Entry, FAN, LEAF, Node, Owner, RangeMap, Value, rank};
use crate::seam::OutOfMemory;
use smallvec::SmallVec;
use triomphe::Arc;

type Halves<T, const N: usize> = Option<SmallVec<[T; N]>>;

/// Inserts into a full or not full vector; returns the upper part if it had to be split.
/// An append leaves the lower part full: growth in one direction fills nodes.
pub(super) fn insert_split<T, const N: usize>(
    v: &mut SmallVec<[T; N]>,
    most: usize,
    at: usize,
    item: T,
) -> Halves<T, N> {
    if v.len() < most {
        v.insert(at, item);
        return None;
    }
    let mut upper = SmallVec::new();
    if at == v.len() {
        upper.push(item);
    } else {
        let half = v.len() / 2;
        upper.extend(v.drain(half..));
        if at <= half { v.insert(at, item) } else { upper.insert(at - half, item) }
    }
    Some(upper)
}

impl<V: Value> Child<V> {
    fn insert(
        &mut self,
        e: Entry<V>,
        owner: &impl Owner<V>,
    ) -> Result<Option<Child<V>>, OutOfMemory> {
        let upper = match exclusive(&mut self.node, owner)? {
            Node::Leaf(v) => {
                let at = rank(v, |x| x.start < e.start);
                insert_split(v, LEAF, at, e).map(Node::Leaf)
            }
            Node::Inner(v) => {
                let at = rank(v, |c| c.sum.first <= e.start).saturating_sub(1);
                match v.get_mut(at) {
                    Some(c) => match c.insert(e, owner)? {
                        Some(new) => insert_split(v, FAN, at + 1, new).map(Node::Inner),
                        None => None,
                    },
                    None => Some(Node::Leaf(SmallVec::from_iter([e]))),
                }
            }
        };
        self.refresh();
        Ok(upper.map(Child::new))
    }

    /// Applies `f` to the entry that starts at `start`; `f` keeps the order intact.
    fn update<R>(
        &mut self,
        start: u64,
        owner: &impl Owner<V>,
        f: impl FnOnce(&mut Entry<V>) -> R,
    ) -> Result<Option<R>, OutOfMemory> {
        let r = match exclusive(&mut self.node, owner)? {
            Node::Leaf(v) => {
                let at = rank(v, |x| x.start < start);
                v.get_mut(at).filter(|e| e.start == start).map(f)
            }
            Node::Inner(v) => {
                let at = rank(v, |c| c.sum.first <= start).saturating_sub(1);
                match v.get_mut(at) {
                    Some(c) => c.update(start, owner, f)?,
                    None => None,
                }
            }
        };
        self.refresh();
        Ok(r)
    }

    fn remove(
        &mut self,
        start: u64,
        owner: &impl Owner<V>,
    ) -> Result<Option<Entry<V>>, OutOfMemory> {
        let r = match exclusive(&mut self.node, owner)? {
            Node::Leaf(v) => {
                let at = rank(v, |x| x.start < start);
                v.get(at).is_some_and(|e| e.start == start).then(|| v.remove(at))
            }
            Node::Inner(v) => {
                let at = rank(v, |c| c.sum.first <= start).saturating_sub(1);
                let r = match v.get_mut(at) {
                    Some(c) => c.remove(start, owner)?,
                    None => None,
                };
                if v.get(at).is_some_and(Child::is_empty) {
                    v.remove(at);
                } else if r.is_some() {
                    join_siblings(v, at);
                }
                r
            }
        };
        self.refresh();
        Ok(r)
    }
}

/// Moves the entries of the child after `at` into it when both are small and not shared.
pub(super) fn join_siblings<V: Value>(v: &mut SmallVec<[Child<V>; FAN]>, at: usize) {
    let Some([left, right]) = v.get_mut(at..at + 2).and_then(|s| <&mut [_; 2]>::try_from(s).ok())
    else {
        return;
    };
    let (Some(l), Some(r)) = (Arc::get_mut(&mut left.node), Arc::get_mut(&mut right.node)) else {
        return;
    };
    match (l, r) {
        (Node::Leaf(l), Node::Leaf(r)) if l.len() + r.len() <= LEAF / 2 => l.extend(r.drain(..)),
        (Node::Inner(l), Node::Inner(r)) if l.len() + r.len() <= FAN / 2 => l.extend(r.drain(..)),
        _ => return,
    }
    left.refresh();
    v.remove(at + 1);
}

impl<V: Value> RangeMap<V> {
    fn insert_one(&mut self, e: Entry<V>, owner: &impl Owner<V>) -> Result<(), OutOfMemory> {
        let upper = match &mut self.root {
            None => Some(Child::new(Node::Leaf(SmallVec::from_iter([e])))),
            Some(root) => root.insert(e, owner)?,
        };
        if let Some(upper) = upper {
            self.grow(upper);
        }
        self.len += 1;
        Ok(())
    }

    fn remove_one(
        &mut self,
        start: u64,
        owner: &impl Owner<V>,
    ) -> Result<Option<Entry<V>>, OutOfMemory> {
        let Some(root) = &mut self.root else { return Ok(None) };
        let r = root.remove(start, owner)?;
        self.len -= usize::from(r.is_some());
        self.shrink();
        Ok(r)
    }

    /// [`RangeMap::insert`] with neighbours in other leaves.
    pub(super) fn insert_anywhere(
        &mut self,
        e: Entry<V>,
        owner: &impl Owner<V>,
    ) -> Result<(), OutOfMemory> {
        let left = self.starting_before(e.start).filter(|l| l.meets(&e)).map(|l| l.start);
        let right = self.ending_after(e.start).filter(|r| e.meets(r)).map(|r| (r.start, r.end));
        match (left, right, &mut self.root) {
            (Some(l), Some((r, end)), Some(root)) => {
                // Both leaves are made exclusive first: then neither step can fail.
                root.update(r, owner, |_| ())?;
                root.update(l, owner, |x| x.end = end)?;
                self.remove_one(r, owner)?;
                Ok(())
            }
            (Some(l), None, Some(root)) => root.update(l, owner, |x| x.end = e.end).map(|_| ()),
            (None, Some((r, end)), Some(root)) => {
                root.update(r, owner, |x| *x = Entry { end, ..e }).map(|_| ())
            }
            _ => self.insert_one(e, owner),
        }
    }

    /// Changes the entry that starts at `start`, and merges nothing; `f` keeps the order intact.
    ///
    /// # Errors
    /// As [`RangeMap::insert`].
    pub(crate) fn update(
        &mut self,
        start: u64,
        owner: &impl Owner<V>,
        f: impl FnOnce(&mut Entry<V>),
    ) -> Result<(), OutOfMemory> {
        match &mut self.root {
            Some(root) => root.update(start, owner, f).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Splits the entry that `at` lies inside of.
    ///
    /// # Errors
    /// As [`RangeMap::insert`].
    pub(crate) fn split(&mut self, at: u64, owner: &impl Owner<V>) -> Result<(), OutOfMemory> {
        let Some(e) = self.find(at).filter(|e| e.start < at) else { return Ok(()) };
        let start = e.start;
        let upper = Entry { start: at, end: e.end, value: e.value.advance(at - start) };
        if let Some(root) = &mut self.root {
            root.update(start, owner, |x| x.end = at)?;
        }
        // The leaf is exclusive now, so this cannot fail.
        self.insert_one(upper, owner)
    }

    /// [`RangeMap::remove`] over several leaves.
    pub(super) fn remove_anywhere(
        &mut self,
        lo: u64,
        hi: u64,
        owner: &impl Owner<V>,
        mut f: impl FnMut(Entry<V>),
    ) -> Result<(), OutOfMemory> {
        while let Some(e) = self.ending_after(lo).filter(|e| e.start < hi) {
            let (start, end) = (e.start, e.end);
            if lo <= start && end <= hi {
                if let Some(e) = self.remove_one(start, owner)? {
                    f(e);
                }
            } else if start < lo {
                let Some(part) = e.clip(lo, hi) else { break };
                let rest = e.clip(hi, u64::MAX);
                if let Some(root) = &mut self.root {
                    root.update(start, owner, |x| x.end = lo)?;
                }
                f(part);
                if let Some(rest) = rest {
                    self.insert_one(rest, owner)?;
                }
            } else {
                let Some(part) = e.clip(lo, hi) else { break };
                if let Some(root) = &mut self.root {
                    root.update(start, owner, |x| {
                        x.value = x.value.advance(hi - start);
                        x.start = hi;
                    })?;
                }
                f(part);
            }
        }
        Ok(())
    }

    /// [`RangeMap::modify`] over several leaves.
    pub(super) fn modify_anywhere(
        &mut self,
        lo: u64,
        hi: u64,
        owner: &impl Owner<V>,
        mut f: impl FnMut(u64, u64, &mut V),
    ) -> Result<(), OutOfMemory> {
        self.split(lo, owner)?;
        self.split(hi, owner)?;
        let mut at = lo;
        while let Some(e) = self.ending_after(at).filter(|e| e.start < hi) {
            let start = e.start;
            at = e.end;
            if let Some(root) = &mut self.root {
                root.update(start, owner, |x| f(x.start, x.end, &mut x.value))?;
            }
        }
        self.merge_around(lo, hi, owner)
    }

    /// Merges adjacent equal entries that meet inside or at the ends of `lo..hi`.
    fn merge_around(&mut self, lo: u64, hi: u64, owner: &impl Owner<V>) -> Result<(), OutOfMemory> {
        let mut at = lo;
        while let Some(r) = self.ending_after(at).filter(|e| e.start <= hi) {
            let (start, end) = (r.start, r.end);
            let left = self.starting_before(start).filter(|l| l.meets(r)).map(|l| l.start);
            if let (Some(l), Some(root)) = (left, &mut self.root) {
                root.update(start, owner, |_| ())?;
                root.update(l, owner, |x| x.end = end)?;
                self.remove_one(start, owner)?;
            }
            at = end;
        }
        Ok(())
    }
}
