//! Changes that reach over several leaves, entry by entry.

use super::{Child, Entry, Leaf, Node, Owner, RangeMap, SPARE, Value};
use crate::seam::OutOfMemory;
use smallvec::SmallVec;

type Halves<T, const N: usize> = Option<SmallVec<[T; N]>>;

/// Inserts into a full or not full vector; returns the upper part if it had to be split. What grows
/// at one end leaves nodes behind that are full but for [`SPARE`].
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
    let cut = if at == v.len() {
        v.len() - SPARE
    } else if at <= 1 {
        SPARE
    } else {
        v.len() / 2
    };
    let mut upper = SmallVec::new();
    upper.extend(v.drain(cut..));
    if at <= cut {
        v.insert(at, item)
    } else {
        upper.insert(at - cut, item)
    }
    Some(upper)
}

impl<V: Value> RangeMap<V> {
    /// Inserts an entry, and merges nothing.
    fn insert_one(&mut self, e: Entry<V>, owner: &impl Owner<V>) -> Result<(), OutOfMemory> {
        match self.spot(e.start, e.end, false) {
            Some((spot, _)) => {
                self.edit(spot, e.end, owner, |leaf, i| leaf.insert(i, e)).map(|_| ())
            }
            None if self.root.is_some() => Err(OutOfMemory),
            None => {
                let mut leaf = Leaf::new();
                leaf.push(e);
                self.grow(Child::new(Node::Leaf(leaf)));
                self.len += 1;
                Ok(())
            }
        }
    }

    fn remove_one(
        &mut self,
        start: u64,
        owner: &impl Owner<V>,
    ) -> Result<Option<Entry<V>>, OutOfMemory> {
        self.edit_one(start, owner, |leaf, i| leaf.remove(i))
    }

    /// Runs `f` on the leaf of the entry that starts at `start`.
    fn edit_one<R>(
        &mut self,
        start: u64,
        owner: &impl Owner<V>,
        f: impl FnOnce(&mut Leaf<V>, usize) -> R,
    ) -> Result<Option<R>, OutOfMemory> {
        match self.spot(start, start.saturating_add(1), false) {
            Some((spot, rest)) if rest.first().is_some_and(|e| e.start == start) => {
                self.edit(spot, start.saturating_add(1), owner, f)
            }
            _ => Ok(None),
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
        self.edit_one(start, owner, |leaf, i| leaf.get_mut(i).map(f)).map(|_| ())
    }

    /// [`RangeMap::insert`] with neighbours in other leaves.
    pub(super) fn insert_anywhere(
        &mut self,
        e: Entry<V>,
        owner: &impl Owner<V>,
    ) -> Result<(), OutOfMemory> {
        let left = self.starting_before(e.start).filter(|l| l.meets(&e)).map(|l| l.start);
        let right = self.ending_after(e.start).filter(|r| e.meets(r)).map(|r| (r.start, r.end));
        match (left, right) {
            (Some(l), Some((r, end))) => self.join(l, r, end, owner),
            (Some(l), None) => self.update(l, owner, |x| x.end = e.end),
            (None, Some((r, end))) => self.update(r, owner, |x| *x = Entry { end, ..e }),
            (None, None) => self.insert_one(e, owner),
        }
    }

    /// Removes the entry at `upper` and lets the one at `lower` go on to `end`.
    fn join(
        &mut self,
        lower: u64,
        upper: u64,
        end: u64,
        owner: &impl Owner<V>,
    ) -> Result<(), OutOfMemory> {
        // The lower leaf is made exclusive first: then the last step cannot fail.
        self.update(lower, owner, |_| ())?;
        self.remove_one(upper, owner)?;
        self.update(lower, owner, |x| x.end = end)
    }

    /// Splits the entry that `at` lies inside of.
    ///
    /// # Errors
    /// As [`RangeMap::insert`].
    pub(crate) fn split(&mut self, at: u64, owner: &impl Owner<V>) -> Result<(), OutOfMemory> {
        let Some(e) = self.find(at).filter(|e| e.start < at) else { return Ok(()) };
        let start = e.start;
        let upper = Entry { start: at, end: e.end, value: e.value.advance(at - start) };
        self.update(start, owner, |x| x.end = at)?;
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
                self.update(start, owner, |x| x.end = lo)?;
                f(part);
                if let Some(rest) = rest {
                    self.insert_one(rest, owner)?;
                }
            } else {
                let Some(part) = e.clip(lo, hi) else { break };
                self.update(start, owner, |x| {
                    x.value = x.value.advance(hi - start);
                    x.start = hi;
                })?;
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
            self.update(start, owner, |x| f(x.start, x.end, &mut x.value))?;
        }
        self.merge_around(lo, hi, owner)
    }

    /// Merges adjacent equal entries that meet inside or at the ends of `lo..hi`.
    fn merge_around(&mut self, lo: u64, hi: u64, owner: &impl Owner<V>) -> Result<(), OutOfMemory> {
        let mut at = lo;
        while let Some(r) = self.ending_after(at).filter(|e| e.start <= hi) {
            let (start, end) = (r.start, r.end);
            let left = self.starting_before(start).filter(|l| l.meets(r)).map(|l| l.start);
            if let Some(left) = left {
                self.join(left, start, end, owner)?;
            }
            at = end;
        }
        Ok(())
    }
}
