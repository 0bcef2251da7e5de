//! Defects that other kernels have had, by name: each is a behaviour that must stay right.
#![allow(missing_docs)]

use arch::{Access, Addr, BufSrc, PAGE_SIZE, Permissions, UserMemory};
use mm::testkit::model::file;
use mm::testkit::{MappableSubject, check_address_space, check_mappable, check_memory_file};
use mm::testkit::{Op, RecordingSpace, VecMemoryFile};
use mm::*;
use std::sync::Arc;
use syserr::Errno;

const P: u64 = PAGE_SIZE;
const AT: u64 = 0x10_0000_0000;
const LIMITS: Limits = Limits::DEFAULT;

struct Rig {
    memory: Arc<VecMemoryFile>,
    space: Arc<RecordingSpace>,
    mm: Arc<MemoryManager>,
}

fn rig(tuning: Tuning) -> Rig {
    let memory = VecMemoryFile::new(64 << 20);
    let space = RecordingSpace::new(memory.clone());
    let mm =
        MemoryManager::new(MmConfig { tuning, ..MmConfig::new(memory.clone(), space.clone()) });
    Rig { memory, space, mm }
}

impl Rig {
    fn map(&self, page: u64, pages: u64, flags: MapFlags) -> Result<Addr, Errno> {
        let a = MmapArgs::anonymous(Addr(AT + page * P), pages * P, Access::RW, &LIMITS);
        self.mm.mmap(MmapArgs { flags: a.flags | MapFlags::FIXED | flags, ..a })
    }

    fn write(&self, page: u64, value: u8) {
        self.mm.copy_out(Addr(AT + page * P), &[value], Permissions::Obey).unwrap();
    }

    fn fork(&self) -> Rig {
        let space = RecordingSpace::new(self.memory.clone());
        let mm = self.mm.fork(space.clone()).unwrap();
        Rig { memory: self.memory.clone(), space, mm }
    }

    fn read(&self, page: u64) -> u8 {
        let mut b = [0];
        self.mm.copy_in(Addr(AT + page * P), &mut b, Permissions::Obey).unwrap();
        b[0]
    }
}

/// Kevlar, blog 096: counts only grew, so every later write copied a page.
#[test]
fn kevlar_sole_owner_write_never_copies() {
    // Copies that fork makes ahead are another matter.
    let r = rig(Tuning { fork_copies: 0, ..Tuning::DEFAULT });
    r.map(0, 16, MapFlags::empty()).unwrap();
    (0..16).for_each(|i| r.write(i, 1));
    for round in 0..3 {
        let child = r.fork();
        child.mm.dec_users();
        drop(child);
        let before = r.memory.copied_pages();
        (0..16).for_each(|i| r.mm.handle_fault(Addr(AT + i * P), Access::WRITE).unwrap());
        assert_eq!(r.memory.copied_pages(), before, "round {round}");
    }
    let child = r.fork();
    r.write(3, 9);
    assert_eq!(r.memory.copied_pages(), 1, "with a sharer exactly the page is copied");
    assert_eq!((r.read(3), child.read(3)), (9, 1));
    r.mm.dec_users();
    r.space.flush();
    let before = r.memory.copied_pages();
    (0..16).for_each(|i| child.write(i, 2));
    assert_eq!(r.memory.copied_pages(), before, "the last sharer owns everything");
    child.mm.dec_users();
}

/// StarryOS: `count: u8`, the 256th sharer failed.
#[test]
fn starry_many_sharers() {
    let r = rig(Tuning::DEFAULT);
    r.map(0, 1, MapFlags::empty()).unwrap();
    r.write(0, 7);
    let children: Vec<_> = (0..1000).map(|_| r.fork()).collect();
    children.iter().for_each(|c| c.write(0, 8));
    assert_eq!(r.read(0), 7);
    children.iter().for_each(|c| c.mm.dec_users());
}

/// ArceOS #325 and #327: munmap of ranges that are partly unmapped panicked.
#[test]
fn arceos_munmap_over_holes_and_splits() {
    let r = rig(Tuning::DEFAULT);
    r.map(0, 8, MapFlags::empty()).unwrap();
    r.mm.munmap(Addr(AT + 2 * P), P).unwrap();
    r.mm.munmap(Addr(AT + P), 4 * P).unwrap();
    r.mm.munmap(Addr(AT + 100 * P), P).unwrap();
    assert_eq!(r.mm.map_count(), 2);
    assert_eq!(r.mm.munmap(Addr(AT), u64::MAX), Err(Errno::EINVAL));
    assert_eq!(r.mm.munmap(Addr(u64::MAX), 1), Err(Errno::EINVAL));
}

