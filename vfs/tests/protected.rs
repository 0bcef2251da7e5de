//! `fs.protected_*`: what others have put where everybody may write.

mod support;

use support::Guest;
use syserr::Errno;
use vfs::{AT_FDCWD, LookupFlags, OpenFlags, OpenHow, Protected, mode};

const USER: u32 = 1000;

/// A sticky directory with mode `bits`, and in it what user 1000 has made: a file and a link to it.
fn shared(bits: u32) -> Guest {
    let mut g = Guest::tmpfs();
    g.vfs.mkdir(&g.cx(), AT_FDCWD, b"/d", 0o777).unwrap();
    g.vfs.chmod(&g.cx(), &g.path("/d"), mode::ISVTX | bits).unwrap();
    g.creds = vfs::Creds::user(USER, 0, &[]);
    open(&g, "/d/file", OpenFlags::CREAT | OpenFlags::RDWR).unwrap();
    g.vfs.symlink(&g.cx(), b"file", AT_FDCWD, b"/d/link").unwrap();
    g.creds = vfs::Creds::root();
    g
}

fn open(g: &Guest, path: &str, flags: OpenFlags) -> Result<(), Errno> {
    let how = OpenHow { flags, mode: 0o644, ..OpenHow::default() };
    g.vfs.open(&g.cx(), AT_FDCWD, path.as_bytes(), how).map(drop)
}

#[test]
fn links_of_others() {
    let mut g = shared(0o777);
    let reads = OpenFlags::empty();
    open(&g, "/d/link", reads).unwrap();
    g.vfs.settings().set_protected(Protected::Symlinks, 1).unwrap();
    assert_eq!(open(&g, "/d/link", reads), Err(Errno::EACCES));
    assert_eq!(open(&g, "/d/link", OpenFlags::CREAT | OpenFlags::RDWR), Err(Errno::EACCES));
    let stays = LookupFlags::NOFOLLOW;
    assert!(g.vfs.resolve(&g.cx(), AT_FDCWD, b"/d/link", stays).is_ok(), "it is only followed");
    g.creds = vfs::Creds::user(USER, 0, &[]);
    open(&g, "/d/link", reads).unwrap();
}

#[test]
fn links_where_not_everybody_writes() {
    let g = shared(0o775);
    g.vfs.settings().set_protected(Protected::Symlinks, 1).unwrap();
    open(&g, "/d/link", OpenFlags::empty()).unwrap();
}

#[test]
fn files_of_others() {
    for (bits, level, refused) in [
        (0o777, 0, false),
        (0o777, 1, true),
        (0o777, 2, true),
        (0o775, 1, false),
        (0o775, 2, true),
        (0o755, 2, false),
    ] {
        // The user makes the file while its group may write.
        let g = shared(if bits == 0o755 { 0o775 } else { bits });
        g.vfs.chmod(&g.cx(), &g.path("/d"), mode::ISVTX | bits).unwrap();
        g.vfs.settings().set_protected(Protected::Regular, level).unwrap();
        let made = open(&g, "/d/file", OpenFlags::CREAT | OpenFlags::RDWR);
        assert_eq!(made.is_err(), refused, "{bits:o} at {level}: {made:?}");
        open(&g, "/d/file", OpenFlags::RDWR).unwrap();
    }
}

#[test]
fn values() {
    let g = Guest::tmpfs();
    let set = |what, to| g.vfs.settings().set_protected(what, to);
    assert_eq!(set(Protected::Symlinks, 2), Err(Errno::EINVAL));
    assert_eq!(set(Protected::Regular, 3), Err(Errno::EINVAL));
    assert_eq!(g.vfs.settings().set_pipe_max_size(0), Err(Errno::EINVAL));
    g.vfs.settings().set_pipe_max_size(5000).unwrap();
    assert_eq!(g.vfs.settings().pipe_max_size(), 8192);
}
