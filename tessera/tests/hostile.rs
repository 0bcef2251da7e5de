//! Guests that mean harm: they end alone, and whoever runs beside them notices nothing.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use support::{Linkage, finish, guest, tessera};

/// Runs one way of `hostile` beside an innocent process in the same sandbox, which must finish its
/// work with the right result, and start new programs afterwards.
fn alone(way: &str) {
    let hostile = guest("hostile", Linkage::Dynamic);
    let script = format!(
        "(for i in $(seq 200); do echo $i; done | sort -n | tail -n 1) & innocent=$!\n\
         {hostile} {way} >/dev/null 2>&1\n\
         wait $innocent && /bin/echo still here",
        hostile = hostile.display()
    );
    let ran =
        finish(tessera().args(["run", "--memory", "512M", "--", "/bin/bash", "-c", &script]), b"");
    assert_eq!(ran.code, Some(0), "{way}: {ran:?}");
    assert_eq!(ran.stdout, "200\nstill here\n", "{way}: {ran:?}");
    assert!(!ran.stderr.contains("panicked"), "{way}: {ran:?}");
}

macro_rules! ways {
    ($($name:ident $way:literal;)*) => {$(
        #[test]
        fn $name() {
            alone($way);
        }
    )*};
}

ways! {
    scribble "scribble";
    jump "jump";
    wild_pointers "wild-pointers";
    unknown_syscalls "unknown-syscalls";
    kill_self "kill-self";
    kill_everyone_above "kill-everyone-above";
    bad_sigreturn "bad-sigreturn";
    stack_overflow "stack-overflow";
    memory_hog "memory-hog";
    fd_hog "fd-hog";
    segment_registers "segment-registers";
    protection_keys "protection-keys";
    borrowed_threads "borrowed-threads";
    trace_at_random "trace-at-random";
    trace_and_end "trace-and-end";
    trace_often "trace-often";
    namespaces_at_random "namespaces-at-random";
}

/// What a guest makes the kernel keep counts against the guest's memory, though each object is small.
#[test]
fn what_the_kernel_keeps_is_bounded() {
    let hostile = guest("hostile", Linkage::Dynamic);
    let script = format!("{} kernel-hog; echo $?", hostile.display());
    let ran =
        finish(tessera().args(["run", "--memory", "512M", "--", "/bin/bash", "-c", &script]), b"");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "137\n"), "{ran:?}");
}

/// User namespaces that only descriptors hold, 33 in each other, are so many and not more; with the
/// descriptors they go, the deepest first.
#[test]
fn namespaces_are_bounded() {
    let python = "import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def put(file, text):
    f = os.open('/proc/self/' + file, os.O_WRONLY)
    os.write(f, text)
    os.close(f)
me = os.getuid(), os.getgid()
def chain():
    ready, go = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        n = 0
        while libc.unshare(0x10000000) == 0:
            n += 1
            uid, gid = me if n == 1 else (0, 0)
            put('setgroups', b'deny')
            put('uid_map', f'0 {uid} 1'.encode())
            put('gid_map', f'0 {gid} 1'.encode())
        os.write(ready[1], bytes([n, ctypes.get_errno()]))
        os.read(go[0], 1)
        os._exit(0)
    n, error = os.read(ready[0], 2)
    kept = os.open(f'/proc/{pid}/ns/user', os.O_RDONLY)
    os.write(go[1], b'x')
    for end in ready + go: os.close(end)
    os.waitpid(pid, 0)
    return n, error, kept
chains = [chain() for _ in range(33)]
print(sum(n for n, _, _ in chains), {os.strerror(e) for _, e, _ in chains})
for _, _, fd in chains: os.close(fd)
print(chain()[0])";
    let ran = finish(
        tessera().args(["run", "--memory", "512M", "--", "/usr/bin/python3", "-c", python]),
        b"",
    );
    assert_eq!(ran.stdout, "1024 {'No space left on device'}\n33\n", "{ran:?}");
}

/// Nothing that a guest writes reaches the host.
#[test]
fn the_host_is_unchanged() {
    let dir = std::env::temp_dir().join(format!("tessera-unchanged-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("the temporary folder is writable");
    std::fs::write(dir.join("kept"), "before").expect("writable");
    let script = format!(
        "cd {dir} && echo after > kept && echo new > new && mkdir sub && chmod 700 . && mv kept moved && cat moved new",
        dir = dir.display()
    );
    let ran = finish(tessera().args(["run", "--", "/bin/bash", "-c", &script]), b"");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "after\nnew\n"), "{ran:?}");
    let names: Vec<_> = std::fs::read_dir(&dir)
        .expect("readable")
        .map(|e| e.expect("readable").file_name())
        .collect();
    assert_eq!(names, ["kept"]);
    assert_eq!(std::fs::read_to_string(dir.join("kept")).expect("readable"), "before");
    std::fs::remove_dir_all(&dir).expect("removable");
}

/// A directory given with --rw is written through.
#[test]
fn rw_directories_are_the_hosts() {
    let dir = std::env::temp_dir().join(format!("tessera-rw-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("the temporary folder is writable");
    let d = dir.to_str().expect("UTF-8");
    let script = format!("cd {d} && echo one > a && mkdir b && echo two > b/c && mv a b/a && ls b");
    let ran = finish(tessera().args(["run", "--rw", d, "--", "/bin/bash", "-c", &script]), b"");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "a\nc\n"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(dir.join("b/a")).expect("readable"), "one\n");
    assert_eq!(std::fs::read_to_string(dir.join("b/c")).expect("readable"), "two\n");
    std::fs::remove_dir_all(&dir).expect("removable");
}
