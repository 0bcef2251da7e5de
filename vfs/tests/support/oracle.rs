//! The same calls on our file systems and, by real system calls, on a directory of the host.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::Guest;
use arch::{BufDst, BufSrc};
use proptest::prelude::*;
use rustix::fs::{AtFlags, Mode, OFlags};
use vfs::{AT_FDCWD, Creds, LookupFlags, OpenFlags, OpenHow, RenameFlags, SetTime, mode};

#[derive(Clone, Debug)]
pub enum Op {
    Mkdir(String, u32),
    Mksock(String),
    Rmdir(String),
    Unlink(String),
    Rename(String, String, u32),
    Link(String, String, bool),
    Symlink(String, String),
    Readlink(String),
    Stat(String, bool),
    List(String),
    Write(String, u32, u32, Vec<u8>),
    Read(String, u32),
    Truncate(String, u64),
    Chmod(String, u32),
    Chown(String, u32, u32),
    Access(String, u32),
    Touch(String),
    Tmpfile(String, String),
}

#[derive(Debug, PartialEq)]
enum Answer {
    Done,
    Stat { mode: u32, nlink: u64, size: u64, uid: u32, gid: u32, mtime: i64 },
    Bytes(Vec<u8>),
    Names(BTreeSet<(Vec<u8>, u32)>),
}

type Outcome = Result<Answer, i32>;

fn path() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        8 => prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(String::from),
        1 => Just("..".to_string()),
        1 => Just(".".to_string()),
        1 => Just(String::new()),
    ];
    let long = prop_oneof![40 => Just(None), 1 => Just(Some("n".repeat(256)))];
    (prop::collection::vec(name, 1..4), prop::bool::weighted(0.15), long).prop_map(
        |(v, slash, l)| {
            let mut s = v.join("/");
            // A path that begins with a slash would leave the directory that both sides share.
            while s.starts_with('/') {
                s.remove(0);
            }
            if let Some(l) = l {
                s.push_str(&l);
            }
            if slash && !s.is_empty() {
                s.push('/');
            }
            s
        },
    )
}

pub fn op() -> impl Strategy<Value = Op> {
    let p = path;
    let perm = prop::sample::select(vec![0o777u32, 0o755, 0o700, 0o600, 0o555, 0o300, 0, 0o1777]);
    let perm2 = prop::sample::select(vec![0o6777u32, 0o2775, 0o4755, 0o644, 0o500, 0o100]);
    let flags = prop::sample::select(vec![
        0o0u32, 0o1, 0o2, 0o101, 0o102, 0o301, 0o1001, 0o1101, 0o2101, 0o200000, 0o400000,
        0o400101, 0o400301, 0o200101, 0o10000000, 0o10400000, 0o2102,
    ]);
    let data = prop::collection::vec(any::<u8>(), 0..20);
    prop_oneof![
        4 => (p(), perm.clone()).prop_map(|(a, m)| Op::Mkdir(a, m)),
        1 => p().prop_map(Op::Mksock),
        2 => p().prop_map(Op::Rmdir),
        2 => p().prop_map(Op::Unlink),
        4 => (p(), p(), prop::sample::select(vec![0u32, 0, 0, 1, 2, 4])).prop_map(|(a, b, f)| Op::Rename(a, b, f)),
        2 => (p(), p(), any::<bool>()).prop_map(|(a, b, f)| Op::Link(a, b, f)),
        3 => (p(), p()).prop_map(|(a, b)| Op::Symlink(a, b)),
        1 => p().prop_map(Op::Readlink),
        3 => (p(), any::<bool>()).prop_map(|(a, f)| Op::Stat(a, f)),
        1 => p().prop_map(Op::List),
        6 => (p(), flags.clone(), perm.clone(), data).prop_map(|(a, f, m, d)| Op::Write(a, f, m, d)),
        2 => (p(), flags).prop_map(|(a, f)| Op::Read(a, f)),
        1 => (p(), 0u64..10_000).prop_map(|(a, n)| Op::Truncate(a, n)),
        2 => (p(), prop_oneof![perm, perm2]).prop_map(|(a, m)| Op::Chmod(a, m)),
        1 => (p(), prop::sample::select(vec![0, 1000, 1001, u32::MAX]), prop::sample::select(vec![0, 1000, 1001, u32::MAX]))
            .prop_map(|(a, u, g)| Op::Chown(a, u, g)),
        1 => (p(), 0u32..8).prop_map(|(a, m)| Op::Access(a, m)),
        1 => p().prop_map(Op::Touch),
        1 => (p(), p()).prop_map(|(a, b)| Op::Tmpfile(a, b)),
    ]
}

