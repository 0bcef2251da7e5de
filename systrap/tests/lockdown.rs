//! What a process can still do after it has locked itself down. Each case is a process of its own:
//! the test program once more, with the name of what it is to do.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, exit};
use systrap::hostfs::open_dir;
use systrap::lockdown::{Confinement, Grants, lock_down};

/// Names the case that the child is to run.
const CASE: &str = "LOCKDOWN_CASE";
/// The directory that it may use.
const DIR: &str = "LOCKDOWN_DIR";
const SIGSYS: i32 = 31;

struct TempDir(PathBuf);

impl TempDir {
    fn new(name: &str) -> TempDir {
        let dir = std::env::temp_dir().join(format!("lockdown-{}-{name}", std::process::id()));
        fs::create_dir_all(dir.join("rw/sub")).unwrap();
        fs::write(dir.join("file"), "text").unwrap();
        TempDir(dir)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(case: &str) -> Output {
    let dir = TempDir::new(case);
    let program = std::env::current_exe().unwrap();
    Command::new(program)
        .args(["--exact", "child", "--nocapture"])
        .env(CASE, case)
        .env(DIR, &dir.0)
        .output()
        .unwrap()
}

fn succeeds(case: &str) {
    let out = run(case);
    assert!(out.status.success(), "{case}: {out:?}");
}

fn is_killed(case: &str) {
    let out = run(case);
    assert_eq!(out.status.signal(), Some(SIGSYS), "{case}: {out:?}");
}

/// Does nothing unless it is run by one of the others.
#[test]
fn child() {
    let (Ok(case), Some(dir)) = (std::env::var(CASE), std::env::var_os(DIR)) else { return };
    let dir = Path::new(&dir);
    match &*case {
        "reads" => reads(dir),
        "writes" => writes(dir),
        "privileges" => privileges(),
        "refusals" => refusals(dir),
        way_out => leave(dir, way_out),
    }
    exit(0);
}

fn read_only(root: &Path) -> Confinement {
    lock_down(&Grants { root, writable: &[] }).unwrap()
}

fn kind<T>(result: std::io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|e| e.kind())
}

fn reads(dir: &Path) {
    let root = open_dir(dir, false).unwrap();
    let done = read_only(dir);
    assert_eq!(fs::read(dir.join("file")).unwrap(), b"text");
    let (file, stat) = root.clone().child(b"file").unwrap();
    assert_eq!(stat.size, 4);
    let mut buf = [0; 4];
    assert_eq!(file.read_at(&mut buf, 0), Ok(4));
    let mut names = 0;
    root.read_dir(0, &mut |_| {
        names += 1;
        true
    })
    .unwrap();
    assert_eq!(names, 4);
    if done.files {
        assert_eq!(kind(fs::read("/etc/passwd")), Some(ErrorKind::PermissionDenied));
        assert_eq!(kind(fs::read_dir("/")), Some(ErrorKind::PermissionDenied));
    }
    // Memory for the heap, and threads' words.
    let large = vec![1u8; 64 << 20];
    assert_eq!(large.iter().map(|b| usize::from(*b)).sum::<usize>(), large.len());
    let mut random = [0; 16];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1));
}

fn refusals(dir: &Path) {
    let denied = Some(ErrorKind::PermissionDenied);
    read_only(dir);
    assert_eq!(kind(fs::write(dir.join("file"), "changed")), denied);
    assert_eq!(kind(fs::write(dir.join("new"), "made")), denied);
    assert_eq!(kind(fs::create_dir(dir.join("rw/new"))), Some(ErrorKind::Unsupported));
    assert_eq!(kind(fs::remove_file(dir.join("file"))), Some(ErrorKind::Unsupported));
    // No threads, no processes, no signals to others, no made-up terminal input.
    let spawned = std::thread::Builder::new().spawn(|| ());
    assert_eq!(kind(spawned.map(drop)), Some(ErrorKind::Unsupported));
    assert!(Command::new("/bin/true").spawn().is_err());
    let own = rustix::process::getpid();
    let term = rustix::process::kill_process(own, rustix::process::Signal::TERM);
    assert_eq!(term, Err(rustix::io::Errno::NOSYS));
    let exclusive = rustix::termios::ioctl_tiocexcl(std::io::stdin());
    assert_eq!(exclusive, Err(rustix::io::Errno::PERM));
}

fn writes(dir: &Path) {
    let rw = [dir.join("rw")];
    let done = lock_down(&Grants { root: dir, writable: &rw }).unwrap();
    let rw = &rw[0];
    fs::write(rw.join("a"), "new").unwrap();
    rustix::fs::renameat(rustix::fs::CWD, rw.join("a"), rustix::fs::CWD, rw.join("sub/b")).unwrap();
    assert_eq!(fs::read(rw.join("sub/b")).unwrap(), b"new");
    assert_eq!(fs::read(dir.join("file")).unwrap(), b"text");
    rustix::fs::unlinkat(rustix::fs::CWD, rw.join("sub/b"), rustix::fs::AtFlags::empty()).unwrap();
    let (kind_, mode) = (rustix::fs::FileType::CharacterDevice, 0o600.into());
    let null = rustix::fs::makedev(1, 3);
    let device = rustix::fs::mknodat(rustix::fs::CWD, rw.join("null"), kind_, mode, null);
    assert_eq!(device, Err(rustix::io::Errno::PERM));
    if done.files {
        assert_eq!(kind(fs::write(dir.join("file"), "x")), Some(ErrorKind::PermissionDenied));
        assert_eq!(kind(fs::write(dir.join("new"), "x")), Some(ErrorKind::PermissionDenied));
    }
}

fn privileges() {
    read_only(Path::new("/"));
    // Capabilities are a thread's own.
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(name)).unwrap();
        line.trim().to_owned()
    };
    const DAC_READ_SEARCH: u64 = 1 << 2;
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        let bits = u64::from_str_radix(&field(set), 16).unwrap();
        assert_eq!(bits & !DAC_READ_SEARCH, 0, "{set}");
    }
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("Seccomp:"), "2");
}

fn leave(dir: &Path, how: &str) {
    read_only(dir);
    match how {
        "exec" => {
            let _ = Command::new("/bin/true").exec();
        }
        "socket" => {
            let _ = std::net::UdpSocket::bind("127.0.0.1:0");
        }
        "unix-socket" => {
            let _ = std::os::unix::net::UnixStream::pair();
        }
        "chroot" => {
            let _ = rustix::process::chroot("/");
        }
        "hostname" => {
            let _ = rustix::system::sethostname(b"other");
        }
        other => panic!("no case is called {other}"),
    }
}

#[test]
fn what_the_sentry_does_still_works() {
    succeeds("reads");
}

#[test]
fn writable_directories_stay_writable_and_nothing_else() {
    succeeds("writes");
}

#[test]
fn what_nobody_needs_is_refused() {
    succeeds("refusals");
}

#[test]
fn privileges_are_gone() {
    succeeds("privileges");
}

#[test]
fn ways_out_end_the_process() {
    for how in ["exec", "socket", "unix-socket", "chroot", "hostname"] {
        is_killed(how);
    }
}
