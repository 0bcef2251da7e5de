//! A naive model of address spaces: one entry per page, nothing shared, nothing lazy. The real
//! thing must look like it after any sequence of operations.

mod bytes;
mod check;

pub use bytes::check_operations;

use super::{RecordingSpace, VecMemoryFile};
use crate::{
    Advice, FaultError, Limits, MapFlags, MappedObject, MappingIdentity, MemoryManager,
    MemoryObject, MmConfig, MmapArgs, MremapArgs, MremapFlags, Tuning,
};
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Access, Addr, PAGE_SIZE, Permissions, UserMemory};
use core::cell::Cell;
use syserr::Errno;

/// Where the pages of the model begin.
pub(super) const BASE: u64 = 0x10_0000_0000;
/// Pages of address space that operations reach.
pub const PAGES: u64 = 48;
/// Pages of the file.
pub const FILE_PAGES: u64 = 16;
const LIMITS: Limits = Limits::DEFAULT;

fn addr(page: u64) -> Addr {
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

/// A file of `pages` pages, and how to map it.
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

struct Proc {
    mm: Arc<MemoryManager>,
    space: Arc<RecordingSpace>,
    pages: BTreeMap<u64, Page>,
}

/// What is mapped.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Private memory.
    Anon,
    /// Memory that children share.
    SharedAnon,
    /// The file, privately.
    FilePrivate,
    /// The file itself.
    FileShared,
}

/// An operation by one address space. Places and lengths are in pages, permissions are bits of
/// [`Access`].
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are places, lengths, permissions and values")]
pub enum Op {
    /// Maps at a fixed place.
    Mmap { at: u64, len: u64, perms: u8, kind: Kind, offset: u64 },
    /// Unmaps.
    Munmap { at: u64, len: u64 },
    /// Changes permissions.
    Mprotect { at: u64, len: u64, perms: u8 },
    /// Moves to a fixed place.
    Move { at: u64, len: u64, to: u64 },
    /// `DontNeed`, `GuardInstall`, `GuardRemove`, `DontFork` or `WipeOnFork`.
    Advise { at: u64, len: u64, advice: Advice },
    /// The kernel writes the first word of a page.
    Write { at: u64, value: u64 },
    /// The guest touches a page.
    Fault { at: u64, write: bool },
    /// One more address space, a child.
    Fork,
    /// One address space fewer, unless it is the last.
    Exit,
    /// Cuts the file, or makes it longer.
    Truncate { pages: u64 },
    /// Somebody writes the first word of a page of the file.
    FileWrite { page: u64, value: u64 },
    /// Maps in advance.
    Premap,
}

/// Address spaces over one memory, and what they must look like.
pub struct World {
    memory: Arc<VecMemoryFile>,
    procs: Vec<Proc>,
    file: Option<Arc<MemoryObject>>,
    mapped: Option<MappedObject>,
    file_values: BTreeMap<u64, u64>,
    file_pages: u64,
}

impl World {
    /// One empty address space.
    pub fn new(tuning: Tuning) -> World {
        let memory = VecMemoryFile::new(64 << 20);
        let space = RecordingSpace::new(memory.clone());
        let config = MmConfig { tuning, ..MmConfig::new(memory.clone(), space.clone()) };
        let mm = MemoryManager::new(config);
        let (f, mapped) = file(&memory, FILE_PAGES);
        World {
            memory,
            procs: alloc::vec![Proc { mm, space, pages: BTreeMap::new() }],
            file: Some(f),
            mapped: Some(mapped),
            file_values: BTreeMap::new(),
            file_pages: FILE_PAGES,
        }
    }

    /// The memory, to let it fail.
    pub fn memory(&self) -> &Arc<VecMemoryFile> {
        &self.memory
    }

    /// How many address spaces there are.
    pub fn count(&self) -> usize {
        self.procs.len()
    }

    /// Runs an operation on the real thing; the model follows when it succeeded.
    ///
    /// # Errors
    /// For lack of memory: everything is as it was then.
    ///
    /// # Panics
    /// When the manager answers what it must not.
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

    /// Whether a range has unmapped pages.
    pub fn has_holes(&self, who: usize, at: u64, len: u64) -> bool {
        let pages = &self.procs[who % self.procs.len()].pages;
        (at..at + len).any(|i| !pages.contains_key(&i))
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
