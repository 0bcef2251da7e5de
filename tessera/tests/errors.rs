//! Bad input: the right exit code and one clear line.

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::os::unix::fs::PermissionsExt;
use support::{Ran, finish, tessera};

fn run(argv: &[&str]) -> Ran {
    finish(tessera().args(["run", "--"]).args(argv), b"")
}

fn file(name: &str, bytes: &[u8], mode: u32) -> String {
    let path = std::env::temp_dir().join(format!("tessera-{}-{name}", std::process::id()));
    std::fs::write(&path, bytes).expect("the temporary folder is writable");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("chmod");
    path.to_str().expect("UTF-8").into()
}

fn one_line(ran: &Ran, code: i32, words: &str) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    assert_eq!(ran.stderr.trim_end().lines().count(), 1, "{ran:?}");
    assert!(ran.stderr.contains(words), "{words:?} not in {ran:?}");
}

#[test]
fn not_found() {
    one_line(&run(&["/no/such/program"]), 127, "/no/such/program");
}

#[test]
fn not_found_on_path() {
    one_line(&run(&["no-such-program-anywhere"]), 127, "no-such-program-anywhere");
}

#[test]
fn a_directory() {
    one_line(&run(&["/usr"]), 126, "directory");
}

#[test]
fn no_permission() {
    let f = file("noexec", b"#!/bin/sh\n", 0o644);
    one_line(&run(&[&f]), 126, "ermission");
}

#[test]
fn not_an_elf() {
    let f = file("garbage", b"\x01\x02\x03 not a program", 0o755);
    one_line(&run(&[&f]), 126, &f);
}

#[test]
fn truncated_elf() {
    let bytes = std::fs::read("/bin/true").expect("/bin/true is readable");
    let f = file("truncated", &bytes[..100], 0o755);
    one_line(&run(&[&f]), 126, &f);
}

#[test]
fn wrong_machine() {
    let mut bytes = std::fs::read("/bin/true").expect("/bin/true is readable");
    bytes[18] = 0xf3; // EM_RISCV
    let f = file("riscv", &bytes, 0o755);
    one_line(&run(&[&f]), 126, &f);
}

#[test]
fn missing_script_interpreter() {
    let f = file("script", b"#!/no/such/interpreter\n", 0o755);
    one_line(&run(&[&f]), 127, &f);
}

#[test]
fn looping_script() {
    let f = file("loop", b"", 0o755);
    std::fs::write(&f, format!("#!{f}\n")).expect("writable");
    one_line(&run(&[&f]), 126, &f);
}

#[test]
fn killed_by_a_signal() {
    assert_eq!(run(&["/bin/sh", "-c", "kill -KILL $$"]).code, Some(137));
    assert_eq!(run(&["/bin/sh", "-c", "kill -SEGV $$"]).code, Some(139));
}

#[test]
fn out_of_memory() {
    let script = "b = []\nwhile True: b.append(bytearray(1 << 20))";
    let ran = finish(
        tessera().args(["run", "--memory", "64M", "--", "/usr/bin/python3", "-c", script]),
        b"",
    );
    // Asked for at once more than there is, a guest is told so; piece by piece, it is ended.
    match ran.code {
        Some(137) => one_line(&ran, 137, "64 MiB"),
        code => assert!(code == Some(1) && ran.stderr.contains("MemoryError"), "{ran:?}"),
    }
}

/// What is sent to the sandbox reaches the guest, which may do as it likes.
#[test]
fn signals_reach_the_guest() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    for (name, trap, code) in [("TERM", true, 5), ("USR1", true, 5), ("TERM", false, 143)] {
        let script = if trap { format!("trap 'exit 5' {name};") } else { String::new() };
        let script = format!("{script} echo ready; while :; do sleep 0.05; done");
        let mut command = tessera();
        command.args(["run", "--", "/bin/sh", "-c", &script]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("piped");
        BufReader::new(out).read_line(&mut line).expect("reads");
        assert_eq!(line, "ready\n");
        let pid = child.id().to_string();
        Command::new("kill").args([&format!("-{name}"), &pid]).status().expect("kill runs");
        assert_eq!(child.wait().expect("ends").code(), Some(code), "{name} {trap}");
    }
}

#[test]
fn unknown_option() {
    let ran = finish(tessera().args(["run", "--no-such-option"]), b"");
    assert_eq!(ran.code, Some(125), "{ran:?}");
}
