//! `cargo xtask bench`: medians and ratios of the same guest work natively, under tessera and
//! under gVisor, measured interleaved in one run because machines are noisy.

mod crates;
mod hogs;
mod idle;
mod table;

use crate::sandbox::Sandbox;
use crate::shell::{cargo, run as run_command, target};
use hogs::Hogs;
use std::path::{Path, PathBuf};
use std::time::Instant;
use table::{Table, Unit};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// gVisor's runsc; the one on PATH if not given.
    #[arg(long)]
    peer: Option<PathBuf>,
    /// Rounds; each runs every row once in every sandbox.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only rows whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Operations of the crates, in nanoseconds, in place of guest work.
    #[arg(long, conflicts_with = "peer")]
    crates: bool,
    /// With `--crates`: the `go` command (1.21 or later) that builds gVisor's packages, which Debian
    /// has as golang-gvisor-gvisor-dev, to measure them in the same run.
    #[arg(long, requires = "crates", value_name = "GO")]
    gvisor: Option<PathBuf>,
    /// Threads that spin on the host meanwhile, as other work does.
    #[arg(long, default_value_t = 0, conflicts_with = "crates")]
    hogs: usize,
}

/// A row that the guest program measures by itself: name and repetitions.
const GUEST_ROWS: &[(&str, u64)] = &[
    ("getppid", 20_000),
    ("getppid-8-threads", 3_000),
    ("read-zero-1", 20_000),
    ("open-close", 5_000),
    ("stat", 10_000),
    ("mmap-munmap", 3_000),
    ("mmap-touch-munmap", 3_000),
    ("touch-64MiB", 2),
    ("fork-exit-wait", 60),
    ("fork-64MiB", 20),
    ("vfork-exec", 40),
    ("thread", 400),
    ("futex-pingpong", 2_000),
    ("pipe-pingpong", 1_000),
    ("signal", 3_000),
];

/// A row whose whole run is timed from outside: name, what it needs, program, arguments.
const WHOLE_ROWS: &[(&str, &str, &str, &[&str])] = &[
    ("start-up of /bin/true", "/bin/true", "/bin/true", &[]),
    (
        "bash, 200 x /bin/true",
        "/bin/bash",
        "/bin/bash",
        &["-c", "for ((i = 0; i < 200; i++)); do /bin/true; done"],
    ),
    ("python3 start", "/usr/bin/python3", "/usr/bin/python3", &["-c", "import json, ssl, asyncio"]),
    ("find of a warm tree", "/usr/bin/find", "/usr/bin/find", &["/usr/share", "-name", "*.none"]),
    ("tar of a tree", "/bin/tar", "/bin/sh", &["-c", "tar -cf - /usr/share/doc | wc -c"]),
    ("gcc hello", "/usr/bin/gcc", "/bin/sh", &["-c", GCC_HELLO]),
];

/// Compiles, assembles and links.
const GCC_HELLO: &str = r#"printf '#include <stdio.h>\nint main(void) { return puts("hello") < 0; }\n' |
    gcc -O1 -x c -o /tmp/tessera-bench-hello -"#;

/// Measures and prints the table.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    if options.crates {
        return crates::run(options.rounds, options.only.as_deref(), options.gvisor.as_deref());
    }
    run_command(&mut cargo(&["build", "--release", "-p", "tessera", "-p", "guests"]))?;
    let guest = target().join("release/bench");
    let sandboxes = Sandbox::all(options.peer.as_deref());
    let wanted = |name: &str| options.only.as_deref().is_none_or(|o| name.contains(o));
    let _hogs = Hogs::start(options.hogs);
    let mut table = Table::new(sandboxes.iter().map(Sandbox::name).collect());
    for round in 0..options.rounds {
        eprintln!("round {} of {}", round + 1, options.rounds);
        for (name, n) in GUEST_ROWS.iter().filter(|r| wanted(r.0)) {
            for (column, s) in sandboxes.iter().enumerate() {
                table.add(name, Unit::Nanoseconds, column, guest_row(s, &guest, name, *n)?);
            }
        }
        for (name, needs, program, args) in WHOLE_ROWS.iter().filter(|r| wanted(r.0)) {
            if !Path::new(needs).exists() {
                if round == 0 {
                    eprintln!("{name}: left out, there is no {needs}");
                }
                continue;
            }
            for (column, s) in sandboxes.iter().enumerate() {
                let ms = whole_row(s, Path::new(program), args)?;
                table.add(name, Unit::Milliseconds, column, ms);
            }
        }
    }
    if wanted("sleep") {
        for (column, s) in sandboxes.iter().enumerate() {
            let idle = idle::measure(s)?;
            table.add("sleep 5: peak memory, all processes", Unit::Mebibytes, column, idle.memory);
            table.add("sleep 5: processor time", Unit::Percent, column, idle.processor);
        }
    }
    print!("{table}");
    Ok(())
}

fn guest_row(s: &Sandbox, guest: &Path, name: &str, n: u64) -> Result<f64, String> {
    let mut command = s.command(guest, &[name, &n.to_string()]);
    let out = command.output().map_err(|e| format!("{}: {e}", s.name()))?;
    let text = String::from_utf8_lossy(&out.stdout);
    text.trim().parse().map_err(|_| {
        format!("{}, row {name}: {}{}", s.name(), out.status, String::from_utf8_lossy(&out.stderr))
    })
}

/// Runs of a whole program a round: what one costs depends on what the host still clears up.
const RUNS: usize = 3;

/// The median of a few runs, in milliseconds.
fn whole_row(s: &Sandbox, program: &Path, args: &[&str]) -> Result<f64, String> {
    let mut runs = (0..RUNS).map(|_| whole_run(s, program, args)).collect::<Result<Vec<_>, _>>()?;
    runs.sort_by(f64::total_cmp);
    Ok(runs[RUNS / 2])
}

fn whole_run(s: &Sandbox, program: &Path, args: &[&str]) -> Result<f64, String> {
    let start = Instant::now();
    let out = s.command(program, args).output().map_err(|e| format!("{}: {e}", s.name()))?;
    let ms = start.elapsed().as_secs_f64() * 1e3;
    if out.status.success() {
        Ok(ms)
    } else {
        Err(format!(
            "{}, {}: {}{}",
            s.name(),
            program.display(),
            out.status,
            String::from_utf8_lossy(&out.stderr)
        ))
    }
}
