//! Our side: the same threads as futures over a model of their memory.

use crate::common::{Hook, Memory, Sleeper, poll, task};
use crate::script::{Act, Call, Entry, KERNEL, Limit, NOBODY, Place, THREADS, UNMAPPED, Value};
use crate::script::{WORDS, place};
use arch::Addr;
use futex::abi::{FutexWaitv, TID_MASK};
use futex::futex2::{Futex2, requeue_words};
use futex::{Args, Counts, Manager, Op, Outcome, Step, TaskId, Timeout, WaitEntry, Waiter};
use std::fmt::Write;
use std::sync::Arc;
use std::task::Poll;
use syserr::{Errno, Restart, RestartAction};

/// A thread that sleeps, and in which call.
struct Sleeping {
    wait: Sleeper,
    call: Call,
    limit: Limit,
}

#[derive(Default)]
struct Thread {
    sleeping: Option<Sleeping>,
    gone: bool,
}

pub(crate) struct Ours {
    manager: Manager,
    memory: Arc<Memory>,
    hook: Hook,
    threads: [Thread; THREADS],
}

const BASE: u64 = 0x10000;
const HEAD: u64 = 0x8000;
const FIRST_TID: u32 = 100;

/// From a word to its link in the robust list.
const LINK: u64 = 8;

/// What a call comes to at once.
enum Came {
    Result(Result<u32, Errno>),
    Sleeps(Sleeping),
}

impl Ours {
    pub(crate) fn new() -> Ours {
        let hook = Hook::default();
        hook.0.dead.lock().unwrap().insert(NOBODY);
        let memory = Memory::new();
        (0..WORDS).for_each(|i| memory.map(address(place(i)), 0));
        let manager = Manager::with(3, 2, Box::new(hook.clone()));
        Ours { manager, memory, hook, threads: Default::default() }
    }

    /// Performs one act, and says what has become of everything.
    pub(crate) fn step(&mut self, act: &Act) -> String {
        let mut now = None;
        match act {
            &Act::Set(word, value) => {
                let value = match value {
                    Value::Num(n) => n,
                    Value::Tid(t, flags) => tid(t) | flags,
                };
                self.memory.set(address(place(word)), value);
            }
            &Act::Interrupt { who, sa_restart } => {
                if let Some(s) = self.threads[who].sleeping.take() {
                    now = self.interrupt(who, s, sa_restart).map(|r| (who, r));
                }
            }
            Act::Call { who, call, limit } => {
                if self.is_busy(*who) {
                    return "busy".into();
                }
                now = self.begin(*who, call, *limit).map(|r| (*who, r));
            }
            &Act::Exit { who, pi } => {
                if self.is_busy(who) {
                    return "busy".into();
                }
                self.exit(who, pi);
            }
        }
        self.describe(now)
    }

    fn is_busy(&self, who: usize) -> bool {
        self.threads[who].gone || self.threads[who].sleeping.is_some()
    }

    fn describe(&mut self, now: Option<(usize, Result<u32, Errno>)>) -> String {
        let mut line = String::new();
        for (i, t) in self.threads.iter_mut().enumerate() {
            let done = match t.sleeping.as_mut().map(|s| poll(&mut s.wait)) {
                Some(Poll::Ready(r)) => {
                    t.sleeping = None;
                    Some(r)
                }
                Some(Poll::Pending) => {
                    write!(line, "t{i} sleeps ").unwrap();
                    None
                }
                None => now.filter(|n| n.0 == i).map(|n| n.1),
            };
            if let Some(r) = done {
                write!(line, "t{i}={} ", number(r)).unwrap();
            }
        }
        for i in 0..WORDS {
            let v = self.memory.get(address(place(i)));
            match (v & TID_MASK).checked_sub(FIRST_TID).filter(|t| (*t as usize) < THREADS) {
                Some(t) => write!(line, "[{:x} t{t}]", v >> 30).unwrap(),
                None => write!(line, "[{v:x}]").unwrap(),
            }
        }
        line
    }

    /// Begins a call: its result, unless it sleeps.
    fn begin(&mut self, who: usize, call: &Call, limit: Limit) -> Option<Result<u32, Errno>> {
        match self.perform(who, call, limit) {
            Came::Result(r) => Some(r),
            Came::Sleeps(mut s) if limit == Limit::Past => Some(s.wait.cancel().on_timeout()),
            Came::Sleeps(s) => {
                self.threads[who].sleeping = Some(s);
                None
            }
        }
    }