/// How deep below the shared top both sides work, so that no `..` leaves it.
const DEPTH: usize = 24;

fn guest_op(g: &Guest, op: &Op) -> Outcome {
    let cx = g.cx();
    let v = &g.vfs;
    let at = AT_FDCWD;
    let b = |s: &'_ String| s.clone().into_bytes();
    let nofollow = |n: bool| if n { LookupFlags::NOFOLLOW } else { LookupFlags::empty() };
    let resolve = |p: &String, n| v.resolve(&cx, at, p.as_bytes(), nofollow(n));
    let open = |p: &String, flags: u32, mode: u32| {
        let flags = OpenFlags::from_bits_retain(flags | 0o4000);
        v.open(&cx, at, p.as_bytes(), OpenHow { flags, mode, ..OpenHow::default() })
    };
    let result = match op {
        Op::Mkdir(p, m) => v.mkdir(&cx, at, p.as_bytes(), *m).map(|()| Answer::Done),
        Op::Mksock(p) => {
            v.mknod(&cx, at, p.as_bytes(), mode::IFSOCK | 0o666, 0).map(|_| Answer::Done)
        }
        Op::Rmdir(p) => v.rmdir(&cx, at, p.as_bytes()).map(|()| Answer::Done),
        Op::Unlink(p) => v.unlink(&cx, at, p.as_bytes()).map(|()| Answer::Done),
        Op::Rename(a, b, f) => v
            .rename(&cx, (at, a.as_bytes()), (at, b.as_bytes()), RenameFlags::from_bits_retain(*f))
            .map(|()| Answer::Done),
        Op::Link(a, b, follow) => v
            .link(&cx, (at, a.as_bytes()), (at, b.as_bytes()), nofollow(!follow))
            .map(|()| Answer::Done),
        Op::Symlink(t, p) => v.symlink(&cx, t.as_bytes(), at, p.as_bytes()).map(|()| Answer::Done),
        // readlink(2) refuses an empty path in the system call.
        Op::Readlink(p) if p.is_empty() => Err(syserr::Errno::ENOENT),
        Op::Readlink(p) => v.readlink(&cx, at, p.as_bytes()).map(Answer::Bytes),
        Op::Stat(p, n) => v.stat(&cx, at, &b(p), nofollow(*n)).map(|s| Answer::Stat {
            mode: s.mode,
            nlink: u64::from(s.nlink),
            size: if s.mode & mode::IFMT == mode::IFDIR { 0 } else { s.size },
            uid: s.uid,
            gid: s.gid,
            mtime: if s.mtime < 1_000_000_000_000_000_000 { s.mtime } else { 0 },
        }),
        Op::List(p) => open(p, 0o200000, 0).and_then(|f| {
            let mut names = BTreeSet::new();
            f.read_dir(&mut |e: &vfs::DirEntry| names.insert((e.name.clone(), e.kind)))?;
            Ok(Answer::Names(names))
        }),
        Op::Write(p, f, m, d) => open(p, *f, *m)
            .and_then(|f| f.write(&mut BufSrc::new(d), u64::MAX).map(|_| Answer::Done)),
        Op::Read(p, f) => open(p, *f & !0o1000, 0o600).and_then(|f| {
            let mut buf = vec![0; 20_000];
            let n = f.read(&mut BufDst::new(&mut buf))?;
            Ok(Answer::Bytes(buf[..n].to_vec()))
        }),
        Op::Truncate(p, n) => resolve(p, false)
            .and_then(|p| v.truncate(&cx, &p, *n as i64, u64::MAX))
            .map(|()| Answer::Done),
        Op::Chmod(p, m) => {
            resolve(p, false).and_then(|p| v.chmod(&cx, &p, *m)).map(|()| Answer::Done)
        }
        Op::Chown(p, u, gr) => {
            resolve(p, true).and_then(|p| v.chown(&cx, &p, id(*u), id(*gr))).map(|()| Answer::Done)
        }
        Op::Access(p, m) => {
            resolve(p, false).and_then(|p| v.access(&cx, &p, *m)).map(|()| Answer::Done)
        }
        Op::Touch(p) => resolve(p, true)
            .and_then(|p| v.utimens(&cx, &p, SetTime::Omit, SetTime::At(7_000_000_009)))
            .map(|()| Answer::Done),
        Op::Tmpfile(p, to) => open(p, 0o20200002, 0o640).and_then(|f| {
            f.write(&mut BufSrc::new(b"unnamed"), u64::MAX)?;
            if !g.creds.has(vfs::cap::DAC_READ_SEARCH) {
                return Ok(Answer::Done);
            }
            let fd = g.files.install(f, 0, 64, false)?;
            let linked = v.link(
                &cx,
                (fd, b""),
                (at, to.as_bytes()),
                LookupFlags::EMPTY_PATH | LookupFlags::NOFOLLOW,
            );
            g.files.close(fd)?;
            linked.map(|()| Answer::Done)
        }),
    };
    result.map_err(|e| i32::from(e.number()))
}

