//! Sequences of address ranges: iovecs as a value.

use crate::{Addr, AddrRange};

/// A view of address ranges that can be cut at either end without copying them.
///
/// Empty ranges stay in the sequence, because Linux checks the bounds of empty iovecs too. The
/// sum of all lengths is at most `i64::MAX`.
#[derive(Clone, Copy, Debug)]
pub struct AddrRangeSeq<'a> {
    /// The first range as far as it is left.
    first: Option<AddrRange>,
    rest: &'a [AddrRange],
    /// Bytes that are left in all ranges.
    bytes: u64,
}

impl<'a> AddrRangeSeq<'a> {
    /// No range.
    pub const EMPTY: AddrRangeSeq<'static> = AddrRangeSeq { first: None, rest: &[], bytes: 0 };

    /// The ranges of a slice, or `None` when they are longer than `i64::MAX` bytes together or one
    /// of them ends before it starts.
    pub fn new(ranges: &'a [AddrRange]) -> Option<AddrRangeSeq<'a>> {
        let bytes = ranges.iter().try_fold(0u64, |sum, r| {
            let len = r.end.0.checked_sub(r.start.0)?;
            sum.checked_add(len).filter(|&sum| sum <= i64::MAX as u64)
        })?;
        Some(match ranges.split_first() {
            Some((first, rest)) => AddrRangeSeq { first: Some(*first), rest, bytes },
            None => AddrRangeSeq::EMPTY,
        })
    }

    /// One range, empty or not; `None` as for [`AddrRangeSeq::new`].
    pub fn of(range: AddrRange) -> Option<AddrRangeSeq<'static>> {
        let bytes = range.end.0.checked_sub(range.start.0)?;
        (bytes <= i64::MAX as u64).then_some(AddrRangeSeq { first: Some(range), rest: &[], bytes })
    }

    /// Whether there is no range at all, not even an empty one.
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// How many ranges there are.
    pub const fn range_count(&self) -> usize {
        if self.first.is_some() { 1 + self.rest.len() } else { 0 }
    }

    /// How many bytes there are.
    pub const fn byte_count(&self) -> u64 {
        self.bytes
    }

    /// The first range.
    pub fn head(&self) -> Option<AddrRange> {
        let first = self.first?;
        let end = first.start.wrapping_add(first.len().min(self.bytes));
        Some(AddrRange { start: first.start, end })
    }

    /// The sequence without its first range.
    #[must_use]
    pub fn tail(&self) -> AddrRangeSeq<'a> {
        let taken = self.head().map_or(0, AddrRange::len);
        match self.rest.split_first() {
            Some((first, rest)) if self.first.is_some() => {
                AddrRangeSeq { first: Some(*first), rest, bytes: self.bytes - taken }
            }
            _ => AddrRangeSeq::EMPTY,
        }
    }

    /// The sequence without its first `n` bytes, and without the empty ranges that are in front
    /// then: a loop that uses the head and drops what it has used ends.
    #[must_use]
    pub fn drop_first(&self, n: u64) -> AddrRangeSeq<'a> {
        let (mut seq, mut n) = (*self, n);
        while let Some(head) = seq.head() {
            if n < head.len() {
                let start = Addr(head.start.0 + n);
                let end = seq.first.map_or(head.end, |f| f.end);
                return AddrRangeSeq {
                    first: Some(AddrRange { start, end }),
                    rest: seq.rest,
                    bytes: seq.bytes - n,
                };
            }
            n -= head.len();
            seq = seq.tail();
        }
        AddrRangeSeq::EMPTY
    }

    /// The sequence with at most `n` bytes. No range goes away: those behind become empty.
    #[must_use]
    pub fn take_first(&self, n: u64) -> AddrRangeSeq<'a> {
        AddrRangeSeq { bytes: self.bytes.min(n), ..*self }
    }
}

impl Iterator for AddrRangeSeq<'_> {
    type Item = AddrRange;

    fn next(&mut self) -> Option<AddrRange> {
        let head = self.head()?;
        *self = self.tail();
        Some(head)
    }
}
