//! What is done inside one leaf, where there is one; else entry by entry.

use super::{Entry, Leaf, Owner, RangeMap, Spot, Value};
use crate::seam::OutOfMemory;

/// Inserts an entry at `i`, which overlaps no other, and merges it with its neighbours.
fn insert<V: Value>(v: &mut Leaf<V>, i: usize, e: Entry<V>) {
    let joins_left = i.checked_sub(1).and_then(|i| v.get(i)).is_some_and(|l| l.meets(&e));
    let joins_right = v.get(i).is_some_and(|r| e.meets(r));
    match (joins_left, joins_right) {
        (true, true) => {
            let right = v.remove(i);
            set_end(v, i - 1, right.end);
        }
        (true, false) => set_end(v, i - 1, e.end),
        (false, true) => {
            if let Some(r) = v.get_mut(i) {
                *r = Entry { end: r.end, ..e };
            }
        }
        (false, false) => v.insert(i, e),
    }
}

fn set_end<V>(v: &mut [Entry<V>], i: usize, end: u64) {
    if let Some(e) = v.get_mut(i) {
        e.end = end;
    }
}

/// Splits the entry `i` at `at` if that lies inside of it; returns the index of the first that
/// starts there or later.
#[inline]
fn split<V: Value>(v: &mut Leaf<V>, i: usize, at: u64) -> usize {
    let Some(e) = v.get_mut(i).filter(|e| e.start < at) else { return i };
    let upper = Entry { start: at, end: e.end, value: e.value.advance(at - e.start) };
    e.end = at;
    v.insert(i + 1, upper);
    i + 1
}

/// The index of the first entry from `i` on that ends after `at`.
#[inline]
fn skip_to<V: Value>(v: &[Entry<V>], mut i: usize, at: u64) -> usize {
    while v.get(i).is_some_and(|e| e.end <= at) {
        i += 1;
    }
    i
}

/// Removes what lies in `lo..hi` and hands it over, clipped, in order. Returns where an entry for
/// that range goes.
fn remove<V: Value>(
    v: &mut Leaf<V>,
    i: usize,
    lo: u64,
    hi: u64,
    f: &mut impl FnMut(Entry<V>),
) -> usize {
    let mut i = i;
    if let Some(e) = v.get_mut(i).filter(|e| e.start < lo) {
        let (part, rest) = (e.clip(lo, hi), e.clip(hi, u64::MAX));
        e.end = lo;
        i += 1;
        part.into_iter().for_each(&mut *f);
        if let Some(rest) = rest {
            v.insert(i, rest);
        }
    }
    let to = skip_to(v, i, hi);
    // One, most often: nothing to iterate over.
    if to == i + 1 {
        f(v.remove(i));
    } else if to > i {
        v.drain(i..to).for_each(&mut *f);
    }
    if let Some(e) = v.get_mut(i).filter(|e| e.start < hi) {
        e.clip(0, hi).into_iter().for_each(f);
        e.value = e.value.advance(hi - e.start);
        e.start = hi;
    }
    i
}

/// Puts an entry in the place of what is there, which is handed over.
fn set<V: Value>(v: &mut Leaf<V>, i: usize, e: Entry<V>, f: &mut impl FnMut(Entry<V>)) {
    let alone = |v: &Leaf<V>| {
        let left = i.checked_sub(1).and_then(|i| v.get(i));
        !left.is_some_and(|l| l.meets(&e)) && !v.get(i + 1).is_some_and(|r| e.meets(r))
    };
    match v.get(i) {
        Some(old) if old.start < e.end => {
            // One for one, most often: nothing moves.
            if old.start == e.start && old.end == e.end && alone(v) {
                if let Some(old) = v.get_mut(i) {
                    f(core::mem::replace(old, e));
                }
            } else {
                let i = remove(v, i, e.start, e.end, f);
                insert(v, i, e);
            }
        }
        _ => insert(v, i, e),
    }
}

