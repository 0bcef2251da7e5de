//! Address ranges and sequences of them against naive models.

use arch::{Addr, AddrRange, AddrRangeSeq};
use proptest::prelude::*;

fn range(start: u64, len: u64) -> AddrRange {
    AddrRange::new(Addr(start), Addr(start + len)).unwrap()
}

fn ranges() -> impl Strategy<Value = Vec<AddrRange>> {
    let one = (0u64..100, prop_oneof![Just(0u64), 0u64..6]);
    prop::collection::vec(one.prop_map(|(s, l)| range(s, l)), 0..8)
}

/// Every address of a sequence, one by one.
fn addresses(ranges: impl Iterator<Item = AddrRange>) -> Vec<u64> {
    ranges.flat_map(|r| r.start.0..r.end.0).collect()
}

#[test]
fn sequences_keep_empty_ranges_and_bound_their_sum() {
    let empty = [range(5, 0), range(7, 2), range(1, 0)];
    let seq = AddrRangeSeq::new(&empty).unwrap();
    assert_eq!((seq.range_count(), seq.byte_count()), (3, 2));
    assert_eq!(seq.head(), Some(range(5, 0)));
    assert_eq!(seq.drop_first(0).head(), Some(range(7, 2)));
    assert_eq!(seq.take_first(0).range_count(), 3);
    assert!(seq.drop_first(2).is_empty());
    let huge = AddrRange { start: Addr(0), end: Addr(1 << 63) };
    assert!(AddrRangeSeq::new(&[huge]).is_none());
    assert!(AddrRangeSeq::of(huge).is_none());
    let backwards = AddrRange { start: Addr(2), end: Addr(1) };
    assert!(AddrRangeSeq::new(&[backwards]).is_none());
    assert!(AddrRangeSeq::EMPTY.is_empty() && AddrRangeSeq::EMPTY.tail().is_empty());
}

proptest! {
    #[test]
    fn cutting_a_sequence_is_cutting_its_addresses(list in ranges(), drop in 0u64..30, take in 0u64..30) {
        let all = addresses(list.iter().copied());
        let seq = AddrRangeSeq::new(&list).unwrap();
        prop_assert_eq!(seq.byte_count(), all.len() as u64);
        prop_assert_eq!(seq.collect::<Vec<_>>(), list.clone());
        let cut = seq.drop_first(drop).take_first(take);
        let expected: Vec<u64> =
            all.iter().copied().skip(drop as usize).take(take as usize).collect();
        prop_assert_eq!(cut.byte_count(), expected.len() as u64);
        prop_assert_eq!(addresses(cut), expected);
        prop_assert_eq!(seq.take_first(take).range_count(), list.len());
        let swapped = seq.take_first(take).drop_first(drop);
        let expected: Vec<u64> =
            all.iter().copied().take(take as usize).skip(drop as usize).collect();
        prop_assert_eq!(addresses(swapped), expected);
    }

    #[test]
    fn the_usual_loop_ends(list in ranges(), step in 1u64..4) {
        let mut seq = AddrRangeSeq::new(&list).unwrap();
        let mut seen = Vec::new();
        let mut turns = 0;
        while let Some(head) = seq.head() {
            let n = head.len().min(step);
            seen.extend(head.start.0..head.start.0 + n);
            seq = seq.drop_first(n);
            turns += 1;
            prop_assert!(turns < 100);
        }
        prop_assert_eq!(seen, addresses(list.into_iter()));
    }

    #[test]
    fn ranges_agree_with_sets(a in (0u64..40, 0u64..20), b in (0u64..40, 0u64..20), x in 0u64..70) {
        let (ra, rb) = (range(a.0, a.1), range(b.0, b.1));
        let set = |r: AddrRange| (r.start.0..r.end.0).collect::<std::collections::BTreeSet<_>>();
        let both: Vec<u64> = set(ra).intersection(&set(rb)).copied().collect();
        prop_assert_eq!(ra.contains(Addr(x)), set(ra).contains(&x));
        let got = ra.intersect(rb).map_or(Vec::new(), |r| (r.start.0..r.end.0).collect());
        prop_assert_eq!(got, both.clone());
        if !ra.is_empty() && !rb.is_empty() {
            prop_assert_eq!(ra.overlaps(rb), !both.is_empty());
            prop_assert_eq!(ra.is_superset_of(rb), set(ra).is_superset(&set(rb)));
        }
    }

    #[test]
    fn rounding_is_to_pages(a: u64) {
        let a = Addr(a);
        prop_assert!(a.round_down() <= a && a.0 - a.round_down().0 < 4096);
        match a.round_up() {
            Some(up) => prop_assert!(up >= a && up.0 - a.0 < 4096 && up.is_page_aligned()),
            None => prop_assert!(a.0 > u64::MAX - 4095),
        }
    }
}
