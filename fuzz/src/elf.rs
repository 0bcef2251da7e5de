//! Bytes as a program.

use arch::{Addr, AddrRange, Arch};
use loader::{
    Blob, DryRun, Executable, Layout, LoadArgs, LoadError, Loader, Op, Resolve, inspect, resolve,
};
use std::sync::Arc;
use syserr::Errno;

/// Every interpreter is the same file.
struct Same(Arc<Blob>);

impl Resolve for Same {
    fn open(&mut self, _: &[u8]) -> Result<Arc<dyn Executable>, Errno> {
        Ok(self.0.clone())
    }
}

struct Zeroes;

impl loader::Random for Zeroes {
    fn fill(&mut self, buf: &mut [u8]) {
        buf.fill(0);
    }
}

/// Loads `bytes`, which are the program's interpreter too, on both architectures. Whatever they
/// are, every mapping is page-aligned and in user space, and what is loaded can start.
pub fn elf(bytes: &[u8]) {
    for arch in [Arch::X86_64, Arch::Aarch64] {
        let mut files = Same(Arc::new(Blob(bytes.into())));
        let mut args = LoadArgs::new(b"program", files.0.clone(), Layout::fixed(arch));
        args.arch = Some(arch);
        let loaded = load(&args, &mut files);
        let report = inspect(&args, &mut files);
        assert!(!report.to_string().is_empty());
        if let Err(e) = resolve(&args, &mut files) {
            // What is wrong with the files themselves is the same to all.
            assert_eq!(loaded.err(), Some(e.clone()));
            assert_eq!(report.result.err(), Some(e));
        }
    }
}

fn load(args: &LoadArgs<'_>, files: &mut Same) -> Result<(), LoadError> {
    let room = AddrRange { start: Addr(0x10000), end: Addr(0x7f00_0000_0000) };
    let mut space = DryRun::new(room);
    let mut loader = Loader { resolve: files, mapper: &mut space, random: &mut Zeroes };
    let result = loader.load(args);
    for op in &space.ops {
        let Some(r) = op.maps() else { continue };
        assert!(r.start.is_page_aligned() && r.end.is_page_aligned() && !r.is_empty(), "{op:?}");
        assert!(r.start >= args.layout.min_addr && r.end.0 <= args.layout.task_size, "{op:?}");
    }
    let image = result?;
    assert!(image.entry.0 < args.layout.task_size);
    assert!(image.sp.0.is_multiple_of(16) && image.stack.contains(image.sp));
    assert!(image.auxv.last().is_some_and(|e| e.key == 0));
    assert!(matches!(space.ops.last(), Some(Op::Write { at, .. }) if *at == image.sp));
    Ok(())
}
