//! Random sequences.

use crate::call::{BASE, BRK_PAGES, Call, END, FILE_PAGES, GROWS_DOWN, P, PAGES, Sequence};
use proptest::prelude::*;

fn place() -> impl Strategy<Value = u64> {
    prop_oneof![9 => (0..PAGES).prop_map(|i| BASE + i * P), 1 => (0..PAGES * P).prop_map(|o| BASE + o)]
}

/// A word.
fn word() -> impl Strategy<Value = u64> {
    (0..PAGES, 0..P / 8).prop_map(|(i, w)| BASE + i * P + w * 8)
}

/// The word of each page that the final comparison looks at.
fn first_word() -> impl Strategy<Value = u64> {
    prop_oneof![6 => (0..PAGES).prop_map(|i| BASE + i * P), 1 => word()]
}

fn length() -> impl Strategy<Value = u64> {
    prop_oneof![
        12 => (1..10u64).prop_map(|n| n * P),
        2 => 1..5 * P,
        1 => Just(0),
        1 => Just(u64::MAX),
        1 => Just(u64::MAX - P),
    ]
}

fn mmap_flags() -> impl Strategy<Value = u32> {
    prop_oneof![
        10 => Just(0x12u32),
        3 => Just(0x11),
        1 => Just(0x13),
        1 => Just(0x10),
        2 => Just(0x10_0002),
        1 => Just(0x10_0011),
        1 => Just(0x10_0013),
        1 => Just(0x8_0013),
        1 => Just(0x80_0013),
        1 => Just(0x2012),
        3 => Just(0x112),
        1 => Just(0x8012),
        1 => Just(0x1_8012),
        1 => Just(0x4012),
        1 => Just(0x42),
        1 => Just(0x41),
        1 => Just(0x52),
        1 => Just(0x2),
        1 => Just(0x102),
        1 => Just(0x2_0012),
        1 => Just(0x4_0002),
    ]
}

fn advice() -> impl Strategy<Value = i32> {
    prop_oneof![
        // The memory failure injections would take pages from the host.
        10 => 0..26i32,
        2 => Just(4),
        3 => Just(102),
        2 => Just(103),
        1 => Just(26),
        1 => Just(-1),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    let prot = || prop_oneof![6 => Just(3u32), 2 => 0..8u32];
    let offset =
        prop_oneof![6 => (0..FILE_PAGES).prop_map(|i| i * P), 1 => Just(1u64), 1 => Just(1 << 63)];
    let mapping = prop_oneof![
        8 => (place(), length(), prot(), mmap_flags(), prop::bool::weighted(0.3), offset).prop_map(
            |(at, len, prot, flags, file, offset)| Call::Mmap { at, len, prot, flags, file, offset }
        ),
        3 => (place(), length()).prop_map(|(at, len)| Call::Munmap { at, len }),
        3 => (place(), length(), prot(), prop::bool::weighted(0.1)).prop_map(|(at, len, p, down)| {
            Call::Mprotect { at, len, prot: p | if down { GROWS_DOWN } else { 0 } }
        }),
        4 => (place(), length(), length(), 0..8u32, place()).prop_map(
            |(at, old, new, flags, to)| Call::Mremap { at, old, new, flags, to }
        ),
        1 => (0..BRK_PAGES * P).prop_map(|by| Call::Brk { by }),
    ];
    let advising = prop_oneof![
        8 => (place(), length(), advice()).prop_map(
            |(at, len, advice)| Call::Madvise { at, len, advice }
        ),
        2 => (place(), length(), place(), length(), advice()).prop_map(|(a, n, b, m, advice)| {
            Call::ProcessMadvise { ranges: [(a, n), (b, m)], advice }
        }),
        3 => (place(), length(), any::<u8>()).prop_map(|(at, len, how)| Call::Mlock { at, len, how }),
        1 => (0..9u32).prop_map(|flags| Call::Mlockall { flags }),
        1 => Just(Call::Munlockall),
        2 => (place(), length(), 0..8u32).prop_map(|(at, len, flags)| Call::Msync { at, len, flags }),
        2 => (place(), 0..12u64).prop_map(|(at, pages)| Call::Mincore { at, pages }),
        1 => (place(), length()).prop_map(|(at, len)| Call::Mseal { at, len }),
    ];
    let value = || 1..u64::MAX;
    let using = prop_oneof![
        6 => (first_word(), value()).prop_map(|(at, value)| Call::Store { at, value }),
        5 => first_word().prop_map(|at| Call::Load { at }),
        3 => (first_word(), value()).prop_map(|(at, value)| Call::CopyOut { at, value }),
        2 => first_word().prop_map(|at| Call::CopyIn { at }),
        1 => (0..BRK_PAGES, value()).prop_map(|(page, value)| Call::BrkTouch { page, value }),
        1 => (0..=FILE_PAGES).prop_map(|pages| Call::Truncate { pages }),
        1 => (0..FILE_PAGES, value()).prop_map(|(page, value)| Call::FileWrite { page, value }),
        2 => Just(Call::Fork),
    ];
    prop_oneof![10 => mapping, 8 => advising, 12 => using]
}

/// Keeps what a call reaches inside the region.
fn inside(c: &Call) -> bool {
    let fits = |at: u64, len: u64| len > 1 << 48 || at + len <= END;
    match *c {
        Call::Mmap { at, len, .. }
        | Call::Munmap { at, len }
        | Call::Mprotect { at, len, .. }
        | Call::Madvise { at, len, .. }
        | Call::Mlock { at, len, .. }
        | Call::Mseal { at, len }
        | Call::Msync { at, len, .. } => fits(at, len),
        Call::Mincore { at, pages } => fits(at, pages * P),
        Call::Mremap { at, old, new, to, .. } => {
            fits(at, old) && fits(at, new) && fits(to, new) && fits(to, old)
        }
        Call::ProcessMadvise { ranges, .. } => {
            ranges.iter().all(|&(at, len)| len < 1 << 48 && fits(at, len))
        }
        _ => true,
    }
}

pub(crate) fn sequence() -> impl Strategy<Value = Sequence> {
    proptest::collection::vec((any::<usize>(), call()), 1..40)
        .prop_map(|calls| calls.into_iter().filter(|(_, c)| inside(c)).collect())
}
