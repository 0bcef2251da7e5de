//! Scripts from numbers: three families, of plain operations, of PI operations, and of both.

use crate::script::{Act, Call, Entry, KERNEL, Limit, NOBODY, Place, THREADS, UNMAPPED, Value};
use crate::script::{WORDS, place};
use futex::abi::{OWNER_DIED, PRIVATE_FLAG, WAITERS, cmd};

/// How many acts a script has.
const LENGTH: usize = 24;

/// A small generator, so that a number always makes the same script.
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    fn thread(&mut self) -> usize {
        self.below(THREADS as u64) as usize
    }

    fn word(&mut self) -> Place {
        place(self.below(WORDS as u64) as usize)
    }

    /// A word, seldom an address that is none.
    fn place(&mut self) -> Place {
        if self.one_in(40) {
            self.pick(&[UNMAPPED, KERNEL, KERNEL + 2, 2, 17])
        } else {
            self.word()
        }
    }

    fn limit(&mut self) -> Limit {
        self.pick(&[Limit::Never, Limit::Never, Limit::Never, Limit::Past, Limit::Far])
    }

    fn count(&mut self) -> i32 {
        self.pick(&[-1, 0, 1, 1, 2, 9, i32::MAX])
    }

    /// A futex2 entry that mostly has the right value.
    fn entry(&mut self) -> Entry {
        let val = if self.one_in(8) { 1 } else { 0 };
        let flags = if self.one_in(20) { self.pick(&[2, 0x80, 3, 0x12]) } else { 0x82 };
        (self.place(), val, flags)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Plain,
    Pi,
    Both,
}

/// The script of a seed.
pub(crate) fn script(seed: u64) -> Vec<Act> {
    let mut r = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let family = [Family::Plain, Family::Pi, Family::Both][(seed % 3) as usize];
    (0..LENGTH).map(|_| act(&mut r, family)).collect()
}

fn act(r: &mut Rng, family: Family) -> Act {
    match r.below(20) {
        0..=2 => Act::Set((r.word() >> 4) as usize, value(r, family)),
        3 | 4 => Act::Interrupt { who: r.thread(), sa_restart: r.one_in(2) },
        5 if r.one_in(3) => Act::Exit { who: r.thread(), pi: r.one_in(2) },
        _ => {
            let pi = family == Family::Pi || family == Family::Both && r.one_in(2);
            let call = if pi { pi_call(r) } else { plain_call(r, family) };
            let timed = match call {
                Call::Futex { op, .. } => futex::Timeout::of(op) != futex::Timeout::NotUsed,
                Call::Wait2 { .. } | Call::Waitv { .. } => true,
                _ => false,
            };
            let limit = if timed { r.limit() } else { Limit::Never };
            Act::Call { who: r.thread(), call, limit }
        }
    }
}

fn value(r: &mut Rng, family: Family) -> Value {
    if family == Family::Plain {
        return Value::Num(r.pick(&[0, 0, 0, 1, 5, 0xffff_fffe]));
    }
    if r.one_in(2) {
        return Value::Num(0);
    }
    let flags = r.pick(&[0, WAITERS, OWNER_DIED, OWNER_DIED | WAITERS]);
    let who = r.thread();
    r.pick(&[Value::Num(flags), Value::Tid(who, flags), Value::Num(NOBODY | flags)])
}

fn plain_call(r: &mut Rng, family: Family) -> Call {
    let (a, b, n, m) = (r.place(), r.place(), r.count(), r.count());
    let bits = r.pick(&[0, 1, 2, 3, !0]);
    let op = match r.below(16) {
        0 => return Call::Waitv { entries: (0..=r.below(3)).map(|_| r.entry()).collect() },
        1 => return Call::Wait2 { a, val: 0, mask: bits.into(), flags: r.pick(&[2, 0x82, 0x82]) },
        2 => {
            let mask = r.pick(&[0, 1, 2, 3, 0xffff_ffff, 1 << 32]);
            return Call::Wake2 { a, mask, n, flags: r.pick(&[2, 0x82, 0x82]) };
        }
        3 => return Call::Requeue2 { a: r.entry(), b: r.entry(), n, m },
        4..=7 => cmd::WAIT,
        8 | 9 => cmd::WAIT_BITSET,
        10 => cmd::WAKE,
        11 => cmd::WAKE_BITSET,
        12 => cmd::REQUEUE,
        13 | 14 => cmd::CMP_REQUEUE,
        _ => cmd::WAKE_OP,
    };
    let (val, val2, val3) = match op {
        cmd::WAIT => (0, 0, 0),
        cmd::WAIT_BITSET => (0, 0, bits),
        cmd::WAKE_OP => (n as u32, m, wake_op(r, family)),
        cmd::CMP_REQUEUE => (n as u32, m, r.pick(&[0, 0, 0, 1])),
        _ => (n as u32, m, bits),
    };
    // Seldom a shared operation on the same word.
    let private = if r.one_in(12) { 0 } else { PRIVATE_FLAG };
    Call::Futex { op: op | private, a, val, val2, b, val3 }
}

fn wake_op(r: &mut Rng, family: Family) -> u32 {
    // Among PI words no other values than those of `value`: the host has tasks by small numbers.
    let arg = if family == Family::Plain { r.pick(&[0, 1, 5, 31, 40, 0xfff, 0x800]) } else { 0 };
    let shift = if family == Family::Plain { r.below(2) as u32 } else { 0 };
    let cmp_arg = r.pick(&[0, 1, 5, 0xffe, 0x800]);
    let (op, cmp) = (r.below(6) as u32, r.below(7) as u32);
    shift << 31 | op << 28 | cmp << 24 | arg << 12 | cmp_arg
}

fn pi_call(r: &mut Rng) -> Call {
    let (a, b) = (r.word(), r.word());
    let op = r.pick(&[
        cmd::LOCK_PI,
        cmd::LOCK_PI,
        cmd::LOCK_PI2,
        cmd::TRYLOCK_PI,
        cmd::UNLOCK_PI,
        cmd::UNLOCK_PI,
        cmd::UNLOCK_PI,
        cmd::WAIT_REQUEUE_PI,
        cmd::CMP_REQUEUE_PI,
        cmd::CMP_REQUEUE_PI,
        cmd::WAIT,
        cmd::WAKE,
        cmd::CMP_REQUEUE,
    ]);
    let (val, val2) = match op {
        cmd::CMP_REQUEUE_PI => (1, r.pick(&[0, 1, 2, 9])),
        cmd::CMP_REQUEUE => (1, 1),
        cmd::WAKE => (r.pick(&[1, 9]), 0),
        // The value that a free PI futex or an untouched condition variable has.
        _ => (0, 0),
    };
    Call::Futex { op: op | PRIVATE_FLAG, a, val, val2, b, val3: 0 }
}
