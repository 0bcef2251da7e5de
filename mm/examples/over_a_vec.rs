//! `mm` over a `Vec`: an embedder with no hardware at all.
//!
//! The memory file and the page tables are the test kit's, a few dozen lines each; this program
//! shows what a kernel does with them: map, write, fork, and see copy-on-write at work.

use arch::{Access, Addr, Permissions, UserMemory};
use mm::testkit::{RecordingSpace, VecMemoryFile};
use mm::{Limits, MemoryManager, MmConfig, MmapArgs};
use syserr::Errno;

fn main() -> Result<(), Errno> {
    let memory = VecMemoryFile::new(16 << 20);
    let space = RecordingSpace::new(memory.clone());
    let parent = MemoryManager::new(MmConfig::new(memory.clone(), space.clone()));
    let limits = Limits::DEFAULT;

    // The guest maps a megabyte; its kernel writes into it as a read(2) would.
    let at = parent.mmap(MmapArgs::anonymous(Addr(0), 1 << 20, Access::RW, &limits))?;
    parent.copy_out(at, b"written before the fork", Permissions::Obey)?;
    println!("mapped at {at:?}, {} pages live", memory.live_pages());

    // The guest touches another page: the trap handler resolves the fault.
    let touched = Addr(at.0 + 0x8_0000);
    parent.handle_fault(touched, Access::WRITE).map_err(|_| Errno::EFAULT)?;
    println!("a fault at {touched:?} mapped {:?}", space.mapped(touched));

    // fork(2): nothing is copied until somebody writes.
    let child = parent.fork(RecordingSpace::new(memory.clone()))?;
    println!("after the fork {} pages live", memory.live_pages());
    child.copy_out(at, b"WRITTEN by the child   ", Permissions::Obey)?;
    println!("after the child's write {} pages live", memory.live_pages());

    for (who, mm) in [("parent", &parent), ("child", &child)] {
        let mut text = [0; 23];
        mm.copy_in(at, &mut text, Permissions::Obey)?;
        println!("{who} reads {:?}", String::from_utf8_lossy(&text));
    }
    print!("{}", String::from_utf8_lossy(&child.maps_text()));

    // Each address space goes when its last user does.
    child.dec_users();
    parent.dec_users();
    drop((parent, child, space));
    println!("at the end {} pages live", memory.live_pages());
    Ok(())
}
