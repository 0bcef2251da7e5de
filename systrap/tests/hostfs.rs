//! Host directories as guests see them, compared with the host itself.

#[path = "../../vfs/tests/support/mod.rs"]
mod support;

use std::cell::RefCell;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arch::{Access, Addr, AddrRange, BufDst, BufSrc};
use mm::testkit::{MappableSubject, RecordingSpace, VecMemoryFile, check_mappable};
use mm::{MappingSpace, MemoryFile, MemoryManager, MmConfig, ObjectMapping};
use proptest::prelude::*;
use support::oracle::{HostDir, Op, Pair, deep, op, prepare};
use support::{Guest, Ticks};
use systrap::hostfs::open_dir;
use vfs::{
    AT_FDCWD, Env, HostFs, HostOptions, LookupFlags, MemOptions, OpenFlags, OpenHow, SuperBlock,
};

fn show(env: &Arc<Env>, top: &Path, writable: bool) -> Arc<SuperBlock> {
    let options = if writable { HostOptions::WRITABLE } else { HostOptions::READ_ONLY };
    let root = open_dir(top, writable).unwrap();
    HostFs::new(env, root, options).unwrap().super_block(b"host")
}

fn guest(top: &Path, writable: bool) -> Guest {
    let (memory, env) = support::env();
    let sb = show(&env, top, writable);
    Guest::on(memory, env, sb)
}

fn overlay(top: &Path) -> Guest {
    let (memory, env) = support::env();
    let lower = show(&env, top, false);
    let sb = vfs::overlay(&env, &lower, MemOptions::default()).unwrap();
    Guest::on(memory, env, sb)
}

/// Calls that a view of the host does not have are left out.
fn ops() -> impl Strategy<Value = Vec<Op>> {
    let known = op()
        .prop_filter("not on the host", |o| !matches!(o, Op::Tmpfile(..) | Op::Rename(_, _, 4)));
    prop::collection::vec(known, 0..40)
}

fn second_side() -> HostDir {
    let side = HostDir::new();
    let work = PathBuf::from(format!("{}{}", side.top.display(), deep()));
    std::fs::create_dir_all(&work).unwrap();
    prepare(&work, None);
    side
}

/// Every file below `top`, with what the host says of it.
fn host_state(top: &Path) -> Vec<String> {
    let script = "find . -printf '%p %m %U %G %n %T@ %C@ %s %l\\n' | sort; \
                  find . -type f | sort | xargs -r -d '\\n' cat | cksum";
    let out = std::process::Command::new("sh").arg("-c").arg(script).current_dir(top).output();
    String::from_utf8_lossy(&out.unwrap().stdout).lines().map(String::from).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 2000,
        cases: 128,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_writable_view_agrees_with_the_host(ops in ops()) {
        let side = second_side();
        let mut pair = Pair::new(None);
        pair.guest = guest(&side.top, true);
        pair.enter();
        pair.run(&ops)?;
    }

    #[test]
    fn an_overlay_agrees_with_the_host_and_changes_nothing(before in ops(), after in ops()) {
        let side = second_side();
        let mut pair = Pair::new(None);
        pair.guest = guest(&side.top, true);
        pair.enter();
        pair.run(&before)?;
        let was = host_state(&side.top);
        pair.guest = overlay(&side.top);
        pair.enter();
        pair.run(&after)?;
        prop_assert_eq!(was, host_state(&side.top));
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + i / 4096) as u8).collect()
}

/// Maps the page at `offset`, as a fault does; the reference is the caller's.
fn touch(f: &vfs::File, offset: u64) -> mm::FileRange {
    let object = f.ops().mappable().unwrap();
    let start = offset & !4095;
    let page = start..start + 4096;
    object.translate(page.clone(), page, Access::READ).unwrap().file
}

#[test]
fn mappings_and_readers_see_the_same_pages() {
    let side = HostDir::new();
    let bytes = pattern(1_000_003);
    std::fs::write(side.top.join("f"), &bytes).unwrap();
    let g = guest(&side.top, false);
    let open = || g.vfs.open(&g.cx(), AT_FDCWD, b"/f", OpenHow::default()).unwrap();
    let f = open();
    let mut got = vec![0; bytes.len() + 10];
    assert_eq!(f.read(&mut BufDst::new(&mut got)).unwrap(), bytes.len());
    assert!(got[..bytes.len()] == bytes[..]);
    assert_eq!(g.memory.used(), 0, "what nobody maps stays the host's");
    let page = touch(&f, 5000);
    g.memory.read(page.start, &mut got[..4096]);
    assert!(got[..4096] == bytes[4096..8192]);
    let cached = g.memory.used();
    assert_eq!(touch(&open(), 5000), page, "two mappings share the pages");
    assert_eq!(g.memory.used(), cached);
    // What a mapping has is what readers get, in one piece with what it has not.
    g.memory.write(page.start, b"changed");
    let n = open().pread(&mut BufDst::new(&mut got), 4000).unwrap();
    assert_eq!(n, bytes.len() - 4000);
    assert!(got[..96] == bytes[4000..4096] && got[96..103] == *b"changed");
    assert!(got[103..n] == bytes[4103..]);
    let how = OpenHow { flags: OpenFlags::RDWR, ..OpenHow::default() };
    assert_eq!(g.vfs.open(&g.cx(), AT_FDCWD, b"/f", how).err(), Some(syserr::Errno::EROFS));
}

