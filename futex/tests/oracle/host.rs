//! The host kernel's side: real threads and real calls, in a process of its own, so that threads
//! that stay asleep end with it.

use crate::script::{Act, Call, Entry, KERNEL, Limit, Place, THREADS, UNMAPPED, Value, WORDS};
use futex::abi::{FutexWaitv, RobustListHead, TID_MASK};
use std::fmt::Write;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::Thread;

/// A futex word and its link in the robust list, alone on a page: another `spread` hashes
/// differently.
#[repr(C, align(4096))]
#[derive(Default)]
struct Word {
    value: AtomicU32,
    link: AtomicU64,
}

/// From a link to its word.
const FUTEX_OFFSET: i64 = -8;

const PAGES: usize = 16;

/// The words of one script, and the head of the robust list that they form.
struct Memory {
    pages: [Word; PAGES],
    head: Mutex<RobustListHead>,
}

const IDLE: u64 = 0;
const BUSY: u64 = 1;
const IN_CALL: u64 = 2;
const GONE: u64 = 3;

struct Worker {
    memory: &'static Memory,
    spread: usize,
    tid: AtomicU32,
    state: AtomicU64,
    act: Mutex<Option<Act>>,
    result: Mutex<Option<i64>>,
    /// `syscall` and `stat` of `/proc/self/task/TID`.
    files: Mutex<Option<[File; 2]>>,
}

pub(crate) struct Host {
    memory: &'static Memory,
    spread: usize,
    workers: Vec<(Arc<Worker>, Thread)>,
}

#[expect(unsafe_code, reason = "the calls under comparison are raw ones")]
fn syscall(nr: u64, a: [u64; 6]) -> i64 {
    let ret: i64;
    // SAFETY: the calls change only the words that they name, which are atomics that live for
    // ever, and read structures that outlive the call.
    unsafe {
        core::arch::asm!("syscall", inlateout("rax") nr as i64 => ret, in("rdi") a[0], in("rsi") a[1],
            in("rdx") a[2], in("r10") a[3], in("r8") a[4], in("r9") a[5],
            lateout("rcx") _, lateout("r11") _);
    }
    ret
}

extern "C" fn nothing(_: libc::c_int) {}

/// Handlers that do nothing: `SIGUSR1`'s without, `SIGUSR2`'s with `SA_RESTART`.
#[expect(unsafe_code, reason = "sigaction")]
pub(crate) fn install_handlers() {
    for (signal, flags) in [(libc::SIGUSR1, 0), (libc::SIGUSR2, libc::SA_RESTART)] {
        // SAFETY: a zeroed sigaction is a valid one, and the handler touches nothing.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as *const () as usize;
            action.sa_flags = flags;
            assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for (w, thread) in &self.workers {
            if w.state.load(SeqCst) == IDLE {
                w.state.store(GONE, SeqCst);
                thread.unpark();
            }
        }
    }
}

impl Host {
    pub(crate) fn new(spread: usize) -> Host {
        let pages = std::array::from_fn(|_| Word::default());
        let memory: &'static Memory = Box::leak(Box::new(Memory { pages, head: Mutex::default() }));
        let workers = (0..THREADS).map(|_| {
            let w = Arc::new(Worker {
                memory,
                spread,
                tid: AtomicU32::new(0),
                state: AtomicU64::new(IDLE),
                act: Mutex::default(),
                result: Mutex::default(),
                files: Mutex::default(),
            });
            let w2 = w.clone();
            let join = std::thread::spawn(move || run(&w2));
            (w, join.thread().clone())
        });
        let workers: Vec<_> = workers.collect();
        for (w, _) in &workers {
            while w.tid.load(SeqCst) == 0 {
                std::thread::yield_now();
            }
        }
        Host { memory, spread, workers }
    }

