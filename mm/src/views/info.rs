//! One vma, as others see it.

use super::pages::referenced;
use crate::pma::Kind;
use crate::range_map::Entry;
use crate::seam::{MappedObject, MemoryFile};
use crate::state::State;
use crate::vma::{Vma, VmaFlags};
use crate::{MemoryManager, Meta};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Access, Addr, AddrRange, PAGE_SIZE};

/// A vma as `/proc/PID/maps` and `/proc/PID/smaps` show it. Memory in bytes.
#[derive(Clone)]
pub struct VmaInfo {
    /// Where.
    pub range: AddrRange,
    /// Permissions now.
    pub perms: Access,
    /// What they may become.
    pub max_perms: Access,
    /// Properties.
    pub flags: VmaFlags,
    /// Offset in the object.
    pub offset: u64,
    /// What is mapped; `None` for private anonymous memory.
    pub object: Option<MappedObject>,
    /// `[heap]`, `[stack]`, `[anon:NAME]`, or empty.
    pub label: Vec<u8>,
    /// Memory that is there.
    pub resident: u64,
    /// `resident`, each page divided by how many map it.
    pub proportional: u64,
    /// The part of `resident` that is shared with others.
    pub shared: u64,
    /// The part of `resident` that belongs to no object.
    pub anonymous: u64,
    /// The part of `resident` that was used since [`MemoryManager::clear_referenced`].
    pub referenced: u64,
}

impl VmaInfo {
    pub(crate) fn new(
        e: &Entry<Vma>,
        st: &State,
        meta: &Meta,
        memory: Option<&dyn MemoryFile>,
    ) -> VmaInfo {
        let v = &e.value;
        let mut info = VmaInfo {
            range: e.range(),
            perms: v.perms,
            max_perms: v.max,
            flags: v.flags,
            offset: v.offset,
            object: v.object.as_deref().cloned(),
            label: label(e, st, meta),
            resident: 0,
            proportional: 0,
            shared: 0,
            anonymous: 0,
            referenced: 0,
        };
        if let Some(memory) = memory {
            info.count(e, st, memory);
        }
        info
    }

    fn count(&mut self, e: &Entry<Vma>, st: &State, memory: &dyn MemoryFile) {
        for p in st.pmas.range(e.start, e.end).filter_map(|p| p.clip(e.start, e.end)) {
            let Some(file) = p.file_range() else { continue };
            self.resident += p.len();
            self.referenced += referenced(st, p.start, p.end);
            if p.value.kind == Kind::Owned {
                self.anonymous += p.len();
            }
            // A leaf of the tree counts once in the file, however many relatives share it, and an
            // object counts without mapping anything.
            let relatives = st.pmas.sharers(p.start) - 1;
            let object = u32::from(p.value.kind != Kind::Owned);
            let mut at = file.start;
            while at < file.end {
                let leaves = memory.ref_count(at).saturating_sub(object).max(1);
                let n = leaves.saturating_add(relatives);
                self.proportional += PAGE_SIZE / u64::from(n);
                self.shared += if n > 1 { PAGE_SIZE } else { 0 };
                at += PAGE_SIZE;
            }
        }
    }
}

/// `get_vma_name` of `fs/proc/task_mmu.c`, for what has no file.
fn label(e: &Entry<Vma>, st: &State, meta: &Meta) -> Vec<u8> {
    let v = &e.value;
    if let Some(name) = &v.name {
        let kind: &[u8] = if v.is_shared() { b"[anon_shmem:" } else { b"[anon:" };
        return [kind, name, b"]"].concat();
    }
    if !v.is_anon() {
        return Vec::new();
    }
    if e.start < st.brk.end.0 && e.end > st.brk.start.0 {
        return b"[heap]".to_vec();
    }
    if meta.start_stack != Addr::NULL && e.range().contains(meta.start_stack) {
        return b"[stack]".to_vec();
    }
    Vec::new()
}

impl MemoryManager {
    /// All vmas, in order. Counts of memory are zero without `counts`, which look at every page.
    pub fn vmas(&self, counts: bool) -> Vec<VmaInfo> {
        let meta = self.meta();
        let st = self.read();
        let memory = counts.then_some(&*self.memory);
        st.vmas.iter().map(|e| VmaInfo::new(e, &st, &meta, memory)).collect()
    }

    /// The vma that `addr` lies in.
    pub fn vma_at(&self, addr: Addr) -> Option<VmaInfo> {
        let meta = self.meta();
        let st = self.read();
        let e = st.vma(addr.0)?;
        Some(VmaInfo::new(e, &st, &meta, None))
    }

    /// How many vmas there are.
    pub fn map_count(&self) -> usize {
        self.read().vmas.len()
    }

    /// The object mapped at `addr` and the offset in it, for shared mappings and files.
    pub fn object_at(&self, addr: Addr) -> Option<(Arc<dyn crate::Mappable>, u64)> {
        let st = self.read();
        let e = st.vma(addr.0)?;
        let o = e.value.object.as_ref()?;
        Some((o.object.clone(), e.value.offset + (addr.0 - e.start)))
    }
}
