//! Every interleaving, with at most two preemptions, of what threads do to address spaces.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p mm --release --test loom`
#![cfg(loom)]
#![allow(missing_docs)]

use arch::{Access, Addr, PAGE_SIZE, Permissions, UserMemory};
use loom::sync::atomic::{AtomicU32, Ordering::SeqCst};
use loom::thread;
use mm::testkit::{RecordingSpace, VecMemoryFile};
use mm::*;
use std::ops::Range;
use std::sync::Arc;
use syserr::Errno;

const P: u64 = PAGE_SIZE;
const AT: Addr = Addr(0x10_0000_0000);
const LIMITS: Limits = Limits::DEFAULT;

fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut b = loom::model::Builder::new();
    b.preemption_bound = Some(2);
    b.check(f);
}

struct Rig {
    memory: Arc<VecMemoryFile>,
    mm: Arc<MemoryManager>,
}

impl Rig {
    fn new() -> Rig {
        let memory = VecMemoryFile::new(1 << 20);
        let space = RecordingSpace::new(memory.clone());
        let config = MmConfig { tuning: Tuning::EXACT, ..MmConfig::new(memory.clone(), space) };
        Rig { memory, mm: MemoryManager::new(config) }
    }

    fn map(&self, pages: u64) {
        let a = MmapArgs::anonymous(AT, pages * P, Access::RW, &LIMITS);
        self.mm.mmap(MmapArgs { flags: a.flags | MapFlags::FIXED, ..a }).unwrap();
    }

    /// Everybody has gone: nothing may be left.
    fn finish(self) {
        let Rig { memory, mm } = self;
        assert_eq!(mm.users(), 0);
        mm.address_space().flush();
        drop(mm);
        assert_eq!(memory.live_pages(), 0);
    }
}

fn write(mm: &MemoryManager, page: u64, value: u8) -> Result<(), Errno> {
    mm.copy_out(Addr(AT.0 + page * P), &[value], Permissions::Obey).map_err(|e| e.errno)
}

fn read(mm: &MemoryManager, page: u64) -> Result<u8, Errno> {
    let mut b = [0];
    mm.copy_in(Addr(AT.0 + page * P), &mut b, Permissions::Obey).map_err(|e| e.errno)?;
    Ok(b[0])
}

/// Makes the word at `AT` 1, and lets changes of it go without the lock from now on.
fn open_for_writes(mm: &MemoryManager) {
    // The first backs the page, the second remembers where it is.
    assert_eq!(mm.swap_u32(AT, 1), Ok(0));
    assert_eq!(mm.swap_u32(AT, 1), Ok(1));
}

/// A page that counts how often its mapping goes away.
struct Watched {
    object: MemoryObject,
    gone: Arc<AtomicU32>,
}

impl Mappable for Watched {
    fn object_id(&self) -> u64 {
        self.object.object_id()
    }
    fn translate(
        &self,
        required: Range<u64>,
        optional: Range<u64>,
        access: Access,
    ) -> Result<Translation, TranslateError> {
        self.object.translate(required, optional, access)
    }
    fn add_mapping(&self, _: &ObjectMapping) -> Result<(), Errno> {
        Ok(())
    }
    fn remove_mapping(&self, _: &ObjectMapping) {
        self.gone.fetch_add(1, SeqCst);
    }
    fn sync(&self, _: Range<u64>) -> Result<(), Errno> {
        Ok(())
    }
    fn punch_hole(&self, _: Range<u64>) -> Result<(), Errno> {
        Ok(())
    }
}

impl MappingIdentity for Watched {
    fn device(&self) -> u64 {
        0
    }
    fn inode(&self) -> u64 {
        0
    }
    fn path(&self) -> Vec<u8> {
        Vec::new()
    }
}

/// A user that comes while the last one goes is refused or keeps everything alive; either way
/// there is exactly one teardown.
#[test]
fn users_come_and_go_with_one_teardown() {
    model(|| {
        let r = Rig::new();
        let gone = Arc::new(AtomicU32::new(0));
        let object = MemoryObject::new(r.memory.clone(), P);
        let o = Arc::new(Watched { object, gone: gone.clone() });
        let a = MmapArgs::anonymous(AT, P, Access::RW, &LIMITS);
        let object = Some(MappedObject { object: o.clone(), identity: o });
        let flags = MapFlags::PRIVATE | MapFlags::FIXED;
        r.mm.mmap(MmapArgs { flags, object, ..a }).unwrap();
        write(&r.mm, 0, 1).unwrap();
        let (mm, seen) = (r.mm.clone(), gone.clone());
        let comer = thread::spawn(move || {
            if mm.inc_users() {
                assert_eq!(seen.load(SeqCst), 0, "torn down under a user");
                assert_eq!(read(&mm, 0), Ok(1));
                mm.dec_users();
            }
        });
        r.mm.dec_users();
        comer.join().unwrap();
        assert_eq!(gone.load(SeqCst), 1, "teardowns");
        assert!(!r.mm.inc_users(), "nobody comes after the end");
        r.finish();
    });
}

/// A write that races with a fork is not lost, and reaches the child before the fork or never.
fn fork_beside_a_write(ready: fn(&MemoryManager)) {
    model(move || {
        let r = Rig::new();
        r.map(1);
        ready(&r.mm);
        let mm = r.mm.clone();
        let writer = thread::spawn(move || write(&mm, 0, 2).unwrap());
        let child = r.mm.fork(RecordingSpace::new(r.memory.clone())).unwrap();
        let first = read(&child, 0).unwrap();
        assert!(first == 1 || first == 2);
        writer.join().unwrap();
        assert_eq!(read(&r.mm, 0), Ok(2), "the write is there");
        assert_eq!(read(&child, 0), Ok(first), "and not through a shared page");
        write(&child, 0, 3).unwrap();
        assert_eq!(read(&r.mm, 0), Ok(2));
        child.dec_users();
        child.address_space().flush();
        drop(child);
        r.mm.dec_users();
        r.finish();
    });
}

