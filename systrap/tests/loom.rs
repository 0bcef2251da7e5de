//! Every interleaving (within loom's bounds) of the hand-overs between the sentry and a stub: what
//! is ready is taken, once; what is published is seen; nobody sleeps for ever.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p systrap --release --test loom`
//!
//! The mapper is assembler (`stub/mapper.rs`): [`Shared::map`] makes its steps in its order.
#![cfg(loom)]

mod atomic {
    pub(crate) use loom::sync::atomic::*;
}
#[path = "../src/handshake.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "a module of the library, of which the models use most"
)]
mod handshake;

use handshake::{Bell, Futex, Interruption, Progress, Ready, Trapped};
use loom::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use loom::sync::atomic::{AtomicU32, AtomicU64, fence};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

/// futex(2): one lock for all words, so that comparing and falling asleep are one step.
#[derive(Default)]
struct ModelFutex {
    lock: Mutex<()>,
    sleepers: Condvar,
}

impl ModelFutex {
    fn wake_all(&self) {
        fence(SeqCst);
        drop(self.lock.lock().unwrap());
        self.sleepers.notify_all();
    }
}

impl Futex for ModelFutex {
    fn wait(&self, word: &AtomicU32, value: u32) {
        let guard = self.lock.lock().unwrap();
        fence(SeqCst);
        if word.load(SeqCst) == value {
            drop(self.sleepers.wait(guard).unwrap());
        }
    }

    fn wake(&self, _: &AtomicU32, _: u32) {
        self.wake_all();
    }
}

/// The words of one stub, with room for four contexts, and the sentry's descriptor.
#[derive(Default)]
struct Shared {
    futex: ModelFutex,
    tail: AtomicU32,
    last: AtomicU64,
    entries: [AtomicU32; 4],
    head: AtomicU32,
    idle: AtomicU32,
    summary: [AtomicU64; 1],
    bits: [AtomicU64; 2],
    sleeping: AtomicU32,
    /// The doorbell: an eventfd's counter.
    rung: Mutex<u64>,
    doorbell: Condvar,
    wanted: AtomicU32,
    thread: AtomicU32,
    ops_tail: AtomicU32,
    ops_done: AtomicU32,
    ops_waiters: AtomicU32,
}

impl Shared {
    fn ready(&self) -> Ready<'_> {
        let (tail, last, entries) = (&self.tail, &self.last, &self.entries);
        Ready { tail, last, entries, head: &self.head, idle: &self.idle }
    }

    fn trapped(&self) -> Trapped<'_> {
        Trapped { summary: &self.summary, bits: &self.bits }
    }

    fn bell(&self) -> Bell<'_> {
        Bell(&self.sleeping)
    }

    fn interruption(&self) -> Interruption<'_> {
        Interruption { wanted: &self.wanted, thread: &self.thread }
    }

    fn progress(&self) -> Progress<'_> {
        Progress { tail: &self.ops_tail, done: &self.ops_done, waiters: &self.ops_waiters }
    }

    /// The sentry makes contexts ready.
    fn push(&self, contexts: impl IntoIterator<Item = u32>) {
        let mut tail = 0;
        for c in contexts {
            tail = self.ready().push(tail, c, || self.futex.wake_all());
        }
    }

    /// A stub's thread takes one, without spinning first.
    fn take(&self) -> u32 {
        self.ready().wait(&self.futex, || false, |_| ())
    }

    /// A stub's thread says that a context has trapped.
    fn publish(&self, context: u32) {
        self.trapped().publish(context);
        self.bell().ring(|| {
            *self.rung.lock().unwrap() += 1;
            self.doorbell.notify_all();
        });
    }

    /// The sentry sleeps until something has trapped, and takes it.
    fn collect(&self) -> Vec<usize> {
        loop {
            let mut found = Vec::new();
            self.trapped().take(|c| found.push(c));
            if !found.is_empty() {
                return found;
            }
            self.bell().sleeps();
            if !self.trapped().any() {
                let mut rung = self.rung.lock().unwrap();
                while *rung == 0 {
                    rung = self.doorbell.wait(rung).unwrap();
                }
                *rung = 0;
            }
            self.bell().is_awake();
        }
    }

    /// The mapper performs `count` operations and tells those who wait.
    fn map(&self, count: u32) {
        let mut performed = 0;
        while performed != count {
            let tail = self.ops_tail.load(Acquire);
            if tail != performed {
                performed = tail;
                continue;
            }
            self.tell(performed);
            self.futex.wait(&self.ops_tail, performed);
        }
        self.tell(performed);
    }

    fn tell(&self, performed: u32) {
        self.ops_done.swap(performed, SeqCst);
        fence(SeqCst);
        if self.ops_waiters.load(Relaxed) != 0 {
            self.futex.wake(&self.ops_done, u32::MAX);
        }
    }
}