/// ArceOS #323: running out of memory panicked.
#[test]
fn arceos_out_of_memory_is_an_error() {
    let memory = VecMemoryFile::new(4 * P);
    let space = RecordingSpace::new(memory.clone());
    let mm = MemoryManager::new(MmConfig::new(memory.clone(), space));
    let a = mm.mmap(MmapArgs::anonymous(Addr(0), 64 * P, Access::RW, &LIMITS)).unwrap();
    let faults: Vec<_> =
        (0..8).map(|i| mm.handle_fault(Addr(a.0 + i * P), Access::WRITE)).collect();
    assert_eq!(&faults[..4], [Ok(()); 4]);
    assert_eq!(&faults[4..], [Err(FaultError::NoMemory); 4]);
    mm.dec_users();
    mm.address_space().flush();
    assert_eq!(memory.live_pages(), 0);
}

/// LiteBox: a fixed mapping over a partly mapped range was refused.
#[test]
fn litebox_fixed_replaces_partly_mapped_ranges() {
    let r = rig(Tuning::DEFAULT);
    r.map(2, 2, MapFlags::empty()).unwrap();
    r.write(2, 1);
    r.map(0, 8, MapFlags::empty()).unwrap();
    assert_eq!(r.read(2), 0);
    assert_eq!(r.map(0, 1, MapFlags::FIXED_NOREPLACE), Err(Errno::EEXIST));
}

/// gVisor: mremap with old size 0 was accepted for private mappings.
#[test]
fn gvisor_mremap_duplicates_only_shared_mappings() {
    let r = rig(Tuning::DEFAULT);
    r.map(0, 1, MapFlags::empty()).unwrap();
    let args = MremapArgs {
        old: Addr(AT),
        old_len: 0,
        new_len: P,
        flags: MremapFlags::MAYMOVE,
        new: Addr(0),
        limits: &LIMITS,
    };
    assert_eq!(r.mm.mremap(args), Err(Errno::EINVAL));
    let shared = MapFlags::SHARED | MapFlags::ANONYMOUS;
    let a = MmapArgs::anonymous(Addr(0), P, Access::RW, &LIMITS);
    let first = r.mm.mmap(MmapArgs { flags: shared, ..a }).unwrap();
    let second = r.mm.mremap(MremapArgs { old: first, ..args }).unwrap();
    r.mm.copy_out(first, b"x", Permissions::Obey).unwrap();
    let mut b = [0];
    r.mm.copy_in(second, &mut b, Permissions::Obey).unwrap();
    assert_eq!(&b, b"x");
}

/// gVisor: advice without an effect succeeded for unmapped and unaligned ranges.
#[test]
fn gvisor_advice_validates_its_range() {
    let r = rig(Tuning::DEFAULT);
    for advice in [Advice::Normal, Advice::HugePage, Advice::WillNeed, Advice::DontDump] {
        assert_eq!(r.mm.madvise(Addr(AT), P, advice), Err(Errno::ENOMEM));
        assert_eq!(r.mm.madvise(Addr(AT + 1), P, advice), Err(Errno::EINVAL));
    }
}

/// gVisor (defect 12 of our list): whether memory is shared was looked up over the whole range for
/// each part of it.
#[test]
fn gvisor_sharing_is_looked_up_a_bounded_number_of_times() {
    let r = rig(Tuning { window_max: 4096, ..Tuning::DEFAULT });
    let pages = 4096;
    r.map(0, pages, MapFlags::POPULATE).unwrap();
    let child = r.fork();
    // The child holds on to the last page; all others are the parent's alone again.
    child.mm.handle_fault(Addr(AT), Access::WRITE).unwrap();
    child.mm.munmap(Addr(AT), (pages - 1) * P).unwrap();
    child.space.flush();
    r.write(pages - 1, 1);
    let (copied, before) = (r.memory.copied_pages(), r.memory.counts_read());
    (0..pages - 1).for_each(|i| r.write(i, 2));
    assert_eq!(r.memory.copied_pages(), copied, "nothing is copied");
    let looks = r.memory.counts_read() - before;
    assert!(looks <= 3 * pages, "{looks} looks at {pages} pages");
    child.mm.dec_users();
}

