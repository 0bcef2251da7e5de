//! Standard streams that are files: their position belongs to everybody who shares it.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::path::PathBuf;
use std::process::Command;
use support::{finish, tessera};

/// A fresh file name.
fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("tessera-streams-{}-{name}", std::process::id()))
}

/// Runs a shell line in which `$R` starts a program, natively or inside, and returns what is in
/// the file `$F` afterwards.
fn contents(name: &str, line: &str, inside: bool) -> String {
    let file = path(name);
    let _ = std::fs::remove_file(&file);
    let run = tessera();
    let run = run.get_program().to_str().expect("UTF-8");
    let start = if inside { format!("{run} run --") } else { "env".to_owned() };
    let ran =
        finish(Command::new("/bin/bash").args(["-c", line]).env("R", start).env("F", &file), b"");
    assert_eq!((ran.code, &*ran.stderr), (Some(0), ""), "{ran:?}");
    let text = std::fs::read(&file).expect("the line has made the file");
    let _ = std::fs::remove_file(&file);
    String::from_utf8_lossy(&text).into_owned()
}

fn same(name: &str, line: &str) {
    let (inside, native) = (contents(name, line, true), contents(name, line, false));
    assert_eq!(inside, native, "{line}: inside (left) differs from native (right)");
}

#[test]
fn output_and_error_in_one_file() {
    same(
        "both",
        "$R /bin/bash -c 'echo a; echo longer >&2; (echo b; echo c >&2); /bin/echo d' > $F 2>&1",
    );
}

#[test]
fn the_parent_goes_on_where_the_sandbox_ended() {
    same("parent", "(echo a; $R /bin/echo b; echo c; $R /bin/echo d >&2; echo e) > $F 2>&1");
}

#[test]
fn input_is_left_where_the_guest_stopped() {
    same(
        "input",
        "seq 5 > $F.in; (read a; $R /bin/bash -c 'read b; echo $b'; cat) < $F.in > $F; rm $F.in",
    );
}

#[test]
fn appending() {
    same("append", "echo a > $F; $R /bin/bash -c 'echo b; echo c >&2' >> $F 2>> $F");
}

#[test]
fn positions_that_a_guest_sets() {
    let python = "import os; os.write(1, b'0123456789'); os.pwrite(1, b'x', 2); print(os.lseek(2, 4, 0)); \
                  os.write(1, b'y'); os.lseek(1, 0, 2); os.write(2, b'z'); os.ftruncate(1, 8)";
    same("seek", &format!("$R python3 -c \"{python}\" > $F 2>&1; echo end >> $F"));
}

#[test]
fn several_sandboxes_at_a_time() {
    let line = "for i in 1 2 3; do $R /bin/bash -c 'for ((i = 0; i < 40; i++)); do echo line; done' & done > $F 2>&1; wait";
    assert_eq!(contents("several", line, true), "line\n".repeat(120));
}
