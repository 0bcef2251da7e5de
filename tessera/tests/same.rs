//! System calls, call by call: C programs print a line for each check, and what they print in the
//! sandbox is what they print natively. The host kernel is the oracle; no expectation is written
//! down.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Ran, finish, tessera};

/// How a program ends whose host does not know what it checks; `check.h`.
const UNKNOWN: i32 = 77;

/// A new folder that everybody may write.
fn folder(parent: &Path, name: &str) -> PathBuf {
    let dir = parent.join(format!("tessera-same-{name}-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("the folder can be made");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).expect("it is ours");
    dir
}

fn compiled(name: &str, at: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/same/{name}.c"));
    let program = at.join(name);
    let status = Command::new("gcc")
        .args(["-O1", "-w", "-pthread", "-o"])
        .arg(&program)
        .arg(&source)
        .status()
        .expect("gcc runs");
    assert!(status.success(), "{name} compiles");
    program
}

/// Runs a program natively, on a file system in memory as the sandbox has it, and inside.
fn compare(name: &str, user: Option<&str>) {
    let case = format!("{name}-{}", user.unwrap_or("self"));
    let native_dir = folder(Path::new("/dev/shm"), &case);
    let inside_dir = folder(&std::env::temp_dir(), &case);
    // Outside of the folder: what is in it is the program's own.
    let bin = folder(&std::env::temp_dir(), &format!("{case}-bin"));
    let program = compiled(name, &bin);
    let native = finish(Command::new(&program).arg(&native_dir).args(user), b"");
    let inside =
        finish(tessera().args(["run", "--"]).arg(&program).arg(&inside_dir).args(user), b"");
    for dir in [native_dir, inside_dir, bin] {
        fs::remove_dir_all(dir).expect("removable");
    }
    if native.code == Some(UNKNOWN) {
        eprintln!("{name} is not compared: the host's kernel is too old, or forbids it");
        return;
    }
    let (ours, theirs): (Vec<_>, Vec<_>) =
        (inside.stdout.lines().collect(), native.stdout.lines().collect());
    let first = ours.iter().zip(&theirs).position(|(a, b)| a != b);
    let at = first.unwrap_or(ours.len().min(theirs.len()));
    let ended = |r: &Ran| (r.code, r.stderr.clone());
    assert!(
        ours == theirs && ended(&inside) == ended(&native),
        "{name} line {}: inside {:?}, natively {:?}; ended {:?} and {:?}",
        at + 1,
        ours.get(at),
        theirs.get(at),
        ended(&inside),
        ended(&native),
    );
    assert!(theirs.len() > 10, "{name} checked something: {native:?}");
}

macro_rules! programs {
    ($($name:ident)*) => {$(
        mod $name {
            #[test]
            fn as_it_is() {
                super::compare(stringify!($name), None);
            }

            #[test]
            fn as_a_user() {
                super::compare(stringify!($name), Some("1000"));
            }
        }
    )*};
}

programs! {
    account
    acl
    address
    admin
    aio
    attr
    bases
    call
    cgroup
    chattr
    copy
    core
    devpts
    dispatch
    diag
    dnotify
    droppable
    elf
    exec
    fcntl
    filecaps
    filter
    gone
    group
    handle
    inet
    ipc
    keys
    landlock
    lease
    mdwe
    mount
    mountfd
    mq
    mqfs
    nameless
    names
    namespaces
    netlink
    net
    notify
    nsfs
    numa
    oob
    open
    option
    packet
    pagemap
    pages
    pidfd
    pidns
    pidns_ids
    pidns_proc
    pipe
    proc
    procmap
    random_files
    random_sockets
    raw
    remap
    rights
    rw
    sched
    setmm
    sig
    sysctl
    tcp
    timens
    timer
    trace
    trace_end
    trace_stop
    tty
    xattrat
    udp
    urgent
    userns
    userns_rights
}
