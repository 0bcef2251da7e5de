//! What must hold between operations, and at the end.

use super::{BASE, Content, PAGES, Proc, World, addr, in_file};
use crate::MemoryFile;
use alloc::collections::BTreeMap;
use arch::{Access, PAGE_SIZE, Permissions, UserMemory};
use syserr::Errno;

impl World {
    pub(super) fn value(&self, c: &Content) -> u64 {
        match c {
            Content::Anon(v) => *v,
            Content::SharedAnon(v) => v.get(),
            Content::FilePrivate(_, Some(v)) => *v,
            Content::FilePrivate(i, None) | Content::FileShared(i) => {
                self.file_values.get(i).copied().unwrap_or(0)
            }
        }
    }

    /// Everything that can be seen agrees with the model.
    ///
    /// # Panics
    /// When it does not.
    pub fn check(&self) {
        for p in &self.procs {
            self.check_tables(p);
            for at in 0..PAGES {
                let mut b = [0; 8];
                let got = p.mm.copy_in(addr(at), &mut b, Permissions::Obey).map_err(|e| e.errno);
                let page = p.pages.get(&at).filter(|page| {
                    !page.guard && !page.perms.is_empty() && in_file(&page.content, self.file_pages)
                });
                match page {
                    None => assert_eq!(got, Err(Errno::EFAULT), "page {at}"),
                    Some(page) => {
                        assert_eq!(got, Ok(()), "page {at}");
                        assert_eq!(u64::from_ne_bytes(b), self.value(&page.content), "page {at}");
                    }
                }
            }
            self.check_shape(p);
            let (mut s, r) = (p.mm.stats(), p.mm.recount());
            (s.peak_size, s.peak_rss) = (0, 0);
            assert_eq!(s, r);
        }
    }

    /// What the page tables hold is no more than what may be accessed, and shows the right bytes.
    fn check_tables(&self, p: &Proc) {
        for (at, offset, access) in p.space.pages() {
            let i = (at.0 - BASE) / PAGE_SIZE;
            if access.is_empty() {
                continue;
            }
            let page = p.pages.get(&i).unwrap_or_else(|| panic!("page {i} is mapped"));
            assert!(page.perms.effective().contains(access), "page {i}: {access:?}");
            assert!(!page.guard, "page {i} is a guard");
            let mut b = [0; 8];
            self.memory.read(offset, &mut b);
            assert_eq!(u64::from_ne_bytes(b), self.value(&page.content), "page {i} in the tables");
            let private = matches!(page.content, Content::Anon(_) | Content::FilePrivate(..));
            if private && access.contains(Access::WRITE) {
                assert_eq!(self.memory.ref_count(offset), 1, "page {i} is writable and shared");
            }
        }
    }

    /// The vmas cover exactly the model's pages, with their permissions.
    fn check_shape(&self, p: &Proc) {
        let mut seen = BTreeMap::new();
        let mut last = None;
        for v in p.mm.vmas(false) {
            assert!(last.is_none_or(|e| e <= v.range.start));
            last = Some(v.range.end);
            for a in (v.range.start.0..v.range.end.0).step_by(PAGE_SIZE as usize) {
                seen.insert((a - BASE) / PAGE_SIZE, v.perms);
            }
        }
        let want: BTreeMap<_, _> = p.pages.iter().map(|(i, page)| (*i, page.perms)).collect();
        assert_eq!(seen, want);
    }

    /// Lets everybody go; nothing may be left.
    ///
    /// # Panics
    /// When something is.
    pub fn finish(mut self) {
        for p in self.procs.drain(..) {
            p.mm.dec_users();
            assert_eq!(p.mm.map_count(), 0);
        }
        let file = self.file.take().unwrap();
        assert!(file.mappings().is_empty(), "a mapping was never taken back");
        self.mapped = None;
        drop(file);
        assert_eq!(self.memory.live_pages(), 0, "live pages at the end");
    }
}
