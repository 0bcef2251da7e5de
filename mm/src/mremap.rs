//! mremap(2).

use crate::MemoryManager;
use crate::config::MremapArgs;
use crate::flags::{MapFlags, MremapFlags};
use crate::pma::Installed;
use crate::range_map::{Entry, Free, Spot, Value};
use crate::state::{Tx, page_align};
use crate::vma::{Vma, VmaFlags};
use arch::{Access, Addr, PAGE_SIZE};
use syserr::Errno;

impl MemoryManager {
    /// Grows, shrinks, moves or duplicates a mapping: mremap(2), `mm/mremap.c`. Returns where it
    /// is then.
    ///
    /// # Errors
    /// As mremap(2): `EINVAL`, `EFAULT` when the old range is not one mapping, `ENOMEM`, `EAGAIN`
    /// over `RLIMIT_MEMLOCK`, `EPERM` for sealed memory.
    pub fn mremap(&self, args: MremapArgs<'_>) -> Result<Addr, Errno> {
        let mut tx = self.lock();
        // PAGE_ALIGN wraps to zero, which asks for a duplicate.
        let old_len = page_align(args.old_len).unwrap_or(0);
        let new_len = page_align(args.new_len).ok_or(Errno::EINVAL)?;
        let args = MremapArgs { old_len, new_len, ..args };
        tx.check_mremap(&args)?;
        let moves = args.flags.intersects(MremapFlags::FIXED | MremapFlags::DONTUNMAP);
        if args.flags.contains(MremapFlags::FIXED) && old_len == new_len {
            return tx.move_each(&args);
        }
        let vma = tx.st.vma(args.old.0).cloned().ok_or(Errno::EFAULT)?;
        if vma.value.is_sealed() {
            return Err(Errno::EPERM);
        }
        if moves || new_len > old_len {
            tx.check_remap_vma(&args, &vma)?;
        }
        match (moves, new_len.cmp(&old_len)) {
            (true, _) => tx.remap_to(&args),
            (false, core::cmp::Ordering::Equal) => Ok(args.old),
            (false, core::cmp::Ordering::Less) => {
                tx.shrink(&args)?;
                Ok(args.old)
            }
            (false, core::cmp::Ordering::Greater) => tx.expand(&args, &vma),
        }
    }
}