/// gVisor: membarrier registrations were not copied on fork.
#[test]
fn gvisor_membarrier_registrations_are_inherited() {
    let r = rig(Tuning::DEFAULT);
    r.mm.register_membarrier(8);
    assert_eq!(r.fork().mm.membarrier_registrations(), 8);
}

/// gVisor 10508: stacks did not grow.
#[test]
fn gvisor_stacks_grow_to_their_limit_and_keep_their_gap() {
    let r = rig(Tuning::DEFAULT);
    r.map(1000, 2, MapFlags::GROWSDOWN).unwrap();
    let fault = |page: u64| r.mm.handle_fault(Addr(AT + page * P), Access::WRITE);
    assert_eq!(fault(990), Ok(()));
    assert_eq!(r.mm.stats().stack, 12 * P);
    r.mm.set_limits(Limits { stack: 20 * P, ..LIMITS });
    assert_eq!(fault(980), Err(FaultError::NotMapped), "over RLIMIT_STACK");
    r.mm.set_limits(LIMITS);
    r.map(700, 1, MapFlags::empty()).unwrap();
    assert_eq!(fault(957), Ok(()));
    assert_eq!(fault(956), Err(FaultError::NotMapped), "into the guard gap");
}

/// gVisor 156: RLIMIT_DATA was enforced in brk only.
#[test]
fn gvisor_data_limit_holds_for_mmap() {
    let r = rig(Tuning::DEFAULT);
    let limits = Limits { data: 4 * P, ..LIMITS };
    let map = |n: u64| r.mm.mmap(MmapArgs::anonymous(Addr(0), n * P, Access::RW, &limits));
    assert!(map(3).is_ok());
    assert_eq!(map(2), Err(Errno::ENOMEM));
    assert!(map(1).is_ok());
}

/// gVisor: max_map_count was not enforced.
#[test]
fn gvisor_map_count_is_limited() {
    let memory = VecMemoryFile::new(1 << 20);
    let space = RecordingSpace::new(memory.clone());
    let config = MmConfig { max_map_count: 4.into(), ..MmConfig::new(memory, space) };
    let mm = MemoryManager::new(config);
    let args = MmapArgs::anonymous(Addr(0), 16 * P, Access::RW, &LIMITS);
    let a = mm.mmap(args).unwrap();
    mm.munmap(Addr(a.0 + P), P).unwrap();
    mm.munmap(Addr(a.0 + 3 * P), P).unwrap();
    mm.munmap(Addr(a.0 + 5 * P), P).unwrap();
    assert_eq!(mm.munmap(Addr(a.0 + 7 * P), P), Err(Errno::ENOMEM));
    assert_eq!(mm.map_count(), 4);
}

/// gVisor: guard pages, sealing and WIPEONFORK were missing.
#[test]
fn gvisor_guards_seals_and_wiping() {
    let r = rig(Tuning::DEFAULT);
    r.map(0, 4, MapFlags::empty()).unwrap();
    (0..4).for_each(|i| r.write(i, 5));
    r.mm.madvise(Addr(AT), P, Advice::GuardInstall).unwrap();
    assert_eq!(r.mm.handle_fault(Addr(AT), Access::READ), Err(FaultError::NotMapped));
    r.mm.madvise(Addr(AT), P, Advice::DontNeed).unwrap();
    assert_eq!(r.mm.handle_fault(Addr(AT), Access::READ), Err(FaultError::NotMapped));
    r.mm.madvise(Addr(AT), P, Advice::GuardRemove).unwrap();
    assert_eq!(r.read(0), 0);
    r.mm.madvise(Addr(AT + P), P, Advice::WipeOnFork).unwrap();
    let child = r.fork();
    assert_eq!((child.read(1), r.read(1), child.read(2)), (0, 5, 5));
    r.mm.mseal(Addr(AT + 2 * P), P).unwrap();
    assert_eq!(r.mm.munmap(Addr(AT), 4 * P), Err(Errno::EPERM));
    assert_eq!(r.mm.mprotect(Addr(AT + 2 * P), P, Access::READ, false, &LIMITS), Err(Errno::EPERM));
    assert_eq!(r.read(2), 5);
}

