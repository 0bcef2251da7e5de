//! Bytes as operations: what a fuzzer feeds the model with.

use super::{FILE_PAGES, Kind, Op, PAGES, World};
use crate::{Advice, Tuning};
use syserr::Errno;

/// Address spaces at a time, at most.
const SPACES: usize = 4;
/// Operations between two looks at everything.
const BETWEEN: usize = 8;

/// Bytes one by one; zeroes once they have run out.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u64 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        u64::from(*first)
    }

    fn span(&mut self) -> (u64, u64) {
        let at = self.next() % PAGES;
        (at, (self.next() % 12 + 1).min(PAGES - at))
    }

    /// Not zero, which is what untouched memory holds.
    fn value(&mut self) -> u64 {
        self.next() << 8 | 1
    }

    fn op(&mut self) -> Op {
        let choice = self.next();
        match choice % 16 {
            0..3 => {
                let (at, len) = self.span();
                let kind = match self.next() % 8 {
                    0..4 => Kind::Anon,
                    4 => Kind::SharedAnon,
                    5..7 => Kind::FilePrivate,
                    _ => Kind::FileShared,
                };
                let perms = if choice < 128 { 3 } else { self.next() as u8 & 7 };
                Op::Mmap { at, len, perms, kind, offset: self.next() % FILE_PAGES }
            }
            3 => {
                let (at, len) = self.span();
                Op::Munmap { at, len }
            }
            4 => {
                let (at, len) = self.span();
                Op::Mprotect { at, len, perms: self.next() as u8 & 7 }
            }
            5 => {
                let (at, len) = self.span();
                Op::Move { at, len, to: (self.next() % PAGES).min(PAGES - len) }
            }
            6..8 => {
                let (at, len) = self.span();
                let advice = match self.next() % 8 {
                    0..4 => Advice::DontNeed,
                    4 => Advice::DontFork,
                    5 => Advice::WipeOnFork,
                    6 => Advice::GuardInstall,
                    _ => Advice::GuardRemove,
                };
                Op::Advise { at, len, advice }
            }
            8..10 => Op::Write { at: self.next() % PAGES, value: self.value() },
            10..12 => Op::Fault { at: self.next() % PAGES, write: choice & 16 != 0 },
            12 => Op::Fork,
            13 => Op::Exit,
            14 if choice & 16 != 0 => Op::Truncate { pages: self.next() % (FILE_PAGES + 1) },
            14 => Op::FileWrite { page: self.next() % FILE_PAGES, value: self.value() },
            _ => Op::Premap,
        }
    }
}

/// Whether an operation fails as a whole when memory does: what has another way to say so, or
/// cannot be told from a hole, is left alone.
fn fails_cleanly(w: &World, who: usize, op: &Op) -> bool {
    match *op {
        Op::FileWrite { .. } | Op::Truncate { .. } | Op::Exit | Op::Premap => false,
        Op::Advise { at, len, .. } | Op::Mprotect { at, len, .. } => !w.has_holes(who, at, len),
        _ => true,
    }
}

/// Runs the operations that `bytes` spell, some of them with memory that runs out, and compares
/// with the model; at the end everybody exits.
///
/// # Panics
/// When something differs from the model, or is left at the end.
pub fn check_operations(bytes: &[u8]) {
    let mut b = Bytes(bytes);
    let mut w =
        World::new(if b.next().is_multiple_of(2) { Tuning::DEFAULT } else { Tuning::EXACT });
    let mut count = 0;
    while !b.0.is_empty() {
        let how = b.next();
        let (who, op) = ((how & 3) as usize, b.op());
        if matches!(op, Op::Fork) && w.count() >= SPACES {
            continue;
        }
        if how >= 224 && fails_cleanly(&w, who, &op) {
            w.memory().fail_in(Some((how >> 2) & 7));
        }
        let r = w.run(who, &op);
        w.memory().fail_in(None);
        assert!(matches!(r, Ok(()) | Err(Errno::ENOMEM | Errno::EFAULT)), "{op:?}: {r:?}");
        count += 1;
        if count % BETWEEN == 0 {
            w.check();
        }
    }
    w.check();
    w.finish();
}
