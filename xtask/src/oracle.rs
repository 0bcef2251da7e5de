//! `cargo xtask oracle`: longer runs of the tests that compare with the host kernel.
//!
//! An oracle test that finds `ORACLE_SECONDS` in its environment runs fresh random sequences for so
//! long and ends with the line `oracle NAME: K sequences, D differences`. `ORACLE_SEED` chooses
//! the first seed.

use crate::shell::cargo;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

/// How long to run, and what.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Seconds for all oracles together.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The first seed; by default each oracle chooses its own.
    #[arg(long)]
    seed: Option<u64>,
    /// Only oracles whose `PACKAGE/TEST` contains this.
    #[arg(long)]
    only: Option<String>,
}

/// The test targets that hold oracles: package, target, and how many it holds.
const ORACLES: &[(&str, &str, u64)] = &[
    ("arch", "frame_host", 1),
    ("mm", "oracle", 1),
    ("futex", "oracle", 1),
    ("loader", "host_elf", 1),
    ("loader", "host_script", 1),
    ("vfs", "host_oracle", 4),
];

/// What one oracle found.
#[derive(Debug, PartialEq)]
struct Found {
    name: String,
    sequences: u64,
    differences: u64,
}

/// Runs them one after the other and prints a table.
///
/// # Errors
/// When there is a difference, or an oracle fails or says nothing.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let chosen: Vec<_> = ORACLES
        .iter()
        .filter(|(p, t, _)| options.only.as_ref().is_none_or(|o| format!("{p}/{t}").contains(o)))
        .collect();
    let all: u64 = chosen.iter().map(|o| o.2).sum();
    if all == 0 {
        return Err("no oracle has such a name".into());
    }
    let each = (options.seconds / all).max(1);
    let mut rows = Vec::new();
    let mut bad = Vec::new();
    for (package, target, count) in chosen {
        let (found, success) = run_one(package, target, each, options.seed)?;
        if (found.len() as u64) < *count {
            bad.push(format!("{package}/{target} gave {} results of {count}", found.len()));
        }
        if !success || found.iter().any(|f| f.differences > 0) {
            bad.push(format!("{package}/{target} failed"));
        }
        rows.extend(found.into_iter().map(|f| (*package, f)));
    }
    println!("| oracle | sequences | differences |\n|---|---|---|");
    for (package, f) in &rows {
        println!("| {package}: {} | {} | {} |", f.name, f.sequences, f.differences);
    }
    let sequences: u64 = rows.iter().map(|r| r.1.sequences).sum();
    let differences: u64 = rows.iter().map(|r| r.1.differences).sum();
    println!("| all | {sequences} | {differences} |");
    if bad.is_empty() { Ok(()) } else { Err(bad.join("; ")) }
}

/// Runs one test target for `seconds` an oracle; shows what it prints.
fn run_one(
    package: &str,
    target: &str,
    seconds: u64,
    seed: Option<u64>,
) -> Result<(Vec<Found>, bool), String> {
    eprintln!("== {package}/{target}, {seconds} s");
    let mut command = cargo(&["test", "--quiet", "--release", "--package", package]);
    command.args(["--all-features", "--test", target, "--", "--nocapture", "--test-threads=1"]);
    command.env("ORACLE_SECONDS", seconds.to_string()).stdout(Stdio::piped());
    if let Some(seed) = seed {
        command.env("ORACLE_SEED", seed.to_string());
    }
    let mut child = command.spawn().map_err(|e| format!("{command:?}: {e}"))?;
    let mut found = Vec::new();
    for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
        let line = line.map_err(|e| e.to_string())?;
        found.extend(parse(&line));
        let _ = writeln!(std::io::stderr(), "{line}");
    }
    let status = child.wait().map_err(|e| e.to_string())?;
    Ok((found, status.success()))
}

/// `oracle NAME: K sequences, D differences`, wherever it stands in a line.
fn parse(line: &str) -> Option<Found> {
    let (name, rest) = line.split_once("oracle ")?.1.split_once(": ")?;
    let (sequences, rest) = rest.split_once(" sequences, ")?;
    let differences = rest.split_once(" differences")?.0;
    Some(Found {
        name: name.into(),
        sequences: sequences.parse().ok()?,
        differences: differences.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_behind_what_the_harness_prints() {
        let found = |name: &str, sequences, differences| {
            Some(Found { name: name.into(), sequences, differences })
        };
        assert_eq!(parse("oracle mm: 1200 sequences, 0 differences"), found("mm", 1200, 0));
        let line = "test all ... oracle ELF files: 7 sequences, 2 differences";
        assert_eq!(parse(line), found("ELF files", 7, 2));
        assert_eq!(parse("oracle mm: many sequences, 0 differences"), None);
        assert_eq!(parse("running 1 test"), None);
    }
}
