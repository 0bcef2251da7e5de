//! Priority inheritance, deadlocks and the deaths of owners.
#![cfg(not(loom))]

mod common;

use arch::Addr;
use common::{Memory, asleep, blocked, done, is_asleep, is_woken, kernel, poll, task, waiter};
use futex::abi::{OWNER_DIED, WAITERS};
use futex::{Counts, Manager, Outcome, Priority, Scope, TaskId, Word};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::task::Poll;
use syserr::Errno;

const P: Scope = Scope::Private;
const S: Scope = Scope::Shared;

fn at(i: u64) -> Addr {
    Addr(0x1000 + 4 * i)
}

fn setup() -> (Manager, Arc<Memory>, common::Hook) {
    let k = kernel();
    (0..8).for_each(|i| k.1.map(at(i), 0));
    k
}

fn lock(m: &Manager, mem: &Arc<Memory>, i: u64, t: futex::PiTask) -> common::Sleeper {
    blocked(m.lock_pi(waiter(), mem.clone(), at(i), P, t))
}

#[test]
fn the_most_urgent_waiter_is_next_and_equals_in_order() {
    let (m, mem, hook) = setup();
    assert_eq!(m.trylock_pi(&mem, at(0), P, task(1, 0)), Ok(0));
    let mut w = [(2, 5), (3, 9), (4, 9), (5, 1)].map(|(t, p)| lock(&m, &mem, 0, task(t, p)));
    assert_eq!(hook.boost_of(1), Some(Priority(9)));
    let mut owner = task(1, 0);
    for (i, t, p) in [(1, 3, 9), (2, 4, 9), (0, 2, 5), (3, 5, 1)] {
        assert_eq!(m.unlock_pi(&mem, at(0), P, owner), Ok(0));
        assert_eq!(hook.boost_of(u64::from(owner.tid)), None);
        assert!(is_woken(&mut w[i]));
        assert_eq!(mem.get(at(0)), WAITERS | t);
        owner = task(t, p);
    }
    assert_eq!(m.unlock_pi(&mem, at(0), P, owner), Ok(0));
    assert_eq!(mem.get(at(0)), 0);
}

#[test]
fn a_chain_inherits_and_gives_back() {
    let (m, mem, hook) = setup();
    for t in 1..=3 {
        assert_eq!(m.trylock_pi(&mem, at(u64::from(t)), P, task(t, 0)), Ok(0));
    }
    // 2 waits for 1, 3 for 2; then 9 waits for 3 and lifts all.
    let _w2 = lock(&m, &mem, 1, task(2, 0));
    let _w3 = lock(&m, &mem, 2, task(3, 0));
    let mut w9 = lock(&m, &mem, 3, task(9, 50));
    let boosts = |hook: &common::Hook| [1, 2, 3].map(|t| hook.boost_of(t));
    assert_eq!(boosts(&hook), [Some(Priority(50)); 3]);
    // What 2 inherited makes it next on lock 1, before one that came earlier.
    assert_eq!(w9.cancel(), Outcome::Withdrawn);
    assert_eq!(boosts(&hook), [Some(Priority(0)), Some(Priority(0)), None]);
}

#[test]
fn an_inherited_priority_counts_in_the_queue() {
    let (m, mem, _) = setup();
    assert_eq!(m.trylock_pi(&mem, at(0), P, task(1, 0)), Ok(0));
    assert_eq!(m.trylock_pi(&mem, at(1), P, task(3, 0)), Ok(0));
    let mut w2 = lock(&m, &mem, 0, task(2, 5));
    let mut w3 = lock(&m, &mem, 0, task(3, 0));
    let _w4 = lock(&m, &mem, 1, task(4, 9));
    assert_eq!(m.unlock_pi(&mem, at(0), P, task(1, 0)), Ok(0));
    assert!(is_woken(&mut w3) && is_asleep(&mut w2));
}