impl Tx<'_> {
    /// `check_mremap_params`.
    fn check_mremap(&self, a: &MremapArgs<'_>) -> Result<(), Errno> {
        let max = self.st.layout.max.0;
        if !a.old.is_page_aligned() || a.new_len == 0 || a.new_len > max {
            return Err(Errno::EINVAL);
        }
        if !a.flags.intersects(MremapFlags::FIXED | MremapFlags::DONTUNMAP) {
            return Ok(());
        }
        let end = a.old.wrapping_add(a.old_len);
        let overlap = a.old < a.new.wrapping_add(a.new_len) && a.new < end;
        if a.new.0 > max - a.new_len
            || !a.new.is_page_aligned()
            || !a.flags.contains(MremapFlags::MAYMOVE)
            || (a.flags.contains(MremapFlags::DONTUNMAP) && a.old_len != a.new_len)
            || overlap
        {
            return Err(Errno::EINVAL);
        }
        if self.st.vmas.len() + 2 >= self.mm.max_map_count.get().saturating_sub(3) {
            return Err(Errno::ENOMEM);
        }
        Ok(())
    }

    /// `check_prep_vma`, for what grows or moves.
    fn check_remap_vma(&self, a: &MremapArgs<'_>, vma: &Entry<Vma>) -> Result<(), Errno> {
        let v = &vma.value;
        if a.old_len == 0 && !v.is_shared() {
            return Err(Errno::EINVAL);
        }
        let special = v.flags.contains(VmaFlags::DONTEXPAND);
        if a.flags.contains(MremapFlags::DONTUNMAP) && special {
            return Err(Errno::EINVAL);
        }
        if a.old_len.min(a.new_len) > vma.end - a.old.0 {
            return Err(Errno::EFAULT);
        }
        if a.new_len <= a.old_len {
            return Ok(());
        }
        let offset = v.offset.checked_add(a.old.0 - vma.start);
        if v.object.is_some() && offset.and_then(|o| o.checked_add(a.new_len)).is_none() {
            return Err(Errno::EINVAL);
        }
        if special {
            return Err(Errno::EFAULT);
        }
        let more = a.new_len - a.old_len;
        if v.is_locked() {
            self.check_lock_limit(more, a.limits, Errno::EAGAIN)?;
        }
        if !self.may_expand(v, more, 0, a.limits) {
            return Err(Errno::ENOMEM);
        }
        Ok(())
    }

    /// Same size to a fixed address: every vma of the range moves by itself (`remap_move`). Where
    /// the range has holes, the destination keeps what it has.
    fn move_each(&mut self, a: &MremapArgs<'_>) -> Result<Addr, Errno> {
        let first = self.st.vmas.ending_after(a.old.0).map_or(u64::MAX, |e| e.start);
        if first > a.old.0 {
            return Err(Errno::EFAULT);
        }
        let end = a.old.checked_add(a.old_len).ok_or(Errno::EINVAL)?.0;
        let mut at = a.old.0;
        let mut moved = false;
        self.st.check_fixed(a.new.0, a.new_len, a.limits)?;
        self.st.pmas.unshare(a.old.0, end)?;
        self.st.pmas.unshare(a.new.0, a.new.0 + a.new_len)?;
        while at < end
            && let Some(e) = self.st.vmas.ending_after(at).filter(|e| e.start < end).cloned()
        {
            let (lo, hi) = (e.start.max(at), e.end.min(end));
            if e.value.is_sealed() {
                return Err(Errno::EPERM);
            }
            let piece = MremapArgs {
                old: Addr(lo),
                old_len: hi - lo,
                new_len: hi - lo,
                new: Addr(a.new.0 + (lo - a.old.0)),
                ..*a
            };
            self.check_remap_vma(&piece, &e)?;
            self.remap_to(&piece)?;
            moved = true;
            at = hi;
        }
        if moved { Ok(a.new) } else { Err(Errno::EFAULT) }
    }

    /// `mremap_to`: to a given address, or leaving the old mapping behind.
    fn remap_to(&mut self, a: &MremapArgs<'_>) -> Result<Addr, Errno> {
        let fixed = a.flags.contains(MremapFlags::FIXED);
        if fixed {
            self.st.check_fixed(a.new.0, a.new_len, a.limits)?;
            self.st.pmas.unshare(a.old.0, a.old.0.saturating_add(a.old_len))?;
            self.st.pmas.unshare(a.new.0, a.new.0 + a.new_len)?;
            self.checked_unmap(a.new.0, a.new.0 + a.new_len)?;
            // A length that wraps lets the destination lie over the source.
            if self.st.vma(a.old.0).is_none() {
                return Err(Errno::EFAULT);
            }
        }
        let mut old_len = a.old_len;
        if a.new_len < old_len {
            self.shrink(a)?;
            old_len = a.new_len;
        }
        let vma = self.st.vma(a.old.0).cloned().ok_or(Errno::EFAULT)?;
        let leave = a.flags.contains(MremapFlags::DONTUNMAP);
        if leave && !self.may_expand(&vma.value, old_len, 0, a.limits) {
            return Err(Errno::ENOMEM);
        }
        let to =
            if fixed { a.new.0 } else { self.st.place(a.new.0, a.new_len, MapFlags::empty())? };
        self.relocate(a.old.0, old_len, to, a.new_len, leave, &vma)?;
        Ok(Addr(to))
    }

    /// Unmaps what lies past the new length.
    fn shrink(&mut self, a: &MremapArgs<'_>) -> Result<(), Errno> {
        let end = a.old.checked_add(a.old_len).filter(|e| *e <= self.st.layout.max);
        self.checked_unmap(a.old.0 + a.new_len, end.ok_or(Errno::EINVAL)?.0)
    }

    /// Grows in place where there is room, else moves if that is allowed.
    fn expand(&mut self, a: &MremapArgs<'_>, vma: &Entry<Vma>) -> Result<Addr, Errno> {
        let more = a.new_len - a.old_len;
        let end = a.old.0 + a.old_len;
        let new_end = end.checked_add(more).filter(|&e| e <= self.st.layout.max.0);
        let room = |&to: &u64| self.st.layout.reserved_in(end, to).is_none();
        if let Some(new_end) = new_end.filter(|to| end == vma.end && room(to))
            && self.expand_to(new_end, vma)?
        {
            if vma.value.is_locked()
                && let Some(v) = self.st.vma(end).cloned()
            {
                let _ = self.populate(end, new_end, &v);
            }
            return Ok(a.old);
        }
        if !a.flags.contains(MremapFlags::MAYMOVE) {
            return Err(Errno::ENOMEM);
        }
        let to = self.st.place(0, a.new_len, MapFlags::empty())?;
        self.relocate(a.old.0, a.old_len, to, a.new_len, false, vma)?;
        Ok(Addr(to))
    }

    /// Lets a vma go on to `new_end` if nothing is there; says whether it does.
    fn expand_to(&mut self, new_end: u64, vma: &Entry<Vma>) -> Result<bool, Errno> {
        let vmas = &self.st.vmas;
        let alone = match vmas.spot(vma.end - 1, new_end, true) {
            Some((spot, [_])) => Some(spot),
            Some((spot, [_, next, ..])) if next.start > new_end => Some(spot),
            _ => None,
        };
        if let Some(spot) = alone.filter(|_| vma.value.object.is_none()) {
            self.charge_like(&vma.value, new_end - vma.end)?;
            self.stretch_vma(spot, new_end);
            return Ok(true);
        }
        if !vmas.is_free(vma.end, new_end) {
            return Ok(false);
        }
        let spot = vmas.spot(vma.end, new_end, true).map(|s| s.0);
        let e = Entry { start: vma.end, end: new_end, value: vma.value.advance(vma.len()) };
        self.add_like(spot, e)?;
        Ok(true)
    }

    /// Charges more bytes of a vma, if it is accounted; says how many.
    fn charge_like(&self, v: &Vma, bytes: u64) -> Result<u64, Errno> {
        let charge = if v.flags.contains(VmaFlags::ACCOUNTED) { bytes } else { 0 };
        self.charge(charge, &self.st.limits)?;
        Ok(charge)
    }

    /// Inserts a vma with the properties of one that exists where `spot` says: charges it, tells
    /// its object.
    pub(crate) fn add_like(&mut self, spot: Option<Spot>, e: Entry<Vma>) -> Result<(), Errno> {
        let charge = self.charge_like(&e.value, e.len())?;
        if let Some(o) = &e.value.object
            && let Err(error) = o.object.copy_mapping(&e.mapping(&self.mm.mapping_space()))
        {
            self.uncharge(charge);
            return Err(error);
        }
        self.replace_vmas(spot, e);
        Ok(())
    }

    /// `move_vma`: a new vma at `to`, the pages moved over, the old range unmapped unless it is
    /// to be left (empty) or was nothing to begin with.
    fn relocate(
        &mut self,
        from: u64,
        old_len: u64,
        to: u64,
        new_len: u64,
        leave: bool,
        vma: &Entry<Vma>,
    ) -> Result<(), Errno> {
        if self.st.vmas.len() >= self.mm.max_map_count.get().saturating_sub(3) {
            return Err(Errno::ENOMEM);
        }
        self.st.pmas.unshare(from, from + old_len)?;
        self.st.pmas.unshare(to, to + new_len)?;
        let value = vma.value.advance(from - vma.start);
        let spot = self.st.vmas.spot(to, to + new_len, true).map(|s| s.0);
        self.add_like(spot, Entry { start: to, end: to + new_len, value })?;
        self.move_pmas(from, old_len, to);
        if leave {
            // Linux unlocks the whole vma here, not only what moved (`dontunmap_complete`).
            self.modify_vmas(vma.start, vma.end, |v| {
                v.flags -= VmaFlags::LOCKED | VmaFlags::LOCKONFAULT;
            });
        } else if old_len > 0 {
            let spot = self.st.vmas.spot(from, from + old_len, false).map(|s| s.0);
            self.remove_vmas(spot, from, from + old_len);
        }
        let Some(new) = self.st.vma(to).cloned() else { return Ok(()) };
        if new.value.is_locked() && new_len > old_len {
            let _ = self.populate(to + old_len, to + new_len, &new);
        }
        Ok(())
    }

    /// Moves pmas whose leaves are exclusive, and their mappings with them.
    fn move_pmas(&mut self, from: u64, len: u64, to: u64) {
        let Ok(taken) = self.take_pmas(from, from + len) else { return };
        let mapped = self.uninstall(from, from + len);
        for e in taken {
            let start = to + (e.start - from);
            let moved = Entry { start, end: start + e.len(), value: e.value };
            if self.put_pma(moved).is_err() {
                continue;
            }
            if !mapped {
                continue;
            }
            // The old mapping may be in use until the queue is worked off, and memory that may be
            // mapped must be known to be: so it is mapped where it is now, or counts as mapped.
            let Some(vma) = self.st.vma(start).cloned() else { continue };
            let _ = self.install(moved.start, moved.end, &vma, None, false);
            self.mark_installed(moved.start, moved.end, &vma);
        }
    }

    /// Counts what is not installed in a range as installed without any access.
    fn mark_installed(&mut self, lo: u64, hi: u64, vma: &Entry<Vma>) {
        let mut at = lo;
        while at < hi {
            let next = self.st.installed.ending_after(at).map_or((hi, hi), |e| (e.start, e.end));
            let end = next.0.min(hi);
            if at < end {
                let private = !vma.value.is_shared();
                let value = Installed::new(Access::empty(), private, self.st.epoch);
                let _ = self.st.installed.insert(Entry { start: at, end, value }, &Free);
            }
            at = next.1.max(at + PAGE_SIZE);
        }
    }
}
