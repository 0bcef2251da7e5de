//! The memory manager as guests' memory, held against the contract of `arch`.

use arch::kit::check_user_memory;
use arch::{Access, Addr, AddrRange};
use mm::testkit::{RecordingSpace, VecMemoryFile};
use mm::{Limits, MemoryManager, MmConfig, MmapArgs};

#[test]
fn a_memory_manager_is_user_memory() {
    let memory = VecMemoryFile::new(64 << 20);
    let space = RecordingSpace::new(memory.clone());
    let mm = MemoryManager::new(MmConfig::new(memory, space));
    let limits = Limits::DEFAULT;
    let len = 4 * arch::PAGE_SIZE;
    let start = mm.mmap(MmapArgs::anonymous(Addr(0), len, Access::RW, &limits)).expect("room");
    // Its last page goes away, so that something faults.
    let end = start.wrapping_add(len - arch::PAGE_SIZE);
    assert_eq!(mm.munmap(end, arch::PAGE_SIZE), Ok(()));
    check_user_memory(&*mm, AddrRange { start, end });
    mm.dec_users();
}
