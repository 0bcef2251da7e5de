//! Maps of IDs between a user namespace and its parent: user_namespaces(7), `kernel/user_namespace.c`.

use alloc::boxed::Box;
use alloc::vec::Vec;
use syserr::Errno;

/// The most ranges of a map; `UID_GID_MAP_MAX_EXTENTS`.
pub const EXTENTS_MAX: usize = 340;
/// The most ranges that stay in the order in which they were written; `UID_GID_MAP_MAX_BASE_EXTENTS`.
const UNSORTED_MAX: usize = 5;

/// A range of IDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// First ID inside of the namespace.
    pub first: u32,
    /// What that is outside.
    pub lower: u32,
    /// How many follow each other; at least 1.
    pub count: u32,
}

impl Extent {
    /// Whether two ranges have an ID in common, inside or outside.
    fn overlaps(&self, other: &Extent) -> bool {
        let meet = |a: u32, b: u32| a <= b + (other.count - 1) && b <= a + (self.count - 1);
        meet(self.first, other.first) || meet(self.lower, other.lower)
    }
}

/// Which IDs inside of a namespace are which outside. Ranges do not overlap on either side, and none
/// reaches the ID that means none (2³² − 1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdMap {
    /// As they are shown: in the order of `first` if there are more than five.
    extents: Box<[Extent]>,
    /// Places in `extents` in the order of `lower`, of a map that is sorted.
    by_lower: Box<[u16]>,
}

/// White space as the kernel's own `isspace` has it (lib/ctype.c).
fn is_space(c: u8) -> bool {
    c.is_ascii_whitespace() || matches!(c, 0x0b | 0xa0)
}

fn skip_spaces(text: &[u8]) -> &[u8] {
    let n = text.iter().take_while(|c| is_space(**c)).count();
    text.get(n..).unwrap_or_default()
}

/// `simple_strtoul` in base 10, cut to 32 bits: no digits are 0, and what overflows wraps.
fn number(text: &[u8]) -> (u32, &[u8]) {
    let digits = text.iter().take_while(|c| c.is_ascii_digit());
    let (n, v) = digits
        .fold((0, 0u32), |(n, v), c| (n + 1, v.wrapping_mul(10).wrapping_add(u32::from(c - b'0'))));
    (v, text.get(n..).unwrap_or_default())
}

fn extent(line: &[u8]) -> Option<Extent> {
    let spaced = |text: &[u8]| text.first().is_some_and(|c| is_space(*c));
    let (first, rest) = number(skip_spaces(line));
    let rest = spaced(rest).then(|| skip_spaces(rest))?;
    let (lower, rest) = number(rest);
    let rest = spaced(rest).then(|| skip_spaces(rest))?;
    let (count, rest) = number(rest);
    if !skip_spaces(rest).is_empty() {
        return None;
    }
    // Neither side may wrap, or reach the ID that is none.
    let ends =
        |start: u32| start != u32::MAX && start.checked_add(count).is_some_and(|e| e > start);
    (ends(first) && ends(lower)).then_some(Extent { first, lower, count })
}

impl IdMap {
    /// Reads what was written to `/proc/PID/uid_map`: lines of first ID inside, first ID outside and
    /// count (`map_write`).
    ///
    /// # Errors
    /// `EINVAL` for no range or too many, ranges that overlap, are empty or wrap, and other text.
    pub fn parse(text: &[u8]) -> Result<IdMap, Errno> {
        let text = text.split(|c| *c == 0).next().unwrap_or_default();
        // The end of the last line begins no other.
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let mut extents: Vec<Extent> = Vec::new();
        for line in text.split(|c| *c == b'\n') {
            let new = extent(line).ok_or(Errno::EINVAL)?;
            if extents.len() == EXTENTS_MAX || extents.iter().any(|e| e.overlaps(&new)) {
                return Err(Errno::EINVAL);
            }
            extents.push(new);
        }
        if extents.len() > UNSORTED_MAX {
            extents.sort_unstable_by_key(|e| e.first);
        }
        Ok(IdMap { extents: extents.into(), by_lower: Box::default() })
    }

    /// The map to the initial namespace's IDs, where this one leads to those of a namespace whose
    /// ranges `parent` takes there, given first and count.
    ///
    /// # Errors
    /// `EPERM` if one has no place there.
    pub fn over(&self, parent: impl Fn(u32, u32) -> Option<u32>) -> Result<IdMap, Errno> {
        let through =
            |e: &Extent| Ok(Extent { lower: parent(e.lower, e.count).ok_or(Errno::EPERM)?, ..*e });
        let extents = self.extents.iter().map(through).collect::<Result<Box<[Extent]>, Errno>>()?;
        let mut by_lower: Vec<u16> = Vec::new();
        if extents.len() > UNSORTED_MAX {
            by_lower.extend(0..extents.len() as u16);
            by_lower.sort_unstable_by_key(|i| extents.get(usize::from(*i)).map(|e| e.lower));
        }
        Ok(IdMap { extents, by_lower: by_lower.into() })
    }

    /// The ranges, in the order in which they are shown.
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// The ID outside that `id` is; `map_id_down`.
    pub fn down(&self, id: u32) -> Option<u32> {
        self.range_down(id, 1)
    }

    /// The first ID outside of `count` ones that follow each other there too.
    pub fn range_down(&self, id: u32, count: u32) -> Option<u32> {
        let e = if self.extents.len() > UNSORTED_MAX {
            let after = self.extents.partition_point(|e| e.first <= id);
            self.extents.get(after.checked_sub(1)?)?
        } else {
            self.extents.iter().find(|e| e.first <= id && id - e.first < e.count)?
        };
        let offset = id - e.first;
        let fits = offset < e.count && count <= e.count - offset;
        fits.then(|| e.lower + offset)
    }

