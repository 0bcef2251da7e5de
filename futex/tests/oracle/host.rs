//! The host kernel's side: real threads and real calls, in a process of its own, so that threads
//! that stay asleep end with it.

use crate::script::{Act, KERNEL, Place, THREADS, UNMAPPED, Value, WORDS};
use futex::abi::{FutexWaitv, TID_MASK};
use std::fmt::Write;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::Thread;

#[repr(C, align(4096))]
struct Word(AtomicU32);

/// Spread over pages, so that another `spread` hashes differently.
static MEMORY: [Word; 16] = [const { Word(AtomicU32::new(0)) }; 16];

const IDLE: u64 = 0;
const BUSY: u64 = 1;
const IN_CALL: u64 = 2;

#[derive(Default)]
struct Worker {
    tid: AtomicU32,
    state: AtomicU64,
    call: Mutex<Option<Act>>,
    result: Mutex<Option<i64>>,
}

pub(crate) struct Host {
    spread: usize,
    workers: Vec<(Arc<Worker>, Thread)>,
}

#[expect(unsafe_code, reason = "the calls under comparison are raw ones")]
fn syscall(nr: u64, a: [u64; 6]) -> i64 {
    let ret: i64;
    // SAFETY: futex calls change only the words that they name, which are atomics in `MEMORY`,
    // and read structures that outlive the call.
    unsafe {
        core::arch::asm!("syscall", inlateout("rax") nr as i64 => ret, in("rdi") a[0], in("rsi") a[1],
            in("rdx") a[2], in("r10") a[3], in("r8") a[4], in("r9") a[5],
            lateout("rcx") _, lateout("r11") _);
    }
    ret
}

impl Host {
    pub(crate) fn new(spread: usize) -> Host {
        let workers = (0..THREADS).map(|_| {
            let w = Arc::new(Worker::default());
            let w2 = w.clone();
            let join = std::thread::spawn(move || run(&w2, spread));
            while w.tid.load(SeqCst) == 0 {
                std::thread::yield_now();
            }
            (w, join.thread().clone())
        });
        Host { spread, workers: workers.collect() }
    }

    /// Performs one step, and says what has become of everything once all is quiet.
    pub(crate) fn step(&self, act: &Act) -> String {
        let mut line = String::new();
        let who = match *act {
            Act::Set(word, value) => {
                let value = match value {
                    Value::Num(n) => n,
                    Value::Tid(t, flags) => self.workers[t].0.tid.load(SeqCst) | flags,
                };
                word_at(word, self.spread).store(value, SeqCst);
                None
            }
            Act::Futex { who, .. }
            | Act::Wake2 { who, .. }
            | Act::Wait2 { who, .. }
            | Act::Waitv { who, .. }
            | Act::Requeue2 { who, .. } => Some(who),
        };
        if let Some((w, thread)) = who.map(|i| &self.workers[i]) {
            if w.state.load(SeqCst) != IDLE {
                return "busy".into();
            }
            *w.call.lock().unwrap() = Some(act.clone());
            w.state.store(BUSY, SeqCst);
            thread.unpark();
        }
        self.settle();
        for (i, (w, _)) in self.workers.iter().enumerate() {
            if let Some(r) = w.result.lock().unwrap().take() {
                write!(line, "t{i}={r} ").unwrap();
            } else if w.state.load(SeqCst) != IDLE {
                write!(line, "t{i} sleeps ").unwrap();
            }
        }
        for i in 0..WORDS {
            let v = word_at(i, self.spread).load(SeqCst);
            let tid = self.workers.iter().position(|w| w.0.tid.load(SeqCst) == v & TID_MASK);
            match tid {
                Some(t) => write!(line, "[{:x} t{t}]", v >> 30).unwrap(),
                None => write!(line, "[{v:x}]").unwrap(),
            }
        }
        line
    }

    /// Waits until every thread is idle or asleep in its call. Twice, since who was seen asleep
    /// first may have been woken by who was seen last.
    fn settle(&self) {
        for (w, _) in self.workers.iter().chain(&self.workers) {
            loop {
                match w.state.load(SeqCst) {
                    IDLE => break,
                    IN_CALL if asleep(w.tid.load(SeqCst)) && w.state.load(SeqCst) == IN_CALL => {
                        break;
                    }
                    _ => std::thread::yield_now(),
                }
            }
        }
    }
}

/// Asleep in a system call of the futex family.
fn asleep(tid: u32) -> bool {
    let read =
        |f| std::fs::read_to_string(format!("/proc/self/task/{tid}/{f}")).unwrap_or_default();
    let sleeping = || read("stat").rsplit(") ").next().is_some_and(|s| s.starts_with('S'));
    let call = read("syscall");
    let futex = ["202 ", "449 ", "455 "].iter().any(|nr| call.starts_with(nr));
    futex && sleeping()
}

fn run(w: &Worker, spread: usize) {
    w.tid.store(rustix::thread::gettid().as_raw_nonzero().get() as u32, SeqCst);
    loop {
        if w.state.load(SeqCst) != BUSY {
            std::thread::park();
            continue;
        }
        if let Some(act) = w.call.lock().unwrap().take() {
            let r = perform(w, &act, spread);
            *w.result.lock().unwrap() = Some(r);
        }
        w.state.store(IDLE, SeqCst);
    }
}

fn word_at(word: usize, spread: usize) -> &'static AtomicU32 {
    &MEMORY[(word * (1 + spread % 5) + spread) % 16].0
}

fn address(p: Place, spread: usize) -> u64 {
    let offset = u64::from(p & 15);
    match p & !15 {
        UNMAPPED => 0x1000 + offset,
        KERNEL => 0xffff_8000_0000_0000 + offset,
        word => word_at((word >> 4) as usize, spread).as_ptr() as u64 + offset,
    }
}

fn perform(w: &Worker, act: &Act, spread: usize) -> i64 {
    let at = |p| address(p, spread);
    let entry =
        |&(p, val, flags): &(Place, u64, u32)| FutexWaitv { val, uaddr: at(p), flags, reserved: 0 };
    let call = |nr, args| {
        w.state.store(IN_CALL, SeqCst);
        syscall(nr, args)
    };
    match act {
        Act::Set(..) => 0,
        &Act::Futex { op, a, val, val2, b, val3, .. } => {
            let (val, val2) = (u64::from(val), i64::from(val2) as u64);
            call(202, [at(a), u64::from(op), val, val2, at(b), u64::from(val3)])
        }
        &Act::Wake2 { a, mask, n, flags, .. } => {
            call(454, [at(a), mask, n as u64, u64::from(flags), 0, 0])
        }
        &Act::Wait2 { a, val, mask, flags, .. } => {
            call(455, [at(a), val, mask, u64::from(flags), 0, 1])
        }
        Act::Waitv { entries, .. } => {
            let list: Vec<FutexWaitv> = entries.iter().map(entry).collect();
            call(449, [list.as_ptr() as u64, list.len() as u64, 0, 0, 1, 0])
        }
        Act::Requeue2 { a, b, n, m, .. } => {
            let pair = [entry(a), entry(b)];
            call(456, [pair.as_ptr() as u64, 0, *n as u64, *m as u64, 0, 0])
        }
    }
}
