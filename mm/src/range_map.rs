//! Disjoint ranges with values, as a persistent B+tree.
//!
//! Nodes sit in `Arc`s: a clone costs one count and whoever writes first copies the nodes on the
//! path. Each child carries a summary (bounds, largest free gap, whether anything below is
//! marked), so that searches for room and for marked entries skip what cannot help. Guards, room
//! that must stay free below an entry, count as occupied.
//!
//! The gap is a bound that a change only raises: what filled the largest gap need not look for the
//! next. A search that descends in vain lowers the bounds on its way, so that each change is paid
//! for once.
//!
//! The `Arc`s are `triomphe`'s, without weak counts: to find that a node is not shared takes a load,
//! not an exchange, at each step of a descent.

mod edit;
mod end;
mod iter;
mod local;
mod search;
mod share;
mod spot;
mod summary;
#[cfg(test)]
mod tests;

pub(crate) use share::{Free, Owner};
pub(crate) use spot::Spot;

use core::sync::atomic::AtomicU64;
use smallvec::SmallVec;
use summary::Summary;
use triomphe::Arc;

/// Entries per leaf. Small, because a leaf is what copy-on-write of the tree copies.
const LEAF: usize = 16;
/// Children per inner node.
const FAN: usize = 16;
/// What the smaller part of a node has when one that grows at an end is split. Not one: or to add and
/// remove at that place would make and drop a node each time.
const SPARE: usize = 3;

/// A leaf; there is room for an entry to be cut out of another one before it is split.
type Leaf<V> = SmallVec<[Entry<V>; LEAF + 2]>;

/// What ranges carry.
pub(crate) trait Value: Clone {
    /// Whether maps of it are searched for room and for marks: others spare the account of both.
    const SEARCHED: bool = false;
    /// The value of the part that starts `by` bytes further.
    fn advance(&self, by: u64) -> Self;
    /// Whether an entry of `len` bytes with this value and an adjacent one with `right` are one.
    fn merges(&self, len: u64, right: &Self) -> bool;
    /// Bytes below the entry that searches for room must leave free.
    fn guard(&self) -> u64 {
        0
    }
    /// Whether [`RangeMap::marked`] visits it.
    fn marked(&self) -> bool {
        false
    }
}

/// A range with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<V> {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) value: V,
}

impl<V: Value> Entry<V> {
    pub(crate) fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Whether `right` goes on where this ends, with a value that makes the two one.
    fn meets(&self, right: &Entry<V>) -> bool {
        self.end == right.start && self.value.merges(self.len(), &right.value)
    }

    /// The part inside `lo..hi`, if any.
    pub(crate) fn clip(&self, lo: u64, hi: u64) -> Option<Entry<V>> {
        let start = self.start.max(lo);
        let end = self.end.min(hi);
        if start >= end {
            return None;
        }
        let value = if start == self.start {
            self.value.clone()
        } else {
            self.value.advance(start - self.start)
        };
        Some(Entry { start, end, value })
    }
}

#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "a box more would cost every descent a cache miss")]
enum Node<V: Value> {
    Leaf(Leaf<V>),
    Inner(SmallVec<[Child<V>; FAN]>),
}

/// A node with what its parent knows of it. None is empty, but for a leaf that is the root.
struct Child<V: Value> {
    node: Arc<Node<V>>,
    sum: Summary,
    /// See [`Child::gap`].
    gap: AtomicU64,
}

impl<V: Value> Clone for Child<V> {
    fn clone(&self) -> Child<V> {
        Child { node: self.node.clone(), sum: self.sum, gap: AtomicU64::new(self.gap()) }
    }
}

impl<V: Value> Child<V> {
    fn new(node: Node<V>) -> Child<V> {
        let mut c = Child { node: Arc::new(node), sum: Summary::default(), gap: AtomicU64::new(0) };
        c.refresh();
        c
    }

