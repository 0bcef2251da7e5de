//! What both sides run: calls by numbered threads on numbered words.

use futex::abi::{OWNER_DIED, WAITERS, cmd};

pub(crate) const THREADS: usize = 5;
pub(crate) const WORDS: usize = 3;

/// A thread id that no thread has.
pub(crate) const NOBODY: u32 = 0x3fff_fff0;

/// Word number and byte offset, as `word << 4 | offset`.
pub(crate) type Place = u32;
pub(crate) const UNMAPPED: Place = 15 << 4;
pub(crate) const KERNEL: Place = 14 << 4;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Value {
    Num(u32),
    /// A thread's id and some flags.
    Tid(usize, u32),
}

#[derive(Clone, Debug)]
pub(crate) enum Act {
    Set(usize, Value),
    Futex { who: usize, op: u32, a: Place, val: u32, val2: i32, b: Place, val3: u32 },
    Wake2 { who: usize, a: Place, mask: u64, n: i32, flags: u32 },
    Wait2 { who: usize, a: Place, val: u64, mask: u64, flags: u32 },
    Waitv { who: usize, entries: Vec<(Place, u64, u32)> },
    Requeue2 { who: usize, a: (Place, u64, u32), b: (Place, u64, u32), n: i32, m: i32 },
}

pub(crate) fn place(word: usize) -> Place {
    (word as u32) << 4
}

pub(crate) fn wait(who: usize, word: usize) -> Act {
    call(who, cmd::WAIT, place(word), 0)
}

pub(crate) fn wake(who: usize, word: usize, n: i32) -> Act {
    call(who, cmd::WAKE, place(word), n as u32)
}

pub(crate) fn call(who: usize, op: u32, a: Place, val: u32) -> Act {
    Act::Futex { who, op: op | 128, a, val, val2: 0, b: 0, val3: 0 }
}

pub(crate) fn call2(who: usize, op: u32, (a, b): (usize, usize), n: (i32, i32), val3: u32) -> Act {
    let (a, b) = (place(a), place(b));
    Act::Futex { who, op: op | 128, a, val: n.0 as u32, val2: n.1, b, val3 }
}

pub(crate) fn wake_op(op: u32, shift: u32, arg: u32, cmp: u32, cmp_arg: u32) -> u32 {
    shift << 31 | op << 28 | cmp << 24 | (arg & 0xfff) << 12 | cmp_arg & 0xfff
}

/// A small generator, so that both sides make the same script from a number.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Rng {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

pub(crate) fn random(seed: u64) -> Vec<Act> {
    let mut r = Rng::new(seed);
    let pi = seed % 2 == 1;
    (0..24).map(|_| if pi { random_pi(&mut r) } else { random_plain(&mut r) }).collect()
}

fn random_plain(r: &mut Rng) -> Act {
    let who = r.below(THREADS as u64) as usize;
    let (a, b) = (r.below(WORDS as u64) as usize, r.below(WORDS as u64) as usize);
    let op = r.pick(&[
        cmd::WAIT,
        cmd::WAIT,
        cmd::WAIT_BITSET,
        cmd::WAIT_BITSET,
        cmd::WAKE,
        cmd::WAKE_BITSET,
        cmd::REQUEUE,
        cmd::CMP_REQUEUE,
        cmd::WAKE_OP,
        100,
        101,
    ]);
    let (n, m) = (r.pick(&[-1, 0, 1, 1, 2, 9]), r.pick(&[-1, 0, 1, 2, i32::MAX]));
    let bits = r.pick(&[0, 1, 2, 3, !0]);
    match op {
        100 => Act::Set(a, Value::Num(r.pick(&[0, 0, 0, 1, 5, 0xffff_fffe]))),
        101 => {
            let entries = (0..1 + r.below(3)).map(|i| ((place(a) + 16 * i as u32) % 48, 0, 0x82));
            Act::Waitv { who, entries: entries.collect() }
        }
        cmd::WAIT => wait(who, a),
        cmd::WAIT_BITSET => {
            Act::Futex { who, op: op | 128, a: place(a), val: 0, val2: 0, b: 0, val3: bits }
        }
        cmd::WAKE_OP => {
            let arg = r.pick(&[0, 1, 5, 31, 40, 0xfff, 0x800]);
            let cmp_arg = r.pick(&[0, 1, 5, 0xffe, 0x800]);
            let (op, cmp) = (r.below(6) as u32, r.below(7) as u32);
            let val3 = wake_op(op, r.below(2) as u32, arg, cmp, cmp_arg);
            call2(who, cmd::WAKE_OP, (a, b), (n, m), val3)
        }
        cmd::CMP_REQUEUE => call2(who, op, (a, b), (n, m), r.pick(&[0, 0, 0, 1])),
        _ => call2(who, op, (a, b), (n, m), bits),
    }
}

fn random_pi(r: &mut Rng) -> Act {
    let who = r.below(THREADS as u64) as usize;
    let (a, b) = (r.below(WORDS as u64) as usize, r.below(WORDS as u64) as usize);
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
        100,
    ]);
    match op {
        100 if r.below(3) > 0 => Act::Set(a, Value::Num(0)),
        100 => {
            let flags = r.pick(&[0, WAITERS, OWNER_DIED, OWNER_DIED | WAITERS]);
            let v =
                r.pick(&[Value::Num(flags), Value::Tid(who, flags), Value::Num(NOBODY | flags)]);
            Act::Set(a, v)
        }
        // The value is what a free PI futex or an untouched condition variable has.
        cmd::WAIT_REQUEUE_PI | cmd::WAIT => call2(who, op, (a, b), (0, 0), 0),
        cmd::CMP_REQUEUE_PI => call2(who, op, (a, b), (1, r.pick(&[0, 1, 2, 9])), 0),
        cmd::CMP_REQUEUE => call2(who, op, (a, b), (1, 1), 0),
        _ => call(who, op, place(a), 1),
    }
}
