//! Layouts of new address spaces.

use arch::{Addr, Arch, Draws, LayoutParams, MmapLayout, PAGE_SIZE, UNLIMITED};
use proptest::prelude::*;
use syserr::Errno;

const X86: LayoutParams = LayoutParams {
    arch: Arch::X86_64,
    min: Addr(0x1_0000),
    max: Addr(0x7fff_0000_0000),
    stack_limit: 8 << 20,
    randomize: true,
    compat: false,
};

fn draws() -> impl Strategy<Value = Draws> {
    prop::array::uniform5(any::<u64>()).prop_map(|d| {
        let mut d = d.into_iter();
        Draws::from_fn(|| d.next().unwrap_or(0))
    })
}

#[test]
fn without_randomisation_it_is_linuxes() {
    let p = LayoutParams { max: Addr(u64::MAX), randomize: false, ..X86 };
    let l = MmapLayout::new(&p, &Draws { mmap: 1, stack: 2, pie: 3, brk: 4, vdso: 5 }).unwrap();
    assert_eq!(l.max, Addr(0x7fff_ffff_f000));
    assert_eq!(l.stack_top, l.max);
    assert_eq!(l.top_down_base, Addr(0x7fff_ffff_f000 - (128 << 20)));
    assert_eq!(l.bottom_up_base, Addr(0x2aaa_aaaa_a000));
    assert_eq!(l.pie_base, Addr(0x5555_5555_4000));
    assert_eq!((l.brk_offset, l.max_stack_rand, l.vdso_hint(4096)), (0, 0, None));
    assert!(l.top_down);
}

#[test]
fn the_stack_limit_makes_room() {
    // As seen in /proc/self/maps under `setarch -R` with these limits.
    let at = |stack_limit| {
        let p = LayoutParams { max: Addr(u64::MAX), stack_limit, randomize: false, ..X86 };
        MmapLayout::new(&p, &Draws::default()).unwrap()
    };
    assert_eq!(at(0).top_down_base, Addr(0x7fff_f7ff_f000));
    assert_eq!(at(1 << 30).top_down_base, Addr(0x7fff_bfef_f000));
    assert_eq!(at(900_001 << 10).top_down_base, Addr(0x7fff_c901_7000));
    assert_eq!(at(UNLIMITED).top_down_base, Addr(0x1555_5555_6000));
    assert!(at(UNLIMITED).top_down);
    let arm = LayoutParams { arch: Arch::Aarch64, stack_limit: UNLIMITED, ..X86 };
    assert!(!MmapLayout::new(&arm, &Draws::default()).unwrap().top_down);
    let compat = LayoutParams { compat: true, ..X86 };
    assert!(!MmapLayout::new(&compat, &Draws::default()).unwrap().top_down);
}

#[test]
fn impossible_limits_are_refused() {
    let new = |min, max| {
        MmapLayout::new(&LayoutParams { min: Addr(min), max: Addr(max), ..X86 }, &Draws::default())
    };
    assert_eq!(new(u64::MAX, u64::MAX), Err(Errno::EINVAL));
    assert_eq!(new(0x2000, 0x1000), Err(Errno::EINVAL));
    assert_eq!(new(0x1001, 0x2fff), Err(Errno::EINVAL));
}

proptest! {
    #[test]
    fn invariants(
        arm: bool,
        min in 0u64..1 << 30,
        max in prop_oneof![(1u64 << 31)..1 << 49, Just(0x7fff_0000_0000u64)],
        stack_limit in prop_oneof![0u64..64 << 20, any::<u64>(), Just(UNLIMITED)],
        randomize: bool,
        d in draws(),
    ) {
        let arch = if arm { Arch::Aarch64 } else { Arch::X86_64 };
        let (min, max) = (Addr(min), Addr(max));
        let p = LayoutParams { arch, min, max, stack_limit, randomize, compat: false };
        let l = MmapLayout::new(&p, &d).unwrap();
        let regions = [l.bottom_up_base, l.top_down_base, l.pie_base, l.pie_floor];
        for a in regions {
            prop_assert!(a.is_page_aligned() && l.min <= a && a < l.max, "{:?} in {:?}", a, l);
        }
        prop_assert!(l.min >= min && l.max <= max);
        prop_assert!(l.stack_top <= l.max && l.stack_top.is_page_aligned());
        prop_assert!(l.max.0 - l.stack_top.0 <= l.max_stack_rand);
        prop_assert!(l.brk_offset < 1 << 30 && l.brk_offset.is_multiple_of(PAGE_SIZE));
        // The stack has its limit, as far as a sixth of the space is left for the rest.
        let room = l.stack_top.0.saturating_sub(l.top_down_base.0);
        let most = l.max.0 / 6 * 5 - l.max_stack_rand;
        prop_assert!(room + PAGE_SIZE >= stack_limit.min(most));
        if let Some(v) = l.vdso_hint(3 * PAGE_SIZE) {
            prop_assert!(v >= l.stack_top && v.0 + 3 * PAGE_SIZE <= l.max.0);
            prop_assert!(v.is_page_aligned());
        }
    }

    #[test]
    fn sanitizers_find_their_ranges_free(d in draws()) {
        let l = MmapLayout::new(&X86, &d).unwrap();
        // ThreadSanitizer: mappings from 0x7e8000000000 up, with 128 GiB to spare; programs from
        // 0x550000000000 to 0x5a0000000000. AddressSanitizer's shadow ends at 0x10007fff8000.
        prop_assert!(l.top_down_base.0 >= 0x7e80_0000_0000 + (128 << 30));
        prop_assert!((0x5500_0000_0000..0x5a00_0000_0000).contains(&l.pie_base.0));
        prop_assert!(l.bottom_up_base.0 > 0x1000_7fff_8000);
    }

    #[test]
    fn each_region_has_its_own_draw(a in draws(), b in draws()) {
        let with = |d: Draws| MmapLayout::new(&X86, &d).unwrap();
        let l = with(a);
        let only_mmap = with(Draws { mmap: b.mmap, ..a });
        prop_assert_eq!((only_mmap.stack_top, only_mmap.pie_base), (l.stack_top, l.pie_base));
        prop_assert_eq!(only_mmap.brk_offset, l.brk_offset);
        let only_stack = with(Draws { stack: b.stack, ..a });
        prop_assert_eq!((only_stack.top_down_base, only_stack.pie_base), (l.top_down_base, l.pie_base));
        let only_pie = with(Draws { pie: b.pie, ..a });
        prop_assert_eq!((only_pie.top_down_base, only_pie.stack_top), (l.top_down_base, l.stack_top));
    }
}

#[test]
fn draws_have_the_entropy_of_linux() {
    // With the default stack limit, 26.5 of 28 bits are left for mappings, and all for programs.
    let at = |mmap: u64, pie: u64| {
        MmapLayout::new(&X86, &Draws { mmap, pie, ..Draws::default() }).unwrap()
    };
    let low = at(0, 0);
    let pages = (0..64).map(|bit| at(1 << bit, 0).top_down_base.0);
    let moved = pages.filter(|&b| b != low.top_down_base.0).count();
    assert!(moved >= 26);
    assert_eq!(at(0, (1 << 28) - 1).pie_base.0 - low.pie_base.0, ((1 << 28) - 1) * PAGE_SIZE);
}
