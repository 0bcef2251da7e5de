//! `tessera`: runs unmodified Linux programs behind a second kernel.

mod cli;
mod inspect;
mod output;
mod run;
mod syscalls;
mod trace;

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;
use systrap::CountedHeap;

#[global_allocator]
static HEAP: CountedHeap = CountedHeap;

/// The exit code of `tessera` itself going wrong, as env(1) and timeout(1) have it: 126, 127 and
/// 128 + n belong to the guest.
const OWN_FAILURE: u8 = 125;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let help = !e.use_stderr();
            // A closed terminal is no reason to fail twice.
            let _ = e.print();
            return ExitCode::from(if help { 0 } else { OWN_FAILURE });
        }
    };
    let result = match cli.command {
        Command::Run(options) => run::run(options),
        Command::Inspect { file } => inspect::inspect(&file),
        Command::Syscalls { arch } => syscalls::print(arch),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            eprintln!("tessera: {}", e.message);
            ExitCode::from(e.code)
        }
    }
}

/// What ends the program: one line for people, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) code: u8,
}

impl Failure {
    /// `tessera` itself cannot do what it was asked.
    pub(crate) fn own(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), code: OWN_FAILURE }
    }
}
