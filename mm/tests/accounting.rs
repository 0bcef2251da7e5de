//! What is counted, and the limits that counts run into.
#![allow(missing_docs)]

use arch::{Access, Addr, PAGE_SIZE, Permissions, UserMemory};
use mm::testkit::model::file;
use mm::testkit::{RecordingSpace, VecMemoryFile};
use mm::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use syserr::Errno;

const P: u64 = PAGE_SIZE;
const AT: u64 = 0x10_0000_0000;
const LIMITS: Limits = Limits::DEFAULT;

fn page(n: u64) -> Addr {
    Addr(AT + n * P)
}

fn manager(f: impl FnOnce(&mut MmConfig)) -> (Arc<VecMemoryFile>, Arc<MemoryManager>) {
    let memory = VecMemoryFile::new(64 << 20);
    let mut config = MmConfig::new(memory.clone(), RecordingSpace::new(memory.clone()));
    f(&mut config);
    (memory, MemoryManager::new(config))
}

fn map_with(
    mm: &MemoryManager,
    at: u64,
    pages: u64,
    flags: MapFlags,
    limits: &Limits,
) -> Result<Addr, Errno> {
    let a = MmapArgs::anonymous(page(at), pages * P, Access::RW, limits);
    mm.mmap(MmapArgs { flags: a.flags | MapFlags::FIXED | flags, ..a })
}

fn map(mm: &MemoryManager, at: u64, pages: u64) {
    map_with(mm, at, pages, MapFlags::empty(), &LIMITS).unwrap();
}

fn touch(mm: &MemoryManager, n: u64) {
    mm.copy_out(page(n), &[1], Permissions::Obey).unwrap();
}

fn remap(mm: &MemoryManager, at: u64, old: u64, new: u64, limits: &Limits) -> Result<Addr, Errno> {
    mm.mremap(MremapArgs {
        old: page(at),
        old_len: old * P,
        new_len: new * P,
        flags: MremapFlags::empty(),
        new: Addr(0),
        limits,
    })
}

/// Strict overcommit: so many bytes and no more.
struct Strict {
    used: AtomicI64,
    most: i64,
}

impl Overcommit for Strict {
    fn charge(&self, bytes: u64, _: Asker) -> Result<(), Errno> {
        let after = self.used.fetch_add(bytes as i64, SeqCst) + bytes as i64;
        if after > self.most {
            self.used.fetch_sub(bytes as i64, SeqCst);
            return Err(Errno::ENOMEM);
        }
        Ok(())
    }

    fn uncharge(&self, bytes: u64) {
        assert!(self.used.fetch_sub(bytes as i64, SeqCst) >= bytes as i64);
    }
}

#[test]
fn the_overcommit_policy_hears_of_every_change() {
    let strict = Arc::new(Strict { used: AtomicI64::new(0), most: 40 * P as i64 });
    let (memory, mm) = manager(|c| c.overcommit = Some(strict.clone()));
    let used = || strict.used.load(SeqCst) as u64 / P;
    map(&mm, 0, 8);
    assert_eq!(used(), 8);
    let full = map_with(&mm, 100, 33, MapFlags::empty(), &LIMITS);
    assert_eq!((full, used()), (Err(Errno::ENOMEM), 8));
    map_with(&mm, 100, 33, MapFlags::NORESERVE, &LIMITS).unwrap();
    assert_eq!(used(), 8, "MAP_NORESERVE is not counted");
    map(&mm, 0, 8);
    assert_eq!(used(), 8, "a replaced mapping is given back");
    let a = MmapArgs::anonymous(page(20), 4 * P, Access::READ, &LIMITS);
    mm.mmap(MmapArgs { flags: a.flags | MapFlags::FIXED, ..a }).unwrap();
    assert_eq!(used(), 8, "nor what cannot be written");
    mm.mprotect(page(20), 2 * P, Access::RW, false, &LIMITS).unwrap();
    assert_eq!(used(), 10, "until it can");
    mm.mprotect(page(20), 2 * P, Access::READ, false, &LIMITS).unwrap();
    assert_eq!(used(), 10, "and then it stays counted");
    remap(&mm, 0, 8, 12, &LIMITS).unwrap();
    assert_eq!(used(), 14);
    mm.set_brk(Addr(0x5555_0000_0000));
    mm.brk(Addr(0x5555_0000_2000), &LIMITS);
    assert_eq!(used(), 16);
    let child = mm.fork(RecordingSpace::new(memory.clone())).unwrap();
    assert_eq!(used(), 32, "a child is counted");
    assert_eq!(mm.fork(RecordingSpace::new(memory.clone())).err(), Some(Errno::ENOMEM));
    assert_eq!(used(), 32, "unless there is no room for it");
    mm.munmap(page(0), 12 * P).unwrap();
    assert_eq!(used(), 20);
    child.dec_users();
    mm.dec_users();
    assert_eq!(used(), 0);
}

#[test]
fn address_space_is_limited() {
    let (_, mm) = manager(|_| ());
    let limits = Limits { as_: 10 * P, ..LIMITS };
    let map = |at, n| map_with(&mm, at, n, MapFlags::empty(), &limits);
    map(0, 8).unwrap();
    assert_eq!(map(20, 3), Err(Errno::ENOMEM));
    map(0, 8).unwrap();
    assert_eq!(remap(&mm, 0, 8, 11, &limits), Err(Errno::ENOMEM));
    remap(&mm, 0, 8, 10, &limits).unwrap();
    mm.set_brk(Addr(0x5555_0000_0000));
    assert_eq!(mm.brk(Addr(0x5555_0000_1000), &limits), Addr(0x5555_0000_0000));
    assert_eq!(mm.stats().size, 10 * P);
}

