//! Wait and wake, each for private and shared words; the cases are those of gVisor's futex tests.
#![cfg(not(loom))]

mod common;

use arch::Addr;
use common::{asleep, blocked, done, is_asleep, is_woken, kernel, poll, task, waiter};
use futex::{Outcome, Scope, Step, Wait, WaitEntry, Waiter, Word};
use std::task::Poll;
use syserr::Errno;

const A: Addr = Addr(0x1000);
const B: Addr = Addr(0x2000);
const SCOPES: [Scope; 2] = [Scope::Private, Scope::Shared];

macro_rules! with_scopes {
    ($(#[$m:meta])* fn $name:ident($mgr:ident, $mem:ident, $scope:ident) $body:block) => {
        $(#[$m])*
        #[test]
        fn $name() {
            for $scope in SCOPES {
                let ($mgr, $mem, _) = kernel();
                $mem.map(A, 0);
                $mem.map(B, 0);
                $body
            }
        }
    };
}

with_scopes! {
    fn wake_none_is_zero(m, mem, scope) {
        assert_eq!(m.wake(&mem, A, scope, 1), Ok(0));
    }
}

with_scopes! {
    fn wake_one(m, mem, scope) {
        let mut w = asleep(m.wait(waiter(), mem.clone(), A, scope, 0));
        assert!(is_asleep(&mut w));
        assert_eq!(m.wake(&mem, A, scope, 1), Ok(1));
        assert!(is_woken(&mut w));
        assert_eq!(m.wake(&mem, A, scope, 1), Ok(0));
    }
}

with_scopes! {
    fn wake_bitmask(m, mem, scope) {
        let mut w = asleep(m.wait_bitset(waiter(), mem.clone(), A, scope, 0, 0b10));
        assert_eq!(m.wake_bitset(&mem, A, scope, 1, 0b01), Ok(0));
        assert!(is_asleep(&mut w));
        assert_eq!(m.wake_bitset(&mem, A, scope, 1, 0b11), Ok(1));
        assert!(is_woken(&mut w));
        assert_eq!(m.wake_bitset(&mem, A, scope, 1, 0), Err(Errno::EINVAL));
        let r = m.wait_bitset(waiter(), mem.clone(), A, scope, 0, 0);
        assert_eq!(r.err(), Some(Errno::EINVAL));
    }
}

with_scopes! {
    fn wake_two_of_three_in_order(m, mem, scope) {
        let mut w = [0; 3].map(|_| asleep(m.wait(waiter(), mem.clone(), A, scope, 0)));
        assert_eq!(m.wake(&mem, A, scope, 2), Ok(2));
        assert!(is_woken(&mut w[0]) && is_woken(&mut w[1]) && is_asleep(&mut w[2]));
    }
}

with_scopes! {
    fn wake_unrelated_address(m, mem, scope) {
        let mut w = asleep(m.wait(waiter(), mem.clone(), A, scope, 0));
        for i in 1..64 {
            assert_eq!(m.wake(&mem, Addr(A.0 + 4 * i), Scope::Private, 9), Ok(0));
        }
        assert_eq!(m.wake(&mem, B, scope, 9), Ok(0));
        assert!(is_asleep(&mut w));
    }
}

with_scopes! {
    fn wrong_value_is_eagain(m, mem, scope) {
        assert_eq!(m.wait(waiter(), mem.clone(), A, scope, 1).err(), Some(Errno::EAGAIN));
        assert_eq!(m.wake(&mem, A, scope, 1), Ok(0));
    }
}

with_scopes! {
    fn unaligned_and_bad_addresses(m, mem, scope) {
        for off in 1..4 {
            let at = Addr(A.0 + off);
            assert_eq!(m.wait(waiter(), mem.clone(), at, scope, 0).err(), Some(Errno::EINVAL));
            assert_eq!(m.wake(&mem, at, scope, 1), Err(Errno::EINVAL));
        }
        for at in [Addr(0x9000), Addr(common::TOP), Addr(u64::MAX - 3)] {
            assert_eq!(m.wait(waiter(), mem.clone(), at, scope, 0).err(), Some(Errno::EFAULT));
        }
    }
}

with_scopes! {
    fn not_resident_word_is_faulted_in(m, mem, scope) {
        mem.evict(A);
        let mut w = asleep(m.wait(waiter(), mem.clone(), A, scope, 0));
        assert!(is_asleep(&mut w));
        assert_eq!(mem.faults.load(std::sync::atomic::Ordering::SeqCst), 1);
        mem.evict(B);
        assert_eq!(m.wake_op(&mem, A, B, scope, 1, 1, 1 << 28 | 1 << 12), Ok(1));
        assert_eq!(mem.get(B), 1);
        assert!(is_woken(&mut w));
    }
}

with_scopes! {
    fn cancel_withdraws_and_later_wakes_find_nobody(m, mem, scope) {
        let mut w = asleep(m.wait(waiter(), mem.clone(), A, scope, 0));
        assert_eq!(w.cancel(), Outcome::Withdrawn);
        assert_eq!(m.wake(&mem, A, scope, 9), Ok(0));
        assert_eq!(Outcome::Withdrawn.on_timeout(), Err(Errno::ETIMEDOUT));
    }
}

with_scopes! {
    fn drop_withdraws(m, mem, scope) {
        drop(asleep(m.wait(waiter(), mem.clone(), A, scope, 0)));
        assert_eq!(m.wake(&mem, A, scope, 9), Ok(0));
    }
}

with_scopes! {
    fn requeue_wakes_and_moves_in_order(m, mem, scope) {
        let mut w = [0; 5].map(|_| asleep(m.wait(waiter(), mem.clone(), A, scope, 0)));
        let (from, to) = (Word { addr: A, scope }, Word { addr: B, scope });
        let counts = futex::Counts { wake: 1, requeue: 3 };
        assert_eq!(m.requeue(&mem, from, to, counts, Some(1)), Err(Errno::EAGAIN));
        assert_eq!(m.requeue(&mem, from, to, counts, Some(0)), Ok(4));
        assert!(is_woken(&mut w[0]));
        assert_eq!(m.wake(&mem, A, scope, 9), Ok(1));
        assert!(is_woken(&mut w[4]));
        for w in &mut w[1..4] {
            assert!(is_asleep(w));
            assert_eq!(m.wake(&mem, B, scope, 1), Ok(1));
            assert!(is_woken(w));
        }
    }
}

with_scopes! {
    fn waitv_returns_the_index_and_leaves_nothing(m, mem, scope) {
        let entries = [A, B].map(|addr| WaitEntry { addr, scope, val: 0 });
        let mut w = blocked(m.waitv(mem.clone(), &entries));
        assert!(is_asleep(&mut w));
        assert_eq!(m.wake(&mem, B, scope, 1), Ok(1));
        assert_eq!(poll(&mut w), Poll::Ready(Ok(1)));
        assert_eq!(m.wake(&mem, A, scope, 9), Ok(0));
        mem.set(B, 1);
        assert_eq!(done(m.waitv(mem.clone(), &entries)), Err(Errno::EAGAIN));
        assert_eq!(m.wake(&mem, A, scope, 9), Ok(0));
    }
}

#[test]
fn waitv_entry_that_was_requeued_still_ends_the_wait() {
    let (m, mem, _) = kernel();
    for a in [A, B, Addr(0x3000)] {
        mem.map(a, 0);
    }
    let scope = Scope::Private;
    let entries = [A, B].map(|addr| WaitEntry { addr, scope, val: 0 });
    let mut w = blocked(m.waitv(mem.clone(), &entries));
    let counts = futex::Counts { wake: 0, requeue: 1 };
    assert_eq!(m.requeue(&mem, Word::private(A), Word::private(Addr(0x3000)), counts, None), Ok(1));
    assert_eq!(m.wake(&mem, Addr(0x3000), scope, 1), Ok(1));
    assert_eq!(w.cancel(), Outcome::Finished(Ok(0)));
    assert_eq!(m.wake(&mem, B, scope, 1), Ok(0));
}

#[test]
fn a_waiter_is_reused() {
    let (m, mem, _) = kernel();
    mem.map(A, 0);
    let mut waiter = Waiter::new();
    for _ in 0..100 {
        let mut w = m.wait(&mut waiter, &mem, A, Scope::Private, 0).unwrap();
        assert_eq!(w.cancel(), Outcome::Withdrawn);
    }
    for _ in 0..100 {
        let w: Wait<'_, _> = m.wait(&mut waiter, mem.clone(), A, Scope::Private, 0).unwrap();
        let w = w.into_owned();
        assert_eq!(m.wake(&mem, A, Scope::Private, 1), Ok(1));
        waiter = w.into_waiter();
    }
}

#[test]
fn shared_memory_meets_across_spaces_and_private_does_not() {
    let (root, one, _) = kernel();
    let two = common::Memory::new();
    let (m1, m2) = (root.fork(), root.fork());
    let word = std::sync::Arc::default();
    one.map_shared(A, &word, 5, 64);
    two.map_shared(B, &word, 5, 64);
    one.map(B, 0);
    two.map(A, 0);
    let mut w = asleep(m1.wait(waiter(), one.clone(), A, Scope::Shared, 0));
    assert_eq!(m2.wake(&two, A, Scope::Shared, 1), Ok(0));
    assert_eq!(m2.wake(&two, B, Scope::Private, 1), Ok(0));
    assert_eq!(m2.wake(&two, B, Scope::Shared, 1), Ok(1));
    assert!(is_woken(&mut w));
    // The same address in another space, private memory.
    let mut w = asleep(m1.wait(waiter(), one.clone(), B, Scope::Private, 0));
    assert_eq!(m2.wake(&two, B, Scope::Private, 1), Ok(0));
    assert_eq!(m1.clone().wake(&one, B, Scope::Private, 1), Ok(1));
    assert!(is_woken(&mut w) && m1.is_same(&m1.clone()) && !m1.is_same(&m2));
}

/// A shared operation on private memory moves a waiter of another space onto a word of this one;
/// both must still find it.
#[test]
fn requeue_from_shared_memory_into_another_space() {
    let (root, one, _) = kernel();
    let two = common::Memory::new();
    let (m1, m2) = (root.fork(), root.fork());
    let word = std::sync::Arc::default();
    one.map_shared(A, &word, 5, 0);
    two.map_shared(A, &word, 5, 0);
    two.map(B, 0);
    let sleep = || asleep(m1.wait(waiter(), one.clone(), A, Scope::Shared, 0));
    let (mut first, mut second) = (sleep(), sleep());
    let counts = futex::Counts { wake: 0, requeue: 2 };
    assert_eq!(m2.requeue(&two, Word::shared(A), Word::shared(B), counts, None), Ok(2));
    assert_eq!(first.cancel(), Outcome::Withdrawn);
    assert_eq!(m2.wake(&two, B, Scope::Shared, 9), Ok(1));
    assert!(is_woken(&mut second));
}

#[test]
fn two_kernels_in_one_process_do_not_meet() {
    let ((m1, mem, _), (m2, _, _)) = (kernel(), kernel());
    mem.map(A, 0);
    let mut w = asleep(m1.wait(waiter(), mem.clone(), A, Scope::Private, 0));
    assert_eq!(m2.wake(&mem, A, Scope::Private, 9), Ok(0));
    assert!(is_asleep(&mut w));
}

#[test]
fn execute_runs_decoded_calls() {
    let (m, mem, _) = kernel();
    mem.map(A, 0);
    let mut waiter = Waiter::new();
    let args = futex::Args { uaddr: A, op: 128, ..Default::default() };
    let op = futex::Op::decode(&args).unwrap();
    let step = m.execute(&mut waiter, &mem, task(1, 0), &op).unwrap();
    let Step::Block(mut w) = step else { panic!("the word is 0") };
    assert_eq!(op.interrupted(w.cancel(), false), Ok(syserr::Restart::Sys));
    assert_eq!(op.interrupted(Outcome::Withdrawn, true), Ok(syserr::Restart::Block));
    assert_eq!(op.interrupted(Outcome::Finished(Ok(0)), true), Err(Ok(0)));
}

#[cfg(feature = "std")]
#[test]
fn block_ends_by_wake_or_deadline() {
    let (m, mem, _) = kernel();
    mem.map(A, 0);
    let past = Some(std::time::Instant::now());
    let w = asleep(m.wait(waiter(), mem.clone(), A, Scope::Private, 0));
    assert_eq!(w.block(past), Outcome::Withdrawn);
    let w = asleep(m.wait(waiter(), mem.clone(), A, Scope::Private, 0));
    std::thread::scope(|s| {
        let sleeper = s.spawn(|| w.block(None));
        assert_eq!(m.wake(&mem, A, Scope::Private, 1), Ok(1));
        assert_eq!(sleeper.join().unwrap(), Outcome::Finished(Ok(0)));
    });
}
