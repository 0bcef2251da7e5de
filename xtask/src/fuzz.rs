//! `cargo xtask fuzz`: one of the targets of `fuzz/` for a time.

use crate::shell::{cargo, root, run as run_command};
use std::process::{Command, Stdio};

/// What to fuzz and for how long.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The target; `cargo xtask fuzz --list` names them.
    #[arg(required_unless_present = "list")]
    target: Option<String>,
    /// Seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Name the targets and stop.
    #[arg(long)]
    list: bool,
}

/// Fuzzes one target, or names them all.
///
/// # Errors
/// When the tools are not there, or the fuzzer found something.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let targets = targets()?;
    let Some(target) = options.target.as_ref().filter(|_| !options.list) else {
        targets.iter().for_each(|t| println!("{t}"));
        return Ok(());
    };
    if !targets.contains(target) {
        return Err(format!("no target is called {target}; cargo xtask fuzz --list names them"));
    }
    if !works(Command::new("rustup").args(["run", "nightly", "rustc", "--version"])) {
        return Err("fuzzing needs nightly Rust: rustup toolchain install nightly".into());
    }
    if !works(&mut cargo(&["fuzz", "--version"])) {
        return Err("fuzzing needs cargo-fuzz: cargo install cargo-fuzz".into());
    }
    let time = format!("-max_total_time={}", options.seconds);
    // What is found beside the committed corpus stays out of it until somebody chooses.
    let found = root().join("fuzz/target/corpus").join(target);
    std::fs::create_dir_all(&found).map_err(|e| format!("{}: {e}", found.display()))?;
    let committed = root().join("fuzz/corpus").join(target);
    run_command(
        Command::new("rustup")
            .args(["run", "nightly", "cargo", "fuzz", "run", target])
            .args([&found, &committed])
            .args(["--", &time, "-timeout=10", "-rss_limit_mb=4096"])
            .current_dir(root()),
    )
}

fn works(command: &mut Command) -> bool {
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|s| s.success())
}

fn targets() -> Result<Vec<String>, String> {
    let dir = root().join("fuzz/fuzz_targets");
    let entries = std::fs::read_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let mut names: Vec<_> = entries
        .flatten()
        .filter_map(|e| Some(e.file_name().to_str()?.strip_suffix(".rs")?.to_string()))
        .collect();
    names.sort();
    Ok(names)
}
