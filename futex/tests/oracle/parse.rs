//! Reads scripts back from text.

use crate::script::{
    Act, Call, Entry, KERNEL, Limit, NAMES, NOBODY, Place, THREADS, UNMAPPED, Value, place,
};
use futex::abi::{OWNER_DIED, PRIVATE_FLAG, WAITERS};

fn parse_place(s: &str) -> Place {
    let (word, offset) = s.split_once('+').unwrap_or((s, "0"));
    let base = match word {
        "unmapped" => UNMAPPED,
        "kernel" => KERNEL,
        _ => place((word.as_bytes()[0] - b'a') as usize),
    };
    base + offset.parse::<u32>().expect("an offset")
}

fn parse_thread(s: &str) -> usize {
    s.strip_prefix('t').and_then(|n| n.parse().ok()).filter(|n| *n < THREADS).expect("a thread")
}

/// Decimal, negative or hexadecimal; the low 64 bits.
fn parse_number(s: &str) -> u64 {
    match s.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).expect("a hexadecimal number"),
        None => s.parse::<i128>().expect("a number") as u64,
    }
}

fn parse_value(s: &str) -> Value {
    let mut parts = s.split('+');
    let first = parts.next().expect("a value");
    let flag = |f| match f {
        "waiters" => WAITERS,
        "died" => OWNER_DIED,
        _ => panic!("{f} is no flag"),
    };
    let flags = parts.map(flag).fold(0, |a, b| a | b);
    match first {
        "nobody" => Value::Num(NOBODY | flags),
        "none" => Value::Num(flags),
        t if t.starts_with('t') => Value::Tid(parse_thread(t), flags),
        n => Value::Num(parse_number(n) as u32 | flags),
    }
}

fn parse_entry(s: &str) -> Entry {
    let mut parts = s.split(':');
    let mut next = || parts.next().expect("place:value:flags");
    (parse_place(next()), parse_number(next()), parse_number(next()) as u32)
}

fn parse_call(words: &[&str]) -> (Call, Limit) {
    let named = |name: &str| words.iter().find_map(|w| w.strip_prefix(name)?.strip_prefix('='));
    let number = |name| named(name).map_or(0, parse_number);
    let limit = match named("timeout") {
        None => Limit::Never,
        Some("past") => Limit::Past,
        Some("far") => Limit::Far,
        Some("bad") => Limit::Bad,
        Some(other) => panic!("timeout={other}"),
    };
    let a = || parse_place(words[1]);
    let flags = number("flags") as u32;
    let call = match words[0] {
        "futex_wake" => Call::Wake2 { a: a(), mask: number("mask"), n: number("n") as i32, flags },
        "futex_wait" => Call::Wait2 { a: a(), val: number("val"), mask: number("mask"), flags },
        "waitv" => {
            let run = |w: &&str| {
                let (entry, n) = w.split_once('*').unwrap_or((w, "1"));
                vec![parse_entry(entry); n.parse().expect("a count")]
            };
            let entries = words[1..].iter().filter(|w| w.contains(':')).flat_map(run);
            Call::Waitv { entries: entries.collect() }
        }
        "futex_requeue" => {
            let (n, m) = (number("n") as i32, number("m") as i32);
            Call::Requeue2 { a: parse_entry(words[1]), b: parse_entry(words[2]), n, m }
        }
        name => {
            let op = match name.strip_prefix("op:") {
                Some(op) => parse_number(op) as u32,
                None => {
                    let (name, shared) = match name.strip_suffix("/shared") {
                        Some(n) => (n, true),
                        None => (name, false),
                    };
                    let row = NAMES.iter().find(|n| n.0 == name);
                    let op = row.unwrap_or_else(|| panic!("{name} is no operation")).1;
                    op | if shared { 0 } else { PRIVATE_FLAG }
                }
            };
            let (val, val2, val3) = (number("val"), number("val2"), number("val3"));
            let b = named("b").map_or(0, parse_place);
            Call::Futex { op, a: a(), val: val as u32, val2: val2 as i32, b, val3: val3 as u32 }
        }
    };
    (call, limit)
}

impl Act {
    /// The act that a line describes.
    pub(crate) fn parse(line: &str) -> Act {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[0] {
            "set" => Act::Set((parse_place(words[1]) >> 4) as usize, parse_value(words[2])),
            "interrupt" => {
                Act::Interrupt { who: parse_thread(words[1]), sa_restart: words.len() > 2 }
            }
            "exit" => Act::Exit { who: parse_thread(words[1]), pi: words.len() > 2 },
            who => {
                let (call, limit) = parse_call(&words[1..]);
                Act::Call { who: parse_thread(who), call, limit }
            }
        }
    }
}
