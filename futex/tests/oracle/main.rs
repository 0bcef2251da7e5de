//! The host kernel is the oracle: the same calls by the same threads, there and here; results,
//! errnos, who sleeps and what the words hold must agree after every step.
#![cfg(all(target_os = "linux", target_arch = "x86_64", not(loom)))]

#[path = "../common/mod.rs"]
mod common;
mod host;
mod ours;
mod script;
mod written;

use script::Act;
use std::process::Command;

/// Tells a child which script to run on the host.
const SCRIPT: &str = "FUTEX_ORACLE_SCRIPT";

/// Random scripts for each test.
const CASES: u64 = 60;

fn script(name: &str) -> Vec<Act> {
    match name.strip_prefix("seed:") {
        Some(seed) => script::random(seed.parse().expect("a number")),
        None => {
            written::scripts().into_iter().find(|s| s.0 == name).expect("a script of that name").1
        }
    }
}

/// Not a test by itself: what the other tests run in a child process.
#[test]
fn host_child() {
    let Ok(what) = std::env::var(SCRIPT) else { return };
    let (name, spread) = what.split_once('/').expect("name/spread");
    let host = host::Host::new(spread.parse().expect("a number"));
    for act in script(name) {
        println!("\n@{}", host.step(&act));
    }
    std::process::exit(0);
}

fn on_host(name: &str, spread: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().expect("a test binary"));
    child.args(["--exact", "host_child", "--nocapture", "--test-threads=1"]);
    let out = child.env(SCRIPT, format!("{name}/{spread}")).output().expect("a child");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    text.lines().filter_map(|l| l.strip_prefix('@')).map(str::to_owned).collect()
}

fn here(name: &str) -> Vec<String> {
    let mut ours = ours::Ours::new();
    script(name).iter().map(|act| ours.step(act)).collect()
}

/// Where Linux hashes two words into one bucket, waiters that are requeued between them keep their
/// place; everywhere else they go to the end, as here. So words are placed anew before a
/// difference counts.
fn compare(name: &str) {
    let ours = here(name);
    let mut host = Vec::new();
    for spread in 0..3 {
        host = on_host(name, spread);
        if host == ours {
            return;
        }
    }
    let acts = script(name);
    let mut report = format!("{name}: host (left) and ours (right) differ\n");
    for (i, act) in acts.iter().enumerate() {
        let (h, o) = (host.get(i).map_or("-", |s| s), ours.get(i).map_or("-", |s| s));
        let mark = if h == o { ' ' } else { '!' };
        report += &format!("{mark} {act:?}\n      {h}\n      {o}\n");
    }
    panic!("{report}");
}

#[test]
fn written_scripts_agree_with_the_host() {
    let failed: Vec<_> = written::scripts()
        .iter()
        .filter_map(|s| std::panic::catch_unwind(|| compare(s.0)).err().map(|_| s.0))
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn random_scripts_agree_with_the_host() {
    let from: u64 = std::env::var("FUTEX_ORACLE_FROM").map_or(0, |s| s.parse().expect("a number"));
    let cases = std::env::var("FUTEX_ORACLE_CASES").map_or(CASES, |s| s.parse().expect("a number"));
    (from..from + cases).for_each(|seed| compare(&format!("seed:{seed}")));
}
