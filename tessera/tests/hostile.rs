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
    borrowed_threads "borrowed-threads";
    trace_at_random "trace-at-random";
    trace_and_end "trace-and-end";
    trace_often "trace-often";
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
