//! Saving and restoring address spaces.
#![allow(missing_docs)]

use arch::{Access, Addr, AddrRange, PAGE_SIZE, Permissions, UserMemory};
use mm::testkit::model::file;
use mm::testkit::{RecordingSpace, VecMemoryFile};
use mm::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use syserr::Errno;

const P: u64 = PAGE_SIZE;
const AT: u64 = 0x10_0000_0000;
const LIMITS: Limits = Limits::DEFAULT;

fn page(n: u64) -> Addr {
    Addr(AT + n * P)
}

fn config(memory: &Arc<VecMemoryFile>) -> MmConfig {
    MmConfig::new(memory.clone(), RecordingSpace::new(memory.clone()))
}

fn map(mm: &MemoryManager, at: u64, pages: u64, flags: MapFlags, object: Option<MappedObject>) {
    let a = MmapArgs::anonymous(page(at), pages * P, Access::RW, &LIMITS);
    mm.mmap(MmapArgs { flags: flags | MapFlags::FIXED, object, ..a }).unwrap();
}

fn write(mm: &MemoryManager, at: u64, value: u8) {
    mm.copy_out(page(at), &[value], Permissions::Obey).unwrap();
}

fn read(mm: &MemoryManager, at: u64) -> Result<u8, Errno> {
    let mut b = [0];
    mm.copy_in(page(at), &mut b, Permissions::Obey).map_err(|e| e.errno)?;
    Ok(b[0])
}

const PRIVATE: MapFlags = MapFlags::PRIVATE.union(MapFlags::ANONYMOUS);
const SHARED: MapFlags = MapFlags::SHARED.union(MapFlags::ANONYMOUS);

/// Copies memory into another file, each page once, and rebuilds objects by their numbers.
struct Move {
    from: Arc<VecMemoryFile>,
    to: Arc<VecMemoryFile>,
    moved: BTreeMap<u64, u64>,
    objects: BTreeMap<u64, MappedObject>,
}

impl Move {
    fn take(&mut self, r: FileRange) -> Result<FileRange, OutOfMemory> {
        // The test's extents are restored as they were saved.
        if let Some(&start) = self.moved.get(&r.start) {
            let now = FileRange { start, end: start + r.len() };
            self.to.inc_ref(now)?;
            return Ok(now);
        }
        let now = self.to.allocate(r.len())?;
        let mut bytes = vec![0; r.len() as usize];
        self.from.read(r.start, &mut bytes);
        self.to.write(now.start, &bytes);
        self.moved.insert(r.start, now.start);
        Ok(now)
    }
}

impl Restore for Move {
    fn memory(&mut self, saved: FileRange) -> Result<FileRange, OutOfMemory> {
        self.take(saved)
    }

    fn object(&mut self, vma: &SavedVma) -> Result<MappedObject, Errno> {
        self.objects.get(&vma.object.unwrap()).cloned().ok_or(Errno::ENOENT)
    }
}

/// Without what may differ: numbers of objects, and where memory lies and how it is divided.
fn renamed(s: Snapshot) -> Snapshot {
    let pages = |m: &SavedMemory| {
        let guard = m.file.is_none();
        (m.at.start.0..m.at.end.0).step_by(P as usize).map(move |a| SavedMemory {
            at: AddrRange { start: Addr(a), end: Addr(a + P) },
            file: (!guard).then_some(FileRange { start: 0, end: P }),
        })
    };
    Snapshot {
        memory: s.memory.iter().flat_map(pages).collect(),
        vmas: s.vmas.into_iter().map(|v| SavedVma { object: None, ..v }).collect(),
        ..s
    }
}

