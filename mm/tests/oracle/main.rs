//! The host kernel is the oracle: the same random calls in processes of the host and on ours.
//!
//! Results, errnos, signals, bytes and the flags of every page must agree, also in children.
//! Known differences are listed in the README. `ORACLE_SECONDS` makes the run long, `ORACLE_SEED`
//! says where it starts.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(missing_docs)]

mod call;
mod generate;
mod host;
mod ours;
mod touch;

use call::{Answer, BASE, Call, END, GROWS_DOWN, P, Sequence, owners};
use host::Host;
use mm::{Advice, Tuning};
use ours::Ours;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// The codes of `VmFlags` that both sides must agree on.
const CODES: [&str; 15] =
    ["rd", "wr", "ex", "mr", "mw", "me", "gd", "lo", "lf", "dc", "wf", "dd", "sr", "rr", "hg"];

type Maps = BTreeMap<u64, (String, String)>;

/// Permissions and flags of each page of the region.
fn parse(smaps: &str) -> Maps {
    let hex = |s| u64::from_str_radix(s, 16).unwrap_or(0);
    let mut out = BTreeMap::new();
    let mut head = (0, 0, String::new());
    for line in smaps.lines() {
        if let Some(flags) = line.strip_prefix("VmFlags:") {
            let flags: Vec<_> = flags.split_whitespace().filter(|f| CODES.contains(f)).collect();
            for at in (head.0..head.1).step_by(P as usize) {
                out.insert((at - BASE) / P, (head.2.clone(), flags.join(" ")));
            }
        } else if let Some((range, rest)) = line.split_once(' ')
            && let Some((lo, hi)) = range.split_once('-')
        {
            let (lo, hi) = (hex(lo), hex(hi));
            head = (0, 0, String::new());
            if lo >= BASE && hi <= END {
                head = (lo, hi, rest.split_whitespace().next().unwrap_or("").to_owned());
            }
        }
    }
    out
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, host: T, ours: T) -> Result<(), String> {
    if host == ours { Ok(()) } else { Err(format!("{what}:\n host {host:?}\n ours {ours:?}")) }
}

/// Adjacent anonymous vmas with different histories are one of ours and two of Linux's: mremap works
/// on both, and `PROT_GROWSDOWN` reaches down through both, if memory was `moved` next to other.
fn is_merge_difference(c: &Call, host: Answer, ours: Answer, moved: bool) -> bool {
    match c {
        Call::Mremap { old, .. } if *old > P => {
            host == Answer::Errno(14) && matches!(ours, Answer::Value(_) | Answer::Elsewhere { .. })
        }
        Call::Mprotect { prot, .. } => moved && prot & GROWS_DOWN != 0,
        _ => false,
    }
}

/// `PROT_EXEC` alone.
const EXECUTE_ONLY: u32 = 4;

fn compare(host: &mut Host, calls: &Sequence, exact: bool) -> Result<(), String> {
    let owners = owners(calls);
    let shared = host.run(calls, &owners)?;
    let mut ours = Ours::new(if exact { Tuning::EXACT } else { Tuning::DEFAULT });
    let (mut moved, mut differs) = (false, false);
    for (i, ((_, c), &who)) in calls.iter().zip(&owners).enumerate() {
        let theirs = shared.answers[i];
        let mut mine = ours.call(who, c);
        if is_merge_difference(c, theirs, mine, moved) {
            return Ok(());
        }
        moved |= matches!(c, Call::Mremap { .. }) && !matches!(theirs, Answer::Errno(_));
        // Which pages there are: the host does not populate what a key keeps it from reading.
        differs |= match c {
            Call::Madvise { advice, .. } | Call::ProcessMadvise { advice, .. } => {
                *advice == Advice::PageOut as i32
            }
            Call::Mmap { prot, .. } | Call::Mprotect { prot, .. } => {
                prot & 7 == EXECUTE_ONLY && touch::has_keys()
            }
            _ => false,
        };
        let mut want = theirs;
        if let (Call::Mincore { at, pages }, Answer::Value(h), Answer::Value(o)) = (c, theirs, mine)
        {
            let mask = if exact && !differs { ours.comparable(who, *at, *pages) } else { 0 };
            (want, mine) = (Answer::Value(h & mask), Answer::Value(o & mask));
        }
        equal(&format!("call {i}, {c:?} by {who}"), want, mine)?;
    }
    for who in 0..ours.count() {
        let seen = &shared.seen[who];
        let text = String::from_utf8_lossy(&seen.smaps[..seen.smaps_len]);
        equal(&format!("maps of {who}"), parse(&text), parse(&ours.smaps(who)))?;
        equal(&format!("pages of {who}"), seen.pages.to_vec(), ours.pages(who))?;
        equal(&format!("heap of {who}"), seen.heap.to_vec(), ours.heap(who))?;
    }
    equal("file", shared.file.to_vec(), ours.file())?;
    equal("live pages at the end", 0, ours.finish())
}

/// A difference, or a panic of ours.
fn check(host: &mut Host, case: &(Sequence, bool)) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| compare(host, &case.0, case.1))).unwrap_or_else(|e| {
        let text = e.downcast_ref::<String>().cloned();
        let text = text.or_else(|| e.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        Err(format!("panicked: {}", text.unwrap_or_default()))
    })
}

/// Runs the case of a seed; a difference is shrunk and described.
fn run_seed(host: &mut Host, seed: u64) -> Result<(), String> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = (generate::sequence(), proptest::bool::ANY);
    let mut tree = strategy.new_tree(&mut runner).map_err(|e| e.to_string())?;
    let Err(mut why) = check(host, &tree.current()) else { return Ok(()) };
    let mut smallest = tree.current();
    let mut more = tree.simplify();
    while more {
        let case = tree.current();
        match check(host, &case) {
            Err(w) => {
                (why, smallest) = (w, case);
                more = tree.simplify();
            }
            Ok(()) => more = tree.complicate(),
        }
    }
    let calls: Vec<_> = smallest.0.iter().map(|(who, c)| format!("  {} {c:?}", who % 6)).collect();
    Err(format!("seed {seed}, exact {}:\n{}\n{why}", smallest.1, calls.join("\n")))
}

#[test]
fn the_host_kernel_agrees() {
    let number = |name| std::env::var(name).ok().and_then(|v: String| v.parse::<u64>().ok());
    let seconds = number("ORACLE_SECONDS");
    let first = number("ORACLE_SEED").unwrap_or_else(|| match seconds {
        Some(_) => std::time::UNIX_EPOCH.elapsed().map_or(1, |t| t.as_nanos() as u64),
        None => 1,
    });
    let until = Instant::now() + Duration::from_secs(seconds.unwrap_or(60));
    let mut host = Host::new();
    let (mut sequences, mut differences) = (0, Vec::new());
    while Instant::now() < until && differences.len() < 5 && (seconds.is_some() || sequences < 200)
    {
        if let Err(e) = run_seed(&mut host, first.wrapping_add(sequences)) {
            println!("{e}");
            differences.push(e);
        }
        sequences += 1;
    }
    println!("oracle mm: {sequences} sequences, {} differences", differences.len());
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}
