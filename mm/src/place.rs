//! Where a new mapping goes.

use crate::config::Limits;
use crate::flags::MapFlags;
use crate::state::State;
use arch::{HUGE_PAGE_SIZE, PAGE_SIZE};
use syserr::Errno;

/// Where `MAP_32BIT` searches (`find_start_end` of `arch/x86/kernel/sys_x86_64.c`).
const LOW_2G: (u64, u64) = (0x4000_0000, 0x8000_0000);

impl State {
    /// Checks an address that the guest insists on (`__get_unmapped_area` with `MAP_FIXED`).
    pub(crate) fn check_fixed(&self, addr: u64, len: u64, limits: &Limits) -> Result<(), Errno> {
        let max = self.layout.max.0;
        if len > max || addr > max - len {
            return Err(Errno::ENOMEM);
        }
        if !addr.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::EINVAL);
        }
        let is_low = addr < self.layout.min.0 && !limits.can_map_low;
        if is_low || self.layout.reserved_in(addr, addr + len).is_some() {
            return Err(Errno::EPERM);
        }
        Ok(())
    }

    /// Room for `len` bytes, at `hint` if it is free.
    pub(crate) fn place(&self, hint: u64, len: u64, flags: MapFlags) -> Result<u64, Errno> {
        let l = &self.layout;
        if len > l.max.0 {
            return Err(Errno::ENOMEM);
        }
        let low = flags.contains(MapFlags::LOW_2G);
        let max = if low { LOW_2G.1 } else { l.max.0 };
        let mut hint = hint & !(PAGE_SIZE - 1);
        if hint != 0 && hint < l.min.0 {
            hint = l.min.round_up().map_or(hint, |a| a.0);
        }
        if hint != 0
            && hint.checked_add(len).is_some_and(|end| end <= max)
            && self.is_room(hint, hint + len)
        {
            return Ok(hint);
        }
        if low {
            return self.lowest(LOW_2G.0, LOW_2G.1, len).ok_or(Errno::ENOMEM);
        }
        // Whole huge pages are aligned to one, as thp_get_unmapped_area does without a hint.
        let align =
            if hint == 0 && len.is_multiple_of(HUGE_PAGE_SIZE) { HUGE_PAGE_SIZE } else { 0 };
        self.search(len, align)
            .or_else(|| if align > 0 { self.search(len, 0) } else { None })
            .ok_or(Errno::ENOMEM)
    }

    /// Whether a mapping can be made, or grow, there without replacing anything.
    pub(crate) fn is_room(&self, lo: u64, hi: u64) -> bool {
        self.layout.reserved_in(lo, hi).is_none() && self.vmas.is_free(lo, hi)
    }

    fn lowest(&self, mut lo: u64, hi: u64, len: u64) -> Option<u64> {
        loop {
            let at = self.vmas.lowest_gap(lo, hi, len)?;
            let Some(reserved) = self.layout.reserved_in(at, at + len) else { return Some(at) };
            lo = reserved.end.0;
        }
    }

    fn highest(&self, lo: u64, mut hi: u64, len: u64) -> Option<u64> {
        loop {
            let at = self.vmas.highest_gap(lo, hi, len)?;
            let Some(reserved) = self.layout.reserved_in(at, at + len) else { return Some(at) };
            hi = reserved.start.0;
        }
    }

    fn search(&self, len: u64, align: u64) -> Option<u64> {
        let l = &self.layout;
        let slack = align.saturating_sub(PAGE_SIZE);
        let need = len.checked_add(slack)?;
        if l.top_down
            && let Some(at) = self.highest(l.min.0.max(PAGE_SIZE), l.top_down_base.0, need)
        {
            let highest = at + slack;
            return Some(if align > 0 { highest & !(align - 1) } else { highest });
        }
        let at = self.lowest(l.bottom_up_base.0.max(l.min.0), l.max.0, need)?;
        Some(if align > 0 { at.next_multiple_of(align) } else { at })
    }
}