fn model(f: impl Fn(Arc<Shared>) + Sync + Send + 'static) {
    let mut b = loom::model::Builder::new();
    b.preemption_bound = Some(3);
    b.check(move || f(Arc::default()));
}

#[test]
fn what_is_ready_is_taken_in_order() {
    model(|s| {
        let stub = s.clone();
        let stub = thread::spawn(move || [stub.take(), stub.take()]);
        s.push([7, 9]);
        assert_eq!(stub.join().unwrap(), [7, 9]);
    });
}

#[test]
fn two_threads_never_take_the_same_context() {
    model(|s| {
        let threads = [(); 2].map(|()| {
            let s = s.clone();
            thread::spawn(move || s.ready().take())
        });
        s.push([1, 2]);
        let mut taken: Vec<u32> = threads.into_iter().filter_map(|t| t.join().unwrap()).collect();
        taken.extend(std::iter::from_fn(|| s.ready().take()));
        taken.sort_unstable();
        assert_eq!(taken, [1, 2]);
    });
}

#[test]
fn a_spinner_that_falls_asleep_is_not_passed_over() {
    model(|s| {
        let stub = s.clone();
        let stub = thread::spawn(move || {
            let mut looks = 0;
            let patient = || {
                looks += 1;
                looks % 2 == 1
            };
            stub.ready().wait(&stub.futex, patient, |_| ())
        });
        s.push([5]);
        assert_eq!(stub.join().unwrap(), 5);
        assert_eq!(s.idle.load(Relaxed), 0);
    });
}

#[test]
fn a_trap_wakes_the_sentry() {
    model(|s| {
        let stub = s.clone();
        let stub = thread::spawn(move || stub.publish(70));
        assert_eq!(s.collect(), [70]);
        stub.join().unwrap();
    });
}

#[test]
fn traps_of_two_threads_are_all_seen() {
    model(|s| {
        let threads = [3, 4].map(|context| {
            let s = s.clone();
            thread::spawn(move || s.publish(context))
        });
        let mut seen = Vec::new();
        while seen.len() < 2 {
            seen.extend(s.collect());
        }
        seen.sort_unstable();
        assert_eq!(seen, [3, 4]);
        threads.into_iter().for_each(|t| t.join().unwrap());
    });
}

#[test]
fn registers_that_were_stored_before_a_trap_are_there_after() {
    model(|s| {
        let stub = s.clone();
        let stub = thread::spawn(move || {
            stub.wanted.store(42, Relaxed);
            stub.publish(0);
        });
        s.collect();
        assert_eq!(s.wanted.load(Relaxed), 42);
        stub.join().unwrap();
    });
}

#[test]
fn a_round_trip() {
    model(|s| {
        let stub = s.clone();
        let stub = thread::spawn(move || {
            let context = stub.take();
            stub.publish(context);
        });
        s.push([2]);
        assert_eq!(s.collect(), [2]);
        stub.join().unwrap();
    });
}

#[test]
fn an_interruption_is_seen_by_one_of_the_two() {
    model(|s| {
        let stub = s.clone();
        let stub = thread::spawn(move || stub.interruption().enter(0));
        let signalled = s.interruption().ask();
        let runs = stub.join().unwrap();
        assert!(!runs || signalled == Some(0), "it runs, and no signal is on its way");
    });
}

#[test]
fn a_thread_sees_the_operations_that_came_with_its_context() {
    model(|s| {
        let mapper = s.clone();
        let mapper = thread::spawn(move || mapper.map(2));
        let stub = s.clone();
        let stub = thread::spawn(move || {
            stub.take();
            let queued = stub.ops_tail.load(Acquire);
            assert_eq!(queued, 2);
            stub.progress().wait(queued, &stub.futex);
            assert!(stub.progress().has_reached(queued));
        });
        s.ops_tail.store(2, Release);
        s.push([1]);
        stub.join().unwrap();
        mapper.join().unwrap();
    });
}
