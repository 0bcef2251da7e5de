//! gVisor's own packages, measured in the same run: those that Debian has as
//! `golang-gvisor-gvisor-dev`.

use super::divan::Measured;
use crate::shell::target;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian keeps Go packages.
const PACKAGES: &str = "/usr/share/gocode";

/// What measures them, by the names of our rows.
const OPERATIONS: &str = include_str!("gvisor/operations_test.go");

/// The benchmark, built.
pub(super) struct Packages(PathBuf);

impl Packages {
    /// Builds the benchmark with the command `go`.
    ///
    /// # Errors
    /// When the packages are not there, or `go` is too old for them.
    pub(super) fn build(go: &Path) -> Result<Packages, String> {
        if !Path::new(PACKAGES).join("src/gvisor.dev/gvisor/pkg/sentry/mm").exists() {
            return Err(format!("no gVisor in {PACKAGES}: install golang-gvisor-gvisor-dev"));
        }
        let home = target().join("gvisor");
        let source = home.join("src/operations");
        let program = home.join("operations");
        std::fs::create_dir_all(&source)
            .and_then(|()| std::fs::write(source.join("operations_test.go"), OPERATIONS))
            .map_err(|e| format!("{}: {e}", source.display()))?;
        let mut command = Command::new(go);
        command.args(["test", "-c", "-o"]).arg(&program).arg("operations");
        command.env("GO111MODULE", "off").env("GOFLAGS", "");
        command.env("GOPATH", format!("{PACKAGES}:{}", home.display()));
        let out = command.output().map_err(|e| format!("{}: {e}", go.display()))?;
        if out.status.success() {
            Ok(Packages(program))
        } else {
            Err(format!("{}: {}", go.display(), String::from_utf8_lossy(&out.stderr)))
        }
    }

    /// Runs it once. A row is the mean over a tenth of a second, as Go measures, where ours are
    /// the fastest of many samples: on a busy machine only the least of several rounds compares.
    ///
    /// # Errors
    /// When it fails.
    pub(super) fn measure(&self) -> Result<Vec<Measured>, String> {
        let mut command = Command::new(&self.0);
        command.args(["-test.bench=.", "-test.benchtime=100ms", "-test.cpu=1"]);
        let out = command.output().map_err(|e| format!("{command:?}: {e}"))?;
        if !out.status.success() {
            return Err(format!("{command:?}: {}", String::from_utf8_lossy(&out.stderr)));
        }
        Ok(parse(&String::from_utf8_lossy(&out.stdout)))
    }
}

/// The lines `BenchmarkGROUP/ROW  TIMES  TIME ns/op`.
fn parse(text: &str) -> Vec<Measured> {
    let row = |line: &str| {
        let mut words = line.strip_prefix("Benchmark")?.split_whitespace();
        let (_, name) = words.next()?.split_once('/')?;
        let nanoseconds = words.nth(1)?.parse().ok()?;
        (words.next()? == "ns/op").then(|| Measured { name: name.into(), nanoseconds })
    };
    text.lines().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_told_from_the_rest() {
        let text = "\
goos: linux
BenchmarkMappings/mm/mmap_munmap         \t   41391\t      2432 ns/op
BenchmarkMemory/mm/copy_in/64            \t 1714239\t        70.87 ns/op
PASS
";
        let row = |name: &str, nanoseconds| Measured { name: name.into(), nanoseconds };
        assert_eq!(parse(text), [row("mm/mmap_munmap", 2432.0), row("mm/copy_in/64", 70.87)]);
    }
}
