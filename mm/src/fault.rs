//! Faults: from a vma to memory to the page tables.

use crate::config::{FaultError, Limits, STACK_GUARD_PAGES};
use crate::pma::{Installed, Kind, Pma};
use crate::range_map::{Entry, Free};
use crate::seam::{FileRange, TranslateError};
use crate::state::{Tx, range};
use crate::vma::{Vma, VmaFlags};
use crate::{MemoryManager, OutOfMemory};
use arch::{Access, Addr, PAGE_SIZE};
use smallvec::SmallVec;

impl From<OutOfMemory> for FaultError {
    fn from(_: OutOfMemory) -> FaultError {
        FaultError::NoMemory
    }
}

/// How far around a fault its extent is mapped, in bytes.
const AROUND: u64 = 2 << 20;
/// Already backed neighbours are mapped with a fault in an aligned block of this many bytes.
const NEIGHBOURS: u64 = 16 * PAGE_SIZE;

impl MemoryManager {
    /// Resolves a fault at `addr`: backs the page and queues its mapping.
    ///
    /// # Errors
    /// [`FaultError`]: what signal the guest gets.
    pub fn handle_fault(&self, addr: Addr, access: Access) -> Result<(), FaultError> {
        let page = addr.round_down().0;
        let mut tx = self.lock();
        let limits = tx.st.limits;
        let vma = tx.find_or_grow(page, &limits).ok_or(FaultError::NotMapped)?;
        if !vma.value.perms.effective().contains(access) {
            return Err(FaultError::Denied);
        }
        tx.back(page, page + PAGE_SIZE, access.contains(Access::WRITE), &vma)?;
        let hi = tx.install_around(page, &vma)?;
        if !access.contains(Access::WRITE) {
            tx.map_after(hi, &vma);
        }
        Ok(())
    }
}

