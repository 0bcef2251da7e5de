//! Uses each library crate without std and without a C library, and exits with 0 if all went well.
#![no_std]
#![no_main]

extern crate alloc;

mod runtime;
mod start;

use alloc::sync::Arc;
use arch::{Access, Addr, Arch, Context, FpuLayout, Os, Permissions, UserMemory};
use kernel::table::Registry;
use mm::testkit::{RecordingSpace, VecMemoryFile};
use mm::{Limits, MemoryManager, MmConfig, MmapArgs};
use syserr::Errno;

/// What went wrong, as exit code.
type Step = Result<(), i32>;

fn run() -> Step {
    errors()?;
    contexts()?;
    address_space()?;
    futexes()?;
    programs()?;
    tables()
}

fn ensure(ok: bool, step: i32) -> Step {
    if ok { Ok(()) } else { Err(step) }
}

fn errors() -> Step {
    ensure(Errno::ENOENT.number() == 2 && Errno::ENOENT.name() == Some("ENOENT"), 1)
}

fn contexts() -> Step {
    let mut c = Context::new(Arch::X86_64, &FpuLayout::fxsave());
    c.set_return(7);
    ensure(c.fork().return_value() == 7, 2)?;
    ensure(Context::new(Arch::Aarch64, &FpuLayout::fpsimd()).sp() == 0, 3)
}

fn address_space() -> Step {
    let memory = VecMemoryFile::new(1 << 20);
    let space = RecordingSpace::new(memory.clone());
    let mm = MemoryManager::new(MmConfig::new(memory.clone(), space));
    let limits = Limits::default();
    let args = MmapArgs::anonymous(Addr(0), 8192, Access::RW, &limits);
    let at = mm.mmap(args).map_err(|_| 4)?;
    mm.copy_out(at, b"tessera", Permissions::Obey).map_err(|_| 5)?;
    let mut back = [0; 7];
    mm.copy_in(at, &mut back, Permissions::Obey).map_err(|_| 6)?;
    ensure(back == *b"tessera", 7)?;
    mm.dec_users();
    ensure(memory.live_pages() == 0, 8)
}

fn futexes() -> Step {
    let root = futex::Manager::new(1);
    ensure(!root.fork().is_same(&root), 9)
}

fn programs() -> Step {
    let garbage = loader::Blob(Arc::from(&b"\x7fELF but not much more"[..]));
    let args =
        loader::LoadArgs::new(b"garbage", Arc::new(garbage), loader::Layout::fixed(Arch::X86_64));
    let report = loader::inspect(&args, &mut NoFiles);
    ensure(matches!(report.result, Err(e) if e.errno() == Errno::ENOEXEC), 10)
}

/// A world without files.
struct NoFiles;

impl loader::Resolve for NoFiles {
    fn open(&mut self, _: &[u8]) -> Result<Arc<dyn loader::Executable>, Errno> {
        Err(Errno::ENOENT)
    }
}

fn tables() -> Step {
    let table = Registry::LINUX.lookup(Os::Linux, Arch::X86_64).ok_or(11)?;
    ensure(table.lookup(0).name == "read" && !table.lookup(u64::MAX).is_present(), 12)?;
    ensure(vfs::OpenFlags::RDWR.writable(), 13)
}