#[test]
fn locked_memory_is_limited_and_counted() {
    let (_, mm) = manager(|_| ());
    let limits = Limits { memlock: 4 * P, ..LIMITS };
    let none = Limits { memlock: 0, ..LIMITS };
    let lock = |at, n, l: &Limits| mm.mlock(page(at), n * P, MlockFlags::empty(), l);
    map(&mm, 0, 8);
    assert_eq!(lock(0, 1, &none), Err(Errno::EPERM));
    assert_eq!(lock(0, 5, &limits), Err(Errno::ENOMEM));
    lock(0, 4, &limits).unwrap();
    lock(1, 2, &limits).unwrap();
    assert_eq!(mm.stats().locked, 4 * P, "locked twice, counted once");
    assert_eq!(lock(4, 1, &limits), Err(Errno::ENOMEM));
    let more = |l| map_with(&mm, 20, 1, MapFlags::LOCKED, l);
    assert_eq!((more(&limits), more(&none)), (Err(Errno::EAGAIN), Err(Errno::EPERM)));
    more(&Limits { can_lock: true, ..none }).unwrap();
    assert_eq!(remap(&mm, 20, 1, 2, &limits), Err(Errno::EAGAIN));
    mm.munlock(page(0), 2 * P).unwrap();
    assert_eq!(mm.stats().locked, 3 * P);
    mm.munmap(page(2), P).unwrap();
    assert_eq!(mm.stats().locked, 2 * P);
    assert_eq!(mm.mlockall(MlockallFlags::CURRENT, &limits), Err(Errno::ENOMEM));
    mm.munlockall();
    assert_eq!(mm.stats().locked, 0);
}

/// Each page counts for as many parts as there are address spaces that map it.
#[test]
fn proportional_sizes_add_up() {
    let (memory, parent) = manager(|c| c.tuning = Tuning::EXACT);
    map(&parent, 0, 12);
    (0..12).for_each(|i| touch(&parent, i));
    let (_file, mapped) = file(&memory, 4);
    let a = MmapArgs::anonymous(page(20), 4 * P, Access::RW, &LIMITS);
    let flags = MapFlags::SHARED | MapFlags::FIXED;
    parent.mmap(MmapArgs { flags, object: Some(mapped), ..a }).unwrap();
    touch(&parent, 20);
    let pss = |mm: &MemoryManager| mm.vmas(true).iter().map(|v| v.proportional).sum::<u64>() / P;
    let rss = |mm: &MemoryManager| mm.stats().rss / P;
    assert_eq!((rss(&parent), pss(&parent)), (13, 13), "alone, all of it is its own");
    let fork = |mm: &MemoryManager| mm.fork(RecordingSpace::new(memory.clone())).unwrap();
    let children = [fork(&parent), fork(&parent)];
    let all = [&parent, &children[0], &children[1]];
    for mm in all {
        assert_eq!((rss(mm), pss(mm)), (13, 4), "thirteen pages among three");
    }
    touch(&children[0], 0);
    let sum: u64 =
        all.iter().map(|mm| mm.vmas(true).iter().map(|v| v.proportional).sum::<u64>()).sum();
    let there = memory.live_pages();
    assert_eq!(there, 14);
    assert!(sum.abs_diff(there * P) <= 4 * P, "{sum} bytes for {there} pages");
    children.iter().for_each(|c| c.dec_users());
    assert_eq!(pss(&parent), 13, "alone again");
}

#[test]
fn punched_holes_are_seen_by_everybody() {
    let (memory, mm) = manager(|_| ());
    let a = MmapArgs::anonymous(page(0), 4 * P, Access::RW, &LIMITS);
    let flags = MapFlags::SHARED | MapFlags::ANONYMOUS | MapFlags::FIXED;
    mm.mmap(MmapArgs { flags, ..a }).unwrap();
    (0..4).for_each(|i| touch(&mm, i));
    let child = mm.fork(RecordingSpace::new(memory.clone())).unwrap();
    touch(&child, 1);
    let before = memory.live_pages();
    mm.madvise(page(1), 2 * P, Advice::Remove).unwrap();
    mm.address_space().flush();
    child.address_space().flush();
    assert_eq!(memory.live_pages(), before - 2, "the memory is free");
    for who in [&mm, &child] {
        let mut b = [9; 1];
        who.copy_in(page(1), &mut b, Permissions::Obey).unwrap();
        assert_eq!(b, [0]);
        who.copy_in(page(3), &mut b, Permissions::Obey).unwrap();
        assert_eq!(b, [1]);
    }
}

#[test]
fn policies_are_kept_with_their_vmas() {
    let (memory, mm) = manager(|_| ());
    map(&mm, 0, 4);
    let policy = NumaPolicy { mode: 2, nodes: 1 };
    mm.set_numa_policy(page(1), 2 * P, Some(policy)).unwrap();
    assert_eq!(mm.map_count(), 3);
    assert_eq!(mm.set_numa_policy(page(3), 2 * P, Some(policy)), Err(Errno::EFAULT));
    let child = mm.fork(RecordingSpace::new(memory)).unwrap();
    for who in [&mm, &child] {
        assert_eq!(who.numa_policy(page(2)), Ok(Some(policy)));
        assert_eq!(who.numa_policy(page(3)), Ok(None));
        assert_eq!(who.numa_policy(page(4)), Err(Errno::EFAULT));
    }
    mm.set_numa_policy(page(0), 4 * P, None).unwrap();
    assert_eq!(mm.map_count(), 1, "what became equal is one");
}
