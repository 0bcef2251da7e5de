//! Nanoseconds per operation, on words of memory that are always there.
//!
//! `cargo bench -p futex --features std`
#![allow(missing_docs)]

use arch::Addr;
use divan::{Bencher, black_box, counter::ItemsCount};
use futex::{
    Backing, Counts, Fault, Manager, PiTask, Priority, Scope, Step, Target, TaskId, Wait, Waiter,
    Word,
};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::task::{Context, Waker};
use sync::Mutex;
use syserr::Errno;

/// Runs between two looks at the clock, so that short rows are not about the clock.
const MANY: u32 = 100;

const A: Addr = Addr(0);
const B: Addr = Addr(4);
const P: Scope = Scope::Private;

/// Two words.
struct Words([AtomicU32; 2]);

impl Words {
    fn at(&self, addr: Addr) -> Option<&AtomicU32> {
        self.0.get((addr.0 / 4) as usize)
    }
}

impl Target for Words {
    fn check(&self, addr: Addr) -> Result<(), Errno> {
        self.at(addr).map(|_| ()).ok_or(Errno::EFAULT)
    }
    fn shared_key(&self, _: Addr, _: bool) -> Result<Backing, Errno> {
        Ok(Backing::Private)
    }
    fn load_nofault(&self, addr: Addr) -> Result<u32, Fault> {
        Ok(self.at(addr).ok_or(Fault)?.load(SeqCst))
    }
    fn compare_exchange_nofault(&self, addr: Addr, old: u32, new: u32) -> Result<u32, Fault> {
        let word = self.at(addr).ok_or(Fault)?;
        Ok(word.compare_exchange(old, new, SeqCst, SeqCst).unwrap_or_else(|seen| seen))
    }
    fn fault_in(&self, addr: Addr, _: bool) -> Result<(), Errno> {
        self.check(addr)
    }
}

static WORDS: Words = Words([const { AtomicU32::new(0) }; 2]);

fn task() -> PiTask {
    PiTask { id: TaskId(1), tid: 1, priority: Priority(0) }
}

/// `n` waiters asleep at `A`, each with a waker.
fn sleepers(m: &Manager, n: usize) -> Vec<Wait<'static, &'static Words>> {
    let sleeper = |_| {
        let mut waiter = Waiter::new();
        let mut w = m.wait(&mut waiter, &WORDS, A, P, 0).expect("it is 0").into_owned();
        assert!(Pin::new(&mut w).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        w
    };
    (0..n).map(sleeper).collect()
}

/// The times of these rows are for all waiters together; the counter is one waiter.
fn with_sleepers(bencher: Bencher<'_, '_>, n: usize, f: impl Fn(&Manager) + Sync) {
    let crowd = || {
        let m = Manager::new(1);
        let crowd = sleepers(&m, n);
        (m, crowd)
    };
    let bencher = bencher.counter(ItemsCount::new(n)).with_inputs(crowd);
    bencher.bench_local_refs(|(m, _)| f(m));
}

#[divan::bench(sample_size = MANY)]
fn wake_nobody(bencher: Bencher<'_, '_>) {
    let m = Manager::new(1);
    bencher.bench_local(|| m.wake(black_box(&WORDS), black_box(A), P, 1));
}

#[divan::bench(sample_size = MANY)]
fn wait_set_up_and_undo(bencher: Bencher<'_, '_>) {
    let m = Manager::new(1);
    let mut waiter = Waiter::new();
    bencher.bench_local(|| {
        let mut w = m.wait(&mut waiter, black_box(&WORDS), black_box(A), P, 0).expect("it is 0");
        w.cancel()
    });
}

/// What setting up and undoing cannot cost less than: each holds a bucket once.
#[divan::bench(sample_size = MANY)]
fn lock_and_unlock_twice(bencher: Bencher<'_, '_>) {
    let lock = Mutex::new(0);
    bencher.bench_local(|| {
        *black_box(&lock).lock() += 1;
        *black_box(&lock).lock() -= 1;
    });
}

/// A wake that finds one waiter, with the wait it ends.
#[divan::bench(sample_size = MANY)]
fn wait_and_wake(bencher: Bencher<'_, '_>) {
    let m = Manager::new(1);
    let mut waiter = Waiter::new();
    bencher.bench_local(|| {
        let mut w = m.wait(&mut waiter, black_box(&WORDS), A, P, 0).expect("it is 0");
        assert_eq!(m.wake(&WORDS, A, P, 1), Ok(1));
        w.cancel()
    });
}

#[divan::bench(args = [1, 64, 1000, 4096])]
fn wake_all(bencher: Bencher<'_, '_>, n: usize) {
    with_sleepers(bencher, n, |m| assert_eq!(m.wake(&WORDS, A, P, i32::MAX), Ok(n as u32)));
}

#[divan::bench(args = [1, 64, 1000, 4096])]
fn requeue_all(bencher: Bencher<'_, '_>, n: usize) {
    let counts = Counts { wake: 0, requeue: i32::MAX };
    let (from, to) = (Word::private(A), Word::private(B));
    with_sleepers(bencher, n, |m| {
        assert_eq!(m.requeue(&WORDS, from, to, counts, None), Ok(n as u32));
    });
}

/// All waiters to another word and back again, on words that have been waited on before.
#[divan::bench(args = [1, 1000])]
fn requeue_there_and_back(bencher: Bencher<'_, '_>, n: usize) {
    let m = Manager::new(1);
    let _crowd = sleepers(&m, n);
    let counts = Counts { wake: 0, requeue: i32::MAX };
    let (a, b) = (Word::private(A), Word::private(B));
    bencher.bench_local(|| {
        assert_eq!(m.requeue(&WORDS, a, b, counts, None), Ok(n as u32));
        assert_eq!(m.requeue(&WORDS, b, a, counts, None), Ok(n as u32));
    });
}

/// Setting up and undoing one wait behind others: what a crowd costs the next one.
#[divan::bench(args = [1, 64, 4096], sample_size = MANY)]
fn wait_behind(bencher: Bencher<'_, '_>, n: usize) {
    let m = Manager::new(1);
    let _others = sleepers(&m, n);
    let mut waiter = Waiter::new();
    bencher.bench_local(|| {
        let mut w = m.wait(&mut waiter, black_box(&WORDS), A, P, 0).expect("it is 0");
        w.cancel()
    });
}

#[divan::bench(sample_size = MANY)]
fn pi_lock_and_unlock(bencher: Bencher<'_, '_>) {
    let m = Manager::new(1);
    let mut waiter = Waiter::new();
    bencher.bench_local(|| {
        let locked = m.lock_pi(&mut waiter, black_box(&WORDS), black_box(B), P, task());
        assert!(matches!(locked, Ok(Step::Done(0))));
        assert_eq!(m.unlock_pi(black_box(&WORDS), B, P, task()), Ok(0));
    });
}

#[divan::bench]
fn new_manager() -> Manager {
    Manager::new(black_box(1))
}

#[divan::bench(sample_size = MANY)]
fn fork_manager(bencher: Bencher<'_, '_>) {
    let m = Manager::new(1);
    bencher.bench_local(|| m.fork());
}

fn main() {
    divan::main();
}
