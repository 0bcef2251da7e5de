//! What is done before it is asked for: it saves faults, and nobody can tell.
#![allow(missing_docs)]

use arch::{Access, Addr, PAGE_SIZE, Permissions, UserMemory};
use mm::testkit::model::file;
use mm::testkit::{Op, RecordingSpace, VecMemoryFile};
use mm::*;
use std::ops::Range;
use std::sync::Arc;
use syserr::Errno;

const P: u64 = PAGE_SIZE;
const LIMITS: Limits = Limits::DEFAULT;

fn addr(page: u64) -> Addr {
    Addr(0x10_0000_0000 + page * P)
}

struct Rig {
    memory: Arc<VecMemoryFile>,
    space: Arc<RecordingSpace>,
    mm: Arc<MemoryManager>,
}

fn rig() -> Rig {
    let memory = VecMemoryFile::new(64 << 20);
    let space = RecordingSpace::new(memory.clone());
    let mm = MemoryManager::new(MmConfig::new(memory.clone(), space.clone()));
    Rig { memory, space, mm }
}

impl Rig {
    fn anon(&self, page: u64, pages: u64) {
        let a = MmapArgs::anonymous(addr(page), pages * P, Access::RW, &LIMITS);
        self.mm.mmap(MmapArgs { flags: a.flags | MapFlags::FIXED, ..a }).unwrap();
    }

    fn map(&self, pages: u64, access: Access, object: MappedObject) {
        let a = MmapArgs::anonymous(addr(0), pages * P, access, &LIMITS);
        let flags = MapFlags::PRIVATE | MapFlags::FIXED;
        self.mm.mmap(MmapArgs { flags, object: Some(object), ..a }).unwrap();
    }

    fn fork(&self) -> Rig {
        let space = RecordingSpace::new(self.memory.clone());
        let mm = self.mm.fork(space.clone()).unwrap();
        Rig { memory: self.memory.clone(), space, mm }
    }

    fn write(&self, page: u64, value: u8) {
        self.mm.handle_fault(addr(page), Access::WRITE).unwrap();
        self.mm.copy_out(addr(page), &[value], Permissions::Obey).unwrap();
    }

    fn read(&self, page: u64) -> u8 {
        let mut b = [0];
        self.mm.copy_in(addr(page), &mut b, Permissions::Obey).unwrap();
        b[0]
    }

    fn done(self) {
        self.mm.dec_users();
        self.space.flush();
    }
}

/// A file of which guests cannot change anything.
struct Constant(Arc<MemoryObject>);

impl Mappable for Constant {
    fn object_id(&self) -> u64 {
        self.0.object_id()
    }

    fn translate(
        &self,
        required: Range<u64>,
        optional: Range<u64>,
        access: Access,
    ) -> Result<Translation, TranslateError> {
        self.0.translate(required, optional, access)
    }

    fn is_constant(&self) -> bool {
        true
    }

    fn add_mapping(&self, mapping: &ObjectMapping) -> Result<(), Errno> {
        self.0.add_mapping(mapping)
    }

    fn remove_mapping(&self, mapping: &ObjectMapping) {
        self.0.remove_mapping(mapping);
    }

    fn sync(&self, _: Range<u64>) -> Result<(), Errno> {
        Ok(())
    }

    fn punch_hole(&self, _: Range<u64>) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
}

fn constant(r: &Rig, pages: u64) -> (Arc<MemoryObject>, MappedObject) {
    let (inner, mapped) = file(&r.memory, pages);
    (inner.clone(), MappedObject { object: Arc::new(Constant(inner)), ..mapped })
}

fn fill(o: &MemoryObject, page: u64, value: u8) {
    o.write_at(page * P, &mut arch::BufSrc::new(&[value; PAGE_SIZE as usize])).unwrap();
}