/// The parent loses write permission with one operation for each contiguous range.
#[test]
fn fork_protects_ranges_not_pages() {
    let r = rig(Tuning::DEFAULT);
    r.map(0, 64, MapFlags::empty()).unwrap();
    r.mm.populate(Addr(AT), 64 * P).unwrap();
    r.space.take_log();
    let child = r.fork();
    let log = r.space.take_log();
    assert!(matches!(log[..], [Op::Protect(range, Access::READ)] if range.len() == 64 * P));
    assert!(child.space.take_log().is_empty(), "a child starts with nothing mapped");
    child.mm.premap(8);
    assert!(
        matches!(child.space.take_log()[..], [Op::Map(range, _, Access::READ)] if range.len() == 64 * P)
    );
}

/// A pinned page stays where it is across a fork, and the child has a copy.
#[test]
fn pinned_pages_are_copied_for_the_child() {
    let r = rig(Tuning::DEFAULT);
    r.map(0, 2, MapFlags::empty()).unwrap();
    r.write(0, 1);
    let pins = r.mm.pin(Addr(AT), P, Access::RW).unwrap();
    let child = r.fork();
    r.write(0, 2);
    let mut b = [0];
    r.memory.read(pins[0].file.start, &mut b);
    assert_eq!((b[0], child.read(0)), (2, 1));
    r.mm.unpin(pins);
    r.mm.dec_users();
    child.mm.dec_users();
    r.space.flush();
    child.space.flush();
    assert_eq!(r.memory.live_pages(), 0);
}

/// Truncation reaches mappings in children that were forked meanwhile, and their copies.
#[test]
fn truncation_takes_pages_from_everybody() {
    let r = rig(Tuning::DEFAULT);
    let (object, mapped) = file(&r.memory, 4);
    let a = MmapArgs::anonymous(Addr(AT), 4 * P, Access::RW, &LIMITS);
    r.mm.mmap(MmapArgs { flags: MapFlags::PRIVATE | MapFlags::FIXED, object: Some(mapped), ..a })
        .unwrap();
    (0..4).for_each(|i| r.write(i, 3));
    let child = r.fork();
    object.truncate(P + 1).unwrap();
    for mm in [&r.mm, &child.mm] {
        assert_eq!(mm.handle_fault(Addr(AT + P), Access::READ), Ok(()));
        assert_eq!(mm.handle_fault(Addr(AT + 2 * P), Access::READ), Err(FaultError::Bus));
        let mut b = [0; 2];
        let got = mm.copy_in(Addr(AT + 2 * P - 1), &mut b, Permissions::Obey).unwrap_err();
        assert_eq!((got.done, got.errno), (1, Errno::EFAULT));
    }
}

/// Users: refused at zero, everything gone at zero, the object may live on.
#[test]
fn users_are_counted() {
    let r = rig(Tuning::DEFAULT);
    r.map(0, 4, MapFlags::POPULATE).unwrap();
    assert!(r.mm.inc_users());
    r.mm.dec_users();
    assert!(r.memory.live_pages() > 0);
    r.mm.dec_users();
    r.space.pages();
    assert_eq!((r.memory.live_pages(), r.mm.map_count()), (0, 0));
    assert!(!r.mm.inc_users());
    r.mm.dec_users();
    assert_eq!(r.mm.users(), 0);
}

/// Futex keys: the same word has one key, private memory none that others share.
#[test]
fn futex_keys_follow_the_object() {
    let r = rig(Tuning::DEFAULT);
    r.map(0, 1, MapFlags::empty()).unwrap();
    let shared = MapFlags::SHARED | MapFlags::ANONYMOUS;
    let a = MmapArgs::anonymous(Addr(0), P, Access::RW, &LIMITS);
    let at = r.mm.mmap(MmapArgs { flags: shared, ..a }).unwrap();
    let child = r.fork();
    let key = |mm: &MemoryManager, a: u64, shared| mm.futex_key(Addr(a), shared);
    assert_eq!(key(&r.mm, at.0 + 8, true), key(&child.mm, at.0 + 8, true));
    assert_ne!(key(&r.mm, AT, true), key(&child.mm, AT, true));
    assert_ne!(key(&r.mm, at.0, false), key(&r.mm, at.0, true));
    assert_eq!(key(&r.mm, AT + 2, true), Err(Errno::EINVAL));
    assert_eq!(key(&r.mm, AT + 64 * P, true), Err(Errno::EFAULT));
}

