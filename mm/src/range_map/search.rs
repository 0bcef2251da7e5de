//! Search for room.

use super::{Child, Node, RangeMap, Value};

impl<V: Value> Child<V> {
    /// Moves `from` past occupied ranges until `need` bytes are free there.
    fn gap_above(&self, from: &mut u64, need: u64) -> bool {
        if self.sum.end <= *from {
            return false;
        }
        if self.sum.low >= from.saturating_add(need) {
            return true;
        }
        if self.gap() >= need {
            match &*self.node {
                Node::Inner(v) => {
                    if v.iter().any(|c| c.gap_above(from, need)) {
                        return true;
                    }
                }
                Node::Leaf(v) => {
                    for e in v {
                        if e.low() >= from.saturating_add(need) {
                            return true;
                        }
                        *from = (*from).max(e.end);
                    }
                }
            }
            self.lower_gap();
        }
        *from = (*from).max(self.sum.end);
        false
    }

    /// Moves `to` below occupied ranges until `need` bytes are free there. A guard matters to the
    /// gap right below its entry only.
    fn gap_below(&self, to: &mut u64, hi: u64, need: u64) -> bool {
        if self.sum.first < *to {
            if self.sum.end.saturating_add(need) <= *to {
                return true;
            }
            if self.gap() >= need {
                match &*self.node {
                    Node::Inner(v) => {
                        if v.iter().rev().any(|c| c.gap_below(to, hi, need)) {
                            return true;
                        }
                    }
                    Node::Leaf(v) => {
                        for e in v.iter().rev() {
                            if e.start < *to && e.end.saturating_add(need) <= *to {
                                return true;
                            }
                            *to = e.low().min(hi);
                        }
                    }
                }
                self.lower_gap();
            }
        }
        *to = self.sum.low.min(hi);
        false
    }
}

impl<V: Value> RangeMap<V> {
    /// The lowest `need` free bytes in `lo..hi`.
    pub(crate) fn lowest_gap(&self, lo: u64, hi: u64, need: u64) -> Option<u64> {
        let mut from = lo;
        if let Some(root) = &self.root {
            root.gap_above(&mut from, need);
        }
        (from.checked_add(need)? <= hi).then_some(from)
    }

    /// The highest `need` free bytes in `lo..hi`.
    pub(crate) fn highest_gap(&self, lo: u64, hi: u64, need: u64) -> Option<u64> {
        let mut to = hi;
        if let Some(root) = &self.root {
            root.gap_below(&mut to, hi, need);
        }
        to.checked_sub(need).filter(|&at| at >= lo)
    }
}