    fn is_empty(&self) -> bool {
        match &*self.node {
            Node::Leaf(v) => v.is_empty(),
            Node::Inner(v) => v.is_empty(),
        }
    }
}

impl<V: Value> Child<V> {
    fn first_entry(&self) -> Option<&Entry<V>> {
        match &*self.node {
            Node::Leaf(v) => v.first(),
            Node::Inner(v) => v.first()?.first_entry(),
        }
    }

    fn last_entry(&self) -> Option<&Entry<V>> {
        match &*self.node {
            Node::Leaf(v) => v.last(),
            Node::Inner(v) => v.last()?.last_entry(),
        }
    }
}

/// How many items come first for which `before` holds; none after them does.
///
/// Nodes are small: to look at all of them, without waiting for one look before the next, is
/// faster than to halve.
fn rank<T>(items: &[T], before: impl Fn(&T) -> bool) -> usize {
    items.iter().map(|item| usize::from(before(item))).sum()
}

/// What lies before, at and after an address.
pub(crate) type Around<'a, V> = (Option<&'a Entry<V>>, Option<&'a Entry<V>>, Option<&'a Entry<V>>);

/// Disjoint ranges with values; see the module.
#[derive(Clone)]
pub(crate) struct RangeMap<V: Value> {
    root: Option<Child<V>>,
    len: usize,
}

impl<V: Value> Default for RangeMap<V> {
    fn default() -> RangeMap<V> {
        RangeMap { root: None, len: 0 }
    }
}

impl<V: Value> RangeMap<V> {
    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The entry that `at` lies in.
    pub(crate) fn find(&self, at: u64) -> Option<&Entry<V>> {
        self.ending_after(at).filter(|e| e.start <= at)
    }

    /// The first entry that ends after `at`.
    pub(crate) fn ending_after(&self, at: u64) -> Option<&Entry<V>> {
        let mut c = self.root.as_ref()?;
        loop {
            match &*c.node {
                Node::Leaf(v) => return v.get(rank(v, |e| e.end <= at)),
                Node::Inner(v) => c = v.get(rank(v, |c| c.sum.end <= at))?,
            }
        }
    }

    /// The last entry that starts before `at`.
    pub(crate) fn starting_before(&self, at: u64) -> Option<&Entry<V>> {
        let mut c = self.root.as_ref()?;
        loop {
            match &*c.node {
                Node::Leaf(v) => {
                    return v.get(rank(v, |e| e.start < at).checked_sub(1)?);
                }
                Node::Inner(v) => {
                    c = v.get(rank(v, |c| c.sum.first < at).checked_sub(1)?)?;
                }
            }
        }
    }

    /// The last entry that ends at or before `at`, the one that `at` lies in, and the first that
    /// starts after it.
    pub(crate) fn around(&self, at: u64) -> Around<'_, V> {
        let Some(mut c) = self.root.as_ref() else { return (None, None, None) };
        let (mut left, mut right) = (None, None);
        loop {
            match &*c.node {
                Node::Leaf(v) => {
                    let i = rank(v, |e| e.end <= at);
                    let here = v.get(i).filter(|e| e.start <= at);
                    let before = match i.checked_sub(1) {
                        Some(i) => v.get(i),
                        None => left.and_then(Child::last_entry),
                    };
                    let next = v.get(i + usize::from(here.is_some()));
                    return (before, here, next.or_else(|| right.and_then(Child::first_entry)));
                }
                Node::Inner(v) => {
                    let i = rank(v, |c| c.sum.end <= at).min(v.len().saturating_sub(1));
                    let Some(next) = v.get(i) else { return (None, None, None) };
                    left = i.checked_sub(1).and_then(|i| v.get(i)).or(left);
                    right = v.get(i + 1).or(right);
                    c = next;
                }
            }
        }
    }

    /// Whether no entry overlaps `lo..hi`.
    pub(crate) fn is_free(&self, lo: u64, hi: u64) -> bool {
        self.ending_after(lo).is_none_or(|e| e.start >= hi)
    }
}
