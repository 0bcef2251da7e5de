//! The host kernel is the oracle: the same calls by the same threads, there and here; results,
//! errnos, who sleeps and what the words hold must agree after every step.
//!
//! `ORACLE_SECONDS=N` runs random scripts for N seconds, from the seed `ORACLE_SEED` on.
#![cfg(all(target_os = "linux", target_arch = "x86_64", not(loom)))]

#[path = "../common/mod.rs"]
mod common;
mod compare;
mod host;
mod ours;
mod parse;
mod random;
mod script;

use script::Act;
use std::time::{Duration, Instant};

/// Random scripts of an ordinary run.
const CASES: u64 = 90;

/// Scripts for each child.
const BATCH: u64 = 30;

/// Not a test by itself: what the other tests run in a child process.
#[test]
fn host_child() {
    compare::child();
}

fn written() -> Vec<(String, Vec<Act>)> {
    let text = include_str!("scripts.txt");
    let scripts = text.split("\n= ").skip(1).map(|s| {
        let (name, body) = s.split_once('\n').expect("acts");
        let acts = body.lines().filter(|l| !l.is_empty()).map(Act::parse);
        (name.to_owned(), acts.collect())
    });
    scripts.collect()
}

#[test]
fn written_scripts_agree_with_the_host() {
    let (names, scripts): (Vec<_>, Vec<_>) = written().into_iter().unzip();
    let failed = compare::compare(&scripts);
    let report = failed.iter().fold(String::new(), |all, (i, r)| all + &names[*i] + ": " + r);
    assert!(failed.is_empty(), "{report}");
}

#[test]
fn random_scripts_agree_with_the_host() {
    let number = |name| std::env::var(name).ok().map(|s| s.parse::<u64>().expect("a number"));
    let seconds = number("ORACLE_SECONDS");
    let first = number("ORACLE_SEED").unwrap_or(0);
    let end = seconds.map(|s| Instant::now() + Duration::from_secs(s));
    let (mut seed, mut differences) = (first, 0);
    while end.map_or(seed < first + CASES, |end| Instant::now() < end) {
        let scripts: Vec<Vec<Act>> = (seed..seed + BATCH).map(random::script).collect();
        for (i, report) in compare::compare(&scripts) {
            println!("seed {}: {report}", seed + i as u64);
            differences += 1;
        }
        seed += BATCH;
    }
    println!("oracle futex: {} sequences, {differences} differences", seed - first);
    assert_eq!(differences, 0);
}