#[test]
fn a_parent_and_its_child_survive_a_move() {
    let from = VecMemoryFile::new(16 << 20);
    let parent = MemoryManager::new(config(&from));
    let (_file, mapped) = file(&from, 4);
    map(&parent, 0, 8, PRIVATE, None);
    (0..8).for_each(|i| write(&parent, i, i as u8 + 1));
    map(&parent, 8, 2, SHARED, None);
    write(&parent, 8, 80);
    map(&parent, 10, 4, MapFlags::PRIVATE, Some(mapped.clone()));
    write(&parent, 10, 100);
    parent.madvise(page(7), P, Advice::GuardInstall).unwrap();
    parent.mlock(page(2), P, MlockFlags::empty(), &LIMITS).unwrap();
    parent.set_vma_anon_name(page(4), P, Some(b"pool")).unwrap();
    parent.set_brk(Addr(0x5555_0000_0000));
    parent.brk(Addr(0x5555_0000_1800), &LIMITS);
    parent.register_membarrier(8);
    parent.update_meta(|m| m.auxv = vec![1, 2, 3]);
    let child = parent.fork(RecordingSpace::new(from.clone())).unwrap();
    write(&child, 1, 200);

    let saved = [parent.save(), child.save()];
    let anon = parent.object_at(page(8)).unwrap().0;
    let shared = anon.save().unwrap();
    let to = VecMemoryFile::new(16 << 20);
    let mut moving = Move {
        from: from.clone(),
        to: to.clone(),
        moved: BTreeMap::new(),
        objects: BTreeMap::new(),
    };
    let again = SharedAnon::restore(to.clone(), &shared, |r| moving.take(r)).unwrap();
    moving.objects.insert(anon.object_id(), again.into_mapped());
    let (file_again, mapped_again) = file(&to, 4);
    moving.objects.insert(mapped.object.object_id(), mapped_again);
    let [p, c] = saved.clone().map(|s| {
        let mm = MemoryManager::restore(config(&to), &s, &mut moving).unwrap();
        assert_eq!(renamed(mm.save()), renamed(s), "saved again");
        mm
    });
    for (old, new) in [(&parent, &p), (&child, &c)] {
        for i in 0..14 {
            assert_eq!(read(new, i), read(old, i), "page {i}");
        }
        assert_eq!(MmStats { peak_size: 0, peak_rss: 0, ..new.stats() }, new.recount());
        assert_eq!(new.membarrier_registrations(), 8);
        assert_eq!(new.brk_range(), old.brk_range());
    }
    // Private memory is still copied on write, and shared memory shared.
    write(&c, 0, 50);
    write(&c, 8, 81);
    assert_eq!((read(&p, 0), read(&c, 0)), (Ok(1), Ok(50)));
    assert_eq!((read(&p, 8), read(&c, 8)), (Ok(81), Ok(81)));
    for mm in [&p, &c] {
        mm.dec_users();
        mm.address_space().flush();
    }
    drop((p, c, moving, file_again));
    assert_eq!(to.live_pages(), 0);
}

/// Whatever is wrong with it, a snapshot is refused and nothing is kept.
#[test]
fn impossible_snapshots_are_refused() {
    let memory = VecMemoryFile::new(1 << 20);
    let mm = MemoryManager::new(config(&memory));
    map(&mm, 0, 4, PRIVATE, None);
    (0..4).for_each(|i| write(&mm, i, 1));
    let good = mm.save();
    mm.dec_users();
    mm.address_space().flush();
    type Break = fn(&mut Snapshot);
    let breaks: [Break; 8] = [
        |s| s.vmas[0].range.end = Addr(AT),
        |s| s.vmas[0].range.start = Addr(AT + 1),
        |s| s.vmas[0].range.end = Addr(!(P - 1)),
        |s| s.vmas.push(s.vmas[0].clone()),
        |s| s.vmas[0].flags |= VmaFlags::SHARED,
        |s| s.vmas[0].max_perms = Access::empty(),
        |s| s.vmas[0].range.end = page(2),
        |s| s.memory[0].at = AddrRange { start: page(1), end: page(9) },
    ];
    let mut moving = Move {
        from: memory.clone(),
        to: memory.clone(),
        moved: BTreeMap::new(),
        objects: BTreeMap::new(),
    };
    for (i, f) in breaks.into_iter().enumerate() {
        let mut bad = good.clone();
        f(&mut bad);
        let r = MemoryManager::restore(config(&memory), &bad, &mut moving);
        assert_eq!(r.err(), Some(Errno::EINVAL), "break {i}");
        assert_eq!(memory.live_pages(), 0, "break {i}");
    }
}
