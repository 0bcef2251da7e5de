//! What both sides run: calls by numbered threads on words called `a`, `b`, `c`; and how that is
//! written down.

use futex::abi::{OWNER_DIED, PRIVATE_FLAG, WAITERS, cmd};
use std::fmt::{Display, Formatter, Result as Written};

pub(crate) const THREADS: usize = 5;
pub(crate) const WORDS: usize = 3;

/// A thread id that no thread has.
pub(crate) const NOBODY: u32 = 0x3fff_fff0;

/// Word number and byte offset, as `word << 4 | offset`.
pub(crate) type Place = u32;
pub(crate) const UNMAPPED: Place = 15 << 4;
pub(crate) const KERNEL: Place = 14 << 4;

/// Place, value and futex2 flags of one `struct futex_waitv`.
pub(crate) type Entry = (Place, u64, u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Num(u32),
    /// A thread's id and some flags.
    Tid(usize, u32),
}

/// A call's timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Never,
    Past,
    Far,
    /// Not a time.
    Bad,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Futex { op: u32, a: Place, val: u32, val2: i32, b: Place, val3: u32 },
    Wake2 { a: Place, mask: u64, n: i32, flags: u32 },
    Wait2 { a: Place, val: u64, mask: u64, flags: u32 },
    Waitv { entries: Vec<Entry> },
    Requeue2 { a: Entry, b: Entry, n: i32, m: i32 },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// A word gets a value.
    Set(usize, Value),
    /// A thread makes a call.
    Call { who: usize, call: Call, limit: Limit },
    /// A signal with a handler comes in where a thread sleeps.
    Interrupt { who: usize, sa_restart: bool },
    /// A thread ends, with all words in its robust list, as PI futexes or plain ones.
    Exit { who: usize, pi: bool },
}

pub(crate) fn place(word: usize) -> Place {
    (word as u32) << 4
}

/// The operations of futex(2) by name.
pub(crate) const NAMES: &[(&str, u32)] = &[
    ("wait", cmd::WAIT),
    ("wake", cmd::WAKE),
    ("requeue", cmd::REQUEUE),
    ("cmp_requeue", cmd::CMP_REQUEUE),
    ("wake_op", cmd::WAKE_OP),
    ("lock_pi", cmd::LOCK_PI),
    ("unlock_pi", cmd::UNLOCK_PI),
    ("trylock_pi", cmd::TRYLOCK_PI),
    ("wait_bitset", cmd::WAIT_BITSET),
    ("wake_bitset", cmd::WAKE_BITSET),
    ("wait_requeue_pi", cmd::WAIT_REQUEUE_PI),
    ("cmp_requeue_pi", cmd::CMP_REQUEUE_PI),
    ("lock_pi2", cmd::LOCK_PI2),
];

struct At(Place);

impl Display for At {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        match self.0 & !15 {
            UNMAPPED => f.write_str("unmapped")?,
            KERNEL => f.write_str("kernel")?,
            word => write!(f, "{}", (b'a' + (word >> 4) as u8) as char)?,
        }
        match self.0 & 15 {
            0 => Ok(()),
            offset => write!(f, "+{offset}"),
        }
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        let flags = match self {
            Value::Num(n) => return write!(f, "{n:#x}"),
            Value::Tid(t, flags) => {
                write!(f, "t{t}")?;
                flags
            }
        };
        f.write_str(if flags & WAITERS != 0 { "+waiters" } else { "" })?;
        f.write_str(if flags & OWNER_DIED != 0 { "+died" } else { "" })
    }
}

struct Listed(Entry);

impl Display for Listed {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        write!(f, "{}:{:#x}:{:#x}", At(self.0.0), self.0.1, self.0.2)
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        match self {
            Call::Futex { op, a, val, val2, b, val3 } => {
                match NAMES.iter().find(|n| n.1 == op & !PRIVATE_FLAG) {
                    Some(n) if op & PRIVATE_FLAG != 0 => f.write_str(n.0)?,
                    Some(n) => write!(f, "{}/shared", n.0)?,
                    None => write!(f, "op:{op:#x}")?,
                }
                write!(f, " {}", At(*a))?;
                if *b != 0 {
                    write!(f, " b={}", At(*b))?;
                }
                for (name, v) in [("val", *val as i32), ("val2", *val2)] {
                    if v != 0 {
                        write!(f, " {name}={v}")?;
                    }
                }
                if *val3 != 0 {
                    write!(f, " val3={val3:#x}")?;
                }
                Ok(())
            }
            Call::Wake2 { a, mask, n, flags } => {
                write!(f, "futex_wake {} mask={mask:#x} n={n} flags={flags:#x}", At(*a))
            }
            Call::Wait2 { a, val, mask, flags } => {
                write!(f, "futex_wait {} val={val:#x} mask={mask:#x} flags={flags:#x}", At(*a))
            }
            Call::Waitv { entries } => {
                f.write_str("waitv")?;
                let mut runs: Vec<(Entry, usize)> = Vec::new();
                for e in entries {
                    match runs.last_mut() {
                        Some((last, n)) if last == e => *n += 1,
                        _ => runs.push((*e, 1)),
                    }
                }
                for (e, n) in runs {
                    write!(f, " {}", Listed(e))?;
                    if n > 1 {
                        write!(f, "*{n}")?;
                    }
                }
                Ok(())
            }
            Call::Requeue2 { a, b, n, m } => {
                write!(f, "futex_requeue {} {} n={n} m={m}", Listed(*a), Listed(*b))
            }
        }
    }
}

impl Display for Act {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        match self {
            Act::Set(word, value) => write!(f, "set {} {value}", At(place(*word))),
            Act::Call { who, call, limit } => {
                write!(f, "t{who} {call}")?;
                f.write_str(match limit {
                    Limit::Never => "",
                    Limit::Past => " timeout=past",
                    Limit::Far => " timeout=far",
                    Limit::Bad => " timeout=bad",
                })
            }
            Act::Interrupt { who, sa_restart } => {
                write!(f, "interrupt t{who}{}", if *sa_restart { " sa_restart" } else { "" })
            }
            Act::Exit { who, pi } => write!(f, "exit t{who}{}", if *pi { " pi" } else { "" }),
        }
    }
}
