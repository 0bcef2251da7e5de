//! What a removed name led to is gone with its last user.

mod support;

use arch::BufSrc;
use std::sync::Arc;
use support::Guest;
use vfs::{AT_FDCWD, File, OpenFlags, OpenHow, RenameFlags};

const SIZE: usize = 1 << 20;

fn create(g: &Guest, name: &str) -> Arc<File> {
    let flags = OpenFlags::WRONLY | OpenFlags::CREAT;
    let how = OpenHow { flags, mode: 0o644, ..OpenHow::default() };
    g.vfs.open(&g.cx(), AT_FDCWD, name.as_bytes(), how).unwrap()
}

fn write(g: &Guest, name: &str) -> Arc<File> {
    let file = create(g, name);
    file.write(&mut BufSrc::new(&vec![1; SIZE]), u64::MAX).unwrap();
    file
}

fn used(g: &Guest) -> usize {
    mm::MemoryFile::used(&*g.memory) as usize
}

#[test]
fn unlinked_file() {
    let g = Guest::tmpfs();
    for i in 0..3 {
        let open = write(&g, &format!("/{i}"));
        g.vfs.unlink(&g.cx(), AT_FDCWD, format!("/{i}").as_bytes()).unwrap();
        assert!(used(&g) >= SIZE, "the description keeps the contents");
        drop(open);
        assert_eq!(used(&g), 0);
    }
}

#[test]
fn replaced_file() {
    let g = Guest::tmpfs();
    write(&g, "/a");
    write(&g, "/b");
    g.vfs.rename(&g.cx(), (AT_FDCWD, b"/a"), (AT_FDCWD, b"/b"), RenameFlags::empty()).unwrap();
    assert_eq!(used(&g), SIZE);
    g.vfs.unlink(&g.cx(), AT_FDCWD, b"/b").unwrap();
    assert_eq!(used(&g), 0);
}

#[test]
fn another_name_keeps_it() {
    let g = Guest::tmpfs();
    write(&g, "/a");
    let flags = vfs::LookupFlags::empty();
    g.vfs.link(&g.cx(), (AT_FDCWD, b"/a"), (AT_FDCWD, b"/b"), flags).unwrap();
    g.vfs.unlink(&g.cx(), AT_FDCWD, b"/a").unwrap();
    assert_eq!(used(&g), SIZE);
    g.vfs.unlink(&g.cx(), AT_FDCWD, b"/b").unwrap();
    assert_eq!(used(&g), 0);
}

#[test]
fn directory_whose_missing_names_are_known() {
    let g = Guest::tmpfs();
    g.vfs.mkdir(&g.cx(), AT_FDCWD, b"/d", 0o755).unwrap();
    let gone = Arc::downgrade(g.path("/d").inode());
    let found = g.vfs.resolve(&g.cx(), AT_FDCWD, b"/d/none", vfs::LookupFlags::empty());
    assert_eq!(found.unwrap_err(), syserr::Errno::ENOENT);
    // A name that was nothing, then a file, then nothing; and one that a file moved to.
    drop((write(&g, "/d/file"), write(&g, "/moves")));
    g.vfs
        .rename(&g.cx(), (AT_FDCWD, b"/moves"), (AT_FDCWD, b"/d/to"), RenameFlags::empty())
        .unwrap();
    g.vfs.unlink(&g.cx(), AT_FDCWD, b"/d/file").unwrap();
    g.vfs.unlink(&g.cx(), AT_FDCWD, b"/d/to").unwrap();
    g.vfs.rmdir(&g.cx(), AT_FDCWD, b"/d").unwrap();
    assert!(gone.upgrade().is_none());
}

/// The attributes of all files together are bounded: they lie in the kernel's own memory.
#[test]
fn attributes_go_with_their_file() {
    let g = Guest::tmpfs();
    let value = vec![7; 60 << 10];
    let fill = |i: u32| {
        create(&g, &format!("/{i}")).inode().set_xattr(b"user.a", &value, vfs::XattrSet::empty())
    };
    let full = (0..2_000).find(|&i| fill(i).is_err()).expect("there is an end");
    assert_eq!(fill(full), Err(syserr::Errno::ENOSPC));
    for i in 0..=full {
        g.vfs.unlink(&g.cx(), AT_FDCWD, format!("/{i}").as_bytes()).unwrap();
    }
    assert_eq!((0..full).find(|&i| fill(i).is_err()), None);
}