    /// The ID inside that `id` is; `map_id_up`.
    pub fn up(&self, id: u32) -> Option<u32> {
        let e = if self.by_lower.is_empty() {
            self.extents.iter().find(|e| e.lower <= id && id - e.lower < e.count)?
        } else {
            let at = |i: &u16| self.extents.get(usize::from(*i));
            let after = self.by_lower.partition_point(|i| at(i).is_some_and(|e| e.lower <= id));
            at(self.by_lower.get(after.checked_sub(1)?)?)?
        };
        let offset = id - e.lower;
        (offset < e.count).then(|| e.first + offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;
    use proptest::prelude::*;

    #[test]
    fn text() {
        let good = |t: &[u8]| IdMap::parse(t).is_ok();
        for t in [
            &b"0 0 1"[..],
            b"0 0 1\n",
            b"  0\t1000  1  \n1 2000 5\n",
            b"0 0 4294967295",
            b"4294967294 4294967294 1",
            // Cut to 32 bits, and none of the digits is one too many.
            b"4294967296 0 1",
            b"0 0 1\n\0junk",
        ] {
            assert!(good(t), "{:?}", String::from_utf8_lossy(t));
        }
        for t in [
            &b""[..],
            b"\n",
            b"0 0",
            b"0 0 0",
            b"0 0 1 1",
            b"a 0 1",
            b"0 0 1x",
            b"-1 0 1",
            b"4294967295 0 1",
            b"0 4294967295 1",
            b"4294967294 0 2",
            b"1 0 4294967295",
            b"0 0 1\n\n1 1 1",
            b"0 0 2\n1 5 1",
            b"0 5 2\n7 6 1",
        ] {
            assert_eq!(IdMap::parse(t), Err(Errno::EINVAL), "{:?}", String::from_utf8_lossy(t));
        }
    }

    #[test]
    fn no_more_ranges_than_linux_takes() {
        let lines = |n: u32| -> String { (0..n).map(|i| format!("{i} {i} 1\n")).collect() };
        assert_eq!(IdMap::parse(lines(340).as_bytes()).map(|m| m.extents().len()), Ok(340));
        assert_eq!(IdMap::parse(lines(341).as_bytes()), Err(Errno::EINVAL));
    }

    #[test]
    fn a_map_leads_through_those_below() {
        let parent = IdMap::parse(b"0 1000 10\n10 5000 10").unwrap();
        let child = |t: &[u8]| IdMap::parse(t).unwrap().over(|i, n| parent.range_down(i, n));
        assert_eq!(child(b"0 5 2").unwrap().down(1), Some(1006));
        assert_eq!(child(b"0 10 2").unwrap().up(5001), Some(1));
        // Across the end of a range, and where there is none.
        assert_eq!(child(b"0 5 10"), Err(Errno::EPERM));
        assert_eq!(child(b"0 30 1"), Err(Errno::EPERM));
    }

    /// Ranges that do not overlap, in any order: gap, count and which comes when.
    fn maps() -> impl Strategy<Value = Vec<Extent>> {
        let one = (1u32..50, 0u32..30, 0u32..30);
        prop::collection::vec(one, 1..60).prop_flat_map(|parts| {
            let (mut first, mut lower, mut extents) = (0, 7, Vec::new());
            for (count, a, b) in parts {
                (first, lower) = (first + a, lower + b);
                extents.push(Extent { first, lower, count });
                (first, lower) = (first + count, lower + count);
            }
            // The sides get orders that have nothing to do with each other.
            let n = extents.len();
            for i in 0..n / 2 {
                if extents[i].count == extents[n - 1 - i].count {
                    let other = extents[n - 1 - i].lower;
                    extents[n - 1 - i].lower = core::mem::replace(&mut extents[i].lower, other);
                }
            }
            Just(extents).prop_shuffle()
        })
    }

    proptest! {
        #[test]
        fn a_map_is_what_its_ranges_say(extents in maps(), ids in prop::collection::vec(0u32..4000, 40)) {
            let text: String =
                extents.iter().map(|e| format!("{} {} {}\n", e.first, e.lower, e.count)).collect();
            let map = IdMap::parse(text.as_bytes()).unwrap().over(|i, _| Some(i)).unwrap();
            prop_assert_eq!(map.extents().len(), extents.len());
            for id in ids {
                let inside = extents.iter().find(|e| (e.first..e.first + e.count).contains(&id));
                let outside = extents.iter().find(|e| (e.lower..e.lower + e.count).contains(&id));
                let down = inside.map(|e| e.lower + (id - e.first));
                prop_assert_eq!(map.down(id), down);
                prop_assert_eq!(map.up(id), outside.map(|e| e.first + (id - e.lower)));
                if let Some(d) = down {
                    prop_assert_eq!(map.up(d), Some(id));
                }
            }
        }

        #[test]
        fn any_text_is_a_map_or_refused(text in prop::collection::vec(prop::sample::select(&b"0123456789 \n\t-"[..]), 0..60)) {
            if let Ok(map) = IdMap::parse(&text) {
                prop_assert!(!map.extents().is_empty());
                for e in map.extents() {
                    prop_assert_eq!(map.down(e.first), Some(e.lower));
                    prop_assert_eq!(map.down(e.first + (e.count - 1)), Some(e.lower + (e.count - 1)));
                }
            }
        }
    }
}