/// Read-only and writable host files, and one that an overlay holds in memory.
#[test]
fn files_keep_what_mappings_are_promised() {
    type Show = fn(&Path) -> Guest;
    let read_only: Show = |top| guest(top, false);
    let writable: Show = |top| guest(top, true);
    let ways = [(read_only, OpenFlags::empty()), (writable, OpenFlags::RDWR)];
    for (show, flags) in ways.into_iter().chain([(overlay as Show, OpenFlags::RDWR)]) {
        let side = HostDir::new();
        std::fs::write(side.top.join("f"), MappableSubject::bytes()).unwrap();
        // File systems live as long as what is checked.
        let guests = RefCell::new(Vec::new());
        check_mappable(|| {
            // Each part begins with the contents as they were.
            std::fs::write(side.top.join("f"), MappableSubject::bytes()).unwrap();
            let g = show(&side.top);
            let how = OpenHow { flags, ..OpenHow::default() };
            let f = g.vfs.open(&g.cx(), AT_FDCWD, b"/f", how).unwrap();
            let object = f.ops().mappable().unwrap();
            let memory: Arc<dyn MemoryFile> = g.memory.clone();
            guests.borrow_mut().push((g, f));
            MappableSubject { object, memory, writable: flags.contains(OpenFlags::RDWR) }
        });
    }
}

/// What was written through a mapping is not written back behind a new end, nor over a hole.
#[test]
fn what_is_cut_off_stays_off() {
    let side = HostDir::new();
    let path = side.top.join("f");
    std::fs::write(&path, pattern(5 * 4096)).unwrap();
    let g = guest(&side.top, true);
    let how = OpenHow { flags: OpenFlags::RDWR, ..OpenHow::default() };
    let f = g.vfs.open(&g.cx(), AT_FDCWD, b"/f", how).unwrap();
    let object = f.ops().mappable().unwrap();
    let tables = RecordingSpace::new(g.memory.clone());
    let space: Arc<dyn MappingSpace> = MemoryManager::new(MmConfig::new(g.memory.clone(), tables));
    let range = AddrRange { start: Addr(0x10_0000), end: Addr(0x10_5000) };
    let mapping = ObjectMapping { space: Arc::downgrade(&space), range, offset: 0, writable: true };
    object.add_mapping(&mapping).unwrap();
    let dirty = || {
        let t = object.translate(0..5 * 4096, 0..5 * 4096, Access::RW).unwrap();
        (t.file.start..t.file.end).step_by(4096).for_each(|at| g.memory.write(at, b"dirty"));
        g.memory.dec_ref(t.file);
    };
    dirty();
    f.allocate(3, 4096 + 100, 4096, u64::MAX, &vfs::Creds::root()).unwrap();
    f.sync(false).unwrap();
    let mut want = pattern(5 * 4096);
    (0..5).for_each(|page| want[page * 4096..][..5].copy_from_slice(b"dirty"));
    want[4096 + 100..2 * 4096 + 100].fill(0);
    assert!(std::fs::read(&path).unwrap() == want, "the hole, and all around it");
    f.ops().truncate(4096 + 10).unwrap();
    f.sync(false).unwrap();
    want.truncate(4096 + 10);
    assert!(std::fs::read(&path).unwrap() == want, "the new end");
    f.ops().truncate(3 * 4096).unwrap();
    let t = object.translate(4096..8192, 4096..8192, Access::READ).unwrap();
    let mut page = [1; 4096];
    g.memory.read(t.file.start, &mut page);
    g.memory.dec_ref(t.file);
    assert!(page[..10] == want[4096..], "before the old end");
    assert!(page[10..].iter().all(|b| *b == 0), "zeroes after it");
    object.remove_mapping(&mapping);
}

