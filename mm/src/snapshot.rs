//! An address space as plain data, and back.
//!
//! What is saved is what cannot be had again: vmas, guards, and which memory is private. What the
//! page tables hold, and what objects give, faults back in. Contents are named, not copied: the
//! embedder saves its memory file as it likes, and says on the way back where the pages are now.

use crate::config::{Layout, Limits, MmConfig, NumaPolicy};
use crate::flags::{Mdwe, MlockallFlags};
use crate::pma::{Kind, Pma};
use crate::range_map::{Entry, Free};
use crate::seam::{FileRange, MappedObject, OutOfMemory};
use crate::vma::{Vma, VmaFlags};
use crate::{MemoryManager, Meta};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Access, Addr, AddrRange, PAGE_SIZE};
use core::sync::atomic::Ordering;
use syserr::Errno;

/// A vma of a [`Snapshot`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedVma {
    /// Where.
    pub range: AddrRange,
    /// Permissions now.
    pub perms: Access,
    /// What mprotect(2) may ever make of them.
    pub max_perms: Access,
    /// Properties.
    pub flags: VmaFlags,
    /// Offset in the object, in bytes.
    pub offset: u64,
    /// [`crate::Mappable::object_id`] of what is mapped: the same for vmas of one object in all
    /// snapshots that were taken at the same time. `None` for private anonymous memory.
    pub object: Option<u64>,
    /// Name of anonymous memory.
    pub name: Option<Vec<u8>>,
    /// NUMA policy.
    pub numa: Option<NumaPolicy>,
}

/// Private memory of a [`Snapshot`], or a guard without any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedMemory {
    /// Where it is mapped.
    pub at: AddrRange,
    /// Where it lies in the memory file, at the time of the snapshot. `None` for guard pages.
    pub file: Option<FileRange>,
}

/// An address space as plain data; see [`MemoryManager::save`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// All vmas, in order.
    pub vmas: Vec<SavedVma>,
    /// Private memory and guards, in order.
    pub memory: Vec<SavedMemory>,
    /// The heap.
    pub brk: AddrRange,
    /// Where mappings may lie.
    pub layout: Layout,
    /// The limits that apply in faults.
    pub limits: Limits,
    /// What mlockall(2) said of future mappings.
    pub lock_future: MlockallFlags,
    /// What `PR_SET_MDWE` of prctl(2) has denied.
    pub mdwe: Mdwe,
    /// Registrations for membarrier(2).
    pub membarrier: u32,
    /// The most memory there was, in bytes.
    pub peak_rss: u64,
    /// The most address space there was, in bytes.
    pub peak_size: u64,
    /// [`Meta::argv`].
    pub argv: AddrRange,
    /// [`Meta::envv`].
    pub envv: AddrRange,
    /// [`Meta::auxv`].
    pub auxv: Vec<u8>,
    /// [`Meta::code`].
    pub code: AddrRange,
    /// [`Meta::data`].
    pub data: AddrRange,
    /// [`Meta::start_stack`].
    pub start_stack: Addr,
    /// [`Meta::sigreturn`].
    pub sigreturn: Addr,
    /// [`Meta::dumpable`].
    pub dumpable: u32,
}

/// Finds again what a [`Snapshot`] names.
pub trait Restore {
    /// Where memory that was at `saved` is now, with a reference on each page for the caller.
    /// Memory that several address spaces had may be given to each.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    fn memory(&mut self, saved: FileRange) -> Result<FileRange, OutOfMemory>;
    /// The object that `vma` maps; the same for vmas with the same [`SavedVma::object`].
    ///
    /// # Errors
    /// As the embedder likes: the restore fails with it.
    fn object(&mut self, vma: &SavedVma) -> Result<MappedObject, Errno>;
}

impl MemoryManager {
    /// The state as plain data. The memory that it names is that of this moment: nothing may run
    /// in the address space until the embedder has saved it.
    ///
    /// Not in it: page tables, pins, the executable (the embedder knows its files), and objects.
    pub fn save(&self) -> Snapshot {
        let meta = self.meta();
        let st = self.read();
        let vma = |e: &Entry<Vma>| SavedVma {
            range: e.range(),
            perms: e.value.perms,
            max_perms: e.value.max,
            flags: e.value.flags,
            offset: e.value.offset,
            object: e.value.object.as_ref().map(|o| o.object.object_id()),
            name: e.value.name.as_deref().cloned(),
            numa: e.value.numa.as_deref().copied(),
        };
        let private = st.pmas.iter().filter(|e| matches!(e.value.kind, Kind::Owned | Kind::Guard));
        let at = |e: &Entry<Pma>| AddrRange { start: Addr(e.start), end: Addr(e.end) };
        Snapshot {
            vmas: st.vmas.iter().map(vma).collect(),
            memory: private.map(|e| SavedMemory { at: at(e), file: e.file_range() }).collect(),
            brk: st.brk,
            layout: st.layout,
            limits: st.limits,
            lock_future: st.lock_future,
            mdwe: st.mdwe,
            membarrier: self.membarrier_registrations(),
            peak_rss: st.counters.peak_rss,
            peak_size: st.counters.peak_total,
            argv: meta.argv,
            envv: meta.envv,
            auxv: meta.auxv,
            code: meta.code,
            data: meta.data,
            start_stack: meta.start_stack,
            sigreturn: meta.sigreturn,
            dumpable: meta.dumpable,
        }
    }

