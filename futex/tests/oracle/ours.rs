//! Our side: the same threads as futures over a model of their memory.

use crate::common::{Hook, Memory, Sleeper, poll, task, waiter};
use crate::script::{Act, KERNEL, NOBODY, Place, THREADS, UNMAPPED, Value, WORDS};
use arch::Addr;
use futex::abi::{FutexWaitv, TID_MASK};
use futex::futex2::{Futex2, requeue_words};
use futex::{Args, Counts, Manager, Op, Step, Timeout, WaitEntry};
use std::fmt::Write;
use std::sync::Arc;
use std::task::Poll;
use syserr::Errno;

pub(crate) struct Ours {
    manager: Manager,
    memory: Arc<Memory>,
    sleeping: Vec<Option<Sleeper>>,
}

const BASE: u64 = 0x10000;
const FIRST_TID: u32 = 100;

impl Ours {
    pub(crate) fn new() -> Ours {
        let hook = Hook::default();
        let garbage = [NOBODY, 1 /* as a word's value it names init on the host */];
        hook.0.dead.lock().unwrap().extend(garbage);
        let memory = Memory::new();
        (0..WORDS).for_each(|i| memory.map(address(i as u32 * 16), 0));
        let manager = Manager::with(3, 2, Box::new(hook));
        Ours { manager, memory, sleeping: (0..THREADS).map(|_| None).collect() }
    }

    pub(crate) fn step(&mut self, act: &Act) -> String {
        let mut line = String::new();
        let who = match *act {
            Act::Set(word, value) => {
                let value = match value {
                    Value::Num(n) => n,
                    Value::Tid(t, flags) => (FIRST_TID + t as u32) | flags,
                };
                self.memory.set(address(word as u32 * 16), value);
                None
            }
            Act::Futex { who, .. }
            | Act::Wake2 { who, .. }
            | Act::Wait2 { who, .. }
            | Act::Waitv { who, .. }
            | Act::Requeue2 { who, .. } => Some(who),
        };
        let mut now = None;
        if let Some(who) = who {
            if self.sleeping[who].is_some() {
                return "busy".into();
            }
            match self.perform(who, act) {
                Ok(Step::Block(w)) => self.sleeping[who] = Some(w),
                Ok(Step::Done(v)) => now = Some((who, Ok(v))),
                Err(e) => now = Some((who, Err(e))),
            }
        }
        for (i, s) in self.sleeping.iter_mut().enumerate() {
            let done = s.as_mut().map(poll);
            match done {
                Some(Poll::Ready(r)) => {
                    *s = None;
                    write!(line, "t{i}={} ", number(r)).unwrap();
                }
                Some(Poll::Pending) => write!(line, "t{i} sleeps ").unwrap(),
                None => {
                    if let Some((_, r)) = now.filter(|n| n.0 == i) {
                        write!(line, "t{i}={} ", number(r)).unwrap();
                    }
                }
            }
        }
        for i in 0..WORDS {
            let v = self.memory.get(address(i as u32 * 16));
            match (v & TID_MASK).checked_sub(FIRST_TID).filter(|t| (*t as usize) < THREADS) {
                Some(t) => write!(line, "[{:x} t{t}]", v >> 30).unwrap(),
                None => write!(line, "[{v:x}]").unwrap(),
            }
        }
        line
    }

    fn perform(&self, who: usize, act: &Act) -> Result<Step<'static, Arc<Memory>>, Errno> {
        let memory = self.memory.clone();
        let entry = |&(p, val, flags): &(Place, u64, u32)| FutexWaitv {
            val,
            uaddr: address(p).0,
            flags,
            reserved: 0,
        };
        match act {
            Act::Set(..) => Ok(Step::Done(0)),
            &Act::Futex { op, a, val, val2, b, val3, .. } => {
                let val2 = i64::from(val2) as u64;
                let (uaddr, uaddr2) = (address(a), address(b));
                let args = Args { uaddr, op, val, val2, uaddr2, val3 };
                if Timeout::of(op) != Timeout::NotUsed && val2 != 0 {
                    return Err(Errno::EFAULT);
                }
                let op = Op::decode(&args)?;
                let task = task(FIRST_TID + who as u32, 0);
                self.manager.execute(waiter(), memory, task, &op).map(owned)
            }
            &Act::Wake2 { a, mask, n, flags, .. } => {
                let flags = Futex2::from_flags(flags)?;
                self.manager.futex2_wake(memory, address(a), flags, mask, n).map(Step::Done)
            }
            &Act::Wait2 { a, val, mask, flags, .. } => {
                let flags = Futex2::from_flags(flags)?;
                let (val, mask) = (flags.narrow(val)?, flags.narrow(mask)?);
                let (w, at, scope) = (waiter(), address(a), flags.scope());
                let wait = self.manager.wait_bitset(w, memory, at, scope, val, mask)?;
                Ok(Step::Block(wait.into_owned()))
            }
            Act::Waitv { entries, .. } => {
                let list: Result<Vec<WaitEntry>, Errno> =
                    entries.iter().map(|e| WaitEntry::try_from(entry(e))).collect();
                self.manager.waitv(memory, &list?).map(owned)
            }
            Act::Requeue2 { a, b, n, m, .. } => {
                let (from, to, val) = requeue_words([entry(a), entry(b)])?;
                let counts = Counts { wake: *n, requeue: *m };
                self.manager.requeue(memory, from, to, counts, Some(val)).map(Step::Done)
            }
        }
    }
}

fn owned(s: Step<'_, Arc<Memory>>) -> Step<'static, Arc<Memory>> {
    match s {
        Step::Block(w) => Step::Block(w.into_owned()),
        Step::Done(v) => Step::Done(v),
    }
}

fn address(p: Place) -> Addr {
    let offset = u64::from(p & 15);
    Addr(match p & !15 {
        UNMAPPED => 0x1000 + offset,
        KERNEL => 0xffff_8000_0000_0000 + offset,
        word => BASE + u64::from(word >> 4) * 4096 + offset,
    })
}

fn number(r: Result<u32, Errno>) -> i64 {
    match r {
        Ok(v) => i64::from(v),
        Err(e) => -i64::from(e.number()),
    }
}
