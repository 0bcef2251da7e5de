//! Argument limits: the host kernel must agree at every edge.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;

use common::{HostFiles, args, elf};
use loader::{Blob, resolve};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

fn put(name: &str, bytes: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("loader-limits-{name}-{}", std::process::id()));
    std::fs::write(&path, bytes).expect("write");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("chmod");
    path
}

/// The error number, 0 for none, of running `path` with the lengths of these arguments.
fn on_host(path: &Path, lens: &[usize]) -> i32 {
    use std::os::unix::process::CommandExt;
    let text = "a".repeat(lens.iter().copied().max().unwrap_or(0));
    loop {
        let mut command = Command::new(path);
        command.env_clear().arg0("").args(lens.iter().map(|&n| &text[..n]));
        match command.status() {
            Ok(_) => return 0,
            Err(e) if e.raw_os_error() == Some(26) => std::thread::yield_now(),
            Err(e) => return e.raw_os_error().expect("errno"),
        }
    }
}

fn ours(path: &Path, lens: &[usize], stack_limit: u64) -> i32 {
    let text = vec![b'a'; lens.iter().copied().max().unwrap_or(0)];
    let bytes = std::fs::read(path).expect("read");
    let mut args = args(path.as_os_str().as_bytes(), Arc::new(Blob::new(bytes)));
    args.argv = std::iter::once(&b""[..]).chain(lens.iter().map(|&n| &text[..n])).collect();
    args.layout.stack_limit = stack_limit;
    match resolve(&args, &mut HostFiles) {
        Ok(_) => 0,
        Err(e) => e.errno().number().into(),
    }
}

/// `RLIMIT_STACK` of this process, in bytes.
fn stack_limit() -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("limits");
    let line = limits.lines().find(|l| l.starts_with("Max stack size")).expect("stack");
    line.split_whitespace().nth(3).expect("soft limit").parse().unwrap_or(u64::MAX)
}

#[test]
fn one_argument_at_its_edge() {
    let path = put("one", &elf::program(elf::ET_EXEC, 0x40_0000, 0));
    for len in [131_070, 131_071, 131_072, 131_073] {
        let expected = if len < 131_072 { 0 } else { 7 };
        assert_eq!(ours(&path, &[len], stack_limit()), expected, "{len}");
        assert_eq!(on_host(&path, &[len]), expected, "{len}");
    }
    std::fs::remove_file(path).expect("remove");
}

#[test]
fn all_arguments_at_their_edge() {
    let limit = stack_limit();
    let program = put("all", &elf::program(elf::ET_EXEC, 0x40_0000, 0));
    let script = put("script", format!("#!{} argument\n", program.display()).as_bytes());
    for path in [&program, &script] {
        // As many arguments as nearly fill the room, and a last one that finds the edge.
        let room = (limit / 4).clamp(131_072, 6 << 20) as usize;
        let mut lens = vec![100_000; (room - 90_000) / 100_009];
        lens.push(0);
        let last = lens.len() - 1;
        let fits = |lens: &[usize]| ours(path, lens, limit) == 0;
        let (mut low, mut high) = (0, 131_071);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            lens[last] = middle;
            if fits(&lens) { low = middle } else { high = middle }
        }
        for len in low - 3..=low + 4 {
            lens[last] = len;
            assert_eq!(on_host(path, &lens), ours(path, &lens, limit), "{path:?} {len} of {low}");
        }
    }
    for path in [program, script] {
        std::fs::remove_file(path).expect("remove");
    }
}