impl Tx<'_> {
    /// The vma that `page` lies in, after growing a stack down to it if need be.
    pub(crate) fn find_or_grow(&mut self, page: u64, limits: &Limits) -> Option<Entry<Vma>> {
        let next = self.st.vmas.ending_after(page)?;
        if next.start <= page {
            return Some(next.clone());
        }
        if !next.value.flags.contains(VmaFlags::GROWSDOWN) {
            return None;
        }
        let (start, end) = (next.start, next.end);
        self.grow_down(start, end, page, limits).then_some(())?;
        self.st.vma(page).cloned()
    }

    /// `expand_downwards` and `acct_stack_growth` of `mm/vma.c`.
    fn grow_down(&mut self, start: u64, end: u64, page: u64, limits: &Limits) -> bool {
        let st = &self.st;
        let Some(old) = st.vma(start) else { return false };
        let v = old.value.clone();
        if page < st.layout.min.0 || st.layout.reserved_in(page, start).is_some() {
            return false;
        }
        if let Some(prev) = st.vmas.starting_before(start)
            && !prev.value.flags.contains(VmaFlags::GROWSDOWN)
            && !prev.value.perms.is_empty()
            && page.saturating_sub(prev.end) < STACK_GUARD_PAGES * PAGE_SIZE
        {
            return false;
        }
        let grow = start - page;
        let c = &st.counters;
        let fits = end - page <= limits.stack
            && c.total + grow <= limits.as_
            && (!v.is_locked() || limits.can_lock || c.locked + grow <= limits.memlock);
        if !fits {
            return false;
        }
        if v.flags.contains(VmaFlags::ACCOUNTED) && self.charge(grow, limits).is_err() {
            return false;
        }
        let st = &mut *self.st;
        st.counters.add(&v, grow);
        // What it has grown down to stays another vma, though one could be made of the two. Vmas
        // own nothing that could refuse to be shared.
        let _ = st.vmas.update(start, &Free, |e| e.start = page);
        true
    }

    /// Backs the memory from `at`, at least its page and if possible up to `want`, for reading or
    /// for writing in place. Returns where the backed part ends, page-aligned and past `at`.
    pub(crate) fn back(
        &mut self,
        at: u64,
        want: u64,
        write: bool,
        vma: &Entry<Vma>,
    ) -> Result<u64, FaultError> {
        let want = want.min(vma.end);
        // Fill, then break copy-on-write: each step is taken at most once.
        for _ in 0..3 {
            let around = self.st.pmas.around(at);
            match around.1 {
                None if vma.value.is_anon() => {
                    let (before, after) = (around.0.copied(), around.2.copied());
                    return self.fill_anon(at, want, vma, before, after);
                }
                None => {
                    let hole_lo = around.0.map_or(0, |e| e.end).max(vma.start);
                    let hole_hi = around.2.map_or(u64::MAX, |e| e.start).min(vma.end);
                    self.fill_object(at, want, write, vma, (hole_lo, hole_hi))?;
                }
                Some(e) => {
                    let e = *e;
                    match e.value.kind {
                        Kind::Guard => return Err(FaultError::NotMapped),
                        _ if !write => return Ok(e.end),
                        Kind::Shared if e.value.access.contains(Access::WRITE) => return Ok(e.end),
                        Kind::Shared => self.upgrade(at, vma)?,
                        Kind::Owned if e.value.epoch == self.st.epoch => return Ok(e.end),
                        Kind::Owned | Kind::Borrowed => return self.break_cow(at, want, vma),
                    }
                }
            }
        }
        Err(FaultError::Bus)
    }

    /// New zeroed memory around `at`, in the hole between two pmas. The further a run of faults
    /// goes, the more. Returns where it ends.
    fn fill_anon(
        &mut self,
        at: u64,
        want: u64,
        vma: &Entry<Vma>,
        before: Option<Entry<Pma>>,
        after: Option<Entry<Pma>>,
    ) -> Result<u64, FaultError> {
        let t = self.mm.tuning;
        let hole_lo = before.map_or(0, |e| e.end).max(vma.start);
        let hole_hi = after.map_or(u64::MAX, |e| e.start).min(vma.end);
        let max = if vma.len() >= arch::HUGE_PAGE_SIZE { t.window_max_large } else { t.window_max };
        let run = |e: Option<Entry<Pma>>| {
            e.filter(|e| e.value.kind == Kind::Owned)
                .map(|e| (e.len() / PAGE_SIZE).min(max).max(t.window) * PAGE_SIZE)
        };
        let next_page = at + PAGE_SIZE;
        let up = run(before.filter(|e| e.end == at));
        let down = run(after.filter(|e| e.start == next_page));
        let window = t.window.max(1) * PAGE_SIZE;
        let (lo, hi) = match (up, down) {
            (Some(n), _) => (at, at.saturating_add(n)),
            (None, Some(n)) => (next_page.saturating_sub(n), next_page),
            _ if vma.value.flags.contains(VmaFlags::GROWSDOWN) => {
                (next_page.saturating_sub(window), next_page)
            }
            _ => (at, at.saturating_add(window)),
        };
        let (lo, hi) = (lo.max(hole_lo), hi.max(want).min(hole_hi));
        let (lo, file) = match self.mm.memory.allocate(hi - lo) {
            Ok(r) => (lo, r),
            Err(OutOfMemory) => (at, self.mm.memory.allocate(PAGE_SIZE)?),
        };
        let end = lo + file.len();
        let value = Pma {
            file: file.start,
            epoch: self.st.epoch,
            kind: Kind::Owned,
            access: Access::ALL,
            ahead: self.eager || lo < at || want.max(next_page) < end,
        };
        self.put_pma(Entry { start: lo, end, value })?;
        Ok(end)
    }

    /// An object's memory around `at`, in a hole between two pmas.
    fn fill_object(
        &mut self,
        at: u64,
        want: u64,
        write: bool,
        vma: &Entry<Vma>,
        (hole_lo, hole_hi): (u64, u64),
    ) -> Result<(), FaultError> {
        let t = self.mm.tuning;
        // An object writes back what a shared mapping may have written.
        let writes_back = write && vma.value.is_shared();
        let window = if writes_back { t.file_window } else { t.ahead }.max(1) * PAGE_SIZE;
        let block = at & !(window - 1);
        let (lo, hi) = (block.max(hole_lo), block.saturating_add(window).max(want).min(hole_hi));
        let (kind, e) = self.translate(at, want.min(hole_hi), lo, hi, write, vma)?;
        self.put_pma(Entry { start: e.0, end: e.1, value: Pma { kind, ..e.2 } })?;
        Ok(())
    }

    /// Replaces a shared pma that lacks the write permission.
    fn upgrade(&mut self, at: u64, vma: &Entry<Vma>) -> Result<(), FaultError> {
        let next = at + PAGE_SIZE;
        let (kind, (lo, hi, p)) = self.translate(at, next, at, next, true, vma)?;
        let taken = match self.take_pmas(lo, hi) {
            Ok(t) => t,
            Err(e) => {
                self.mm.memory.dec_ref(FileRange { start: p.file, end: p.file + (hi - lo) });
                return Err(e.into());
            }
        };
        let mapped = self.uninstall(lo, hi);
        self.let_go(&taken, mapped);
        Ok(self.put_pma(Entry { start: lo, end: hi, value: Pma { kind, ..p } })?)
    }

    /// Asks the object for `at..required`, and for as much of `lo..hi` as it likes to give.
    fn translate(
        &mut self,
        at: u64,
        required: u64,
        lo: u64,
        hi: u64,
        write: bool,
        vma: &Entry<Vma>,
    ) -> Result<(Kind, (u64, u64, Pma)), FaultError> {
        let Some(o) = &vma.value.object else { return Err(FaultError::Bus) };
        let shared = vma.value.is_shared();
        let off = |a: u64| vma.value.offset.checked_add(a - vma.start).ok_or(FaultError::Bus);
        let access = if shared && write { Access::RW } else { Access::READ };
        let required = required.max(at + PAGE_SIZE);
        let t = o.object.translate(off(at)?..off(required)?, off(lo)?..off(hi)?, access).map_err(
            |e| match e {
                TranslateError::Bus => FaultError::Bus,
                TranslateError::NoMemory => FaultError::NoMemory,
            },
        )?;
        // What the object gave, as addresses, cut to what was asked for.
        let base = vma.start.wrapping_sub(vma.value.offset);
        let given = (t.offset.wrapping_add(base), t.offset.wrapping_add(base) + t.file.len());
        let cut = (given.0.max(lo), given.1.min(hi));
        let covers = given.0 <= at && at + PAGE_SIZE <= given.1 && t.access.contains(access);
        if !covers {
            self.mm.memory.dec_ref(t.file);
            return Err(FaultError::Bus);
        }
        let file = FileRange {
            start: t.file.start + (cut.0 - given.0),
            end: t.file.end - (given.1 - cut.1),
        };
        for rest in [
            FileRange { start: t.file.start, end: file.start },
            FileRange { start: file.end, end: t.file.end },
        ] {
            if !rest.is_empty() {
                self.mm.memory.dec_ref(rest);
            }
        }
        let kind = if shared { Kind::Shared } else { Kind::Borrowed };
        let pma = Pma { file: file.start, epoch: 0, kind, access: t.access, ahead: false };
        Ok((kind, (cut.0, cut.1, pma)))
    }

    /// Maps what is backed in `lo..hi`, inside one vma. The page `must` is mapped even if it seems
    /// to be mapped already, since the page tables may have forgotten it.
    ///
    /// # Errors
    /// When `must` cannot be mapped; other pages are left out then.
    pub(crate) fn install(
        &mut self,
        lo: u64,
        hi: u64,
        vma: &Entry<Vma>,
        must: Option<u64>,
        precommit: bool,
    ) -> Result<(), OutOfMemory> {
        self.install_parts(lo, hi, |_| (lo, hi), vma, must, precommit)
    }

    /// After a fault on `page`: maps what is backed in the block around it, and of what `page` is
    /// a part, more. Returns where that ends.
    fn install_around(&mut self, page: u64, vma: &Entry<Vma>) -> Result<u64, OutOfMemory> {
        let (from, to) = self.mapped_now;
        let must = (page < from || to <= page).then_some(page);
        let block = page & !(NEIGHBOURS - 1);
        let (lo, hi) = (block.max(vma.start), block.saturating_add(NEIGHBOURS).min(vma.end));
        let mut reached = hi;
        let part = |e: &Entry<Pma>| {
            if page < e.start || e.end <= page {
                return (lo, hi);
            }
            let start = lo.min(e.start.max(page.saturating_sub(AROUND)).max(vma.start));
            reached = hi.max(e.end.min(page.saturating_add(AROUND)).min(vma.end));
            (start, reached)
        };
        self.install_parts(lo, hi, part, vma, must, false)?;
        Ok(reached)
    }

    /// [`Tx::install`], where of each pma that overlaps `lo..hi` the part that `part` says counts.
    fn install_parts(
        &mut self,
        lo: u64,
        hi: u64,
        mut part: impl FnMut(&Entry<Pma>) -> (u64, u64),
        vma: &Entry<Vma>,
        must: Option<u64>,
        precommit: bool,
    ) -> Result<(), OutOfMemory> {
        let st = &*self.st;
        let epoch = st.epoch;
        let perms = vma.value.perms.effective();
        let mut todo: SmallVec<[(Entry<Pma>, Access, bool); 8]> = SmallVec::new();
        for e in st.pmas.range(lo, hi) {
            let allowed = match e.value.kind {
                Kind::Guard => continue,
                Kind::Owned if st.is_own(&e.value) => Access::ALL,
                Kind::Owned | Kind::Borrowed => Access::ALL - Access::WRITE,
                Kind::Shared => e.value.access,
            };
            let access = perms & allowed;
            let (from, to) = part(e);
            let Some(e) = e.clip(from, to) else { continue };
            let here = must.is_some_and(|m| e.start <= m && m < e.end);
            let done = st
                .installed
                .find(e.start)
                .is_some_and(|i| i.end >= e.end && i.value.access(epoch).contains(access));
            if access.is_empty() || (done && !here) {
                continue;
            }
            // Memory with contents is entered at once: the guest wants it now.
            let resident = here && e.len() <= NEIGHBOURS && !st.is_own(&e.value);
            todo.push((e, access, resident));
        }
        for &(ref e, access, resident) in &todo {
            let mapped = self.map_one(e, access, vma, precommit || resident);
            if mapped.is_err() && must.is_some_and(|m| e.start <= m && m < e.end) {
                return mapped;
            }
        }
        Ok(())
    }

    /// Maps a pma that is there.
    pub(crate) fn map_one(
        &mut self,
        e: &Entry<Pma>,
        access: Access,
        vma: &Entry<Vma>,
        precommit: bool,
    ) -> Result<(), OutOfMemory> {
        self.mm.space.map(range(e.start, e.end), e.value.file, access, precommit)?;
        let private = !vma.value.is_shared();
        let st = &mut *self.st;
        let value = Installed::new(access, private, st.epoch);
        let _ = st.installed.set(Entry { start: e.start, end: e.end, value }, &Free, |_| ());
        if private && access.contains(Access::WRITE) {
            st.note_writable(e.start, e.end, (vma.start, vma.end));
        }
        Ok(())
    }
}