    fn word(&self, word: usize) -> &'static AtomicU32 {
        &self.memory.pages[page(word, self.spread)].value
    }

    /// Performs one act, and says what has become of everything once all is quiet.
    pub(crate) fn step(&self, act: &Act) -> String {
        match *act {
            Act::Set(word, value) => {
                let value = match value {
                    Value::Num(n) => n,
                    Value::Tid(t, flags) => self.workers[t].0.tid.load(SeqCst) | flags,
                };
                self.word(word).store(value, SeqCst);
            }
            Act::Interrupt { who, sa_restart } => {
                let w = &self.workers[who].0;
                if w.state.load(SeqCst) == IN_CALL {
                    let signal = if sa_restart { libc::SIGUSR2 } else { libc::SIGUSR1 };
                    let (pid, tid) = (std::process::id().into(), w.tid.load(SeqCst).into());
                    assert_eq!(syscall(234, [pid, tid, signal as u64, 0, 0, 0]), 0);
                }
            }
            Act::Call { who, .. } | Act::Exit { who, .. } => {
                let (w, thread) = &self.workers[who];
                if w.state.load(SeqCst) != IDLE {
                    return "busy".into();
                }
                if let Act::Exit { pi, .. } = *act {
                    self.link_words(pi);
                }
                *w.act.lock().unwrap() = Some(act.clone());
                w.state.store(BUSY, SeqCst);
                thread.unpark();
            }
        }
        self.settle();
        self.describe()
    }

    fn describe(&self) -> String {
        let mut line = String::new();
        for (i, (w, _)) in self.workers.iter().enumerate() {
            if let Some(r) = w.result.lock().unwrap().take() {
                write!(line, "t{i}={r} ").unwrap();
            } else if w.state.load(SeqCst) == IN_CALL {
                write!(line, "t{i} sleeps ").unwrap();
            }
        }
        for i in 0..WORDS {
            let v = self.word(i).load(SeqCst);
            let tid = self.workers.iter().position(|w| w.0.tid.load(SeqCst) == v & TID_MASK);
            match tid {
                Some(t) => write!(line, "[{:x} t{t}]", v >> 30).unwrap(),
                None => write!(line, "[{v:x}]").unwrap(),
            }
        }
        line
    }

    /// Makes the words one robust list, of PI futexes or of plain ones.
    fn link_words(&self, pi: bool) {
        let mut head = self.memory.head.lock().unwrap();
        let links: Vec<&AtomicU64> =
            (0..WORDS).map(|i| &self.memory.pages[page(i, self.spread)].link).collect();
        let at = |i: usize| links[i].as_ptr() as u64 | u64::from(pi);
        let end = std::ptr::from_ref(&*head) as u64;
        for (i, link) in links.iter().enumerate() {
            link.store(if i + 1 < WORDS { at(i + 1) } else { end }, SeqCst);
        }
        *head = RobustListHead { next: at(0), futex_offset: FUTEX_OFFSET, list_op_pending: 0 };
    }

    /// Waits until every thread is idle, asleep in its call, or gone. Twice, since who was seen
    /// asleep first may have been woken by who was seen last.
    fn settle(&self) {
        for (w, _) in self.workers.iter().chain(&self.workers) {
            loop {
                match w.state.load(SeqCst) {
                    IDLE => break,
                    GONE if !task(w, "").exists() => break,
                    IN_CALL if asleep(w) && w.state.load(SeqCst) == IN_CALL => break,
                    _ => std::thread::yield_now(),
                }
            }
        }
    }
}

fn task(w: &Worker, file: &str) -> std::path::PathBuf {
    format!("/proc/self/task/{}/{file}", w.tid.load(SeqCst)).into()
}

