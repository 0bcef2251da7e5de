//! A naive model of address spaces: one entry per page, nothing shared, nothing lazy.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses its part")]

use arch::{Access, Addr, PAGE_SIZE, Permissions, UserMemory};
use mm::testkit::{RecordingSpace, VecMemoryFile};
use mm::*;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use syserr::Errno;

pub const BASE: u64 = 0x10_0000_0000;
pub const PAGES: u64 = 48;
pub const FILE_PAGES: u64 = 16;
pub const LIMITS: Limits = Limits::DEFAULT;

pub fn addr(page: u64) -> Addr {
    Addr(BASE + page * PAGE_SIZE)
}

struct Name;

impl MappingIdentity for Name {
    fn device(&self) -> u64 {
        0x801
    }

    fn inode(&self) -> u64 {
        42
    }

    fn path(&self) -> Vec<u8> {
        b"/tmp/file".to_vec()
    }
}

pub fn file(memory: &Arc<VecMemoryFile>, pages: u64) -> (Arc<MemoryObject>, MappedObject) {
    let o = Arc::new(MemoryObject::new(memory.clone(), pages * PAGE_SIZE));
    (o.clone(), MappedObject { object: o, identity: Arc::new(Name) })
}

#[derive(Clone)]
enum Content {
    Anon(u64),
    SharedAnon(Rc<Cell<u64>>),
    FilePrivate(u64, Option<u64>),
    FileShared(u64),
}

#[derive(Clone)]
struct Page {
    perms: Access,
    content: Content,
    wipe: bool,
    dont_fork: bool,
    guard: bool,
}

pub struct Proc {
    pub mm: Arc<MemoryManager>,
    pub space: Arc<RecordingSpace>,
    pages: BTreeMap<u64, Page>,
}

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Anon,
    SharedAnon,
    FilePrivate,
    FileShared,
}

#[derive(Clone, Debug)]
pub enum Op {
    Mmap { at: u64, len: u64, perms: u8, kind: Kind, offset: u64 },
    Munmap { at: u64, len: u64 },
    Mprotect { at: u64, len: u64, perms: u8 },
    Move { at: u64, len: u64, to: u64 },
    Advise { at: u64, len: u64, advice: Advice },
    Write { at: u64, value: u64 },
    Fault { at: u64, write: bool },
    Fork,
    Exit,
    Truncate { pages: u64 },
    FileWrite { page: u64, value: u64 },
    Premap,
}

pub struct World {
    pub memory: Arc<VecMemoryFile>,
    pub procs: Vec<Proc>,
    pub file: Option<Arc<MemoryObject>>,
    mapped: Option<MappedObject>,
    file_values: BTreeMap<u64, u64>,
    file_pages: u64,
}

impl World {
    pub fn new(tuning: Tuning) -> World {
        let memory = VecMemoryFile::new(64 << 20);
        let space = RecordingSpace::new(memory.clone());
        let config = MmConfig { tuning, ..MmConfig::new(memory.clone(), space.clone()) };
        let mm = MemoryManager::new(config);
        let (f, mapped) = file(&memory, FILE_PAGES);
        World {
            memory,
            procs: vec![Proc { mm, space, pages: BTreeMap::new() }],
            file: Some(f),
            mapped: Some(mapped),
            file_values: BTreeMap::new(),
            file_pages: FILE_PAGES,
        }
    }

