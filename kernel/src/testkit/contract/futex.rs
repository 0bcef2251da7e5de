//! What futexes are promised of tasks' memory.

use crate::futexes::Memory;
use alloc::sync::Arc;
use arch::{Access, Addr, PAGE_SIZE};
use futex::kit::{Mapped, check_target};
use mm::{
    AddressSpace, Limits, MapFlags, MemoryFile, MemoryManager, MmConfig, MmapArgs, MremapArgs,
    MremapFlags,
};

/// Checks that tasks' memory over `memory` and address spaces of a platform is what futexes need:
/// [`futex::kit::check_target`] on a process and its child.
///
/// # Panics
/// When a promise is broken.
pub fn check_futex_memory(memory: Arc<dyn MemoryFile>, space: impl Fn() -> Arc<dyn AddressSpace>) {
    let (limits, len) = (Limits::DEFAULT, PAGE_SIZE);
    let parent = MemoryManager::new(MmConfig::new(memory, space()));
    let map = |prot, sharing| {
        let args = MmapArgs::anonymous(Addr(0), len, prot, &limits);
        parent.mmap(MmapArgs { flags: MapFlags::ANONYMOUS | sharing, ..args }).expect("room")
    };
    let private = map(Access::RW, MapFlags::PRIVATE);
    let shared = map(Access::RW, MapFlags::SHARED);
    let read_only = map(Access::READ, MapFlags::PRIVATE);
    let nothing = map(Access::READ, MapFlags::PRIVATE);
    // An old length of 0 maps a shared object again.
    let again = parent.mremap(MremapArgs {
        old: shared,
        old_len: 0,
        new_len: len,
        flags: MremapFlags::MAYMOVE,
        new: Addr(0),
        limits: &limits,
    });
    let shared = [shared, again.expect("room")];
    assert_eq!(parent.munmap(nothing, len), Ok(()));
    let child = parent.fork(space()).expect("memory");
    let beyond = Addr(1 << 63);
    let mapped = Mapped { private, shared, read_only, nothing, beyond };
    check_target(&Memory(parent.clone()), &Memory(child.clone()), mapped);
    child.dec_users();
    parent.dec_users();
}
