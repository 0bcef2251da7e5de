//! How long a test goes on asking the host kernel.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::time::{Duration, Instant};

/// Random sequences, each from a seed of its own: a small fixed number, or as many as fit into
/// `ORACLE_SECONDS` from `ORACLE_SEED` on.
pub struct Oracle {
    name: &'static str,
    until: Option<Instant>,
    cases: u64,
    seed: u64,
    done: u64,
    differences: Vec<String>,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

impl Oracle {
    /// `cases` sequences unless the environment says how long.
    pub fn new(name: &'static str, cases: u64) -> Oracle {
        let seconds = number("ORACLE_SECONDS");
        // A number that is different each time, where nobody has chosen one.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let fresh = now.map_or(1, |t| t.as_nanos() as u64);
        let seed = number("ORACLE_SEED").unwrap_or(if seconds.is_some() { fresh } else { 1 });
        let until = seconds.map(|s| Instant::now() + Duration::from_secs(s));
        Oracle { name, until, cases, seed, done: 0, differences: Vec::new() }
    }

    /// Draws values and judges each: `check` says what differs, if anything does. A value that
    /// differs is made smaller as long as it goes on to.
    pub fn run<S: Strategy>(&mut self, values: &S, check: impl Fn(S::Value) -> Option<String>) {
        while self.differences.len() < 10
            && self.until.map_or(self.done < self.cases, |t| Instant::now() < t)
        {
            let seed = self.seed.wrapping_add(self.done);
            self.done += 1;
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&seed.to_le_bytes());
            let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
            let mut tree = values
                .new_tree(&mut TestRunner::new_with_rng(Config::default(), rng))
                .expect("a value");
            if let Some(mut what) = check(tree.current()) {
                let mut steps = 0;
                while steps < 200 && tree.simplify() {
                    match check(tree.current()) {
                        Some(smaller) => what = smaller,
                        None if tree.complicate() => {}
                        None => break,
                    }
                    steps += 1;
                }
                self.differences.push(format!("seed {seed}: {what}"));
            }
        }
    }

    /// Says what came of it.
    ///
    /// # Panics
    /// When there was a difference.
    pub fn finish(self) {
        let (n, d) = (self.done, self.differences.len());
        println!("oracle {}: {n} sequences, {d} differences", self.name);
        assert!(self.differences.is_empty(), "{}", self.differences.join("\n"));
    }
}
