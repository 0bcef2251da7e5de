//! Long texts of `/proc` are made piece by piece: an open description keeps one.
#![allow(missing_docs)]

mod support;

use arch::BufDst;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use support::{Guest, env};
use syserr::Errno;
use vfs::nsfs::{NamespaceKind, NamespaceRef};
use vfs::proc::{NetTable, Opener, Piece, ProcSource, SystemFile, TaskFile, procfs};
use vfs::{AT_FDCWD, Creds, FdTable, File, FsContext, OpenHow, Path};

const PIECES: u64 = 500;

fn piece(n: u64) -> Vec<u8> {
    format!("{n:0width$}\n", width = 10 + (n % 90) as usize).into_bytes()
}

/// One process, whose maps are numbers; there is no way to get them all at once.
#[derive(Default)]
struct Numbers {
    made: AtomicUsize,
}

impl ProcSource for Numbers {
    fn processes(&self) -> Vec<i32> {
        vec![1]
    }

    fn process_of(&self, tid: i32) -> Option<i32> {
        (tid == 1).then_some(1)
    }

    fn threads(&self, _: i32) -> Vec<i32> {
        vec![1]
    }

    fn owner(&self, _: i32, _: bool) -> (u32, u32) {
        (0, 0)
    }

    fn may_inspect(&self, _: &Creds, _: i32, _: i32) -> bool {
        true
    }

    fn task_text(&self, _: &Opener, _: i32, file: TaskFile) -> Result<Vec<u8>, Errno> {
        panic!("{file:?} as a whole")
    }

    fn task_piece(&self, _: &Opener, tid: i32, file: TaskFile, from: u64) -> Result<Piece, Errno> {
        assert_eq!((tid, file), (1, TaskFile::Maps));
        self.made.fetch_add(1, Relaxed);
        let next = (from + 1 < PIECES).then_some(from + 1);
        Ok(Piece { text: piece(from), next })
    }

    fn task_write(&self, _: &Opener, _: i32, _: TaskFile, _: &[u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn system_text(&self, _: &Opener, _: SystemFile) -> Vec<u8> {
        Vec::new()
    }

    fn net_table(&self, _: &Opener, _: i32, _: NetTable) -> Vec<u8> {
        Vec::new()
    }

    fn system_write(&self, _: &Opener, _: SystemFile, _: &[u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn namespace(&self, _: i32, _: NamespaceKind, _: bool) -> Option<NamespaceRef> {
        None
    }

    fn executable(&self, _: i32) -> Option<Path> {
        None
    }

    fn directories(&self, _: i32) -> Option<Arc<FsContext>> {
        None
    }

    fn descriptors(&self, _: i32) -> Option<Arc<FdTable>> {
        None
    }

    fn memory(&self, _: i32) -> Option<Arc<mm::MemoryManager>> {
        None
    }
}

fn open() -> (Guest, Arc<Numbers>, Arc<File>) {
    let numbers = Arc::new(Numbers::default());
    let (memory, env) = env();
    let guest = Guest::on(memory, env, procfs(numbers.clone(), &vfs::UserNs::INITIAL));
    let file = guest.vfs.open(&guest.cx(), AT_FDCWD, b"/1/maps", OpenHow::default()).unwrap();
    (guest, numbers, file)
}

fn read(file: &File, n: usize) -> Vec<u8> {
    let mut buf = vec![0; n];
    let n = file.read(&mut BufDst::new(&mut buf)).unwrap();
    buf.truncate(n);
    buf
}

#[test]
fn reads_of_any_size_see_the_whole_text_once() {
    let whole: Vec<u8> = (0..PIECES).flat_map(piece).collect();
    for size in [1, 7, 64, 100, 4096, 1 << 20] {
        let (_guest, numbers, file) = open();
        let mut seen = Vec::new();
        loop {
            let part = read(&file, size);
            if part.is_empty() {
                break;
            }
            seen.extend(part);
        }
        assert_eq!(seen, whole, "in steps of {size}");
        assert_eq!(numbers.made.load(Relaxed) as u64, PIECES, "each piece is made once");
    }
}

#[test]
fn reads_elsewhere_begin_anew() {
    let whole: Vec<u8> = (0..PIECES).flat_map(piece).collect();
    let (_guest, _, file) = open();
    for at in [20_000, 5, 19_999, whole.len() - 3, whole.len(), whole.len() + 9, 0] {
        let mut buf = [0; 50];
        let n = file.pread(&mut BufDst::new(&mut buf), at as i64).unwrap();
        let want = whole.get(at..).unwrap_or_default();
        assert_eq!(&buf[..n], &want[..want.len().min(50)], "at {at}");
    }
}