/// `/proc/PID/maps` as Linux prints it.
#[test]
fn maps_lines_look_like_linux() {
    let r = rig(Tuning::DEFAULT);
    let (_, mapped) = file(&r.memory, 4);
    r.map(0, 1, MapFlags::empty()).unwrap();
    r.mm.set_vma_anon_name(Addr(AT), P, Some(b"pool")).unwrap();
    let a = MmapArgs::anonymous(Addr(AT + 8 * P), P, Access::READ, &LIMITS);
    let flags = MapFlags::SHARED | MapFlags::FIXED;
    r.mm.mmap(MmapArgs { flags, object: Some(mapped), offset: P, ..a }).unwrap();
    r.mm.set_brk(Addr(0x5555_5555_6000));
    r.mm.brk(Addr(0x5555_5555_7001), &LIMITS);
    let text = String::from_utf8(r.mm.maps_text()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "1000000000-1000001000 rw-p 00000000 00:00 0                              [anon:pool]",
            "1000008000-1000009000 r--s 00001000 08:01 42                             /tmp/file",
            "555555556000-555555558000 rw-p 00000000 00:00 0                          [heap]",
        ]
    );
}

/// A stack that has grown down to another stays another vma (`expand_downwards` merges nothing).
#[test]
fn a_stack_does_not_merge_with_what_it_grows_to() {
    let r = rig(Tuning::DEFAULT);
    r.map(0, 4, MapFlags::GROWSDOWN).unwrap();
    r.mm.munmap(Addr(AT + P), P).unwrap();
    r.mm.handle_fault(Addr(AT + P), Access::WRITE).unwrap();
    r.mm.mprotect(Addr(AT + P), P, Access::READ, true, &LIMITS).unwrap();
    let text = String::from_utf8(r.mm.maps_text()).unwrap();
    let perms: Vec<_> = text.lines().filter_map(|l| l.split_whitespace().nth(1)).collect();
    assert_eq!(perms, ["rw-p", "r--p", "rw-p"], "{text}");
}

/// Locked private memory that becomes writable is populated (`mprotect_fixup`).
#[test]
fn locked_memory_is_there_once_it_can_be_written() {
    let r = rig(Tuning::EXACT);
    let a = MmapArgs::anonymous(Addr(AT), 4 * P, Access::empty(), &LIMITS);
    r.mm.mmap(MmapArgs { flags: a.flags | MapFlags::FIXED | MapFlags::LOCKED, ..a }).unwrap();
    r.mm.mprotect(Addr(AT + P), 2 * P, Access::RW, false, &LIMITS).unwrap();
    let mut there = [0; 4];
    r.mm.mincore(Addr(AT), &mut there, &|_| true).unwrap();
    assert_eq!(there, [0, 1, 1, 0]);
}

/// A lock that a child does not get kept two vmas apart: they stay two, as `PROT_GROWSDOWN` sees.
#[test]
fn vmas_that_a_lock_kept_apart_stay_apart_in_a_child() {
    let r = rig(Tuning::DEFAULT);
    r.map(0, 4, MapFlags::GROWSDOWN).unwrap();
    r.mm.mlock(Addr(AT), P, MlockFlags::ONFAULT, &LIMITS).unwrap();
    let child = r.mm.fork(RecordingSpace::new(r.memory.clone())).unwrap();
    child.mprotect(Addr(AT + 2 * P), P, Access::READ, true, &LIMITS).unwrap();
    let text = String::from_utf8(child.maps_text()).unwrap();
    let perms: Vec<_> = text.lines().filter_map(|l| l.split_whitespace().nth(1)).collect();
    assert_eq!(perms, ["rw-p", "r--p", "rw-p"], "{text}");
    child.dec_users();
}

