//! Where things go in a new address space, random draws included.

use crate::{Platform, Random};
use arch::{Addr, PAGE_SIZE};

/// `ADDR_NO_RANDOMIZE` of personality(2).
const NO_RANDOMIZE: u32 = 0x0004_0000;
/// `ADDR_COMPAT_LAYOUT` of personality(2).
const COMPAT_LAYOUT: u32 = 0x0020_0000;
/// Bits of page-granular randomness of mappings (`vm.mmap_rnd_bits`' default on x86-64).
const MMAP_BITS: u32 = 28;
/// Pages by which the stack's top is lowered at most (16 GiB).
const STACK_PAGES: u64 = 0x3f_ffff;
/// Pages by which the heap begins behind the program at most (32 MiB).
const BRK_PAGES: u64 = 0x1fff;
/// `MIN_GAP`: room below the stack's top in any case, randomness not counted.
const MIN_GAP: u64 = 128 << 20;

/// Everything that depends on chance, the stack limit and the personality: the loader's view and
/// the memory manager's (`arch_pick_mmap_layout`, `arch/x86/mm/mmap.c`, `fs/binfmt_elf.c`).
pub(super) struct Layouts {
    pub(super) loader: loader::Layout,
    pub(super) mm: mm::Layout,
}

fn pages(n: u64) -> u64 {
    n * PAGE_SIZE
}

pub(super) fn choose(
    platform: &dyn Platform,
    random: &dyn Random,
    stack_limit: u64,
    personality: u32,
) -> Layouts {
    let user = platform.user_range();
    let max = user.end.round_down().0;
    let fixed = personality & NO_RANDOMIZE != 0;
    let draw = |mask: u64| {
        let mut bits = [0; 8];
        if !fixed {
            random.fill(&mut bits);
        }
        u64::from_le_bytes(bits) & mask
    };
    // A small address space, as of a test, has no room for much chance.
    let room = (max / PAGE_SIZE / 16).next_power_of_two() - 1;
    let mmap_mask = ((1 << MMAP_BITS) - 1) & room;
    let stack_mask = STACK_PAGES & room;
    let stack_top = max - pages(draw(stack_mask));
    let padded = stack_limit.saturating_add(pages(stack_mask)).saturating_add(pages(256));
    let most = max / 6 * 5;
    let gap = padded.clamp(MIN_GAP.min(most), most);
    let shift = pages(draw(mmap_mask));
    let top_down_base = Addr((max - gap).saturating_sub(shift)).round_down();
    let bottom_up_base = Addr(max / 3).round_down();
    let pie = Addr(max / 3 * 2).round_down();
    let pie_base = pie.wrapping_add(pages(draw(mmap_mask & (room >> 2))));
    let jitter = draw(8191);
    let brk = pages(draw(BRK_PAGES & room));
    let min = user.start.0.max(0x1_0000);
    Layouts {
        loader: loader::Layout {
            task_size: max,
            min_addr: Addr(min),
            pie_base,
            static_pie_brk: pie,
            brk_offset: (!fixed).then_some(brk),
            stack_top: Addr(stack_top).round_down(),
            stack_jitter: jitter,
            stack_limit,
            vdso: None,
        },
        mm: mm::Layout {
            min: Addr(min),
            max: Addr(max),
            bottom_up_base: bottom_up_base.wrapping_add(shift),
            top_down_base,
            top_down: stack_limit != u64::MAX && personality & COMPAT_LAYOUT == 0,
        },
    }
}
