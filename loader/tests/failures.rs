//! Every step of loading fails in turn, and the reason comes out as it went in.

mod common;

use arch::{Access, Addr, AddrRange, Arch};
use common::{Dice, Files, args, elf};
use loader::kit::{Space, check_mapper};
use loader::vdso::Vdso;
use loader::{
    Blob, DryRun, Executable, LoadError, Loader, Mapper, Place, ReadAt, Resolve, resolve,
};
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use syserr::Errno;

/// A mapper whose operation number `left` fails.
struct Failing {
    space: DryRun,
    left: usize,
}

impl Failing {
    fn step(&mut self) -> Result<&mut DryRun, Errno> {
        self.left = self.left.checked_sub(1).ok_or(Errno::ENOSPC)?;
        Ok(&mut self.space)
    }
}

impl Mapper for Failing {
    fn reserve(&mut self, place: Place, len: u64) -> Result<Addr, Errno> {
        self.step()?.reserve(place, len)
    }
    fn map_file(
        &mut self,
        file: &dyn Executable,
        at: Addr,
        len: u64,
        offset: u64,
        access: Access,
    ) -> Result<(), Errno> {
        self.step()?.map_file(file, at, len, offset, access)
    }
    fn map_anon(&mut self, at: Addr, len: u64, access: Access) -> Result<(), Errno> {
        self.step()?.map_anon(at, len, access)
    }
    fn map_stack(&mut self, range: AddrRange, access: Access) -> Result<(), Errno> {
        self.step()?.map_stack(range, access)
    }
    fn zero(&mut self, at: Addr, len: u64) -> Result<(), Errno> {
        self.step()?.zero(at, len)
    }
    fn write(&mut self, at: Addr, bytes: &[u8]) -> Result<(), Errno> {
        self.step()?.write(at, bytes)
    }
    fn set_brk(&mut self, start: Addr) {
        self.space.set_brk(start);
    }
    fn map_vdso(&mut self, at: Addr, vdso: &Vdso) -> Result<(), Errno> {
        self.step()?.map_vdso(at, vdso)
    }
}

fn files() -> Files {
    let mut files = Files::default();
    files.0.insert(b"interp".to_vec(), Arc::new(Blob::new(elf::program(elf::ET_DYN, 0, 1))));
    files
}

#[test]
fn each_mapping_in_turn() {
    let vdso = Vdso::builtin(Arch::X86_64);
    let mut args = args(b"name", Arc::new(Blob::new(elf::dynamic(elf::ET_DYN, 0, b"interp"))));
    args.vdso = vdso.as_ref();
    for steps in 0.. {
        let room = AddrRange { start: Addr(0x10000), end: Addr(0x7000_0000_0000) };
        let mut mapper = Failing { space: DryRun::new(room), left: steps };
        let mut files = files();
        let mut loader = Loader { resolve: &mut files, mapper: &mut mapper, random: &mut Dice };
        match loader.load(&args) {
            Ok(_) => {
                assert_eq!(mapper.left, 0, "every operation was tried");
                assert!(steps > 10, "stack, two images, vDSO, contents");
                return;
            }
            Err(e) => {
                assert!(e.is_late(), "{e}");
                assert!(matches!(e.errno(), Errno::ENOSPC | Errno::EFAULT), "{e}");
                assert!(matches!(e, LoadError::Map { .. } | LoadError::Zero(_)), "{e}");
                assert!(!e.to_string().is_empty());
            }
        }
    }
}

/// A file whose read number `left` fails.
struct BadDisk(Blob, AtomicUsize);

impl ReadAt for BadDisk {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        let left = self.1.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        left.map_err(|_| Errno::ENXIO)?;
        // One byte short of what is asked, so that callers have to go on.
        let ask = buf.len().div_ceil(2);
        self.0.read_at(offset, &mut buf[..ask])
    }
    fn size(&self) -> u64 {
        self.0.size()
    }
}

impl Executable for BadDisk {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[test]
fn each_read_in_turn() {
    let mut done = false;
    for reads in 0..200 {
        let bytes = Blob::new(elf::dynamic(elf::ET_DYN, 0, b"interp"));
        let args = args(b"name", Arc::new(BadDisk(bytes, AtomicUsize::new(reads))));
        match resolve(&args, &mut files()).map(|_| ()) {
            Ok(()) => done = true,
            Err(e) => {
                assert!(!done && !e.is_late());
                // Linux hides the disk's error for program headers only.
                assert!(matches!(e.errno(), Errno::ENXIO | Errno::ENOEXEC), "{e}");
            }
        }
    }
    assert!(done);
}

/// Opens nothing.
struct Refusing(Errno);

impl Resolve for Refusing {
    fn open(&mut self, _: &[u8]) -> Result<Arc<dyn Executable>, Errno> {
        Err(self.0)
    }
}

#[test]
fn what_opening_says_is_passed_on() {
    for errno in [Errno::ENOENT, Errno::EACCES, Errno::ELOOP, Errno::EMFILE] {
        for bytes in [b"#!/x\n".to_vec(), elf::dynamic(elf::ET_DYN, 0, b"interp")] {
            let args = args(b"name", Arc::new(Blob::new(bytes)));
            let failed = resolve(&args, &mut Refusing(errno)).map(|_| ()).expect_err("refused");
            assert_eq!(failed.errno(), errno);
        }
    }
}

#[test]
fn the_space_of_the_kit_is_a_mapper() {
    let content: Vec<u8> = (0..10_000u32).map(|i| (i % 251) as u8 + 1).collect();
    let mut space = Space::new(Addr(0x7000_0000_0000));
    check_mapper(&mut space, &Blob::new(content.clone()), &content);
}
