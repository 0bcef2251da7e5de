//! Where memory is: for who copies an address space and would not make any.

use crate::MemoryManager;
use crate::pma::Kind;
use arch::{Addr, AddrRange};

impl MemoryManager {
    /// Whether some of `range`, which lies in one mapping, is the address space's own memory: written
    /// privately, or anonymous. What [`MemoryManager::replace_text`] has changed does not count.
    pub fn has_own_memory(&self, range: AddrRange) -> bool {
        let st = self.read();
        let text = st.vma(range.start.0).is_some_and(|e| e.value.is_text());
        let mut pmas = st.pmas.range(range.start.0, range.end.0);
        !text && pmas.any(|e| e.value.kind == Kind::Owned)
    }

    /// The first part of `range`, inside one mapping, that there is memory for: in the address space,
    /// or, of a shared mapping, in its object.
    pub fn backed(&self, range: AddrRange) -> Option<AddrRange> {
        let st = self.read();
        for vma in st.vmas.range(range.start.0, range.end.0) {
            let (lo, hi) = (vma.start.max(range.start.0), vma.end.min(range.end.0));
            let found = match vma.value.object.as_ref().filter(|_| vma.value.is_shared()) {
                Some(o) => {
                    let offset = vma.value.offset + (lo - vma.start);
                    o.object.resident(offset..offset + (hi - lo)).map(|t| {
                        self.memory.dec_ref(t.file);
                        let start = lo + (t.offset - offset);
                        (start, start + (t.file.end - t.file.start))
                    })
                }
                None => {
                    let mut pmas = st.pmas.range(lo, hi).filter(|e| e.value.kind != Kind::Guard);
                    pmas.next().and_then(|e| e.clip(lo, hi)).map(|e| (e.start, e.end))
                }
            };
            if let Some((start, end)) = found {
                return Some(AddrRange { start: Addr(start), end: Addr(end.min(hi)) });
            }
        }
        None
    }
}
