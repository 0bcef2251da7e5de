//! `cargo xtask`: the workspace's checks and measurements.

mod bench;
mod ci;
mod fuzz;
mod manifests;
mod oracle;
mod sandbox;
mod shell;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Checks and measures the workspace")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Format, lints, tests, models, docs, no_std: all that must hold before a change lands.
    Ci {
        /// Only this step; `cargo xtask ci --list` names them.
        step: Option<String>,
        /// Name the steps and stop.
        #[arg(long)]
        list: bool,
    },
    /// The same guest work natively, under tessera and under a peer, in one interleaved run; or
    /// with `--crates` what single operations of the crates cost.
    Bench(bench::Options),
    /// The tests that compare with the host kernel, for a longer time.
    Oracle(oracle::Options),
    /// One fuzz target for a time.
    Fuzz(fuzz::Options),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Ci { list: true, .. } => {
            ci::list();
            Ok(())
        }
        Command::Ci { step, .. } => ci::run_steps(step.as_deref()),
        Command::Bench(options) => bench::run(&options),
        Command::Oracle(options) => oracle::run(&options),
        Command::Fuzz(options) => fuzz::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