#[test]
fn the_page_cache_stays_within_half_of_memory() {
    let side = HostDir::new();
    let bytes = pattern(8 << 20);
    std::fs::write(side.top.join("f"), &bytes).unwrap();
    let memory = VecMemoryFile::new(2 << 20);
    let env = Env::new(memory.clone(), Arc::new(Ticks::default()));
    let sb = show(&env, &side.top, false);
    let g = Guest::on(memory, env, sb);
    let f = g.vfs.open(&g.cx(), AT_FDCWD, b"/f", OpenHow::default()).unwrap();
    let mut got = vec![0; 4096];
    for offset in (0..bytes.len()).step_by(4096) {
        let page = touch(&f, offset as u64);
        g.memory.read(page.start, &mut got);
        assert!(got == bytes[offset..offset + 4096]);
        g.memory.dec_ref(page);
        assert!(g.memory.used() <= 1 << 20);
    }
}

#[test]
fn mappings_and_the_host_agree() {
    let side = HostDir::new();
    let path = side.top.join("f");
    std::fs::write(&path, pattern(10_000)).unwrap();
    let g = guest(&side.top, true);
    let how = OpenHow { flags: OpenFlags::RDWR, ..OpenHow::default() };
    let f = g.vfs.open(&g.cx(), AT_FDCWD, b"/f", how).unwrap();
    let object = f.mapped().unwrap().object;
    let t = object.translate(4096..8192, 4096..8192, Access::RW).unwrap();
    let at = t.file.start + (4096 - t.offset);
    f.pwrite(&mut BufSrc::new(b"written"), 4096, u64::MAX).unwrap();
    let mut seen = [0; 7];
    g.memory.read(at, &mut seen);
    assert_eq!(&seen, b"written", "a mapping sees what is written");
    g.memory.write(at + 7, b" mapped");
    object.sync(0..10_000).unwrap();
    let mut host = [0; 14];
    std::fs::File::open(&path).unwrap().read_exact_at(&mut host, 4096).unwrap();
    assert_eq!(&host, b"written mapped", "the host sees what is mapped");
    g.memory.dec_ref(t.file);
    f.truncate(100, u64::MAX, &vfs::Creds::root()).unwrap();
    assert!(object.translate(4096..8192, 4096..8192, Access::READ).is_err());
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 100);
}

#[test]
fn changes_on_the_host_show() {
    let side = HostDir::new();
    std::fs::write(side.top.join("f"), b"one").unwrap();
    let g = guest(&side.top, true);
    let read = || {
        let f = g.vfs.open(&g.cx(), AT_FDCWD, b"/f", OpenHow::default())?;
        let mut buf = [0; 16];
        let n = f.read(&mut BufDst::new(&mut buf))?;
        Ok::<_, syserr::Errno>(buf[..n].to_vec())
    };
    assert_eq!(read().unwrap(), b"one");
    std::fs::write(side.top.join("f"), b"number two").unwrap();
    assert_eq!(read().unwrap(), b"number two");
    std::fs::remove_file(side.top.join("f")).unwrap();
    assert_eq!(read(), Err(syserr::Errno::ENOENT));
}

#[test]
fn links_do_not_lead_out() {
    let side = HostDir::new();
    std::fs::create_dir(side.top.join("etc")).unwrap();
    std::fs::write(side.top.join("etc/passwd"), b"inside").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", side.top.join("absolute")).unwrap();
    std::os::unix::fs::symlink("../../../../../etc/passwd", side.top.join("up")).unwrap();
    let g = overlay(&side.top);
    for link in [b"/absolute".as_slice(), b"/up", b"/../etc/passwd"] {
        let f = g.vfs.open(&g.cx(), AT_FDCWD, link, OpenHow::default()).unwrap();
        let mut buf = [0; 16];
        let n = f.read(&mut BufDst::new(&mut buf)).unwrap();
        assert_eq!(&buf[..n], b"inside");
    }
    let root = open_dir(&side.top, true).unwrap();
    for name in ["..", ".", "", "etc/passwd", "/etc/passwd"] {
        assert!(root.child_stat(name.as_bytes()).is_err(), "{name}");
    }
}

#[test]
fn an_open_file_outlives_its_name() {
    let side = HostDir::new();
    std::fs::write(side.top.join("f"), b"still here").unwrap();
    let g = guest(&side.top, true);
    let f = g.vfs.open(&g.cx(), AT_FDCWD, b"/f", OpenHow::default()).unwrap();
    g.vfs.unlink(&g.cx(), AT_FDCWD, b"/f").unwrap();
    assert_eq!(f.stat().unwrap().nlink, 0);
    let mut buf = [0; 16];
    assert_eq!(f.read(&mut BufDst::new(&mut buf)).unwrap(), 10);
    let gone = g.vfs.stat(&g.cx(), AT_FDCWD, b"/f", LookupFlags::empty());
    assert_eq!(gone.err(), Some(syserr::Errno::ENOENT));
}
