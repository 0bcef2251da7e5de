//! What a parent knows of a child, and how it is kept true.

use super::{Child, Entry, Node, Value};
use core::sync::atomic::Ordering::Relaxed;

/// What a parent knows of a child, but for the gap.
#[derive(Clone, Copy, Default)]
pub(super) struct Summary {
    /// Start of the first entry.
    pub(super) first: u64,
    /// End of the last entry.
    pub(super) end: u64,
    /// Where the guard of the first entry begins.
    pub(super) low: u64,
    /// Not zero when anything below is marked. A whole word, so that children move as words.
    pub(super) marked: u64,
}

impl Summary {
    /// The free bytes up to what comes next.
    #[inline]
    fn room_to(&self, next: &Summary) -> u64 {
        next.low.saturating_sub(self.end)
    }

    fn differs(&self, other: &Summary) -> bool {
        (self.first ^ other.first)
            | (self.low ^ other.low)
            | (self.end ^ other.end)
            | (self.marked ^ other.marked)
            != 0
    }
}

impl<V: Value> Entry<V> {
    /// Where its guard begins.
    #[inline]
    pub(super) fn low(&self) -> u64 {
        self.start.saturating_sub(self.value.guard())
    }

    #[inline]
    fn summary(&self) -> Summary {
        Summary {
            first: self.start,
            low: self.low(),
            end: self.end,
            marked: u64::from(self.value.marked()),
        }
    }
}

/// What is known of neighbours, in order.
fn summarise<V: Value, T>(parts: &[T], summary: impl Fn(&T) -> Summary) -> Summary {
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
        return Summary::default();
    };
    let mut sum = Summary { end: summary(last).end, ..summary(first) };
    if V::SEARCHED {
        sum.marked = u64::from(parts.iter().any(|p| summary(p).marked != 0));
    }
    sum
}

/// The largest gap in and between neighbours.
fn largest_gap<T>(parts: &[T], summary: impl Fn(&T) -> Summary, inside: impl Fn(&T) -> u64) -> u64 {
    let [first, rest @ ..] = parts else { return 0 };
    let (mut gap, mut left) = (inside(first), summary(first));
    for part in rest {
        let right = summary(part);
        gap = gap.max(left.room_to(&right)).max(inside(part));
        left = right;
    }
    gap
}

impl<V: Value> Child<V> {
    /// What no gap between two entries below, less the guard of the upper one, exceeds.
    ///
    /// Whoever shares the parent may lower it to what is as true of the node. When the others see
    /// that matters to nobody: so it is no atomic of `sync`'s, of which models would try every
    /// order.
    pub(super) fn gap(&self) -> u64 {
        self.gap.load(Relaxed)
    }

    fn largest_gap(&self) -> u64 {
        match &*self.node {
            Node::Leaf(v) => largest_gap(v, Entry::summary, |_| 0),
            Node::Inner(v) => largest_gap(v, |c| c.sum, Child::gap),
        }
    }

    /// Lowers the bound on gaps to what follows from the children, whose own a search in vain has
    /// lowered.
    pub(super) fn lower_gap(&self) {
        self.gap.store(self.largest_gap(), Relaxed);
    }

    /// Says whether it was lower.
    #[inline]
    fn raise_gap(&mut self, to: u64) -> bool {
        let bound = self.gap.get_mut();
        let raised = to > *bound;
        *bound = to.max(*bound);
        raised
    }

    /// Says whether it is another one.
    #[inline]
    fn set_summary(&mut self, sum: Summary) -> bool {
        let differs = sum.differs(&self.sum);
        self.sum = sum;
        differs
    }

    /// Computes what is known of the node anew after it has changed; says whether that matters to
    /// the node above.
    pub(super) fn refresh(&mut self) -> bool {
        let sum = match &*self.node {
            Node::Leaf(v) => summarise::<V, _>(v, Entry::summary),
            Node::Inner(v) => summarise::<V, _>(v, |c| c.sum),
        };
        let mut raised = false;
        if V::SEARCHED {
            let gap = self.largest_gap();
            raised = gap > self.gap();
            *self.gap.get_mut() = gap;
        }
        self.set_summary(sum) || raised
    }

    /// [`Child::refresh`] of a leaf after a change up to `hi`, from the entry `at` on: no gaps but
    /// those in there and beside it can have grown.
    #[inline]
    pub(super) fn refresh_around(&mut self, at: usize, hi: u64) -> bool {
        let Node::Leaf(v) = &*self.node else { return false };
        let (Some(first), Some(last)) = (v.first(), v.last()) else {
            return self.set_summary(Summary::default());
        };
        let mut sum = Summary { first: first.start, low: first.low(), end: last.end, marked: 0 };
        let mut gap = 0;
        if V::SEARCHED {
            let mut end = u64::MAX;
            for e in v.get(at.saturating_sub(1)..).unwrap_or_default() {
                gap = gap.max(e.low().saturating_sub(end));
                sum.marked |= u64::from(e.value.marked());
                if e.start >= hi {
                    break;
                }
                end = e.end;
            }
            if sum.marked < self.sum.marked {
                sum.marked = u64::from(v.iter().any(|e| e.value.marked()));
            }
        }
        let raised = V::SEARCHED && self.raise_gap(gap);
        self.set_summary(sum) || raised
    }

    /// [`Child::refresh`] of a leaf after nothing but the end of the entry `at` has moved.
    #[inline]
    pub(super) fn refresh_end(&mut self, at: usize) -> bool {
        let Node::Leaf(v) = &*self.node else { return false };
        let Some(e) = v.get(at) else { return false };
        let end = e.end;
        match v.get(at + 1) {
            Some(next) => {
                let gap = next.low().saturating_sub(end);
                V::SEARCHED && self.raise_gap(gap)
            }
            None => core::mem::replace(&mut self.sum.end, end) != end,
        }
    }

    /// [`Child::refresh`] of an inner node after nothing but what is known of its child `i` has
    /// changed; `unmarked` says that there was a mark below that and now is none.
    #[inline]
    pub(super) fn refresh_at(&mut self, i: usize, unmarked: bool) -> bool {
        let Node::Inner(v) = &*self.node else { return false };
        let Some(c) = v.get(i) else { return false };
        let (mut sum, mut gap) = (self.sum, c.gap());
        match i.checked_sub(1).and_then(|i| v.get(i)) {
            Some(left) => gap = gap.max(left.sum.room_to(&c.sum)),
            None => (sum.first, sum.low) = (c.sum.first, c.sum.low),
        }
        match v.get(i + 1) {
            Some(right) => gap = gap.max(c.sum.room_to(&right.sum)),
            None => sum.end = c.sum.end,
        }
        sum.marked |= c.sum.marked;
        if unmarked {
            sum.marked = u64::from(v.iter().any(|c| c.sum.marked != 0));
        }
        let raised = V::SEARCHED && self.raise_gap(gap);
        self.set_summary(sum) || raised
    }
}