#[test]
fn what_a_file_has_in_memory_is_mapped_with_it() {
    let r = rig();
    let (object, mapped) = file(&r.memory, 64);
    (10..20).for_each(|i| fill(&object, i, 7));
    fill(&object, 40, 8);
    r.map(64, Access::READ, mapped);
    let log = r.space.take_log();
    let at: Vec<(u64, u64)> = log
        .iter()
        .map(|op| match op {
            Op::Map(range, _, Access::READ) => (range.start.0, range.len() / P),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(at, [(addr(10).0, 10), (addr(40).0, 1)]);
    assert_eq!((r.read(10), r.read(40), r.read(0)), (7, 8, 0));
    // Still the file's pages: writes to the file show, and none of it was copied.
    fill(&object, 40, 9);
    assert_eq!(r.read(40), 9);
    assert_eq!(r.memory.copied_pages(), 0);
    let memory = r.memory.clone();
    r.done();
    drop(object);
    assert_eq!(memory.live_pages(), 0);
}

#[test]
fn a_read_fault_maps_what_follows_in_memory() {
    for access in [Access::READ, Access::WRITE] {
        let r = rig();
        let (object, mapped) = file(&r.memory, 1200);
        r.map(1200, Access::RW, mapped);
        // Not there yet when the mapping was made, and further than the fault itself reaches.
        (300..310).for_each(|i| fill(&object, i, 7));
        fill(&object, 1190, 7);
        assert_eq!(r.space.mapped(addr(305)), None);
        r.mm.handle_fault(addr(0), access).unwrap();
        let there = r.space.mapped(addr(305)).map(|(_, access)| access);
        assert_eq!(there, (access == Access::READ).then_some(Access::READ), "{access:?}");
        assert_eq!(r.space.mapped(addr(1190)), None, "too far");
        r.done();
    }
}

#[test]
fn a_shared_writable_mapping_hears_of_its_first_write() {
    let r = rig();
    let (object, mapped) = file(&r.memory, 8);
    fill(&object, 0, 1);
    let a = MmapArgs::anonymous(addr(0), 8 * P, Access::RW, &LIMITS);
    let flags = MapFlags::SHARED | MapFlags::FIXED;
    r.mm.mmap(MmapArgs { flags, object: Some(mapped), ..a }).unwrap();
    assert!(r.space.take_log().is_empty());
}

#[test]
fn private_data_of_a_constant_file_is_copied_at_once() {
    let r = rig();
    let (object, mapped) = constant(&r, 8);
    (0..8).for_each(|i| fill(&object, i, i as u8));
    r.map(12, Access::RW, mapped);
    assert_eq!(r.memory.copied_pages(), 8);
    (0..8).for_each(|i| {
        assert_eq!(r.read(i), i as u8);
        r.write(i, 100);
    });
    assert_eq!(r.memory.copied_pages(), 8, "the mapping owns its pages");
    assert_eq!(r.mm.handle_fault(addr(8), Access::READ), Err(FaultError::Bus));
    let mut b = [0];
    object.read_at(3 * P, &mut arch::BufDst::new(&mut b)).unwrap();
    assert_eq!(b, [3], "the file is as it was");
    let memory = r.memory.clone();
    r.done();
    drop(object);
    assert_eq!(memory.live_pages(), 0);
}

#[test]
fn a_write_to_a_large_constant_file_copies_its_neighbours() {
    let r = rig();
    let (object, mapped) = constant(&r, 64);
    (0..64).for_each(|i| fill(&object, i, i as u8));
    r.map(64, Access::RW, mapped);
    assert_eq!(r.memory.copied_pages(), 0);
    r.write(21, 200);
    assert_eq!(r.memory.copied_pages(), 8);
    (16..24).filter(|i| *i != 21).for_each(|i| r.write(i, 201));
    assert_eq!(r.memory.copied_pages(), 8);
    assert_eq!((r.read(15), r.read(21), r.read(24)), (15, 200, 24));
}

/// What the parent has written since it forked last is the parent's own after the next fork, and
/// the child's is a copy: neither takes a fault, and neither sees the other's writes.
#[test]
fn fork_copies_what_was_written_lately() {
    let r = rig();
    r.anon(0, 200);
    r.mm.populate(addr(0), 200 * P).unwrap();
    let first = r.fork();
    r.write(7, 2);
    r.write(90, 2);
    let own = r.memory.copied_pages();
    r.space.take_log();
    let child = r.fork();
    assert_eq!(r.memory.copied_pages(), own + 2);
    assert!(r.space.take_log().is_empty(), "nothing was taken from the parent");
    r.write(7, 3);
    child.write(90, 4);
    assert_eq!(r.memory.copied_pages(), own + 2);
    assert_eq!((r.read(7), child.read(7)), (3, 2));
    assert_eq!((r.read(90), child.read(90)), (2, 4));
    let memory = r.memory.clone();
    r.done();
    child.done();
    first.done();
    assert_eq!(memory.live_pages(), 0);
}

/// A process with other users of its memory might be writing: nothing is copied ahead.
#[test]
fn fork_with_threads_copies_nothing_ahead() {
    let r = rig();
    r.anon(0, 4);
    r.write(0, 1);
    assert!(r.mm.inc_users());
    let child = r.fork();
    assert_eq!(r.memory.copied_pages(), 0);
    r.mm.dec_users();
    drop(child);
}

/// What a child does not get is not copied for it.
#[test]
fn fork_copies_nothing_of_what_the_child_has_not() {
    let r = rig();
    r.anon(0, 2);
    r.write(0, 1);
    r.mm.madvise(addr(0), P, Advice::DontFork).unwrap();
    r.mm.madvise(Addr(addr(0).0 + P), P, Advice::WipeOnFork).unwrap();
    r.write(1, 1);
    let child = r.fork();
    assert_eq!(r.memory.copied_pages(), 0);
    assert_eq!(child.mm.handle_fault(addr(0), Access::READ), Err(FaultError::NotMapped));
    assert_eq!(child.read(1), 0);
}
