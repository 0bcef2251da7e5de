//! User addresses and ranges of them.

/// The page size of every guest, in bytes.
pub const PAGE_SIZE: u64 = 4096;
/// The size of a huge page, in bytes.
pub const HUGE_PAGE_SIZE: u64 = 2 << 20;

/// An address in a guest's address space: an allegation, not a proof that anything is there.
///
/// A transparent `u64` with public conversions both ways, so that an embedder keeps its own type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Addr(pub u64);

impl Addr {
    /// The null address.
    pub const NULL: Addr = Addr(0);

    /// The address `n` bytes further, unless that wraps.
    pub const fn checked_add(self, n: u64) -> Option<Addr> {
        match self.0.checked_add(n) {
            Some(v) => Some(Addr(v)),
            None => None,
        }
    }

    /// The address `n` bytes further, wrapping; for arithmetic whose result is checked later.
    pub const fn wrapping_add(self, n: u64) -> Addr {
        Addr(self.0.wrapping_add(n))
    }

    /// The start of the page that this address lies in.
    pub const fn round_down(self) -> Addr {
        Addr(self.0 & !(PAGE_SIZE - 1))
    }

    /// The next page boundary at or after this address, unless that wraps.
    pub const fn round_up(self) -> Option<Addr> {
        match self.0.checked_add(PAGE_SIZE - 1) {
            Some(v) => Some(Addr(v & !(PAGE_SIZE - 1))),
            None => None,
        }
    }

    /// Offset within the page, in bytes.
    pub const fn page_offset(self) -> u64 {
        self.0 & (PAGE_SIZE - 1)
    }

    /// Whether this is a page boundary.
    pub const fn is_page_aligned(self) -> bool {
        self.page_offset() == 0
    }

    /// The range of `len` bytes from here, unless its end wraps.
    pub const fn to_range(self, len: u64) -> Option<AddrRange> {
        match self.checked_add(len) {
            Some(end) => Some(AddrRange { start: self, end }),
            None => None,
        }
    }
}

impl From<u64> for Addr {
    fn from(v: u64) -> Addr {
        Addr(v)
    }
}

impl From<Addr> for u64 {
    fn from(a: Addr) -> u64 {
        a.0
    }
}

impl core::fmt::Debug for Addr {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl core::fmt::LowerHex for Addr {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::LowerHex::fmt(&self.0, f)
    }
}

/// A half-open range of addresses; `start <= end` in every value this crate makes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct AddrRange {
    /// First address.
    pub start: Addr,
    /// First address past the range.
    pub end: Addr,
}

impl AddrRange {
    /// The range `start..end`, or `None` when `end < start`.
    pub const fn new(start: Addr, end: Addr) -> Option<AddrRange> {
        if start.0 <= end.0 { Some(AddrRange { start, end }) } else { None }
    }

    /// Length in bytes.
    pub const fn len(self) -> u64 {
        self.end.0 - self.start.0
    }

    /// Whether it holds no address.
    pub const fn is_empty(self) -> bool {
        self.start.0 == self.end.0
    }

    /// Whether `a` lies inside.
    pub const fn contains(self, a: Addr) -> bool {
        self.start.0 <= a.0 && a.0 < self.end.0
    }

    /// Whether all of `r` lies inside.
    pub const fn is_superset_of(self, r: AddrRange) -> bool {
        self.start.0 <= r.start.0 && r.end.0 <= self.end.0
    }

    /// Whether the two share an address.
    pub const fn overlaps(self, r: AddrRange) -> bool {
        self.start.0 < r.end.0 && r.start.0 < self.end.0
    }

    /// The shared part, if any.
    pub fn intersect(self, r: AddrRange) -> Option<AddrRange> {
        let start = self.start.max(r.start);
        let end = self.end.min(r.end);
        (start < end).then_some(AddrRange { start, end })
    }
}

impl core::fmt::Debug for AddrRange {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:#x}..{:#x}", self.start.0, self.end.0)
    }
}
