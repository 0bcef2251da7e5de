//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// Runs unmodified Linux programs behind a second kernel.
#[derive(Parser)]
#[command(name = "tessera", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run a program; the exit code is its own, 127 not found, 126 cannot be executed, 128 + n
    /// killed by signal n.
    Run(RunOptions),
    /// Show how a file would be loaded, or the exact reason why not.
    Inspect {
        /// An ELF file or a script.
        file: PathBuf,
    },
    /// Print the syscall tables with their support levels.
    Syscalls {
        /// Only this architecture's table.
        #[arg(long)]
        arch: Option<ArchName>,
    },
}

/// An architecture as people name it.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum ArchName {
    /// x86-64.
    #[value(name = "x86-64", alias = "x86_64", alias = "amd64")]
    X86_64,
    /// arm64.
    #[value(name = "arm64", alias = "aarch64")]
    Arm64,
}

#[derive(Args)]
pub(crate) struct RunOptions {
    /// The directory that is the guest's root; read-only, changes stay in memory.
    #[arg(long, default_value = "/", value_name = "DIR")]
    pub(crate) root: PathBuf,
    /// A directory of the host that the guest may change, at the same path inside.
    #[arg(long, value_name = "DIR")]
    pub(crate) rw: Vec<PathBuf>,
    /// The guest's working directory; the current one if it exists inside, else /.
    #[arg(long, value_name = "DIR")]
    pub(crate) cwd: Option<PathBuf>,
    /// Set an environment variable.
    #[arg(long, value_name = "K=V", value_parser = key_value)]
    pub(crate) env: Vec<(OsString, OsString)>,
    /// Start with an empty environment; --env still counts.
    #[arg(long)]
    pub(crate) clear_env: bool,
    /// The most memory the guest may use, in bytes or with K, M or G; all of the host's if not
    /// given.
    #[arg(long, value_name = "LIMIT", value_parser = size)]
    pub(crate) memory: Option<u64>,
    /// Print system calls as they happen: all, or those of a comma-separated list.
    #[arg(long, value_name = "LIST", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(crate) trace: Option<String>,
    /// Where --trace goes; standard error if not given.
    #[arg(long, value_name = "FILE", requires = "trace")]
    pub(crate) trace_file: Option<PathBuf>,
    /// Say what the sandbox does, on standard error; twice for more.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// The program, looked up on the guest's PATH when it has no slash, and its arguments.
    #[arg(required = true, trailing_var_arg = true, value_name = "PROGRAM")]
    pub(crate) program: Vec<OsString>,
}

fn key_value(s: &str) -> Result<(OsString, OsString), String> {
    match s.split_once('=') {
        Some((k, v)) if !k.is_empty() => Ok((k.into(), v.into())),
        _ => Err("a variable is set as NAME=VALUE".into()),
    }
}

fn size(s: &str) -> Result<u64, String> {
    let (digits, shift) = match s.as_bytes().last() {
        Some(b'K' | b'k') => (&s[..s.len() - 1], 10),
        Some(b'M' | b'm') => (&s[..s.len() - 1], 20),
        Some(b'G' | b'g') => (&s[..s.len() - 1], 30),
        _ => (s, 0),
    };
    let n: u64 = digits.parse().map_err(|_| "a size is a number, or one with K, M or G")?;
    let bytes = n.checked_mul(1 << shift).ok_or("too large")?;
    if bytes < 1 << 20 { Err("at least 1M".into()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size("64M"), Ok(64 << 20));
        assert_eq!(size("2G"), Ok(2 << 30));
        assert!(size("12Q").is_err());
        assert!(size("99999999999G").is_err());
        assert!(size("1K").is_err());
    }

    #[test]
    fn program_arguments_are_the_guests() {
        let cli = Cli::try_parse_from(["tessera", "run", "/bin/ls", "-l", "/"]).expect("parses");
        let Command::Run(o) = cli.command else { panic!("run") };
        assert_eq!(o.program, ["/bin/ls", "-l", "/"]);
    }

    #[test]
    fn trace_with_and_without_a_list() {
        let parse = |args: &[&str]| match Cli::try_parse_from(args).expect("parses").command {
            Command::Run(o) => o.trace,
            _ => panic!("run"),
        };
        assert_eq!(parse(&["tessera", "run", "--trace", "ls"]).as_deref(), Some(""));
        assert_eq!(
            parse(&["tessera", "run", "--trace=open,read", "ls"]).as_deref(),
            Some("open,read")
        );
    }
}
