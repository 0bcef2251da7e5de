//! The three ways in which the benchmarks run a guest.

use crate::shell;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Who runs the guest.
#[derive(Clone, Debug)]
pub(crate) enum Sandbox {
    /// The host kernel.
    Native,
    /// Tessera.
    Tessera(PathBuf),
    /// gVisor's `runsc`.
    Runsc(PathBuf),
}

impl Sandbox {
    /// The column's head.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Sandbox::Native => "native",
            Sandbox::Tessera(_) => "tessera",
            Sandbox::Runsc(_) => "runsc",
        }
    }

    /// A command that runs `program` inside. Its standard output is never a plain file: `runsc do`
    /// writes over those.
    pub(crate) fn command(&self, program: &Path, args: &[&str]) -> Command {
        let mut c = match self {
            Sandbox::Native => Command::new(program),
            Sandbox::Tessera(bin) => {
                let mut c = Command::new(bin);
                c.args(["run", "--"]).arg(program);
                c
            }
            Sandbox::Runsc(bin) => {
                let mut c = Command::new(bin);
                c.args(["--network=none", "--platform=systrap", "do"]).arg(program);
                c
            }
        };
        // Cargo's, for this program: a user's shell has none, and programs search it first.
        c.env_remove("LD_LIBRARY_PATH");
        c.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        c
    }

    /// Those that are to be compared: native, tessera and, when there is one, the peer.
    pub(crate) fn all(peer: Option<&Path>) -> Vec<Sandbox> {
        let mut all =
            vec![Sandbox::Native, Sandbox::Tessera(shell::target().join("release/tessera"))];
        if let Some(p) = peer.map(PathBuf::from).or_else(|| find("runsc")) {
            all.push(Sandbox::Runsc(p));
        }
        all
    }
}

/// A program on `PATH`.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|d| d.join(name)).find(|p| p.is_file())
}