fn id(n: u32) -> Option<u32> {
    (n != u32::MAX).then_some(n)
}

fn host_op(dir: &OwnedFd, op: &Op, root: bool) -> Outcome {
    use rustix::fs;
    let open = |p: &String, flags: u32, mode: u32| {
        let flags = OFlags::from_bits_retain(flags | 0o4000 | 0o2000000);
        fs::openat(dir, p.as_str(), flags, Mode::from_raw_mode(mode))
    };
    let result = match op {
        Op::Mkdir(p, m) => {
            fs::mkdirat(dir, p.as_str(), Mode::from_raw_mode(*m)).map(|()| Answer::Done)
        }
        Op::Mksock(p) => {
            fs::mknodat(dir, p.as_str(), fs::FileType::Socket, Mode::from_raw_mode(0o666), 0)
                .map(|()| Answer::Done)
        }
        Op::Rmdir(p) => fs::unlinkat(dir, p.as_str(), AtFlags::REMOVEDIR).map(|()| Answer::Done),
        Op::Unlink(p) => fs::unlinkat(dir, p.as_str(), AtFlags::empty()).map(|()| Answer::Done),
        Op::Rename(a, b, f) => fs::renameat_with(
            dir,
            a.as_str(),
            dir,
            b.as_str(),
            fs::RenameFlags::from_bits_retain(*f),
        )
        .map(|()| Answer::Done),
        Op::Link(a, b, follow) => {
            let flags = if *follow { AtFlags::SYMLINK_FOLLOW } else { AtFlags::empty() };
            fs::linkat(dir, a.as_str(), dir, b.as_str(), flags).map(|()| Answer::Done)
        }
        Op::Symlink(t, p) => fs::symlinkat(t.as_str(), dir, p.as_str()).map(|()| Answer::Done),
        Op::Readlink(p) if p.is_empty() => Err(rustix::io::Errno::NOENT),
        Op::Readlink(p) => {
            fs::readlinkat(dir, p.as_str(), Vec::new()).map(|t| Answer::Bytes(t.into_bytes()))
        }
        Op::Stat(p, n) => {
            let flags = if *n { AtFlags::SYMLINK_NOFOLLOW } else { AtFlags::empty() };
            fs::statat(dir, p.as_str(), flags).map(|s| Answer::Stat {
                mode: s.st_mode,
                nlink: s.st_nlink,
                size: if s.st_mode & mode::IFMT == mode::IFDIR { 0 } else { s.st_size as u64 },
                uid: s.st_uid,
                gid: s.st_gid,
                mtime: if s.st_mtime < 1_000_000_000 {
                    s.st_mtime * 1_000_000_000 + s.st_mtime_nsec as i64
                } else {
                    0
                },
            })
        }
        Op::List(p) => open(p, 0o200000, 0).and_then(|f| {
            let mut names = BTreeSet::new();
            for e in fs::Dir::new(f)? {
                let e = e?;
                names.insert((e.file_name().to_bytes().to_vec(), e.file_type().as_raw_mode()));
            }
            Ok(Answer::Names(names))
        }),
        Op::Write(p, f, m, d) => {
            open(p, *f, *m).and_then(|f| rustix::io::write(&f, d).map(|_| Answer::Done))
        }
        Op::Read(p, f) => open(p, *f & !0o1000, 0o600).and_then(|f| {
            let mut buf = vec![0; 20_000];
            let n = rustix::io::read(&f, &mut buf[..])?;
            Ok(Answer::Bytes(buf[..n].to_vec()))
        }),
        Op::Truncate(p, n) => host_truncate(dir, p, *n).map(|()| Answer::Done),
        Op::Chmod(p, m) => fs::chmodat(dir, p.as_str(), Mode::from_raw_mode(*m), AtFlags::empty())
            .map(|()| Answer::Done),
        Op::Chown(p, u, g) => fs::chownat(
            dir,
            p.as_str(),
            id(*u).map(fs::Uid::from_raw),
            id(*g).map(fs::Gid::from_raw),
            AtFlags::SYMLINK_NOFOLLOW,
        )
        .map(|()| Answer::Done),
        Op::Access(p, m) => {
            fs::accessat(dir, p.as_str(), fs::Access::from_bits_retain(*m), AtFlags::empty())
                .map(|()| Answer::Done)
        }
        Op::Touch(p) => {
            let times = fs::Timestamps {
                last_access: fs::Timespec { tv_sec: 0, tv_nsec: fs::UTIME_OMIT },
                last_modification: fs::Timespec { tv_sec: 7, tv_nsec: 9 },
            };
            fs::utimensat(dir, p.as_str(), &times, AtFlags::SYMLINK_NOFOLLOW).map(|()| Answer::Done)
        }
        Op::Tmpfile(p, to) => open(p, 0o20200002, 0o640).and_then(|f| {
            rustix::io::write(&f, b"unnamed")?;
            if root {
                fs::linkat(&f, "", dir, to.as_str(), AtFlags::EMPTY_PATH)?;
            }
            Ok(Answer::Done)
        }),
    };
    result.map_err(|e| e.raw_os_error())
}