/// Changes the values in `lo..hi` and merges what became equal.
fn modify<V: Value>(
    v: &mut Leaf<V>,
    i: usize,
    lo: u64,
    hi: u64,
    f: &mut impl FnMut(u64, u64, &mut V),
) {
    let from = split(v, i, lo);
    let to = skip_to(v, from, hi);
    let to = split(v, to, hi);
    for e in v.get_mut(from..to).unwrap_or_default() {
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
    /// Inserts a range that overlaps no other, and merges it with its neighbours.
    ///
    /// # Errors
    /// When a shared leaf cannot be copied; the map holds the same as before then.
    pub(crate) fn insert(&mut self, e: Entry<V>, owner: &impl Owner<V>) -> Result<(), OutOfMemory> {
        match self.spot(e.start, e.end, true) {
            Some((spot, _)) => {
                self.edit(spot, e.end, owner, |leaf, i| insert(leaf, i, e)).map(|_| ())
            }
            None => self.insert_anywhere(e, owner),
        }
    }

    /// Puts an entry in the place of whatever is there, which is handed over.
    ///
    /// # Errors
    /// As [`RangeMap::remove_at`].
    pub(crate) fn set(
        &mut self,
        e: Entry<V>,
        owner: &impl Owner<V>,
        f: impl FnMut(Entry<V>),
    ) -> Result<(), OutOfMemory> {
        self.set_at(self.spot(e.start, e.end, true).map(|s| s.0), e, owner, f)
    }

    /// Puts an entry in the place of whatever is there, which is handed over, clipped, in order.
    /// `spot` is what [`RangeMap::spot`] says of the range with what adjoins it.
    ///
    /// # Errors
    /// As [`RangeMap::remove_at`].
    pub(crate) fn set_at(
        &mut self,
        spot: Option<Spot>,
        e: Entry<V>,
        owner: &impl Owner<V>,
        mut f: impl FnMut(Entry<V>),
    ) -> Result<(), OutOfMemory> {
        match spot {
            Some(spot) => {
                self.edit(spot, e.end, owner, |leaf, i| set(leaf, i, e, &mut f)).map(|_| ())
            }
            None => {
                self.remove_anywhere(e.start, e.end, owner, f)?;
                self.insert_anywhere(e, owner)
            }
        }
    }

    /// Removes what lies in `lo..hi` and hands it over.
    ///
    /// # Errors
    /// As [`RangeMap::remove_at`].
    pub(crate) fn remove(
        &mut self,
        lo: u64,
        hi: u64,
        owner: &impl Owner<V>,
        f: impl FnMut(Entry<V>),
    ) -> Result<(), OutOfMemory> {
        self.remove_at(self.spot(lo, hi, false).map(|s| s.0), lo, hi, owner, f)
    }

    /// Removes what lies in `lo..hi` and hands it over, clipped, in order. `spot` is what
    /// [`RangeMap::spot`] says of the range, with or without what adjoins it.
    ///
    /// # Errors
    /// When a shared leaf cannot be copied. If there is a spot, nothing was removed then; else
    /// that does not happen after [`RangeMap::unshare`] of the range.
    pub(crate) fn remove_at(
        &mut self,
        spot: Option<Spot>,
        lo: u64,
        hi: u64,
        owner: &impl Owner<V>,
        mut f: impl FnMut(Entry<V>),
    ) -> Result<(), OutOfMemory> {
        match spot {
            Some(spot) => self
                .edit(spot, hi, owner, |leaf, i| {
                    remove(leaf, i, lo, hi, &mut f);
                })
                .map(|_| ()),
            None => self.remove_anywhere(lo, hi, owner, f),
        }
    }

    /// Changes the values in `lo..hi`.
    ///
    /// # Errors
    /// As [`RangeMap::remove_at`].
    pub(crate) fn modify(
        &mut self,
        lo: u64,
        hi: u64,
        owner: &impl Owner<V>,
        f: impl FnMut(u64, u64, &mut V),
    ) -> Result<(), OutOfMemory> {
        self.modify_at(self.spot(lo, hi, true).map(|s| s.0), lo, hi, owner, f)
    }

    /// Changes the values in `lo..hi`, splitting at its ends, and merges what became equal. `spot`
    /// is what [`RangeMap::spot`] says of the range with what adjoins it.
    ///
    /// # Errors
    /// As [`RangeMap::remove_at`].
    pub(crate) fn modify_at(
        &mut self,
        spot: Option<Spot>,
        lo: u64,
        hi: u64,
        owner: &impl Owner<V>,
        mut f: impl FnMut(u64, u64, &mut V),
    ) -> Result<(), OutOfMemory> {
        match spot {
            Some(spot) => {
                self.edit(spot, hi, owner, |leaf, i| modify(leaf, i, lo, hi, &mut f)).map(|_| ())
            }
            None => self.modify_anywhere(lo, hi, owner, f),
        }
    }
}