    /// Runs an operation on the real thing; the model follows when it succeeded.
    pub fn run(&mut self, who: usize, op: &Op) -> Result<(), Errno> {
        let who = who % self.procs.len();
        let p = &mut self.procs[who];
        match *op {
            Op::Mmap { at, len, perms, kind, offset } => {
                let (sharing, object) = match kind {
                    Kind::Anon => (MapFlags::PRIVATE | MapFlags::ANONYMOUS, None),
                    Kind::SharedAnon => (MapFlags::SHARED | MapFlags::ANONYMOUS, None),
                    Kind::FilePrivate => (MapFlags::PRIVATE, self.mapped.clone()),
                    Kind::FileShared => (MapFlags::SHARED, self.mapped.clone()),
                };
                let perms = Access::from_bits_truncate(perms);
                let got = p.mm.mmap(MmapArgs {
                    addr: addr(at),
                    len: len * PAGE_SIZE,
                    prot: perms,
                    flags: sharing | MapFlags::FIXED,
                    max_prot: Access::ALL,
                    object,
                    offset: offset * PAGE_SIZE,
                    limits: &LIMITS,
                })?;
                assert_eq!(got, addr(at));
                for i in 0..len {
                    let content = match kind {
                        Kind::Anon => Content::Anon(0),
                        Kind::SharedAnon => Content::SharedAnon(Rc::default()),
                        Kind::FilePrivate => Content::FilePrivate(offset + i, None),
                        Kind::FileShared => Content::FileShared(offset + i),
                    };
                    let page = Page { perms, content, wipe: false, dont_fork: false, guard: false };
                    p.pages.insert(at + i, page);
                }
                Ok(())
            }
            Op::Munmap { at, len } => {
                p.mm.munmap(addr(at), len * PAGE_SIZE)?;
                p.pages.retain(|i, _| *i < at || *i >= at + len);
                Ok(())
            }
            Op::Mprotect { at, len, perms } => {
                let perms = Access::from_bits_truncate(perms);
                let got = p.mm.mprotect(addr(at), len * PAGE_SIZE, perms, false, &LIMITS);
                for i in at..at + len {
                    match p.pages.get_mut(&i) {
                        Some(page) => page.perms = perms,
                        None => {
                            assert_eq!(got, Err(Errno::ENOMEM), "a hole");
                            return Ok(());
                        }
                    }
                }
                got
            }
            Op::Move { at, len, to } => {
                let got = p.mm.mremap(MremapArgs {
                    old: addr(at),
                    old_len: len * PAGE_SIZE,
                    new_len: len * PAGE_SIZE,
                    flags: MremapFlags::MAYMOVE | MremapFlags::FIXED,
                    new: addr(to),
                    limits: &LIMITS,
                });
                if at < to + len && to < at + len {
                    assert_eq!(got, Err(Errno::EINVAL), "overlap");
                    return Ok(());
                }
                if !p.pages.contains_key(&at) {
                    assert_eq!(got, Err(Errno::EFAULT), "nothing there");
                    return Ok(());
                }
                assert_eq!(got?, addr(to));
                for i in 0..len {
                    if let Some(page) = p.pages.remove(&(at + i)) {
                        p.pages.insert(to + i, page);
                    }
                }
                Ok(())
            }
            Op::Advise { at, len, advice } => {
                let got = p.mm.madvise(addr(at), len * PAGE_SIZE, advice);
                if got == Err(Errno::ENOMEM) && (at..at + len).all(|i| p.pages.contains_key(&i)) {
                    return got;
                }
                let mut want = Ok(());
                for i in at..at + len {
                    let Some(page) = p.pages.get_mut(&i) else {
                        want = want.and(Err(Errno::ENOMEM));
                        continue;
                    };
                    let anon = matches!(page.content, Content::Anon(_));
                    match advice {
                        Advice::DontNeed => drop_page(page),
                        Advice::GuardInstall => {
                            drop_page(page);
                            page.guard = true;
                        }
                        Advice::GuardRemove => page.guard = false,
                        Advice::DontFork => page.dont_fork = true,
                        Advice::WipeOnFork if !anon => {
                            want = Err(Errno::EINVAL);
                            break;
                        }
                        Advice::WipeOnFork => page.wipe = true,
                        _ => unreachable!(),
                    }
                }
                assert_eq!(got, want, "{op:?}");
                Ok(())
            }
            Op::Write { at, value } => {
                let got = p.mm.copy_out(addr(at), &value.to_ne_bytes(), Permissions::Obey);
                let may = p.pages.get(&at).is_some_and(|page| {
                    !page.guard
                        && page.perms.contains(Access::WRITE)
                        && in_file(&page.content, self.file_pages)
                });
                if !may {
                    assert_eq!(got.map_err(|e| (e.done, e.errno)), Err((0, Errno::EFAULT)));
                    return Ok(());
                }
                got.map_err(|e| e.errno)?;
                match &mut p.pages.get_mut(&at).unwrap().content {
                    Content::Anon(v) => *v = value,
                    Content::SharedAnon(c) => c.set(value),
                    Content::FilePrivate(_, v) => *v = Some(value),
                    Content::FileShared(page) => {
                        self.file_values.insert(*page, value);
                    }
                }
                Ok(())
            }
            Op::Fault { at, write } => {
                let access = if write { Access::WRITE } else { Access::READ };
                let got = p.mm.handle_fault(addr(at), access);
                let want = match p.pages.get(&at) {
                    None => Err(FaultError::NotMapped),
                    Some(page) if !page.perms.effective().contains(access) => {
                        Err(FaultError::Denied)
                    }
                    Some(page) if page.guard => Err(FaultError::NotMapped),
                    Some(page) if !in_file(&page.content, self.file_pages) => Err(FaultError::Bus),
                    Some(_) => Ok(()),
                };
                if got == Err(FaultError::NoMemory) {
                    return Err(Errno::ENOMEM);
                }
                assert_eq!(got, want, "{op:?}");
                if want.is_ok() {
                    let (_, now) = p.space.mapped(addr(at)).expect("mapped after a fault");
                    assert!(now.contains(access));
                    let value = self.value(&self.procs[who].pages[&at].content);
                    let content = &mut self.procs[who].pages.get_mut(&at).unwrap().content;
                    if let Content::FilePrivate(_, v) = content
                        && write
                    {
                        *v = Some(value);
                    }
                }
                Ok(())
            }
            Op::Fork => {
                let space = RecordingSpace::new(self.memory.clone());
                let mm = p.mm.fork(space.clone())?;
                let mut pages = p.pages.clone();
                pages.retain(|_, page| !page.dont_fork);
                for page in pages.values_mut().filter(|page| page.wipe) {
                    drop_page(page);
                    page.guard = false;
                }
                self.procs.push(Proc { mm, space, pages });
                Ok(())
            }
            Op::Exit => {
                if self.procs.len() > 1 {
                    self.procs.swap_remove(who).mm.dec_users();
                }
                Ok(())
            }
            Op::Truncate { pages } => {
                self.file.as_ref().unwrap().truncate(pages * PAGE_SIZE).unwrap();
                self.file_pages = pages;
                self.file_values.retain(|i, _| *i < pages);
                for page in self.procs.iter_mut().flat_map(|p| p.pages.values_mut()) {
                    if let Content::FilePrivate(i, v) = &mut page.content
                        && *i >= pages
                    {
                        *v = None;
                    }
                }
                Ok(())
            }
            Op::FileWrite { page, value } => {
                if page < self.file_pages {
                    let bytes = value.to_ne_bytes();
                    let o = self.file.as_ref().unwrap();
                    o.write_at(page * PAGE_SIZE, &mut arch::BufSrc::new(&bytes))?;
                    self.file_values.insert(page, value);
                }
                Ok(())
            }
            Op::Premap => {
                p.mm.premap(64);
                Ok(())
            }
        }
    }

    pub fn has_holes(&self, who: usize, at: u64, len: u64) -> bool {
        let pages = &self.procs[who % self.procs.len()].pages;
        (at..at + len).any(|i| !pages.contains_key(&i))
    }

    fn value(&self, c: &Content) -> u64 {
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

fn drop_page(page: &mut Page) {
    match &mut page.content {
        Content::Anon(v) => *v = 0,
        Content::FilePrivate(_, v) => *v = None,
        Content::SharedAnon(_) | Content::FileShared(_) => {}
    }
}

fn in_file(c: &Content, pages: u64) -> bool {
    match c {
        Content::FilePrivate(i, v) => v.is_some() || *i < pages,
        Content::FileShared(i) => *i < pages,
        _ => true,
    }
}
