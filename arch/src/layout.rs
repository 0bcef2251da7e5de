//! Where a new address space has its stack, its mappings, its program and its heap.
//!
//! Source: `arch/x86/mm/mmap.c`, `mm/util.c` (`arch_pick_mmap_layout`), `fs/binfmt_elf.c`,
//! `arch/arm64/include/asm/elf.h`.

use crate::{Addr, Arch, HUGE_PAGE_SIZE, PAGE_SIZE};
use syserr::Errno;

/// `RLIM_INFINITY` of setrlimit(2).
pub const UNLIMITED: u64 = u64::MAX;

const GIB: u64 = 1 << 30;
/// Least gap between the end of user space and the mappings, for the stack (`MIN_GAP`).
const MIN_GAP: u64 = 128 << 20;
/// Bytes that Linux keeps free below a stack (`stack_guard_gap`).
const GUARD_GAP: u64 = 256 * PAGE_SIZE;
/// The heap begins at most this far behind the program (`arch_randomize_brk`).
const BRK_RANGE: u64 = GIB;
/// The mappings' base may lose entropy down to this range, in bytes, before it gives up
/// [`FLOOR`].
const MIN_RANGE: u64 = PAGE_SIZE << 26;
/// A base of x86-64 mappings that leaves room for 128 GiB of them above what ThreadSanitizer and
/// its relatives take for application memory (from 0x7e80_0000_0000 up).
const FLOOR: u64 = 0x7e80_0000_0000 + 128 * GIB;

/// Bytes by which each random draw can move its region.
struct Ranges {
    mmap: u64,
    stack: u64,
}

const fn ranges(arch: Arch) -> Ranges {
    match arch {
        // 28 bits of pages; STACK_RND_MASK of 0x3f_ffff pages.
        Arch::X86_64 => Ranges { mmap: PAGE_SIZE << 28, stack: PAGE_SIZE << 22 },
        // 33 bits of pages with 48-bit addresses; STACK_RND_MASK of 0x3_ffff pages.
        Arch::Aarch64 => Ranges { mmap: PAGE_SIZE << 33, stack: PAGE_SIZE << 18 },
    }
}

/// What a layout is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayoutParams {
    /// The architecture.
    pub arch: Arch,
    /// The lowest address that the platform and `vm.mmap_min_addr` allow.
    pub min: Addr,
    /// The first address past what the platform allows.
    pub max: Addr,
    /// `RLIMIT_STACK` in bytes, or [`UNLIMITED`].
    pub stack_limit: u64,
    /// Whether regions are moved at random; false for `ADDR_NO_RANDOMIZE` of personality(2).
    pub randomize: bool,
    /// Mappings grow up from a third of the address space: `ADDR_COMPAT_LAYOUT` of
    /// personality(2).
    pub compat: bool,
}

/// Independent random numbers, one for each region, so that an address that leaks from one says
/// nothing about the others. All 64 bits of each are to be random; only some are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Draws {
    /// For the base of mappings.
    pub mmap: u64,
    /// For the stack.
    pub stack: u64,
    /// For position-independent programs.
    pub pie: u64,
    /// For the heap.
    pub brk: u64,
    /// For the vDSO.
    pub vdso: u64,
}

impl Draws {
    /// Draws from a source of random numbers.
    pub fn from_fn(mut next: impl FnMut() -> u64) -> Draws {
        Draws { mmap: next(), stack: next(), pie: next(), brk: next(), vdso: next() }
    }
}

/// Where a new address space has what. All addresses are multiples of [`PAGE_SIZE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MmapLayout {
    /// The lowest address that can be mapped.
    pub min: Addr,
    /// The first address past user space.
    pub max: Addr,
    /// Where a search from below starts.
    pub bottom_up_base: Addr,
    /// Where a search from above starts.
    pub top_down_base: Addr,
    /// Which of the two is the default.
    pub top_down: bool,
    /// The first address past the stack.
    pub stack_top: Addr,
    /// Bytes by which `stack_top` can be below `max`.
    pub max_stack_rand: u64,
    /// Where a position-independent program with an interpreter goes.
    pub pie_base: Addr,
    /// Where such programs go at the least, random offset not included; the heap of a
    /// position-independent program without an interpreter begins here.
    pub pie_floor: Addr,
    /// Bytes by which the heap begins behind the program; zero without randomisation.
    pub brk_offset: u64,
    /// Whether regions were moved at random.
    pub randomized: bool,
    vdso_draw: u64,
}

