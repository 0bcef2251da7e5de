//! Runs scripts on both sides, and makes a difference as small as it gets.

use crate::host;
use crate::ours::Ours;
use crate::script::Act;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// Tells a child that it is the host's side, and how to place the words.
const SPREAD: &str = "FUTEX_ORACLE_SPREAD";

/// Where Linux hashes two words into one bucket, waiters that are requeued between them keep their
/// place; everywhere else they go to the end, as here. So words are placed anew this often before
/// a difference counts.
const PLACEMENTS: usize = 12;

/// How many children a shrink may cost.
const SHRINKS: usize = 150;

/// The child: reads scripts, apart by blank lines, and writes what becomes of each act.
pub(crate) fn child() {
    let Ok(spread) = std::env::var(SPREAD) else { return };
    let spread = spread.parse().expect("a number");
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).expect("scripts");
    host::install_handlers();
    let mut out = String::new();
    for script in text.split("\n\n") {
        out += "\n@@";
        let host = host::Host::new(spread);
        for line in script.lines() {
            write!(out, "\n@{}", host.step(&Act::parse(line))).unwrap();
        }
    }
    println!("{out}");
    std::process::exit(0);
}

/// What the host makes of each script.
fn on_host(scripts: &[Vec<Act>], spread: usize) -> Vec<Vec<String>> {
    let mut child = Command::new(std::env::current_exe().expect("a test binary"));
    child.args(["--exact", "host_child", "--nocapture", "--test-threads=1"]);
    child.env(SPREAD, spread.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = child.spawn().expect("a child");
    let text: Vec<String> = scripts.iter().map(|s| text(s)).collect();
    child.stdin.take().expect("a pipe").write_all(text.join("\n").as_bytes()).expect("a reader");
    let out = child.wait_with_output().expect("a child");
    let mut results = Vec::new();
    for line in String::from_utf8_lossy(&out.stdout).lines() {
        match line.strip_prefix('@') {
            Some("@") => results.push(Vec::new()),
            Some(l) => results.last_mut().expect("a script").push(l.to_owned()),
            None => {}
        }
    }
    results
}

fn text(script: &[Act]) -> String {
    script.iter().fold(String::new(), |all, act| all + &act.to_string() + "\n")
}

fn here(script: &[Act]) -> Vec<String> {
    let mut ours = Ours::new();
    script.iter().map(|act| ours.step(act)).collect()
}

/// What the host makes of a script, if it is something else wherever the words lie.
fn difference(script: &[Act], ours: &[String], first: usize) -> Option<Vec<String>> {
    let mut host = None;
    for spread in first..PLACEMENTS {
        let h = on_host(&[script.to_vec()], spread).pop().unwrap_or_default();
        if h == ours {
            return None;
        }
        host = Some(h);
    }
    host
}

/// Leaves out acts as long as the two sides differ without them.
fn shrink(script: &[Act]) -> Vec<Act> {
    let mut best = script.to_vec();
    let (mut i, mut runs) = (0, 0);
    while i < best.len() && runs < SHRINKS {
        let mut fewer = best.clone();
        fewer.remove(i);
        runs += 1;
        match difference(&fewer, &here(&fewer), 0) {
            Some(_) => best = fewer,
            None => i += 1,
        }
    }
    best
}

/// Runs each script on both sides. The reports of those that differ.
pub(crate) fn compare(scripts: &[Vec<Act>]) -> Vec<(usize, String)> {
    let host = on_host(scripts, 0);
    let mut reports = Vec::new();
    for (i, script) in scripts.iter().enumerate() {
        let ours = here(script);
        let agrees = host.get(i) == Some(&ours);
        if !agrees && difference(script, &ours, 1).is_some() {
            reports.push((i, report(&shrink(script))));
        }
    }
    reports
}

fn report(script: &[Act]) -> String {
    let (ours, host) = (here(script), on_host(&[script.to_vec()], 0).pop().unwrap_or_default());
    let mut report = String::from("host (above) and ours (below) differ\n");
    for (i, act) in script.iter().enumerate() {
        let (h, o) = (host.get(i).map_or("-", |s| s), ours.get(i).map_or("-", |s| s));
        let mark = if h == o { ' ' } else { '!' };
        report += &format!("{mark} {act}\n      {h}\n      {o}\n");
    }
    report
}
