//! Where things go in a new address space: one layout, as the loader and the memory manager see it.

use crate::{Platform, Random};
use arch::{Addr, AddrRange, Draws, LayoutParams, MmapLayout, UNLIMITED};
use syserr::Errno;

/// `ADDR_NO_RANDOMIZE` of personality(2).
const NO_RANDOMIZE: u32 = 0x0004_0000;
/// `ADDR_COMPAT_LAYOUT` of personality(2).
const COMPAT_LAYOUT: u32 = 0x0020_0000;
/// The least that Linux has by default, on both architectures.
const MIN_ADDR: Addr = Addr(0x1_0000);

pub(super) struct Layouts {
    pub(super) loader: loader::Layout,
    pub(super) mm: mm::Layout,
}

/// `vm.mmap_min_addr`.
pub(crate) fn lowest_address(platform: &dyn Platform) -> Addr {
    platform.user_range().start.max(MIN_ADDR)
}

/// Draws a layout. `vdso` is the length of the vDSO with its parameters, in bytes.
///
/// # Errors
/// `EINVAL` when the platform leaves no room.
pub(super) fn choose(
    platform: &dyn Platform,
    random: &dyn Random,
    stack_limit: u64,
    personality: u32,
    vdso: u64,
) -> Result<Layouts, Errno> {
    let draw = || {
        let mut bits = [0; 8];
        random.fill(&mut bits);
        u64::from_le_bytes(bits)
    };
    let user = platform.user_range();
    let params = LayoutParams {
        arch: platform.arch(),
        min: lowest_address(platform),
        max: user.end,
        stack_limit: if stack_limit == u64::MAX { UNLIMITED } else { stack_limit },
        randomize: personality & NO_RANDOMIZE == 0,
        compat: personality & COMPAT_LAYOUT != 0,
    };
    let l = MmapLayout::new(&params, &Draws::from_fn(draw))?;
    let jitter = if l.randomized { draw() & 8191 } else { 0 };
    Ok(Layouts {
        loader: loader::Layout {
            task_size: l.max.0,
            min_addr: l.min,
            pie_base: l.pie_base,
            static_pie_brk: l.pie_floor,
            brk_offset: l.randomized.then_some(l.brk_offset),
            stack_top: l.stack_top,
            stack_jitter: jitter,
            stack_limit,
            vdso: l.vdso_hint(vdso),
        },
        mm: mm::Layout {
            min: l.min,
            max: l.max,
            bottom_up_base: l.bottom_up_base,
            top_down_base: l.top_down_base,
            top_down: l.top_down,
            reserved: [AddrRange { start: Addr::NULL, end: user.start }, platform.reserved_range()],
        },
    })
}