#[test]
fn deadlocks_are_found_through_others() {
    let (m, mem, _) = setup();
    const N: u32 = 6;
    for t in 0..N {
        assert_eq!(m.trylock_pi(&mem, at(u64::from(t)), P, task(t + 1, 0)), Ok(0));
    }
    let mut chain: Vec<_> =
        (0..N - 1).map(|t| lock(&m, &mem, u64::from(t + 1), task(t + 1, 0))).collect();
    let r = m.lock_pi(waiter(), mem.clone(), at(0), P, task(N, 0));
    assert_eq!(done(r), Err(Errno::EDEADLK));
    assert_eq!(done(m.lock_pi(waiter(), mem.clone(), at(0), P, task(1, 0))), Err(Errno::EDEADLK));
    // Once somebody gives up, it is none any more.
    assert_eq!(chain[2].cancel(), Outcome::Withdrawn);
    let mut last = lock(&m, &mem, 0, task(N, 0));
    assert_eq!(m.unlock_pi(&mem, at(0), P, task(1, 0)), Ok(0));
    assert!(is_woken(&mut last));
}

#[test]
fn a_cancelled_waiter_is_passed_over() {
    let (m, mem, hook) = setup();
    assert_eq!(m.trylock_pi(&mem, at(0), P, task(1, 0)), Ok(0));
    let mut w2 = lock(&m, &mem, 0, task(2, 7));
    let mut w3 = lock(&m, &mem, 0, task(3, 3));
    assert_eq!(w2.cancel(), Outcome::Withdrawn);
    assert_eq!(hook.boost_of(1), Some(Priority(3)));
    assert_eq!(m.unlock_pi(&mem, at(0), P, task(1, 0)), Ok(0));
    assert!(is_woken(&mut w3));
}

/// The lock came before the deadline: the call succeeds.
#[test]
fn a_hand_over_wins_over_the_deadline() {
    let (m, mem, _) = setup();
    assert_eq!(m.trylock_pi(&mem, at(0), P, task(1, 0)), Ok(0));
    let mut w = lock(&m, &mem, 0, task(2, 0));
    assert_eq!(m.unlock_pi(&mem, at(0), P, task(1, 0)), Ok(0));
    assert_eq!(w.cancel().on_timeout(), Ok(0));
    assert_eq!(m.unlock_pi(&mem, at(0), P, task(2, 0)), Ok(0));
}

/// The dead owner's space does not map the word where the waiter does; the waiter writes it.
#[test]
fn death_of_an_owner_in_another_space() {
    let (root, one, hook) = kernel();
    let two = Memory::new();
    let (m1, m2) = (root.fork(), root.fork());
    let word = Arc::new(AtomicU32::new(0));
    one.map_shared(at(0), &word, 4, 8);
    two.map_shared(at(5), &word, 4, 8);
    assert_eq!(m1.trylock_pi(&one, at(0), S, task(1, 0)), Ok(0));
    let mut w2 = blocked(m2.lock_pi(waiter(), two.clone(), at(5), S, task(2, 0)));
    let mut w3 = blocked(m2.lock_pi(waiter(), two.clone(), at(5), S, task(3, 0)));
    one.unmap(at(0));
    hook.0.dead.lock().unwrap().insert(1);
    m1.exit_pi_state(TaskId(1));
    // Until the new owner has run, the word names the dead one, and newcomers are turned away.
    let r = m2.lock_pi(waiter(), two.clone(), at(5), S, task(4, 0));
    assert_eq!(done(r), Err(Errno::EINVAL));
    two.evict(at(5));
    assert!(is_woken(&mut w2) && is_asleep(&mut w3));
    assert_eq!(word.load(SeqCst), OWNER_DIED | WAITERS | 2);
    assert_eq!(m2.unlock_pi(&two, at(5), S, task(2, 0)), Ok(0));
    assert_eq!(word.load(SeqCst), WAITERS | 3);
    assert!(is_woken(&mut w3));
}

