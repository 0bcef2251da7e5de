use super::*;
use alloc::vec::Vec;
use core::cell::RefCell;
use proptest::prelude::*;

/// Merges with equal neighbours; even values have a guard; multiples of five are marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct V(u8);

impl Value for V {
    const SEARCHED: bool = true;

    fn advance(&self, _: u64) -> V {
        *self
    }

    fn merges(&self, _: u64, right: &V) -> bool {
        self == right
    }

    fn guard(&self) -> u64 {
        if self.0.is_multiple_of(2) { 3 } else { 0 }
    }

    fn marked(&self) -> bool {
        self.0.is_multiple_of(5)
    }
}

/// Bytes of the address line, each with its value: the naive map.
type Model = Vec<Option<V>>;
const LINE: u64 = 600;

fn runs(m: &Model) -> Vec<Entry<V>> {
    let mut out: Vec<Entry<V>> = Vec::new();
    for (at, v) in m.iter().enumerate() {
        let at = at as u64;
        let Some(v) = v else { continue };
        match out.last_mut() {
            Some(e) if e.end == at && e.value == *v => e.end += 1,
            _ => out.push(Entry { start: at, end: at + 1, value: *v }),
        }
    }
    out
}

/// Counts the leaves that hold each byte.
struct Counter(RefCell<Vec<i32>>);

impl Owner<V> for Counter {
    fn acquire(&self, entries: &[Entry<V>]) -> Result<(), crate::OutOfMemory> {
        self.add(entries, 1);
        Ok(())
    }

    fn release(&self, entries: &[Entry<V>]) {
        self.add(entries, -1);
    }
}

impl Counter {
    fn add(&self, entries: &[Entry<V>], by: i32) {
        for e in entries {
            (e.start..e.end).for_each(|a| self.0.borrow_mut()[a as usize] += by);
        }
    }
}

#[derive(Clone, Debug)]
enum Do {
    Insert(u64, u64, u8),
    Remove(u64, u64),
    Modify(u64, u64, u8),
    Set(u64, u64, u8),
    MoveEnd(u64, u64),
    Search(u64),
    Fork,
    DropFork,
}

fn op() -> impl Strategy<Value = Do> {
    prop_oneof![
        6 => (0..LINE, 1..9u64, 0..7u8).prop_map(|(a, l, v)| Do::Insert(a, l, v)),
        2 => (0..LINE, 1..40u64).prop_map(|(a, l)| Do::Remove(a, l)),
        2 => (0..LINE, 1..40u64, 0..7u8).prop_map(|(a, l, v)| Do::Modify(a, l, v)),
        2 => (0..LINE, 1..20u64, 0..7u8).prop_map(|(a, l, v)| Do::Set(a, l, v)),
        2 => (0..LINE, 1..40u64).prop_map(|(a, to)| Do::MoveEnd(a, to)),
        2 => (1..80u64).prop_map(Do::Search),
        1 => Just(Do::Fork),
        1 => Just(Do::DropFork),
    ]
}

fn apply(map: &mut RangeMap<V>, m: &mut Model, c: &Counter, op: &Do) {
    let clip = |a: u64, l: u64| (a, (a + l).min(LINE));
    match *op {
        Do::Insert(a, l, v) => {
            let (lo, hi) = clip(a, l);
            if map.is_free(lo, hi) {
                c.add(&[Entry { start: lo, end: hi, value: V(v) }], 1);
                map.insert(Entry { start: lo, end: hi, value: V(v) }, c).unwrap();
                m[lo as usize..hi as usize].fill(Some(V(v)));
            }
        }
        Do::Remove(a, l) => {
            let (lo, hi) = clip(a, l);
            map.unshare(lo, hi, c).unwrap();
            map.remove(lo, hi, c, |e| c.add(&[e], -1)).unwrap();
            m[lo as usize..hi as usize].fill(None);
        }
        Do::Modify(a, l, v) => {
            let (lo, hi) = clip(a, l);
            map.modify(lo, hi, c, |_, _, x| *x = V(v)).unwrap();
            m[lo as usize..hi as usize].iter_mut().flatten().for_each(|x| *x = V(v));
        }
        Do::Set(a, l, v) => {
            let (lo, hi) = clip(a, l);
            let e = Entry { start: lo, end: hi, value: V(v) };
            map.unshare(lo, hi, c).unwrap();
            let mut old = Vec::new();
            let there: Vec<_> = map.range(lo, hi).filter_map(|e| e.clip(lo, hi)).collect();
            map.set(e, c, |e| old.push(e)).unwrap();
            assert_eq!(old, there);
            c.add(&old, -1);
            c.add(&[e], 1);
            m[lo as usize..hi as usize].fill(Some(V(v)));
        }
        Do::MoveEnd(a, len) => {
            let Some(e) = map.find(a).copied() else { return };
            let (end, next) = (e.start + len, map.ending_after(e.end));
            if next.is_some_and(|n| end >= n.start) || end > LINE {
                return;
            }
            let Some((spot, _)) = map.spot(e.end - 1, end.max(e.end), false) else { return };
            assert_eq!(map.move_end(spot, end, c, |_| false), Ok(false));
            let (lo, hi) = (end.min(e.end), end.max(e.end));
            // As the entry's, so that what its leaf owns is taken account of.
            let moved = Entry { start: lo, end: hi, value: e.value };
            assert_eq!(map.move_end(spot, end, c, |x| *x == e), Ok(true));
            c.add(&[moved], if end > e.end { 1 } else { -1 });
            m[lo as usize..hi as usize].fill(if end > e.end { Some(e.value) } else { None });
        }
        // Searches lower what is known of gaps, and changes raise it again.
        Do::Search(need) => check_gaps(map, &runs(m), need),
        Do::Fork | Do::DropFork => {}
    }
}