/// truncate(2), which takes no directory: through the directory's link in proc.
fn host_truncate(dir: &OwnedFd, p: &str, size: u64) -> rustix::io::Result<()> {
    use std::os::fd::AsRawFd;
    let status = if p.is_empty() {
        return Err(rustix::io::Errno::NOENT);
    } else {
        format!("/proc/self/fd/{}/{p}", dir.as_raw_fd())
    };
    // std has no truncate by path, and opening first gives other errnos; so ask a shell-less
    // helper: open for writing is what truncate(2) checks, but for directories and FIFOs.
    let kind = rustix::fs::statat(dir, p, AtFlags::empty())?;
    match kind.st_mode & mode::IFMT {
        mode::IFREG => {}
        mode::IFDIR => return Err(rustix::io::Errno::ISDIR),
        _ => return Err(rustix::io::Errno::INVAL),
    }
    let f = rustix::fs::open(&*status, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::fs::ftruncate(&f, size)
}

static NEXT: AtomicU32 = AtomicU32::new(0);

pub struct HostDir {
    pub top: PathBuf,
}

impl HostDir {
    pub fn new() -> HostDir {
        let shm = PathBuf::from("/dev/shm");
        let base = if shm.is_dir() { shm } else { std::env::temp_dir() };
        let n = NEXT.fetch_add(1, Relaxed);
        let top = base.join(format!("tessera-vfs-{}-{n}", std::process::id()));
        std::fs::create_dir(&top).unwrap();
        HostDir { top }
    }
}

impl Drop for HostDir {
    fn drop(&mut self) {
        let _ = std::process::Command::new("chmod").arg("-R").arg("u+rwx").arg(&self.top).status();
        let _ = std::fs::remove_dir_all(&self.top);
    }
}

/// What stands between the guest and its files.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Tmpfs,
    Overlay,
}

/// Every name below the guest's root, with what it shows.
fn snapshot(g: &Guest) -> Vec<(Vec<u8>, vfs::Stat, Vec<u8>)> {
    let cx = g.cx();
    let mut out = Vec::new();
    let mut todo = vec![b"/".to_vec()];
    while let Some(dir) = todo.pop() {
        let how = OpenHow { flags: OpenFlags::DIRECTORY, ..OpenHow::default() };
        let f = g.vfs.open(&cx, AT_FDCWD, &dir, how).unwrap();
        let mut names = Vec::new();
        f.read_dir(&mut |e: &vfs::DirEntry| {
            names.push(e.name.clone());
            true
        })
        .unwrap();
        names.sort();
        for n in names.into_iter().filter(|n| n != b"." && n != b"..") {
            let path = [&dir[..], b"/", &n].concat();
            let mut s = g.vfs.stat(&cx, AT_FDCWD, &path, LookupFlags::NOFOLLOW).unwrap();
            s.atime = 0;
            let mut content = Vec::new();
            match s.mode & mode::IFMT {
                mode::IFDIR => todo.push(path.clone()),
                mode::IFREG => {
                    let f = g.vfs.open(&cx, AT_FDCWD, &path, OpenHow::default()).unwrap();
                    content.resize(s.size as usize, 0);
                    f.read(&mut BufDst::new(&mut content)).unwrap();
                }
                mode::IFLNK => content = g.vfs.readlink(&cx, AT_FDCWD, &path).unwrap(),
                _ => {}
            }
            out.push((path, s, content));
        }
    }
    out
}

