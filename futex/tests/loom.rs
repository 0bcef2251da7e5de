//! Every interleaving (within loom's bounds) of the races that lose wakes.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p futex --release --test loom`
#![cfg(loom)]

use arch::Addr;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use futex::abi::{OWNER_DIED, TID_MASK, WAITERS};
use futex::{
    Backing, Counts, Fault, Manager, NoInheritance, Outcome, PiTask, Priority, Scope, Step, Target,
    TaskId, Wait, Waiter, Word,
};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering::SeqCst};
use loom::thread;
use syserr::Errno;

const A: Addr = Addr(0);
const B: Addr = Addr(4);
const P: Scope = Scope::Private;

struct Words([AtomicU32; 2]);

impl Words {
    fn word(&self, at: Addr) -> &AtomicU32 {
        &self.0[(at.0 / 4) as usize]
    }
}

#[derive(Clone)]
struct Memory(Arc<Words>);

impl Target for Memory {
    fn check(&self, _: Addr) -> Result<(), Errno> {
        Ok(())
    }
    fn shared_key(&self, _: Addr, _: bool) -> Result<Backing, Errno> {
        Ok(Backing::Private)
    }
    fn load_nofault(&self, at: Addr) -> Result<u32, Fault> {
        Ok(self.0.word(at).load(SeqCst))
    }
    fn compare_exchange_nofault(&self, at: Addr, old: u32, new: u32) -> Result<u32, Fault> {
        let word = self.0.word(at);
        Ok(word.compare_exchange(old, new, SeqCst, SeqCst).unwrap_or_else(|seen| seen))
    }
    fn fault_in(&self, _: Addr, _: bool) -> Result<(), Errno> {
        Ok(())
    }
}

/// One bucket or two, so that both lock paths are explored.
fn model(buckets: usize, f: impl Fn(Manager, Memory) + Sync + Send + 'static) {
    let mut b = loom::model::Builder::new();
    b.preemption_bound = Some(3);
    b.check(move || {
        let words = Words([AtomicU32::new(0), AtomicU32::new(0)]);
        f(Manager::with(1, buckets, Box::new(NoInheritance)), Memory(Arc::new(words)));
    });
}

/// Sleeps on `at` while it is 0; whether it slept.
fn sleep(m: &Manager, mem: &Memory, at: Addr) -> bool {
    let mut waiter = Waiter::new();
    match m.wait(&mut waiter, mem.clone(), at, P, 0) {
        Ok(w) => loom::future::block_on(w) == Ok(0),
        Err(e) => {
            assert_eq!(e, Errno::EAGAIN);
            false
        }
    }
}

/// The word changes, then the wake: the sleeper sees one or the other. `block_on` deadlocks, and
/// loom says so, if it sees neither.
#[test]
fn no_wake_is_lost() {
    model(1, |m, mem| {
        let (m2, mem2) = (m.clone(), mem.clone());
        let t = thread::spawn(move || sleep(&m2, &mem2, A));
        mem.0.word(A).store(1, SeqCst);
        let woken = m.wake(&mem, A, P, 1).unwrap();
        let slept = t.join().unwrap();
        // A wake is only counted when somebody slept, and nobody sleeps on without one.
        assert_eq!(woken == 1, slept);
    });
}

#[test]
fn two_sleepers_one_wake_each() {
    model(1, |m, mem| {
        let start = || {
            let (m, mem) = (m.clone(), mem.clone());
            thread::spawn(move || sleep(&m, &mem, A))
        };
        let t = [start(), start()];
        mem.0.word(A).store(1, SeqCst);
        let woken = m.wake(&mem, A, P, i32::MAX).unwrap();
        let slept = t.map(|t| t.join().unwrap()).iter().filter(|s| **s).count();
        assert_eq!(woken as usize, slept);
    });
}

