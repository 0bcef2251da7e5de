//! What a sandbox costs while its guest sleeps.

use crate::sandbox::Sandbox;
use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// Costs of one sandbox with `sleep 5` inside.
pub(super) struct Idle {
    /// Peak of the summed proportional memory of all its processes, in MiB.
    pub(super) memory: f64,
    /// Processor time burnt while asleep, in percent of one processor.
    pub(super) processor: f64,
}

/// Runs `sleep 5` and watches all descendants of the sandbox's process.
pub(super) fn measure(s: &Sandbox) -> Result<Idle, String> {
    // Orphans of the sandbox become children of this process, so that none escapes the count.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|e| e.to_string())?;
    let mut child =
        s.command(Path::new("/bin/sleep"), &["5"]).spawn().map_err(|e| e.to_string())?;
    let root = std::process::id();
    let mut memory: f64 = 0.0;
    let mut burnt = Vec::new();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(4500) {
        std::thread::sleep(Duration::from_millis(250));
        let family = descendants(root);
        memory = memory.max(family.iter().map(|p| proportional_memory(*p)).sum());
        if start.elapsed() > Duration::from_millis(1500) {
            let ticks = family.iter().map(|p| processor_ticks(*p)).sum::<f64>();
            burnt.push((start.elapsed().as_secs_f64(), ticks));
        }
    }
    let status = child.wait().map_err(|e| e.to_string())?;
    if !status.success() {
        return Err(format!("{}: sleep 5: {status}", s.name()));
    }
    let (Some(first), Some(last)) = (burnt.first(), burnt.last()) else {
        return Err("no samples".into());
    };
    let hz = rustix::param::clock_ticks_per_second() as f64;
    Ok(Idle { memory, processor: 100.0 * (last.1 - first.1) / hz / (last.0 - first.0) })
}

/// All processes below `root`, without it.
fn descendants(root: u32) -> HashSet<u32> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else {
            continue;
        };
        if let Some(parent) = stat_field(pid, 1) {
            parents.push((pid, parent as u32));
        }
    }
    let mut found = HashSet::from([root]);
    loop {
        let before = found.len();
        for (pid, parent) in &parents {
            if found.contains(parent) {
                found.insert(*pid);
            }
        }
        if found.len() == before {
            break;
        }
    }
    found.remove(&root);
    found
}

/// A field of `/proc/PID/stat`, counted from the state field (0) on.
fn stat_field(pid: u32, index: usize) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(')')?.1.split_whitespace().nth(index)?.parse().ok()
}

fn processor_ticks(pid: u32) -> f64 {
    stat_field(pid, 11).unwrap_or(0.0) + stat_field(pid, 12).unwrap_or(0.0)
}

fn proportional_memory(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let kib =
        text.lines().find_map(|l| l.strip_prefix("Pss:")?.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0.0) / 1024.0
}
