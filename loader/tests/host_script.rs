//! Scripts: the host kernel executes each, and must agree with the loader on the error or on the
//! arguments that the interpreter gets.
#![cfg(target_os = "linux")]

mod common;

use common::oracle::Oracle;
use common::{HostFiles, args};
use loader::{Blob, LoadError, resolve};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder with an interpreter that prints its arguments, each with a NUL behind it.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let path = std::env::temp_dir().join(format!("lds-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("temporary folder");
        let exe = std::env::current_exe().expect("own path");
        let _ = std::fs::remove_file(path.join("show"));
        std::os::unix::fs::symlink(exe, path.join("show")).expect("symlink");
        Dir(path)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, bytes).expect("write");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("chmod");
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

type Argv = Vec<Vec<u8>>;

/// This test program is the interpreter too: `cat /proc/self/cmdline` of itself, in effect. The
/// marker in the environment says that it is asked to be.
fn show_own_arguments() -> bool {
    if std::env::var_os("LOADER_TEST_SHOW").is_none() {
        return false;
    }
    use std::io::Write;
    let line = std::fs::read("/proc/self/cmdline").expect("cmdline");
    std::io::stdout().write_all(&line).expect("stdout");
    true
}

fn on_host(dir: &Dir, path: &Path, argv: &[&[u8]]) -> Result<Argv, i32> {
    use std::os::unix::process::CommandExt;
    loop {
        let mut command = std::process::Command::new(path);
        command.env_clear().env("LOADER_TEST_SHOW", "1").current_dir(&dir.0);
        command.arg0(OsStr::from_bytes(argv[0]));
        command.args(argv[1..].iter().map(|a| OsStr::from_bytes(a)));
        match command.output() {
            Ok(out) => {
                let mut parts: Argv = out.stdout.split(|&b| b == 0).map(<[u8]>::to_vec).collect();
                parts.pop();
                return Ok(parts);
            }
            Err(e) if e.raw_os_error() == Some(26) => std::thread::yield_now(),
            Err(e) => return Err(e.raw_os_error().expect("errno")),
        }
    }
}

/// As [`HostFiles`], from a folder.
struct From<'a>(&'a Path);

impl loader::Resolve for From<'_> {
    fn open(&mut self, path: &[u8]) -> Result<Arc<dyn loader::Executable>, syserr::Errno> {
        let joined = self.0.join(OsStr::from_bytes(path));
        HostFiles.open(joined.as_os_str().as_bytes())
    }
}

fn ours(dir: &Dir, path: &Path, argv: &[&[u8]]) -> Result<Argv, LoadError> {
    let bytes = std::fs::read(path).expect("read");
    let name = path.as_os_str().as_bytes();
    let mut args = args(name, Arc::new(Blob::new(bytes)));
    args.argv = argv.to_vec();
    args.arch = None;
    let found = resolve(&args, &mut From(&dir.0))?;
    Ok(found.argv.iter().map(|a| a.to_vec()).collect())
}

fn compare(dir: &Dir, path: &Path, argv: &[&[u8]], differences: &mut Vec<String>) {
    let host = on_host(dir, path, argv);
    let ours = ours(dir, path, argv);
    let agree = match (&host, &ours) {
        (Ok(a), Ok(b)) => a == b,
        (Err(n), Err(e)) => *n == i32::from(e.errno().number()),
        _ => false,
    };
    if !agree {
        let lossy = |v: &Argv| -> Vec<String> {
            v.iter().map(|a| String::from_utf8_lossy(a).into_owned()).collect()
        };
        let text = std::fs::read(path).expect("read");
        differences.push(format!(
            "{:?}: host {:?}, ours {:?}",
            String::from_utf8_lossy(&text),
            host.as_ref().map(lossy),
            ours.as_ref().map(lossy)
        ));
    }
}

