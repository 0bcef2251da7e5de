//! The steps of `cargo xtask ci`.

use crate::manifests::{self, LIBRARIES};
use crate::shell::{cargo, root, run, target};
use std::time::Instant;

type Step = (&'static str, &'static str, fn() -> Result<(), String>);

const STEPS: &[Step] = &[
    ("format", "every file is as rustfmt writes it", format),
    ("manifests", "dependencies are used, the minimum Rust version is stated", manifests::check),
    ("clippy", "no lint is violated in any target", clippy),
    ("test", "unit, property, oracle, end-to-end and doc tests", test),
    ("main-job", "what the README begins with runs as it is written there", main_job),
    ("loom", "every interleaving of the concurrent parts", loom),
    ("docs", "the documentation builds without a broken link", docs),
    ("package", "each library crate can be packaged", package),
    ("fuzz-corpus", "what the fuzz targets check holds for their corpora", fuzz_corpus),
    ("no-std", "the six crates link into a freestanding binary", no_std),
];

/// Names the steps.
pub(crate) fn list() {
    for (name, what, _) in STEPS {
        println!("{name:10} {what}");
    }
}

/// Runs one step, or all in order up to the first that fails.
pub(crate) fn run_steps(only: Option<&str>) -> Result<(), String> {
    if let Some(name) = only.filter(|n| !STEPS.iter().any(|s| s.0 == *n)) {
        return Err(format!("no step is called {name}; cargo xtask ci --list names them"));
    }
    for (name, what, step) in STEPS {
        if only.is_some_and(|o| o != *name) {
            continue;
        }
        eprintln!("== {name}: {what}");
        let start = Instant::now();
        step().map_err(|e| format!("step {name} failed: {e}"))?;
        eprintln!("== {name}: ok, {:.0} s", start.elapsed().as_secs_f64());
    }
    Ok(())
}

fn format() -> Result<(), String> {
    run(&mut cargo(&["fmt", "--all", "--check"]))
}

fn clippy() -> Result<(), String> {
    run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn test() -> Result<(), String> {
    run(&mut cargo(&["test", "--workspace"]))
}

/// The first command of the README but for `--release`: the tests have built the rest already.
fn main_job() -> Result<(), String> {
    let readme = std::fs::read_to_string(root().join("README.md")).map_err(|e| e.to_string())?;
    let prefix = "$ cargo run --release -- ";
    let line = readme.lines().find_map(|l| l.strip_prefix(prefix)).ok_or("README: no main job")?;
    let job = line.split('#').next().unwrap_or(line).split_whitespace();
    let mut command = cargo(&["run", "--quiet", "--"]);
    let out = command.args(job).output().map_err(|e| format!("{command:?}: {e}"))?;
    if out.status.success() && !out.stdout.is_empty() {
        return Ok(());
    }
    Err(format!("{command:?}: {}\n{}", out.status, String::from_utf8_lossy(&out.stderr)))
}

fn loom() -> Result<(), String> {
    let dir = target().join("loom");
    for package in ["futex", "mm", "systrap"] {
        if !root().join(package).join("tests/loom.rs").exists() {
            continue;
        }
        run(cargo(&["test", "--release", "-p", package, "--test", "loom"])
            .env("RUSTFLAGS", "--cfg loom")
            .env("CARGO_TARGET_DIR", &dir))?;
    }
    Ok(())
}

fn docs() -> Result<(), String> {
    run(cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
}

fn package() -> Result<(), String> {
    // All in one go: those that are not published yet find each other.
    let mut command = cargo(&["package", "--quiet", "--no-verify", "--allow-dirty"]);
    run(command.args(LIBRARIES.iter().flat_map(|c| ["--package", c])))
}

fn fuzz_corpus() -> Result<(), String> {
    run(cargo(&["test", "--manifest-path", "fuzz/Cargo.toml", "--lib"])
        .env("CARGO_TARGET_DIR", target().join("fuzz-corpus")))
}

fn no_std() -> Result<(), String> {
    // It links without std or C library, and then runs them all once.
    run(cargo(&["run", "--release", "--manifest-path", "freestanding/Cargo.toml"])
        .env("CARGO_TARGET_DIR", target().join("freestanding")))
}
