//! Who maps an object, and how they hear that contents went away.

use crate::seam::ObjectMapping;
use alloc::collections::BTreeMap;
use alloc::sync::Weak;
use alloc::vec::Vec;
use arch::{Addr, AddrRange};
use core::ops::Range;
use sync::Mutex;

/// The mappings of one object, for implementors of [`crate::Mappable`].
///
/// [`MappingSet::add`] and [`MappingSet::remove`] may be called under a memory manager's lock;
/// [`MappingSet::invalidate`] takes those locks and must be called with no lock that
/// [`crate::Mappable::translate`] or [`crate::Mappable::add_mapping`] take.
#[derive(Default)]
pub struct MappingSet {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// By space, address and age. Mappings of one space do not overlap, but for the moment in
    /// which one replaces another.
    entries: BTreeMap<(usize, u64, u64), ObjectMapping>,
    next: u64,
    writable: usize,
}

impl Inner {
    fn insert(&mut self, m: ObjectMapping) {
        let key = (Weak::as_ptr(&m.space) as *const () as usize, m.range.start.0, self.next);
        self.next += 1;
        self.writable += usize::from(m.writable);
        self.entries.insert(key, m);
    }
}

/// The part of a mapping that shows bytes `r` of the object.
fn part(m: &ObjectMapping, r: &Range<u64>) -> Option<AddrRange> {
    let end = m.offset.saturating_add(m.range.len());
    let (lo, hi) = (m.offset.max(r.start), end.min(r.end));
    let at = |o: u64| Addr(m.range.start.0 + (o - m.offset));
    (lo < hi).then(|| AddrRange { start: at(lo), end: at(hi) })
}

impl MappingSet {
    /// A set without mappings.
    pub fn new() -> MappingSet {
        MappingSet::default()
    }

    /// Notes a mapping.
    pub fn add(&self, mapping: &ObjectMapping) {
        self.inner.lock().insert(mapping.clone());
    }

    /// Forgets (a part of) mappings that were noted.
    pub fn remove(&self, mapping: &ObjectMapping) {
        let mut inner = self.inner.lock();
        let space = Weak::as_ptr(&mapping.space) as *const () as usize;
        let mut rest: Vec<AddrRange> = alloc::vec![mapping.range];
        let mut split = Vec::new();
        let mut gone = Vec::new();
        for (key, m) in inner.entries.range((space, 0, 0)..(space, mapping.range.end.0, 0)).rev() {
            if rest.is_empty() {
                break;
            }
            let shift = |m: &ObjectMapping| m.range.start.0.wrapping_sub(m.offset);
            if m.writable != mapping.writable || shift(m) != shift(mapping) {
                continue;
            }
            let mut left = alloc::vec![m.range];
            let mut next = Vec::new();
            for r in rest.drain(..) {
                match r.intersect(m.range) {
                    None => next.push(r),
                    Some(common) => {
                        cut(&mut left, common);
                        let mut outside = alloc::vec![r];
                        cut(&mut outside, common);
                        next.append(&mut outside);
                    }
                }
            }
            rest = next;
            if left != [m.range] {
                gone.push(*key);
                split.extend(left.into_iter().map(|range| ObjectMapping {
                    range,
                    offset: m.offset + (range.start.0 - m.range.start.0),
                    ..m.clone()
                }));
            }
        }
        for key in gone {
            if inner.entries.remove(&key).is_some_and(|m| m.writable) {
                inner.writable -= 1;
            }
        }
        split.into_iter().for_each(|m| inner.insert(m));
    }

    /// Whether nobody maps the object.
    pub fn is_empty(&self) -> bool {
        self.inner.lock().entries.is_empty()
    }

    /// Whether the object may be written through a mapping: what `F_SEAL_WRITE` must refuse.
    pub fn has_writable(&self) -> bool {
        self.inner.lock().writable > 0
    }

    /// Tells everyone that bytes `range` of the object went away.
    ///
    /// A fork that is under way may copy what a mapping shows before it hears, and note the
    /// copy's mapping after the list was taken; so this goes on until there is no new mapping.
    pub fn invalidate(&self, range: Range<u64>, private_copies: bool) {
        let mut from = 0;
        loop {
            let (todo, next) = {
                let inner = self.inner.lock();
                let new = inner.entries.iter().filter(|(k, _)| k.2 >= from);
                let todo: Vec<_> =
                    new.filter_map(|(_, m)| Some((m.space.clone(), part(m, &range)?))).collect();
                (todo, inner.next)
            };
            if todo.is_empty() {
                return;
            }
            for (space, at) in todo {
                if let Some(space) = space.upgrade() {
                    space.invalidate(at, private_copies);
                }
            }
            from = next;
        }
    }
}

/// Removes `hole` from ranges.
fn cut(ranges: &mut Vec<AddrRange>, hole: AddrRange) {
    *ranges = ranges
        .iter()
        .flat_map(|r| {
            let below = AddrRange { start: r.start, end: r.end.min(hole.start).max(r.start) };
            let above = AddrRange { start: r.start.max(hole.end).min(r.end), end: r.end };
            [below, above]
        })
        .filter(|r| !r.is_empty())
        .collect();
}
