//! Copy-on-write.

use crate::config::FaultError;
use crate::pma::{Kind, Pma};
use crate::range_map::Entry;
use crate::seam::{FileRange, OutOfMemory};
use crate::state::{State, Tx};
use crate::vma::Vma;
use arch::{Access, PAGE_SIZE};
use smallvec::SmallVec;

/// How much of what nobody shares any more one break claims at most, in bytes.
const CLAIM: u64 = 2 << 20;

impl Tx<'_> {
    /// Makes private memory from `at` writable in place: claims it if nobody else has it any
    /// more, else copies. Returns where the writable part ends.
    pub(crate) fn break_cow(
        &mut self,
        at: u64,
        want: u64,
        vma: &Entry<Vma>,
    ) -> Result<u64, FaultError> {
        // First of all this takes a reference of our own if the leaf was shared with a relative.
        self.st.pmas.unshare(at, at + PAGE_SIZE)?;
        let Some(e) = self.st.pmas.find(at).copied() else { return Err(FaultError::NoMemory) };
        let (hint_at, hint_pages) = self.st.cow_hint;
        let most = self.mm.tuning.cow_max.max(1);
        // Pages of a file that were not written still show what others write to the file.
        let run = hint_at == at && e.value.kind == Kind::Owned;
        let pages = if run { (hint_pages * 2).clamp(1, most) } else { 1 };
        let mut from = at;
        let mut window = at.saturating_add(pages * PAGE_SIZE);
        if e.value.kind == Kind::Borrowed && vma.value.is_constant() {
            let block = self.mm.tuning.copy_window.max(1) * PAGE_SIZE;
            from = (at & !(block - 1)).max(e.start).max(vma.start);
            window = from.saturating_add(block);
        }
        let window = window.max(at + PAGE_SIZE).max(want).min(e.end).min(vma.end);
        if e.value.kind == Kind::Owned
            && let Some(end) = self.claim(&e, at, window)?
        {
            return Ok(end);
        }
        let end = self.copied_end(&e, at, window);
        self.copy(&e, from, at, end, vma, |_| ())
    }

    /// Claims memory that only this address space refers to.
    fn claim(&mut self, e: &Entry<Pma>, at: u64, window: u64) -> Result<Option<u64>, OutOfMemory> {
        let memory = &self.mm.memory;
        let file = |a: u64| e.value.file + (a - e.start);
        if memory.ref_count(file(at)) != 1 {
            return Ok(None);
        }
        // As far as that goes, but each page is looked at for a bounded number of breaks.
        let most = e.end.min(window.max(at.saturating_add(CLAIM)));
        let mut hi = at + PAGE_SIZE;
        while hi < most && memory.ref_count(file(hi)) == 1 {
            hi += PAGE_SIZE;
        }
        let epoch = self.st.epoch;
        self.st.pmas.modify(at, hi, |p| p.epoch = epoch)?;
        Ok(Some(hi))
    }

    /// Where the run of pages that must be copied ends: a page of our own is never copied.
    fn copied_end(&self, e: &Entry<Pma>, at: u64, window: u64) -> u64 {
        if e.value.kind != Kind::Owned {
            return window;
        }
        let mut end = at + PAGE_SIZE;
        while end < window && self.mm.memory.ref_count(e.value.file + (end - e.start)) != 1 {
            end += PAGE_SIZE;
        }
        end
    }

    /// Copies `from..end`, or without enough memory only the page at `at`. `change` gets the copy
    /// before anybody else sees it.
    pub(crate) fn copy(
        &mut self,
        e: &Entry<Pma>,
        from: u64,
        at: u64,
        end: u64,
        vma: &Entry<Vma>,
        change: impl FnOnce(FileRange),
    ) -> Result<u64, FaultError> {
        let memory = &self.mm.memory;
        let file = |a: u64| e.value.file + (a - e.start);
        let (at, new) = match memory.allocate_copy(file(from), end - from) {
            Ok(r) => (from, r),
            Err(OutOfMemory) => (at, memory.allocate_copy(file(at), PAGE_SIZE)?),
        };
        change(new);
        let end = at + new.len();
        let value = Pma {
            file: new.start,
            epoch: self.st.epoch,
            kind: Kind::Owned,
            access: Access::ALL,
            ahead: false,
        };
        let new = Entry { start: at, end, value };
        let State { pmas, counters, .. } = &mut *self.st;
        let mut taken: SmallVec<[Entry<Pma>; 4]> = SmallVec::new();
        let replaced = pmas.replace(new, |e| {
            counters.sub_rss(e.value.kind, e.len());
            taken.push(e);
        });
        if let Err(error) = replaced {
            new.file_range().into_iter().for_each(|r| self.mm.memory.dec_ref(r));
            return Err(error.into());
        }
        counters.add_rss(Kind::Owned, new.len());
        self.st.cow_hint = (end, (end - at) / PAGE_SIZE);
        let mapped = !self.st.installed.is_free(at, end);
        if mapped {
            self.replace_mapping(&new, vma);
        }
        self.let_go(&taken, mapped);
        Ok(end)
    }

    /// Maps new memory over the old, or at least unmaps the old.
    fn replace_mapping(&mut self, new: &Entry<Pma>, vma: &Entry<Vma>) {
        let access = vma.value.perms.effective();
        if access.is_empty() || self.map_one(new, access, vma, false).is_err() {
            self.uninstall(new.start, new.end);
        } else {
            self.mapped_now = (new.start, new.end);
        }
    }
}