#[test]
fn the_doubles_keep_their_contracts() {
    check_memory_file(|| VecMemoryFile::new(64 * P));
    check_address_space(|| {
        let memory = VecMemoryFile::new(64 * P);
        (memory.clone(), RecordingSpace::new(memory))
    });
    check_mappable(|| {
        let memory = VecMemoryFile::new(64 * P);
        let object = Arc::new(MemoryObject::new(memory.clone(), MappableSubject::LEN));
        object.write_at(0, &mut BufSrc::new(&MappableSubject::bytes())).unwrap();
        MappableSubject { object, memory, writable: true }
    });
}

/// StarryOS #91: copy-on-write raced on several processors.
#[test]
fn starry_threads_fault_write_fork_and_unmap_at_once() {
    let r = rig(Tuning::DEFAULT);
    r.map(0, 64, MapFlags::empty()).unwrap();
    std::thread::scope(|s| {
        for t in 0..4u64 {
            let r = &r;
            s.spawn(move || {
                for i in 0..200u64 {
                    let page = t * 16 + i % 16;
                    r.write(page, t as u8 + 1);
                    assert_eq!(r.read(page), t as u8 + 1, "each thread has its own pages");
                    let _ = r.mm.handle_fault(Addr(AT + page * P), Access::WRITE);
                    if i % 8 == t {
                        let child = r.fork();
                        child.write(page, 77);
                        child.mm.dec_users();
                    }
                    if i % 16 == 15 {
                        r.mm.madvise(Addr(AT + t * 16 * P), 16 * P, Advice::DontNeed).unwrap();
                    }
                }
            });
        }
    });
    r.mm.dec_users();
    r.space.flush();
    assert_eq!(r.memory.live_pages(), 0);
}

/// Ours: a mapping that fails to take another's place, because what a fork shares cannot be copied,
/// leaves memory that counts as mapped for as long as it may be.
#[test]
fn memory_outlives_its_mapping_after_a_failed_replacement() {
    let r = rig(Tuning::EXACT);
    r.map(0, 2, MapFlags::empty()).unwrap();
    r.write(0, 1);
    r.mm.handle_fault(Addr(AT), Access::WRITE).unwrap();
    r.space.flush();
    let child = r.fork();
    r.memory.fail_in(Some(0));
    assert_eq!(r.map(0, 1, MapFlags::empty()), Err(Errno::ENOMEM));
    r.memory.fail_in(None);
    child.mm.dec_users();
    r.map(0, 1, MapFlags::empty()).unwrap();
    // Looks that nothing is mapped which is free.
    r.space.flush();
    assert_eq!(r.read(0), 0);
}

/// What the platform keeps for itself is nobody's, whatever rights they have, and no way leads there.
#[test]
fn reserved_addresses_are_never_mapped() {
    let r = rig(Tuning::DEFAULT);
    let at = |page: u64| Addr(AT + page * P);
    let reserved = [arch::AddrRange { start: at(8), end: at(10) }, arch::AddrRange::default()];
    let base = at(64);
    r.mm.set_layout(Layout { reserved, min: at(0), top_down_base: base, ..Layout::DEFAULT });
    let limits = Limits { can_map_low: true, ..LIMITS };
    for page in [7, 8, 9] {
        let a = MmapArgs::anonymous(at(page), 2 * P, Access::RW, &limits);
        let fixed = MmapArgs { flags: a.flags | MapFlags::FIXED, ..a };
        assert_eq!(r.mm.mmap(fixed), Err(Errno::EPERM), "page {page}");
    }
    r.map(6, 2, MapFlags::empty()).unwrap();
    r.map(10, 1, MapFlags::GROWSDOWN).unwrap();
    let grow = MremapArgs {
        old: at(6),
        old_len: 2 * P,
        new_len: 3 * P,
        flags: MremapFlags::empty(),
        new: Addr::NULL,
        limits: &limits,
    };
    assert_eq!(r.mm.mremap(grow), Err(Errno::ENOMEM));
    assert_eq!(r.mm.handle_fault(at(9), Access::WRITE), Err(FaultError::NotMapped));
    r.mm.set_brk(at(7));
    assert_eq!(r.mm.brk(at(9), &limits), at(7));
    // A search goes on below; a hint there is none.
    r.map(11, 53, MapFlags::empty()).unwrap();
    let a = MmapArgs::anonymous(at(8), P, Access::RW, &limits);
    assert_eq!(r.mm.mmap(a), Ok(at(5)));
}