/// Searches for room find what the naive ones find.
fn check_gaps(map: &RangeMap<V>, want: &[Entry<V>], need: u64) {
    for (lo, hi) in [(0, LINE), (100, 400), (333, 350)] {
        let fits = |at: u64| {
            want.iter().all(|e| e.end <= at || e.start >= at + need)
                && want
                    .iter()
                    .find(|e| e.end > at)
                    .is_none_or(|e| e.start.saturating_sub(e.value.guard()) >= at + need)
        };
        let places = || (lo..=hi - need.min(hi - lo)).filter(|a| a + need <= hi);
        assert_eq!(map.lowest_gap(lo, hi, need), places().find(|a| fits(*a)), "{need}");
        assert_eq!(map.highest_gap(lo, hi, need), places().rev().find(|a| fits(*a)), "{need}");
    }
}

fn check(map: &RangeMap<V>, m: &Model) {
    let want = runs(m);
    let got: Vec<_> = map.iter().copied().collect();
    assert_eq!(got, want);
    assert_eq!(map.len(), want.len());
    let marked: Vec<_> = want.iter().filter(|e| e.value.marked()).copied().collect();
    assert_eq!(map.marked().copied().collect::<Vec<_>>(), marked);
    for at in (0..LINE).step_by(7) {
        assert_eq!(
            map.find(at).copied(),
            want.iter().find(|e| e.start <= at && at < e.end).copied()
        );
        assert_eq!(map.ending_after(at).copied(), want.iter().find(|e| e.end > at).copied());
        let before = want.iter().rev().find(|e| e.start < at).copied();
        assert_eq!(map.starting_before(at).copied(), before);
        let (left, here, right) = map.around(at);
        assert_eq!(left, want.iter().rev().find(|e| e.end <= at));
        assert_eq!(here, map.find(at));
        assert_eq!(right, want.iter().find(|e| e.start > at));
        let part: Vec<_> =
            want.iter().filter(|e| e.end > at && e.start < at + 50).copied().collect();
        assert_eq!(map.range(at, at + 50).copied().collect::<Vec<_>>(), part);
    }
    for need in [1, 2, 5, 17, 80] {
        check_gaps(map, &want, need);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any sequence of changes equals the naive map, in a map and in its forks, and what entries
    /// own is counted once for each leaf.
    #[test]
    fn equals_a_naive_map(ops in proptest::collection::vec((op(), any::<bool>()), 1..200)) {
        let counter = Counter(RefCell::new(alloc::vec![0; LINE as usize]));
        let mut all = alloc::vec![(RangeMap::default(), alloc::vec![None; LINE as usize])];
        for (op, last) in &ops {
            match op {
                Do::Fork if all.len() < 4 => {
                    let copy = (all[0].0.clone(), all[0].1.clone());
                    all.push(copy);
                }
                Do::DropFork if all.len() > 1 => {
                    let (mut map, _) = all.swap_remove(usize::from(*last));
                    map.drain(&mut |_| (), &mut |e| counter.add(&[e], -1));
                }
                _ => {
                    let at = if *last { all.len() - 1 } else { 0 };
                    let (map, model) = &mut all[at];
                    apply(map, model, &counter, op);
                }
            }
        }
        for (map, model) in &all {
            check(map, model);
            for (at, v) in model.iter().enumerate() {
                let holders = counter.0.borrow()[at];
                prop_assert!(v.is_none() || holders >= 1);
                prop_assert!(holders <= all.len() as i32);
            }
        }
        for (mut map, _) in all {
            map.discard(&mut |e| counter.add(&[e], -1));
        }
        prop_assert!(counter.0.borrow().iter().all(|n| *n == 0));
    }
}

#[test]
fn large_maps_stay_consistent() {
    let mut map = RangeMap::default();
    for i in 0..20_000u64 {
        let start = (i * 7919 % 20_000) * 10;
        map.insert(Entry { start, end: start + 5, value: V(1) }, &Free).unwrap();
    }
    assert_eq!(map.len(), 20_000);
    assert_eq!(map.lowest_gap(0, 200_000, 5), Some(5));
    assert_eq!(map.lowest_gap(0, 200_005, 6), Some(199_995));
    map.remove(50_000, 50_005, &Free, |_| ()).unwrap();
    assert_eq!(map.highest_gap(0, 199_000, 15), Some(49_995));
    map.remove(0, 200_000, &Free, |_| ()).unwrap();
    assert_eq!((map.len(), map.iter().count()), (0, 0));
}