impl MmapLayout {
    /// The layout for a new program.
    ///
    /// # Errors
    /// `EINVAL` when there is no room between the platform's limits.
    pub fn new(p: &LayoutParams, draws: &Draws) -> Result<MmapLayout, Errno> {
        let min = p.min.round_up().ok_or(Errno::EINVAL)?;
        let max = Addr(p.max.0.min(task_size(p.arch))).round_down();
        if min >= max {
            return Err(Errno::EINVAL);
        }
        let ranges = ranges(p.arch);
        // In a small address space every region keeps to its share.
        let stack_range = if p.randomize { ranges.stack.min(max.0 / 16) } else { 0 };
        let gap = gap(p.stack_limit, stack_range, max.0);
        let mut range = ranges.mmap.min(max.0 / 16);
        if p.arch == Arch::X86_64 && max.0 > FLOOR {
            let wanted = max.0.saturating_sub(gap).saturating_sub(FLOOR);
            range = range.min(wanted.max(MIN_RANGE));
        }
        let offset = |draw, range| if p.randomize { page_offset(draw, range) } else { 0 };
        let mmap = offset(draws.mmap, range);
        let pie_floor = Addr((max.0 / 3 * 2).max(min.0)).round_down();
        let pie = offset(draws.pie, ranges.mmap.min(max.0 / 16));
        let base = Addr(max.0.saturating_sub(gap).saturating_sub(mmap).max(min.0));
        // Only the code that arm64 shares with others looks at an unlimited stack
        // (`mmap_is_legacy`); on x86-64 mappings then begin at a sixth of the space.
        let unlimited = p.arch == Arch::Aarch64 && p.stack_limit == UNLIMITED;
        Ok(MmapLayout {
            min,
            max,
            bottom_up_base: Addr((max.0 / 3 + mmap).max(min.0)).round_down(),
            top_down_base: base.round_up().ok_or(Errno::EINVAL)?,
            top_down: !p.compat && !unlimited,
            stack_top: Addr(max.0 - offset(draws.stack, stack_range)),
            max_stack_rand: stack_range,
            pie_base: Addr(pie_floor.0 + pie),
            pie_floor,
            brk_offset: offset(draws.brk, BRK_RANGE),
            randomized: p.randomize,
            vdso_draw: draws.vdso,
        })
    }

    /// Where a vDSO of `len` bytes is wanted: at random between the stack's top and the end of the
    /// huge page that it is in; `None` for wherever there is room.
    pub fn vdso_hint(&self, len: u64) -> Option<Addr> {
        if !self.randomized {
            return None;
        }
        let start = self.stack_top.0;
        let end = start.checked_add(len)?.checked_next_multiple_of(HUGE_PAGE_SIZE)?.min(self.max.0);
        let slack = end.checked_sub(len)?.checked_sub(start)?;
        Some(Addr(start + page_offset(self.vdso_draw, slack + PAGE_SIZE)))
    }
}

/// First address past user space with the page tables that are supported.
const fn task_size(arch: Arch) -> u64 {
    match arch {
        Arch::X86_64 => crate::x86_64::TASK_SIZE_MAX,
        Arch::Aarch64 => crate::aarch64::TASK_SIZE_MAX,
    }
}

/// Bytes between the end of user space and the mappings (`mmap_base`).
fn gap(stack_limit: u64, stack_range: u64, task_size: u64) -> u64 {
    let pad = stack_range + GUARD_GAP;
    let gap = stack_limit.checked_add(pad).unwrap_or(stack_limit);
    gap.max(MIN_GAP).min(task_size / 6 * 5)
}

/// A multiple of the page size below `range`, from the bits of `draw`.
const fn page_offset(draw: u64, range: u64) -> u64 {
    let pages = range / PAGE_SIZE;
    if pages == 0 { 0 } else { draw % pages * PAGE_SIZE }
}
