//! Ordered visits.

use super::{Child, Entry, Node, RangeMap, Value, rank};
use smallvec::SmallVec;

/// The children of an inner node, and which of them the visit is at.
type Step<'a, V> = (&'a [Child<V>], usize);

/// Entries that overlap a range, in order.
pub(crate) struct Iter<'a, V: Value> {
    stack: SmallVec<[Step<'a, V>; 8]>,
    leaf: &'a [Entry<V>],
    hi: u64,
    only_marked: bool,
}

impl<'a, V: Value> Iter<'a, V> {
    fn new(map: &'a RangeMap<V>, lo: u64, hi: u64, only_marked: bool) -> Iter<'a, V> {
        let mut it = Iter { stack: SmallVec::new(), leaf: &[], hi, only_marked };
        if let Some(root) = &map.root {
            it.descend(root, lo);
        }
        it
    }

    fn descend(&mut self, mut c: &'a Child<V>, lo: u64) {
        loop {
            match &*c.node {
                Node::Leaf(v) => {
                    self.leaf = v.get(rank(v, |e| e.end <= lo)..).unwrap_or(&[]);
                    return;
                }
                Node::Inner(v) => {
                    let mut at = rank(v, |c| c.sum.end <= lo);
                    while self.only_marked && v.get(at).is_some_and(|c| c.sum.marked == 0) {
                        at += 1;
                    }
                    let Some(next) = v.get(at) else { return };
                    self.stack.push((v, at));
                    c = next;
                }
            }
        }
    }
}

impl<'a, V: Value> Iterator for Iter<'a, V> {
    type Item = &'a Entry<V>;

    fn next(&mut self) -> Option<&'a Entry<V>> {
        loop {
            if let Some((e, rest)) = self.leaf.split_first() {
                self.leaf = rest;
                if e.start >= self.hi {
                    self.leaf = &[];
                    self.stack.clear();
                    return None;
                }
                if !self.only_marked || e.value.marked() {
                    return Some(e);
                }
                continue;
            }
            let (v, at) = self.stack.last_mut()?;
            *at += 1;
            match v.get(*at) {
                None => {
                    self.stack.pop();
                }
                Some(c) if c.sum.first >= self.hi => self.stack.clear(),
                Some(c) if self.only_marked && c.sum.marked == 0 => {}
                Some(c) => self.descend(c, 0),
            }
        }
    }
}

impl<V: Value> RangeMap<V> {
    /// All entries.
    pub(crate) fn iter(&self) -> Iter<'_, V> {
        Iter::new(self, 0, u64::MAX, false)
    }

    /// Entries that overlap `lo..hi`.
    pub(crate) fn range(&self, lo: u64, hi: u64) -> Iter<'_, V> {
        Iter::new(self, lo, hi, false)
    }

    /// Entries whose value is marked; sub-trees without any are skipped.
    pub(crate) fn marked(&self) -> Iter<'_, V> {
        Iter::new(self, 0, u64::MAX, true)
    }
}