/// Who is given the lock by a death and dies itself before it runs passes it on.
#[test]
fn deaths_in_a_row() {
    let (m, mem, hook) = setup();
    assert_eq!(m.trylock_pi(&mem, at(0), P, task(1, 0)), Ok(0));
    let w2 = lock(&m, &mem, 0, task(2, 0));
    let mut w3 = lock(&m, &mem, 0, task(3, 0));
    hook.0.dead.lock().unwrap().extend([1, 2]);
    m.exit_pi_state(TaskId(1));
    drop(w2);
    m.exit_pi_state(TaskId(2));
    assert!(is_woken(&mut w3));
    assert_eq!(mem.get(at(0)), OWNER_DIED | WAITERS | 3);
    m.exit_pi_state(TaskId(3));
}

#[test]
fn a_word_that_cannot_be_written_is_efault() {
    let (m, mem, hook) = setup();
    assert_eq!(m.trylock_pi(&mem, at(0), P, task(1, 0)), Ok(0));
    let mut w = lock(&m, &mem, 0, task(2, 0));
    hook.0.dead.lock().unwrap().insert(1);
    m.exit_pi_state(TaskId(1));
    mem.read_only.store(true, SeqCst);
    assert_eq!(poll(&mut w), Poll::Ready(Err(Errno::EFAULT)));
    let r = m.lock_pi(waiter(), mem.clone(), at(0), P, task(3, 0));
    assert_eq!(done(r), Err(Errno::EFAULT));
}

#[test]
fn requeued_waiters_lift_the_owner_and_can_be_cancelled() {
    let (m, mem, hook) = setup();
    let (on, to) = (Word::private(at(0)), Word::private(at(1)));
    assert_eq!(m.trylock_pi(&mem, at(1), P, task(1, 0)), Ok(0));
    let sleep = |t| asleep(m.wait_requeue_pi(waiter(), mem.clone(), on, to, 0, !0, t));
    let (mut w2, mut w3) = (sleep(task(2, 8)), sleep(task(3, 4)));
    let counts = Counts { wake: 1, requeue: i32::MAX };
    assert_eq!(m.cmp_requeue_pi(&mem, on, to, counts, 0), Ok(2));
    assert_eq!(mem.get(at(1)), WAITERS | 1);
    assert_eq!(hook.boost_of(1), Some(Priority(8)));
    assert_eq!(w2.cancel(), Outcome::WithdrawnRequeued);
    assert_eq!(hook.boost_of(1), Some(Priority(4)));
    let op = futex::Op::WaitRequeuePi { on, to, val: 0, bitset: !0 };
    assert_eq!(op.interrupted(Outcome::WithdrawnRequeued, true), Err(Err(Errno::EAGAIN)));
    assert_eq!(op.interrupted(Outcome::Withdrawn, true), Ok(syserr::Restart::NoIntr));
    assert_eq!(m.unlock_pi(&mem, at(1), P, task(1, 0)), Ok(0));
    assert!(is_woken(&mut w3));
}

#[test]
fn nothing_is_left_after_random_locks() {
    let (m, mem, hook) = setup();
    let mut sleeping: Vec<Option<common::Sleeper>> = (0..8).map(|_| None).collect();
    let mut x = 12345u64;
    for _ in 0..4000 {
        x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let (t, i) = ((x >> 33) as usize % 8, (x >> 40) % 3);
        let me = task(t as u32 + 1, (x >> 50) as i32 % 5);
        match &mut sleeping[t] {
            Some(w) if x >> 60 == 0 => {
                let _ = w.cancel();
                sleeping[t] = None;
            }
            Some(w) => {
                if !is_asleep(w) {
                    sleeping[t] = None;
                }
            }
            None if x >> 63 == 0 => {
                if let Ok(futex::Step::Block(w)) = m.lock_pi(waiter(), mem.clone(), at(i), P, me) {
                    sleeping[t] = Some(w.into_owned());
                }
            }
            None => drop(m.unlock_pi(&mem, at(i), P, me)),
        }
    }
    sleeping.clear();
    for i in 0..3 {
        let owner = mem.get(at(i)) & futex::abi::TID_MASK;
        if owner != 0 {
            assert_eq!(m.unlock_pi(&mem, at(i), P, task(owner, 0)), Ok(0));
        }
        assert_eq!(mem.get(at(i)), 0);
    }
    assert!((1..=8).all(|t| hook.boost_of(t).is_none()));
}