/// Either the cancelled wait has the wake, or the wake found nobody.
#[test]
fn a_wake_and_a_cancel() {
    model(1, |m, mem| {
        let mut waiter = Waiter::new();
        let mut w = m.wait(&mut waiter, mem.clone(), A, P, 0).unwrap();
        assert!(pin!(&mut w).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let (m2, mem2) = (m.clone(), mem.clone());
        let t = thread::spawn(move || m2.wake(&mem2, A, P, 1).unwrap());
        let outcome = w.cancel();
        drop(w);
        let expected = match t.join().unwrap() {
            0 => Outcome::Withdrawn,
            _ => Outcome::Finished(Ok(0)),
        };
        assert_eq!(outcome, expected);
        assert_eq!(m.wake(&mem, A, P, 1), Ok(0));
    });
}

/// A waiter that is being moved is unlinked from wherever it is.
#[test]
fn a_requeue_and_a_cancel() {
    for buckets in [1, 2, 8] {
        model(buckets, |m, mem| {
            let mut waiter = Waiter::new();
            let mut w = m.wait(&mut waiter, mem.clone(), A, P, 0).unwrap();
            let (m2, mem2) = (m.clone(), mem.clone());
            let t = thread::spawn(move || {
                let n = Counts { wake: 0, requeue: 1 };
                m2.requeue(&mem2, Word::private(A), Word::private(B), n, None).unwrap()
            });
            assert_eq!(w.cancel(), Outcome::Withdrawn);
            t.join().unwrap();
            assert_eq!(m.wake(&mem, A, P, 1).unwrap() + m.wake(&mem, B, P, 1).unwrap(), 0);
        });
    }
}

/// Two requeues in opposite directions lock two buckets without a deadlock, and lose nobody.
#[test]
fn requeues_both_ways() {
    model(8, |m, mem| {
        let mut waiter = Waiter::new();
        let mut w = m.wait(&mut waiter, mem.clone(), A, P, 0).unwrap();
        let (m2, mem2) = (m.clone(), mem.clone());
        let n = Counts { wake: 0, requeue: 1 };
        let t = thread::spawn(move || {
            m2.requeue(&mem2, Word::private(A), Word::private(B), n, None).unwrap()
        });
        m.requeue(&mem, Word::private(B), Word::private(A), n, None).unwrap();
        t.join().unwrap();
        assert_eq!(m.wake(&mem, A, P, 1).unwrap() + m.wake(&mem, B, P, 1).unwrap(), 1);
        assert_eq!(w.cancel(), Outcome::Finished(Ok(0)));
    });
}

/// A waker that is registered while the wake comes is called, or the poll sees the wake.
#[test]
fn a_wake_and_a_poll() {
    model(1, |m, mem| {
        let mut waiter = Waiter::new();
        let w = m.wait(&mut waiter, mem.clone(), A, P, 0).unwrap();
        let (m2, mem2) = (m.clone(), mem.clone());
        let t = thread::spawn(move || m2.wake(&mem2, A, P, 1).unwrap());
        assert_eq!(loom::future::block_on(w), Ok(0));
        assert_eq!(t.join().unwrap(), 1);
    });
}

fn task(tid: u32) -> PiTask {
    PiTask { id: TaskId(u64::from(tid)), tid, priority: Priority(0) }
}

/// Two lock, each unlocks: both get it, and the word is free in the end.
#[test]
fn pi_lock_and_unlock() {
    model(1, |m, mem| {
        let lock = |m: &Manager, mem: &Memory, tid| {
            let mut waiter = Waiter::new();
            match m.lock_pi(&mut waiter, mem.clone(), A, P, task(tid)).unwrap() {
                Step::Done(_) => {}
                Step::Block(w) => assert_eq!(loom::future::block_on(w), Ok(0)),
            }
            assert_eq!(mem.0.word(A).load(SeqCst) & 0xffff, tid);
            assert_eq!(m.unlock_pi(mem, A, P, task(tid)), Ok(0));
        };
        let (m2, mem2) = (m.clone(), mem.clone());
        let t = thread::spawn(move || lock(&m2, &mem2, 10));
        lock(&m, &mem, 11);
        t.join().unwrap();
        assert_eq!(mem.0.word(A).load(SeqCst), 0);
    });
}

/// An unlock and a cancelled lock: the canceller owns the lock exactly if its cancel says so.
#[test]
fn pi_lock_and_cancel() {
    model(1, |m, mem| {
        assert_eq!(m.trylock_pi(&mem, A, P, task(10)), Ok(0));
        let (m2, mem2) = (m.clone(), mem.clone());
        let t = thread::spawn(move || m2.unlock_pi(&mem2, A, P, task(10)));
        let mut waiter = Waiter::new();
        let got = match m.lock_pi(&mut waiter, mem.clone(), A, P, task(11)).unwrap() {
            Step::Done(_) => true,
            Step::Block(mut w) => {
                let _: Poll<_> = pin!(&mut w).poll(&mut Context::from_waker(Waker::noop()));
                w.cancel() == Outcome::Finished(Ok(0))
            }
        };
        assert_eq!(t.join().unwrap(), Ok(0));
        let owner = mem.0.word(A).load(SeqCst) & 0xffff;
        assert_eq!(owner, if got { 11 } else { 0 });
    });
}

/// An owner's death and a cancelled lock: the canceller owns the lock, and marks the word, exactly
/// if its cancel says so.
#[test]
fn pi_owner_death_and_cancel() {
    model(1, |m, mem| {
        assert_eq!(m.trylock_pi(&mem, A, P, task(10)), Ok(0));
        let mut waiter = Waiter::new();
        let step = m.lock_pi(&mut waiter, mem.clone(), A, P, task(11)).unwrap();
        let Step::Block(mut w) = step else { panic!("it is locked") };
        let m2 = m.clone();
        let t = thread::spawn(move || m2.exit_pi_state(TaskId(10)));
        let outcome = w.cancel();
        t.join().unwrap();
        let word = mem.0.word(A).load(SeqCst);
        match outcome {
            Outcome::Finished(r) => {
                assert_eq!((r, word), (Ok(0), OWNER_DIED | WAITERS | 11));
            }
            withdrawn => assert_eq!((withdrawn, word), (Outcome::Withdrawn, WAITERS | 10)),
        }
    });
}

/// Task 11 sleeps at `A`, to be requeued to the PI futex `B`.
fn to_be_requeued<'a>(m: &'a Manager, mem: &Memory, waiter: &'a mut Waiter) -> Wait<'a, Memory> {
    let (a, b) = (Word::private(A), Word::private(B));
    m.wait_requeue_pi(waiter, mem.clone(), a, b, 0, !0, task(11)).unwrap()
}

fn requeue_to_pi(m: &Manager, mem: &Memory, requeue: i32) -> Result<u32, Errno> {
    let counts = Counts { wake: 1, requeue };
    m.cmp_requeue_pi(mem, Word::private(A), Word::private(B), counts, 0)
}

/// What a cancel finds during a `CMP_REQUEUE_PI` to a futex that nobody owns: either the waiter
/// owns it, or the requeue has found nobody.
#[test]
fn a_requeue_to_a_free_pi_futex_and_a_cancel() {
    for buckets in [1, 8] {
        model(buckets, |m, mem| {
            let mut waiter = Waiter::new();
            let mut w = to_be_requeued(&m, &mem, &mut waiter);
            let (m2, mem2) = (m.clone(), mem.clone());
            let t = thread::spawn(move || requeue_to_pi(&m2, &mem2, 0));
            let outcome = w.cancel();
            let got = t.join().unwrap();
            let owner = mem.0.word(B).load(SeqCst) & TID_MASK;
            match outcome {
                Outcome::Finished(r) => assert_eq!((r, got, owner), (Ok(0), Ok(1), 11)),
                withdrawn => {
                    assert_eq!((withdrawn, got, owner), (Outcome::Withdrawn, Ok(0), 0));
                }
            }
        });
    }
}

/// What a cancel finds during a `CMP_REQUEUE_PI` to a futex that is owned: the waiter is unlinked
/// where it was or where it is, its owner inherits nothing more, and an unlock frees the word.
#[test]
fn a_requeue_behind_an_owner_and_a_cancel() {
    for buckets in [1, 8] {
        model(buckets, |m, mem| {
            assert_eq!(m.trylock_pi(&mem, B, P, task(10)), Ok(0));
            let mut waiter = Waiter::new();
            let mut w = to_be_requeued(&m, &mem, &mut waiter);
            let (m2, mem2) = (m.clone(), mem.clone());
            let t = thread::spawn(move || requeue_to_pi(&m2, &mem2, 1));
            let outcome = w.cancel();
            let expected = match t.join().unwrap() {
                Ok(0) => Outcome::Withdrawn,
                Ok(1) => Outcome::WithdrawnRequeued,
                r => panic!("{r:?}"),
            };
            assert_eq!(outcome, expected);
            assert_eq!(m.unlock_pi(&mem, B, P, task(10)), Ok(0));
            assert_eq!(mem.0.word(B).load(SeqCst), 0);
        });
    }
}

/// An unlock during a `CMP_REQUEUE_PI`: the waiter owns the futex in the end, whoever gave it.
#[test]
fn a_requeue_to_a_pi_futex_and_an_unlock() {
    for buckets in [1, 8] {
        model(buckets, |m, mem| {
            assert_eq!(m.trylock_pi(&mem, B, P, task(10)), Ok(0));
            let mut waiter = Waiter::new();
            let mut w = to_be_requeued(&m, &mem, &mut waiter);
            let (m2, mem2) = (m.clone(), mem.clone());
            let t = thread::spawn(move || m2.unlock_pi(&mem2, B, P, task(10)));
            assert_eq!(requeue_to_pi(&m, &mem, 1), Ok(1));
            assert_eq!(t.join().unwrap(), Ok(0));
            assert_eq!(w.cancel(), Outcome::Finished(Ok(0)));
            assert_eq!(mem.0.word(B).load(SeqCst) & TID_MASK, 11);
        });
    }
}

/// A chain comes to a key where one sleeps who is just leaving, and who comes stays.
#[test]
fn a_requeue_to_others_and_their_cancel() {
    for buckets in [1, 8] {
        model(buckets, |m, mem| {
            let (mut waiter, mut other) = (Waiter::new(), Waiter::new());
            let mut moved = m.wait(&mut waiter, mem.clone(), A, P, 0).unwrap();
            let mut left = m.wait(&mut other, mem.clone(), B, P, 0).unwrap();
            let (m2, mem2) = (m.clone(), mem.clone());
            let n = Counts { wake: 0, requeue: i32::MAX };
            let t = thread::spawn(move || {
                m2.requeue(&mem2, Word::private(A), Word::private(B), n, None).unwrap()
            });
            assert_eq!(left.cancel(), Outcome::Withdrawn);
            assert_eq!(t.join().unwrap(), 1);
            assert_eq!(m.wake(&mem, A, P, i32::MAX), Ok(0));
            assert_eq!(m.wake(&mem, B, P, i32::MAX), Ok(1));
            assert_eq!(moved.cancel(), Outcome::Finished(Ok(0)));
        });
    }
}
