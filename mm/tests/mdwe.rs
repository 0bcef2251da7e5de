//! `PR_SET_MDWE`: what is refused, and who inherits it.
#![allow(missing_docs)]

use arch::{Access, Addr, PAGE_SIZE};
use mm::testkit::{RecordingSpace, VecMemoryFile};
use mm::*;
use std::sync::Arc;
use syserr::Errno;

const AT: Addr = Addr(0x10_0000_0000);
const RX: Access = Access::READ.union(Access::EXEC);

fn manager() -> (Arc<VecMemoryFile>, Arc<MemoryManager>) {
    let memory = VecMemoryFile::new(1 << 20);
    let space = RecordingSpace::new(memory.clone());
    (memory.clone(), MemoryManager::new(MmConfig::new(memory, space)))
}

fn map(mm: &MemoryManager, prot: Access) -> Result<Addr, Errno> {
    let a = MmapArgs::anonymous(AT, PAGE_SIZE, prot, &Limits::DEFAULT);
    mm.mmap(MmapArgs { flags: a.flags | MapFlags::FIXED, ..a })
}

fn protect(mm: &MemoryManager, prot: Access) -> Result<(), Errno> {
    mm.mprotect(AT, PAGE_SIZE, prot, false, &Limits::DEFAULT)
}

#[test]
fn memory_never_becomes_executable() {
    let (_memory, mm) = manager();
    map(&mm, Access::ALL).unwrap();
    mm.set_mdwe(Mdwe::REFUSE_EXEC_GAIN).unwrap();
    // What was both stays both until it is changed.
    assert_eq!(protect(&mm, Access::ALL), Err(Errno::EACCES));
    assert_eq!(map(&mm, Access::ALL), Err(Errno::EACCES));
    map(&mm, RX).unwrap();
    protect(&mm, RX).unwrap();
    protect(&mm, Access::RW).unwrap();
    assert_eq!(protect(&mm, RX), Err(Errno::EACCES));
    mm.dec_users();
}

#[test]
fn it_is_for_good_and_inherited_unless_it_says_not() {
    for (mdwe, inherited) in
        [(Mdwe::REFUSE_EXEC_GAIN, Mdwe::REFUSE_EXEC_GAIN), (Mdwe::all(), Mdwe::empty())]
    {
        let (memory, mm) = manager();
        assert_eq!(mm.set_mdwe(Mdwe::NO_INHERIT), Err(Errno::EINVAL));
        mm.set_mdwe(Mdwe::empty()).unwrap();
        mm.set_mdwe(mdwe).unwrap();
        mm.set_mdwe(mdwe).unwrap();
        for other in [Mdwe::empty(), Mdwe::REFUSE_EXEC_GAIN, Mdwe::all()] {
            let wanted = if other == mdwe { Ok(()) } else { Err(Errno::EPERM) };
            assert_eq!(mm.set_mdwe(other), wanted);
        }
        assert_eq!(mm.save().mdwe, mdwe);
        let child = mm.fork(RecordingSpace::new(memory)).unwrap();
        assert_eq!((mm.mdwe(), child.mdwe()), (mdwe, inherited));
        child.dec_users();
        mm.dec_users();
    }
}