/// Both sides, with the same directory to work in.
pub struct Pair {
    pub host: HostDir,
    pub dir: OwnedFd,
    pub guest: Guest,
    user: Option<u32>,
}

/// The path below the top where both sides work.
pub fn deep() -> String {
    "/x".repeat(DEPTH)
}

impl Pair {
    /// A fresh directory of the host and a guest with a tmpfs.
    pub fn new(user: Option<u32>) -> Pair {
        let host = HostDir::new();
        let path = PathBuf::from(format!("{}{}", host.top.display(), deep()));
        std::fs::create_dir_all(&path).unwrap();
        prepare(&path, user);
        let dir = rustix::fs::open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let guest = Guest::tmpfs();
        let mut at = String::new();
        for _ in 0..DEPTH {
            at.push_str("/x");
            guest.vfs.mkdir(&guest.cx(), AT_FDCWD, at.as_bytes(), 0o755).unwrap();
        }
        let mut pair = Pair { host, dir, guest, user };
        let (uid, gid) = ids(user);
        let work = pair.guest.path(&deep());
        pair.guest.vfs.chown(&pair.guest.cx(), &work, Some(uid), Some(gid)).unwrap();
        pair.enter();
        pair
    }

    /// Makes the guest work in the common directory, as the common user.
    pub fn enter(&mut self) {
        let (uid, gid) = ids(self.user);
        self.guest.creds = Creds::root();
        let work = self.guest.path(&deep());
        self.guest.fs.set_cwd(work);
        self.guest.creds = Creds::user(uid, gid, &[]);
    }

    /// Makes every call on both sides.
    pub fn run(&self, ops: &[Op]) -> Result<(), TestCaseError> {
        let root = self.user.is_none() && rustix::process::geteuid().is_root();
        // In a thread of its own, which alone changes its user.
        std::thread::scope(|s| {
            s.spawn(|| {
                if let Some(u) = self.user {
                    let (uid, gid) = (rustix::fs::Uid::from_raw(u), rustix::fs::Gid::from_raw(u));
                    rustix::thread::set_thread_groups(&[]).unwrap();
                    rustix::thread::set_thread_res_gid(gid, gid, gid).unwrap();
                    rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
                }
                for (i, op) in ops.iter().enumerate() {
                    let ours = guest_op(&self.guest, op);
                    let theirs = host_op(&self.dir, op, root);
                    prop_assert_eq!(&ours, &theirs, "step {} of {:?}", i, &ops[..=i]);
                }
                Ok(())
            })
            .join()
            .unwrap()
        })
    }
}

fn ids(user: Option<u32>) -> (u32, u32) {
    let own = || (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    user.map_or_else(own, |u| (u, u))
}

/// Both sides start with one owner and mode, whatever the umask of the tests is.
pub fn prepare(path: &std::path::Path, user: Option<u32>) {
    let (uid, gid) = ids(user);
    let owner = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
    rustix::fs::chown(path, Some(owner.0), Some(owner.1)).unwrap();
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    rustix::process::umask(Mode::from_raw_mode(0o022));
}

/// Makes `before` on a tmpfs, and `after` there or on an overlay over it, which must stay as it is.
pub fn run(
    kind: Kind,
    before: &[Op],
    after: &[Op],
    user: Option<u32>,
) -> Result<(), TestCaseError> {
    let mut pair = Pair::new(user);
    pair.run(before)?;
    if kind == Kind::Tmpfs {
        return pair.run(after);
    }
    let lower = pair.guest.vfs.root().mount().super_block().clone();
    let upper = vfs::overlay(&pair.guest.env, &lower, vfs::MemOptions::default()).unwrap();
    let on_top = Guest::on(pair.guest.memory.clone(), pair.guest.env.clone(), upper);
    let mut beneath = std::mem::replace(&mut pair.guest, on_top);
    beneath.creds = Creds::root();
    let was = snapshot(&beneath);
    pair.enter();
    pair.run(after)?;
    prop_assert_eq!(was, snapshot(&beneath), "the lower tree changed");
    let memory = pair.guest.memory.clone();
    drop((pair, beneath, lower));
    prop_assert_eq!(memory.live_pages(), 0, "pages of files that are gone");
    Ok(())
}
