//! Program text that the kernel changes.
#![allow(missing_docs)]

use arch::{Access, Addr, BufSrc, PAGE_SIZE, Permissions, UserMemory};
use mm::testkit::model::file;
use mm::testkit::{Op, RecordingSpace, VecMemoryFile};
use mm::*;
use std::sync::Arc;
use syserr::Errno;

const P: u64 = PAGE_SIZE;
const AT: Addr = Addr(0x10_0000_0000);
const LIMITS: Limits = Limits::DEFAULT;
const RX: Access = Access::READ.union(Access::EXEC);

struct Rig {
    memory: Arc<VecMemoryFile>,
    space: Arc<RecordingSpace>,
    mm: Arc<MemoryManager>,
    file: MappedObject,
}

/// Two pages of a file, of sevens, mapped as text.
fn rig() -> Rig {
    let memory = VecMemoryFile::new(64 << 20);
    let space = RecordingSpace::new(memory.clone());
    let mm = MemoryManager::new(MmConfig::new(memory.clone(), space.clone()));
    let (object, file) = file(&memory, 2);
    object.write_at(0, &mut BufSrc::new(&[7; 2 * P as usize])).unwrap();
    let r = Rig { memory, space, mm, file };
    r.map(AT, RX, MapFlags::PRIVATE);
    r
}

impl Rig {
    fn map(&self, at: Addr, access: Access, sharing: MapFlags) {
        let a = MmapArgs::anonymous(at, 2 * P, access, &LIMITS);
        let object = Some(self.file.clone());
        self.mm.mmap(MmapArgs { flags: sharing | MapFlags::FIXED, object, ..a }).unwrap();
    }
}

fn bytes(mm: &MemoryManager, at: Addr) -> [u8; 4] {
    let mut b = [0; 4];
    mm.copy_in(at, &mut b, Permissions::Obey).unwrap();
    b
}

#[test]
fn a_change_is_this_process_s_alone_and_comes_as_a_whole_page() {
    let r = rig();
    let other = Addr(AT.0 + 16 * P);
    r.map(other, RX, MapFlags::PRIVATE);
    r.mm.handle_fault(AT, Access::EXEC).unwrap();
    let child = r.mm.fork(RecordingSpace::new(r.memory.clone())).unwrap();
    r.space.take_log();
    for (round, old, new) in [(1, [7; 4], [1, 2, 3, 4]), (2, [1, 2, 3, 4], [5; 4])] {
        assert_eq!(r.mm.replace_text(AT, &old, &new), Ok(true));
        assert_eq!(bytes(&r.mm, AT), new);
        assert_eq!(bytes(&r.mm, other), [7; 4]);
        assert_eq!(bytes(&child, AT), [7; 4]);
        // Who executes the page sees the old one or the new one, which was not there before.
        let log = r.space.take_log();
        let maps = log.iter().filter(|op| matches!(op, Op::Map(range, ..) if range.contains(AT)));
        assert_eq!((maps.count(), log.len()), (1, 1), "round {round}: {log:?}");
    }
    assert_eq!(bytes(&r.mm, Addr(AT.0 + 4)), [7; 4]);
    assert_eq!(bytes(&r.mm, Addr(AT.0 + P)), [7; 4]);
    let grandchild = r.mm.fork(RecordingSpace::new(r.memory.clone())).unwrap();
    assert_eq!(r.mm.replace_text(AT, &[5; 4], &[6; 4]), Ok(true));
    assert_eq!(bytes(&grandchild, AT), [5; 4]);
    for mm in [&child, &grandchild, &r.mm] {
        mm.dec_users();
    }
    drop(r.file);
    assert_eq!(r.memory.live_pages(), 0);
}

#[test]
fn what_is_no_text_or_has_changed_is_left_alone() {
    let r = rig();
    assert_eq!(r.mm.replace_text(AT, &[8; 4], &[1; 4]), Ok(false));
    assert_eq!(r.mm.replace_text(AT, &[7; 4], &[1; 3]), Err(Errno::EINVAL));
    assert_eq!(r.mm.replace_text(Addr(AT.0 + P - 3), &[7; 4], &[1; 4]), Err(Errno::EINVAL));
    assert_eq!(r.mm.replace_text(Addr(AT.0 + P - 4), &[7; 4], &[1; 4]), Ok(true));
    assert_eq!(r.mm.replace_text(Addr(AT.0 + 2 * P), &[7; 4], &[1; 4]), Err(Errno::EFAULT));
    for (access, sharing) in [
        (RX, MapFlags::SHARED),
        (Access::ALL, MapFlags::PRIVATE),
        (Access::READ, MapFlags::PRIVATE),
    ] {
        r.map(AT, access, sharing);
        assert_eq!(r.mm.replace_text(AT, &[7; 4], &[1; 4]), Err(Errno::EFAULT));
    }
}
