//! Runs programs natively and inside, and compares.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The sandbox under test.
pub(crate) fn tessera() -> Command {
    Command::new(env!("CARGO_BIN_EXE_tessera"))
}

/// How a guest program is linked.
#[derive(Clone, Copy)]
pub(crate) enum Linkage {
    Dynamic,
    Static,
}

/// A program of the `guests` crate, built now if it is not yet.
pub(crate) fn guest(name: &str, linkage: Linkage) -> PathBuf {
    // One build at a time and each once: the tests of a file run in parallel.
    static BUILT: Mutex<[bool; 2]> = Mutex::new([false; 2]);
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in a workspace");
    let (which, dir) = match linkage {
        Linkage::Dynamic => ("", "dynamic"),
        Linkage::Static => ("-C target-feature=+crt-static", "static"),
    };
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests").join(dir);
    let mut built = BUILT.lock().unwrap_or_else(|e| e.into_inner());
    if !built[linkage as usize] {
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--release", "-p", "guests"])
            .args(["--target", "x86_64-unknown-linux-gnu", "--target-dir"])
            .arg(&target)
            .env("RUSTFLAGS", which)
            .current_dir(root)
            .status()
            .expect("cargo runs");
        assert!(status.success(), "the guest programs are built");
        built[linkage as usize] = true;
    }
    target.join("x86_64-unknown-linux-gnu/release").join(name)
}

/// What a run printed and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: Option<i32>,
}

/// How long a guest may take: generous, a hang is what it finds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs to the end with `input` on standard input; a run that hangs fails the test.
pub(crate) fn finish(command: &mut Command, input: &[u8]) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let input = input.to_vec();
    // A guest that does not read its input ends the writer with EPIPE, which is no failure.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let pid = child.id();
    let watched = std::thread::spawn(move || child.wait_with_output());
    let start = Instant::now();
    while !watched.is_finished() {
        if start.elapsed() > PATIENCE {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
            panic!("{command:?} did not end in {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let out: Output = watched.join().expect("the waiter returns").expect("the child is waited for");
    writer.join().expect("the writer returns");
    Ran {
        stdout: String::from_utf8_lossy(&out.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&out.stderr).into_owned(),
        // By the shell's convention, in which the sandbox reports how its guest ended.
        code: out.status.code().or(out.status.signal().map(|n| 128 + n)),
    }
}

/// Runs `argv` natively and inside with the same environment and input, and demands the same
/// output and status.
pub(crate) fn same_with_input(argv: &[&str], input: &[u8]) {
    let env = [("HOME", "/"), ("LC_ALL", "C"), ("PATH", "/usr/local/bin:/usr/bin:/bin")];
    let native = finish(
        Command::new(argv[0]).args(&argv[1..]).env_clear().envs(env).current_dir("/"),
        input,
    );
    let mut inside = tessera();
    inside.args(["run", "--clear-env", "--cwd", "/"]);
    for (k, v) in env {
        inside.arg("--env").arg(format!("{k}={v}"));
    }
    let inside = finish(inside.arg("--").args(argv), input);
    assert_eq!(inside, native, "{argv:?}: inside (left) differs from native (right)");
}

/// As [`same_with_input`], with nothing on standard input.
pub(crate) fn same(argv: &[&str]) {
    same_with_input(argv, b"");
}

/// One test per line: `name: [argv...];` or `name: [argv...] < input;`. A program that is not
/// installed is passed over, and that is said.
#[macro_export]
macro_rules! same_as_native {
    ($($name:ident: [$($arg:expr),+ $(,)?] $(< $input:expr)?;)*) => {$(
        #[test]
        fn $name() {
            if !std::path::Path::new([$($arg),+][0]).exists() {
                println!("skipped: {} is not installed", [$($arg),+][0]);
                return;
            }
            #[allow(unused_mut, unused_assignments)]
            let mut input: &[u8] = b"";
            $(input = $input;)?
            support::same_with_input(&[$($arg),+], input);
        }
    )*};
}