#[test]
fn a_fork_beside_a_write() {
    fork_beside_a_write(|mm| write(mm, 0, 1).unwrap());
}

#[test]
fn a_fork_beside_an_unlocked_write() {
    fork_beside_a_write(open_for_writes);
}

/// Parent and child break copy-on-write of the same page at once: one of them may keep it.
#[test]
fn both_sides_break_copy_on_write() {
    model(|| {
        let r = Rig::new();
        r.map(1);
        write(&r.mm, 0, 1).unwrap();
        let child = r.mm.fork(RecordingSpace::new(r.memory.clone())).unwrap();
        let other = child.clone();
        let writer = thread::spawn(move || {
            other.handle_fault(AT, Access::WRITE).unwrap();
            write(&other, 0, 3).unwrap();
        });
        write(&r.mm, 0, 2).unwrap();
        writer.join().unwrap();
        assert_eq!((read(&r.mm, 0), read(&child, 0)), (Ok(2), Ok(3)));
        assert!(r.memory.copied_pages() <= 2);
        r.mm.dec_users();
        child.dec_users();
        child.address_space().flush();
        drop(child);
        r.finish();
    });
}

/// A read beside an unmapping sees what was there or nothing: remembered places are forgotten
/// before their memory goes.
#[test]
fn a_remembered_place_beside_an_unmapping() {
    model(|| {
        let r = Rig::new();
        r.map(1);
        write(&r.mm, 0, 7).unwrap();
        assert_eq!(read(&r.mm, 0), Ok(7));
        let mm = r.mm.clone();
        let reader = thread::spawn(move || {
            let got = read(&mm, 0);
            assert!(got == Ok(7) || got == Err(Errno::EFAULT), "{got:?}");
        });
        r.mm.munmap(AT, P).unwrap();
        reader.join().unwrap();
        r.mm.dec_users();
        r.finish();
    });
}

/// Two readers remember places in the same slot: neither takes the other's for its own.
#[test]
fn readers_share_a_slot() {
    model(|| {
        let r = Rig::new();
        r.map(3);
        write(&r.mm, 2, 9).unwrap();
        write(&r.mm, 0, 7).unwrap();
        let mm = r.mm.clone();
        let reader = thread::spawn(move || assert_eq!(read(&mm, 2), Ok(9)));
        assert_eq!(read(&r.mm, 0), Ok(7));
        reader.join().unwrap();
        r.mm.dec_users();
        r.finish();
    });
}

/// A word that is changed beside an unmapping is changed before its memory goes, or not at all: who
/// gets the memory next finds it zero, and nothing but their own change later. `closed` when changes
/// go with the lock before that, `reopened` when they go without it again after it.
fn change_beside_an_unmapping(closed: bool, reopened: bool) {
    model(move || {
        let r = Rig::new();
        r.map(if closed { 2 } else { 1 });
        open_for_writes(&r.mm);
        let mm = r.mm.clone();
        let changer = thread::spawn(move || {
            let got = mm.swap_u32(AT, 2);
            assert!(matches!(got, Ok(1) | Err(Errno::EFAULT)), "{got:?}");
        });
        if closed {
            r.mm.munmap(Addr(AT.0 + P), P).unwrap();
            // This remembers the place again.
            r.mm.load_u32(AT).unwrap();
        }
        r.mm.munmap(AT, P).unwrap();
        r.mm.address_space().flush();
        let elsewhere = Addr(AT.0 + P);
        let a = MmapArgs::anonymous(elsewhere, P, Access::RW, &LIMITS);
        r.mm.mmap(MmapArgs { flags: a.flags | MapFlags::FIXED, ..a }).unwrap();
        let mut there = 0;
        assert_eq!(r.mm.load_u32(elsewhere), Ok(there));
        if reopened {
            there = 3;
            assert_eq!(r.mm.swap_u32(elsewhere, there), Ok(0));
            assert_eq!(r.mm.swap_u32(elsewhere, there), Ok(there));
        }
        changer.join().unwrap();
        assert_eq!(r.mm.load_u32(elsewhere), Ok(there));
        r.mm.dec_users();
        r.finish();
    });
}

#[test]
fn an_unlocked_change_beside_an_unmapping() {
    change_beside_an_unmapping(false, false);
}

#[test]
fn an_unlocked_change_beside_an_unmapping_and_changes_after_it() {
    change_beside_an_unmapping(false, true);
}

#[test]
fn an_unlocked_change_beside_two_unmappings() {
    change_beside_an_unmapping(true, false);
}

/// Two threads that change words without the lock, one of them the other's: none is lost.
#[test]
fn unlocked_changes_are_each_made_once() {
    model(|| {
        let r = Rig::new();
        r.map(1);
        open_for_writes(&r.mm);
        let mm = r.mm.clone();
        let changer = thread::spawn(move || mm.swap_u32(AT, 2).unwrap());
        let mine = r.mm.swap_u32(AT, 3).unwrap();
        let theirs = changer.join().unwrap();
        let last = r.mm.load_u32(AT).unwrap();
        let mut all = [mine, theirs, last];
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3]);
        r.mm.dec_users();
        r.finish();
    });
}
