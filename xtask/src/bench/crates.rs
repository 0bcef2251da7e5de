//! `cargo xtask bench --crates`: what one operation of a crate costs, beside what it costs in
//! gVisor's own packages and what is aimed at, and how that grows.

mod aims;
mod divan;
mod gvisor;
mod report;

use crate::shell::{cargo, root};
use aims::CRATES;
use divan::Measured;
use gvisor::Packages;
use report::Report;
use std::path::Path;

/// Runs each crate's `operations` benchmark `rounds` times and prints the least of each row.
/// `only` chooses rows by a part of `crate/name`; `go` builds gVisor's packages, to be measured in
/// between.
///
/// # Errors
/// When a benchmark cannot be built or fails. One that is not there leaves its rows empty.
pub(super) fn run(rounds: usize, only: Option<&str>, go: Option<&Path>) -> Result<(), String> {
    let peer = go.map(Packages::build).transpose()?;
    let wanted = |row: &str| only.is_none_or(|o| row.contains(o));
    let crates: Vec<&str> = CRATES
        .iter()
        .copied()
        .filter(|c| root().join(c).join("benches/operations.rs").exists())
        .collect();
    let mut report = Report::default();
    for round in 0..rounds {
        for name in &crates {
            eprintln!("round {} of {rounds}: {name}", round + 1);
            for m in measure(name)? {
                let row = format!("{name}/{}", m.name);
                if wanted(&row) {
                    report.add(row, m.nanoseconds);
                }
            }
        }
        if let Some(peer) = &peer {
            eprintln!("round {} of {rounds}: gVisor's packages", round + 1);
            for m in peer.measure()? {
                report.add_peer(m.name, m.nanoseconds);
            }
        }
    }
    print!("{}", report.show(wanted));
    Ok(())
}

fn measure(package: &str) -> Result<Vec<Measured>, String> {
    let mut command = cargo(&["bench", "--quiet", "--package", package, "--all-features"]);
    command.args(["--bench", "operations", "--", "--color", "never"]);
    let out = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if !out.status.success() {
        return Err(format!("{package}: {}\n{}", out.status, String::from_utf8_lossy(&out.stderr)));
    }
    let rows = divan::parse(&String::from_utf8_lossy(&out.stdout));
    if rows.is_empty() { Err(format!("{package}: its benchmark printed no row")) } else { Ok(rows) }
}