    /// What a signal with a handler does to a call; its result unless it is restarted and sleeps.
    fn interrupt(
        &mut self,
        who: usize,
        mut s: Sleeping,
        sa_restart: bool,
    ) -> Option<Result<u32, Errno>> {
        let outcome = s.wait.cancel();
        let restart = match (&s.call, outcome) {
            (&Call::Futex { op, a, val, val2, b, val3 }, _) => {
                let op = decode(op, a, val, val2, b, val3).expect("it sleeps");
                op.interrupted(outcome, s.limit != Limit::Never)
            }
            (_, Outcome::Finished(r)) => Err(r),
            _ => Ok(Restart::Sys),
        };
        match restart.map(|r| r.with_handler(sa_restart)) {
            Err(r) => Some(r),
            Ok(RestartAction::Again) => self.begin(who, &s.call, s.limit),
            Ok(_) => Some(Err(Errno::EINTR)),
        }
    }

    fn exit(&mut self, who: usize, pi: bool) {
        let link = |i: usize| (address(place(i)).0 + LINK) | u64::from(pi);
        let next = |i: usize| if i + 1 < WORDS { link(i + 1) } else { HEAD };
        (0..WORDS).for_each(|i| self.put(link(i) & !1, next(i)));
        for (i, v) in [link(0), LINK.wrapping_neg(), 0].into_iter().enumerate() {
            self.put(HEAD + 8 * i as u64, v);
        }
        self.manager.exit_robust_list(&self.memory, &*self.memory, Addr(HEAD), tid(who));
        self.hook.0.dead.lock().unwrap().insert(tid(who));
        self.manager.exit_pi_state(TaskId(u64::from(tid(who))));
        self.threads[who].gone = true;
    }

    fn put(&self, at: u64, v: u64) {
        self.memory.map(Addr(at), v as u32);
        self.memory.map(Addr(at + 4), (v >> 32) as u32);
    }

    fn perform(&self, who: usize, call: &Call, limit: Limit) -> Came {
        match self.try_perform(who, call, limit) {
            Ok(Step::Block(wait)) => Came::Sleeps(Sleeping { wait, call: call.clone(), limit }),
            Ok(Step::Done(v)) => Came::Result(Ok(v)),
            Err(e) => Came::Result(Err(e)),
        }
    }

    fn try_perform(
        &self,
        who: usize,
        call: &Call,
        limit: Limit,
    ) -> Result<Step<'static, Arc<Memory>>, Errno> {
        let memory = self.memory.clone();
        let mut waiter = Waiter::new();
        let entry =
            |&(p, val, flags): &Entry| FutexWaitv { val, uaddr: address(p).0, flags, reserved: 0 };
        // Where Linux reads the timeout, it does so first.
        let timeout = || if limit == Limit::Bad { Err(Errno::EINVAL) } else { Ok(()) };
        match call {
            &Call::Futex { op, a, val, val2, b, val3 } => {
                if Timeout::of(op) != Timeout::NotUsed {
                    if limit == Limit::Never && val2 != 0 {
                        return Err(Errno::EFAULT);
                    }
                    timeout()?;
                }
                let op = decode(op, a, val, val2, b, val3)?;
                self.manager.execute(&mut waiter, memory, task(tid(who), 0), &op).map(owned)
            }
            &Call::Wake2 { a, mask, n, flags } => {
                let flags = Futex2::from_flags(flags)?;
                self.manager.futex2_wake(memory, address(a), flags, mask, n).map(Step::Done)
            }
            &Call::Wait2 { a, val, mask, flags } => {
                let flags = Futex2::from_flags(flags)?;
                let (val, mask) = (flags.narrow(val)?, flags.narrow(mask)?);
                timeout()?;
                let (at, scope) = (address(a), flags.scope());
                let wait = self.manager.wait_bitset(&mut waiter, memory, at, scope, val, mask)?;
                Ok(Step::Block(wait.into_owned()))
            }
            Call::Waitv { entries } => {
                timeout()?;
                let list: Result<Vec<WaitEntry>, Errno> =
                    entries.iter().map(|e| WaitEntry::try_from(entry(e))).collect();
                self.manager.waitv(memory, &list?).map(owned)
            }
            Call::Requeue2 { a, b, n, m } => {
                let (from, to, val) = requeue_words([entry(a), entry(b)])?;
                let counts = Counts { wake: *n, requeue: *m };
                self.manager.requeue(memory, from, to, counts, Some(val)).map(Step::Done)
            }
        }
    }
}

fn decode(op: u32, a: Place, val: u32, val2: i32, b: Place, val3: u32) -> Result<Op, Errno> {
    let val2 = i64::from(val2) as u64;
    Op::decode(&Args { uaddr: address(a), op, val, val2, uaddr2: address(b), val3 })
}

fn owned(s: Step<'_, Arc<Memory>>) -> Step<'static, Arc<Memory>> {
    match s {
        Step::Block(w) => Step::Block(w.into_owned()),
        Step::Done(v) => Step::Done(v),
    }
}

fn tid(who: usize) -> u32 {
    FIRST_TID + who as u32
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