    /// An address space with one user that is as `saved` says. Layout and limits are the
    /// snapshot's, the rest of `config` is taken as it is.
    ///
    /// # Errors
    /// `EINVAL` for a snapshot that no address space can have given; `ENOMEM`; what `from` and the
    /// objects answer. Nothing is kept then.
    pub fn restore(
        config: MmConfig,
        saved: &Snapshot,
        from: &mut dyn Restore,
    ) -> Result<Arc<MemoryManager>, Errno> {
        saved.validate()?;
        let config = MmConfig { layout: saved.layout, limits: saved.limits, ..config };
        let mm = MemoryManager::new(config);
        let r = mm.fill_from(saved, from);
        if let Err(e) = r {
            mm.dec_users();
            return Err(e);
        }
        Ok(mm)
    }

    fn fill_from(&self, saved: &Snapshot, from: &mut dyn Restore) -> Result<(), Errno> {
        self.update_meta(|m| {
            *m = Meta {
                argv: saved.argv,
                envv: saved.envv,
                auxv: saved.auxv.clone(),
                executable: None,
                code: saved.code,
                data: saved.data,
                start_stack: saved.start_stack,
                sigreturn: saved.sigreturn,
                dumpable: saved.dumpable,
            };
        });
        self.membarrier.store(saved.membarrier, Ordering::Relaxed);
        for v in &saved.vmas {
            let object = if v.object.is_some() { Some(Arc::new(from.object(v)?)) } else { None };
            let value = Vma {
                perms: v.perms,
                max: v.max_perms,
                flags: v.flags,
                offset: v.offset,
                object,
                name: v.name.clone().map(Arc::new),
                numa: v.numa.map(Arc::new),
            };
            let e = Entry { start: v.range.start.0, end: v.range.end.0, value };
            self.lock().add_like(None, e)?;
        }
        let mut tx = self.lock();
        for v in &saved.vmas {
            // What was two stays two, though one could be made of it.
            let _ = tx.st.vmas.split(v.range.start.0, &Free);
        }
        // A later epoch than that of any page: the first write finds out whether it is shared.
        tx.st.epoch = 1;
        for m in &saved.memory {
            let (kind, file, access) = match m.file {
                None => (Kind::Guard, 0, Access::empty()),
                Some(r) => {
                    let now = from.memory(r)?;
                    if now.len() != r.len() {
                        self.memory.dec_ref(now);
                        return Err(Errno::EINVAL);
                    }
                    (Kind::Owned, now.start, Access::ALL)
                }
            };
            let value = Pma { file, epoch: 0, kind, access, ahead: false };
            tx.put_pma(Entry { start: m.at.start.0, end: m.at.end.0, value })?;
        }
        tx.st.brk = saved.brk;
        tx.st.lock_future = saved.lock_future;
        tx.st.mdwe = saved.mdwe;
        let c = &mut tx.st.counters;
        c.peak_rss = c.peak_rss.max(saved.peak_rss);
        c.peak_total = c.peak_total.max(saved.peak_size);
        Ok(())
    }
}

fn is_range(r: AddrRange) -> bool {
    r.start.is_page_aligned() && r.end.is_page_aligned() && r.start < r.end
}

impl Snapshot {
    /// Whether an address space can be like this.
    fn validate(&self) -> Result<(), Errno> {
        let check = |ok: bool| if ok { Ok(()) } else { Err(Errno::EINVAL) };
        let mut at = Addr::NULL;
        for v in &self.vmas {
            check(is_range(v.range) && v.range.start >= at && v.range.end <= self.layout.max)?;
            let anonymous = v.object.is_none();
            check(v.max_perms.contains(v.perms) && v.offset.is_multiple_of(PAGE_SIZE))?;
            check(!anonymous || !v.flags.contains(VmaFlags::SHARED))?;
            check(v.offset.checked_add(v.range.len()).is_some())?;
            at = v.range.end;
        }
        let mut vmas = self.vmas.iter().peekable();
        let mut at = Addr::NULL;
        for m in &self.memory {
            check(is_range(m.at) && m.at.start >= at)?;
            check(m.file.is_none_or(|f| f.start <= f.end && f.len() == m.at.len()))?;
            // Memory lies in vmas without a hole between them, none of them shared.
            at = m.at.start;
            while at < m.at.end {
                let Some(v) = vmas.next_if(|v| v.range.end <= at).or_else(|| vmas.peek().copied())
                else {
                    return Err(Errno::EINVAL);
                };
                if v.range.end <= at {
                    continue;
                }
                let shared = v.flags.contains(VmaFlags::SHARED) && m.file.is_some();
                check(v.range.start <= at && !shared)?;
                at = v.range.end;
            }
            at = m.at.end;
        }
        Ok(())
    }
}