fn shapes(show: &str) -> Vec<Vec<u8>> {
    let mut out: Vec<Vec<u8>> = [
        "#!{}\n",
        "#!{}",
        "#! {}\n",
        "#!\t {}\t \n",
        "#!{} one\n",
        "#!{} one",
        "#!{} one two \n",
        "#!{} one two ",
        "#!{}\tone\ttwo\t\n",
        "#!{}\r\n",
        "#!{} one\0two\n",
        "#!{}\0one\n",
        "#!{} \0one\n",
        "#!\0{}\n",
        "#!",
        "#!\n",
        "#! \n",
        "#!   ",
        "#!\t\t\t\n\n",
        "#",
        "#!\0",
        "#!./show rel\n",
        "#!show\n",
        "#!missing\n",
        "#!/\n",
        "#!./\n",
        "#!{}/x\n",
        "#!.\n",
        "# !{}\n",
        " #!{}\n",
        "#!{}\n#!{} later\n",
        "#!{} -x  y   \t z\n",
        "#! \0 a\n",
        "#!\u{e4}\n",
    ]
    .iter()
    .map(|s| s.replace("{}", show).into_bytes())
    .collect();
    // Around the 256 bytes that are looked at.
    for total in 245..=262 {
        for end in ["", "\n", " ", " \n", "x\n", "\0", "\0\n"] {
            // A long argument, a long path, and blanks before the path.
            let mut line = format!("#!{show} ").into_bytes();
            line.resize(total, b'a');
            line.extend_from_slice(end.as_bytes());
            out.push(line);
            let pad = "/".repeat(total.saturating_sub(2 + show.len()));
            out.push(format!("#!{pad}{show}{end}").into_bytes());
            let pad = " ".repeat(total.saturating_sub(2 + show.len()));
            out.push(format!("#!{pad}{show}{end}").into_bytes());
            let pad = " ".repeat(total.saturating_sub(2 + show.len()));
            out.push(format!("#!{show}{pad}{end}").into_bytes());
            let pad = " ".repeat(total.saturating_sub(2 + show.len() + 1));
            out.push(format!("#!{show}{pad}b{end}").into_bytes());
        }
    }
    out
}

fn every_shape_of_line() {
    let dir = Dir::new("shapes");
    let show = dir.0.join("show");
    let mut differences = Vec::new();
    for shape in shapes(show.to_str().expect("UTF-8")) {
        let path = dir.put("script", &shape);
        compare(&dir, &path, &[b"zero", b"one", b"", b"two words"], &mut differences);
    }
    report(&differences);
}

fn random_lines() {
    use proptest::strategy::{Just, Strategy};
    let dir = Dir::new("random");
    let show = dir.0.join("show").into_os_string().into_encoded_bytes();
    let piece = proptest::prop_oneof![
        3 => Just(show.clone()),
        3 => Just(b" ".to_vec()),
        1 => Just(b"\t".to_vec()),
        1 => Just(b"\n".to_vec()),
        1 => Just(b"\0".to_vec()),
        2 => Just(b"arg".to_vec()),
        1 => (1usize..250).prop_map(|n| vec![b' '; n]),
        1 => (1usize..250).prop_map(|n| vec![b'/'; n]),
        1 => (1usize..250).prop_map(|n| vec![b'x'; n]),
    ];
    let pieces = proptest::collection::vec(piece, 0..7);
    let mut oracle = Oracle::new("scripts", 128);
    oracle.run(&pieces, |pieces| {
        let path = dir.put("script", &[b"#!", &pieces.concat()[..]].concat());
        let mut differences = Vec::new();
        compare(&dir, &path, &[b"zero", b"one"], &mut differences);
        differences.pop()
    });
    oracle.finish();
}

fn nesting() {
    let dir = Dir::new("nest");
    let mut differences = Vec::new();
    let mut below = dir.0.join("show");
    for depth in 1..9 {
        let text = format!("#!{} arg{depth}\n", below.display());
        let path = dir.put(&format!("s{depth}"), text.as_bytes());
        compare(&dir, &path, &[b"zero", b"one"], &mut differences);
        below = path;
    }
    let own = dir.0.join("loop");
    let path = dir.put("loop", format!("#!{}\n", own.display()).as_bytes());
    compare(&dir, &path, &[b"zero"], &mut differences);
    report(&differences);
}

fn interpreters_that_cannot_run() {
    let dir = Dir::new("cannot");
    let mut differences = Vec::new();
    let plain = dir.put("plain", b"text");
    dir.put("empty", b"");
    dir.put("elf", b"\x7fELF");
    std::fs::copy(&plain, dir.0.join("noexec")).expect("copy");
    std::fs::set_permissions(dir.0.join("noexec"), PermissionsExt::from_mode(0o644)).expect("mode");
    for name in ["plain", "empty", "elf", "noexec", "absent", "plain/below"] {
        let text = format!("#!{}/{name} a\n", dir.0.display());
        let path = dir.put("script", text.as_bytes());
        compare(&dir, &path, &[b"zero"], &mut differences);
    }
    report(&differences);
}

fn report(differences: &[String]) {
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

/// Without the usual test harness, since the program is also its own interpreter.
fn main() {
    if show_own_arguments() {
        return;
    }
    every_shape_of_line();
    random_lines();
    nesting();
    interpreters_that_cannot_run();
    println!("test result: ok. 4 passed");
}