/// Blocked in a system call of the futex family. Of who has been woken and does not run yet, `syscall`
/// may still name the call; `stat` does not say that it sleeps.
fn asleep(w: &Worker) -> bool {
    let mut files = w.files.lock().unwrap();
    let [syscall, stat] = files.get_or_insert_with(|| {
        ["syscall", "stat"].map(|name| File::open(task(w, name)).expect("a task"))
    });
    let mut text = [0; 64];
    let mut read = |file: &File| {
        let n = file.read_at(&mut text, 0).unwrap_or(0);
        String::from_utf8_lossy(&text[..n]).into_owned()
    };
    let call = read(syscall);
    ["202 ", "449 ", "455 "].iter().any(|nr| call.starts_with(nr)) && read(stat).contains(") S ")
}

fn run(w: &Worker) {
    w.tid.store(rustix::thread::gettid().as_raw_nonzero().get() as u32, SeqCst);
    loop {
        match w.state.load(SeqCst) {
            GONE => return,
            BUSY => {}
            _ => {
                std::thread::park();
                continue;
            }
        }
        match w.act.lock().unwrap().take() {
            Some(Act::Call { call, limit, .. }) => {
                let r = perform(w, &call, limit);
                *w.result.lock().unwrap() = Some(r);
            }
            Some(Act::Exit { .. }) => {
                let head = std::ptr::from_ref(&*w.memory.head.lock().unwrap()) as u64;
                assert_eq!(syscall(273, [head, 24, 0, 0, 0, 0]), 0);
                w.state.store(GONE, SeqCst);
                return;
            }
            _ => {}
        }
        w.state.store(IDLE, SeqCst);
    }
}

fn page(word: usize, spread: usize) -> usize {
    (word * (1 + spread % 5) + spread) % PAGES
}

fn address(w: &Worker, p: Place) -> u64 {
    let offset = u64::from(p & 15);
    match p & !15 {
        UNMAPPED => 0x1000 + offset,
        KERNEL => 0xffff_8000_0000_0000 + offset,
        word => w.memory.pages[page((word >> 4) as usize, w.spread)].value.as_ptr() as u64 + offset,
    }
}

#[repr(C)]
struct Timespec(i64, i64);

fn timespec(limit: Limit) -> u64 {
    static PAST: Timespec = Timespec(0, 1);
    static FAR: Timespec = Timespec(1 << 33, 0);
    static BAD: Timespec = Timespec(0, 1_000_000_000);
    match limit {
        Limit::Never => 0,
        Limit::Past => &raw const PAST as u64,
        Limit::Far => &raw const FAR as u64,
        Limit::Bad => &raw const BAD as u64,
    }
}

fn perform(w: &Worker, call: &Call, limit: Limit) -> i64 {
    let at = |p| address(w, p);
    let entry = |&(p, val, flags): &Entry| FutexWaitv { val, uaddr: at(p), flags, reserved: 0 };
    let timeout = timespec(limit);
    let enter = |nr, args| {
        // A call whose time is over is not at rest even while it sleeps for an instant.
        if limit != Limit::Past {
            w.state.store(IN_CALL, SeqCst);
        }
        syscall(nr, args)
    };
    match call {
        &Call::Futex { op, a, val, val2, b, val3 } => {
            let val2 = if limit == Limit::Never { i64::from(val2) as u64 } else { timeout };
            enter(202, [at(a), u64::from(op), val.into(), val2, at(b), val3.into()])
        }
        &Call::Wake2 { a, mask, n, flags } => {
            enter(454, [at(a), mask, n as u64, flags.into(), 0, 0])
        }
        &Call::Wait2 { a, val, mask, flags } => {
            enter(455, [at(a), val, mask, flags.into(), timeout, 1])
        }
        Call::Waitv { entries } => {
            let list: Vec<FutexWaitv> = entries.iter().map(entry).collect();
            enter(449, [list.as_ptr() as u64, list.len() as u64, 0, timeout, 1, 0])
        }
        Call::Requeue2 { a, b, n, m } => {
            let pair = [entry(a), entry(b)];
            enter(456, [pair.as_ptr() as u64, 0, *n as u64, *m as u64, 0, 0])
        }
    }
}
