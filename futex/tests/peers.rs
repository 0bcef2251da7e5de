//! Defects that were found in other futex implementations, one test for each.
#![cfg(not(loom))]

mod common;

use arch::Addr;
use common::{Memory, asleep, blocked, is_asleep, is_woken, kernel, task, waiter};
use futex::abi::{OWNER_DIED, WAITERS};
use futex::{Counts, Outcome, Scope, TaskId, Word};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use syserr::Errno;

const A: Addr = Addr(0x1000);
const B: Addr = Addr(0x2000);
const P: Scope = Scope::Private;
const S: Scope = Scope::Shared;

fn counts(wake: i32, requeue: i32) -> Counts {
    Counts { wake, requeue }
}

fn move_all(m: &futex::Manager, mem: &Memory, n: Counts) -> Result<u32, Errno> {
    m.requeue(mem, Word::private(A), Word::private(B), n, None)
}

fn setup() -> (futex::Manager, Arc<Memory>, common::Hook) {
    let k = kernel();
    k.1.map(A, 0);
    k.1.map(B, 0);
    k
}

/// A waiter that finds another value was never there: it takes no wake from one that sleeps.
#[test]
fn litebox_wake_is_not_spent_on_a_waiter_that_returns_eagain() {
    let (m, mem, _) = setup();
    let mut sleeper = asleep(m.wait(waiter(), mem.clone(), A, P, 0));
    assert_eq!(m.wait(waiter(), mem.clone(), A, P, 1).err(), Some(Errno::EAGAIN));
    assert_eq!(m.wake(&mem, A, P, 1), Ok(1));
    assert!(is_woken(&mut sleeper));
}

#[test]
fn litebox_every_operation_number_answers() {
    for op in 0..=0x3ff {
        let args = futex::Args { op, ..Default::default() };
        let _ = futex::Op::decode(&args);
    }
    let args = futex::Args { op: 99, ..Default::default() };
    assert_eq!(futex::Op::decode(&args), Err(Errno::ENOSYS));
}

#[test]
fn asterinas_requeue_then_timeout() {
    let (m, mem, _) = setup();
    let mut w = asleep(m.wait(waiter(), mem.clone(), A, P, 0));
    let mut other = asleep(m.wait(waiter(), mem.clone(), A, P, 0));
    assert_eq!(move_all(&m, &mem, counts(0, 9)), Ok(2));
    assert_eq!(w.cancel().on_timeout(), Err(Errno::ETIMEDOUT));
    // No node is left behind to eat the wake.
    assert_eq!(m.wake(&mem, B, P, 1), Ok(1));
    assert!(is_woken(&mut other));
}

#[test]
fn asterinas_requeue_keeps_the_bitset() {
    let (m, mem, _) = setup();
    let mut w = asleep(m.wait_bitset(waiter(), mem.clone(), A, P, 0, 0b1));
    assert_eq!(move_all(&m, &mem, counts(0, 9)), Ok(1));
    assert_eq!(m.wake_bitset(&mem, B, P, 9, 0b10), Ok(0));
    assert_eq!(m.wake_bitset(&mem, B, P, 9, 0b01), Ok(1));
    assert!(is_woken(&mut w));
}

#[test]
fn asterinas_requeue_of_zero_moves_nobody() {
    let (m, mem, _) = setup();
    let _w = asleep(m.wait(waiter(), mem.clone(), A, P, 0));
    assert_eq!(move_all(&m, &mem, counts(0, 0)), Ok(0));
    assert_eq!(m.wake(&mem, B, P, 9), Ok(0));
    assert_eq!(m.wake(&mem, A, P, 9), Ok(1));
}

/// Also redox: removal from the middle must not reorder the rest.
#[test]
fn asterinas_removal_keeps_the_order() {
    let (m, mem, _) = setup();
    let mut w: Vec<_> = (0..6).map(|_| asleep(m.wait(waiter(), mem.clone(), A, P, 0))).collect();
    assert_eq!(w[1].cancel(), Outcome::Withdrawn);
    for i in [0, 2, 3, 4, 5] {
        assert_eq!(m.wake(&mem, A, P, 1), Ok(1));
        assert!(is_woken(&mut w[i]), "{i}");
    }
}

/// Also redox, Quark: the key is the object and the offset in it, wherever it is mapped.
#[test]
fn starry_shared_key_is_the_offset_in_the_object() {
    let (m, mem, _) = kernel();
    let word = Arc::new(AtomicU32::new(0));
    mem.map_shared(A, &word, 9, 0x5000);
    mem.map_shared(B, &word, 9, 0x5000);
    let mut w = asleep(m.wait(waiter(), mem.clone(), A, S, 0));
    assert_eq!(m.wake(&mem, B, S, 1), Ok(1));
    assert!(is_woken(&mut w));
}

#[test]
fn starry_teardown_wakes_the_shared_key() {
    let (m, mem, _) = kernel();
    let word = Arc::new(AtomicU32::new(77));
    mem.map_shared(A, &word, 9, 0);
    let mut w = asleep(m.fork().wait(waiter(), mem.clone(), A, S, 77));
    m.clear_child_tid(&mem, &*mem, A);
    assert_eq!(mem.get(A), 0);
    assert!(is_woken(&mut w));
}

/// The word is never faulted in under a lock: a fault handler that itself uses futexes of the same
/// bucket would deadlock.
#[test]
fn starry_fault_with_the_bucket_unlocked() {
    struct Faulting(futex::Manager, AtomicU32);
    impl futex::Target for Faulting {
        fn check(&self, _: Addr) -> Result<(), Errno> {
            Ok(())
        }
        fn shared_key(&self, _: Addr, _: bool) -> Result<futex::Backing, Errno> {
            Ok(futex::Backing::Private)
        }
        fn load_nofault(&self, _: Addr) -> Result<u32, futex::Fault> {
            if self.1.load(std::sync::atomic::Ordering::SeqCst) == 0 {
                Err(futex::Fault)
            } else {
                Ok(0)
            }
        }
        fn compare_exchange_nofault(&self, a: Addr, _: u32, _: u32) -> Result<u32, futex::Fault> {
            self.load_nofault(a)
        }
        fn fault_in(&self, _: Addr, _: bool) -> Result<(), Errno> {
            self.1.store(1, std::sync::atomic::Ordering::SeqCst);
            for i in 0..64 {
                let words = [0, 1].map(|j| Word::private(Addr(i * 8 + j * 4)));
                self.0.requeue(self, words[0], words[1], counts(1, 1), None)?;
            }
            Ok(())
        }
    }
    let (m, _, _) = kernel();
    let t = || Faulting(m.clone(), AtomicU32::new(0));
    let w = m.wait(waiter(), t(), A, P, 0).expect("asleep");
    let (wa, wb) = (Word::private(A), Word::private(B));
    assert_eq!(m.requeue(t(), wa, wb, counts(0, 0), Some(0)), Ok(0));
    assert_eq!(m.wake_op(t(), B, A, P, 1, 1, 1 << 28), Ok(1));
    drop(w);
    assert_eq!(m.trylock_pi(t(), A, P, task(1, 0)), Ok(0));
}

/// Processes that share memory without being threads of one group share the manager.
#[test]
fn moss_private_key_is_the_address_space() {
    let (m, mem, _) = setup();
    let vfork_child = m.clone();
    let mut w = asleep(m.wait(waiter(), mem.clone(), A, P, 0));
    assert_eq!(vfork_child.wake(&mem, A, P, 1), Ok(1));
    assert!(is_woken(&mut w));
}

/// Also LiteBox: a private word keeps its key when its page is copied.
#[test]
fn moss_wake_after_copy_on_write() {
    let (m, mem, _) = setup();
    let mut w = asleep(m.wait(waiter(), mem.clone(), A, S, 0));
    mem.map(A, 0);
    assert_eq!(m.wake(&mem, A, S, 1), Ok(1));
    assert!(is_woken(&mut w));
}

#[test]
fn maestro_wake_wins_over_the_deadline() {
    let (m, mem, _) = setup();
    let mut w = asleep(m.wait(waiter(), mem.clone(), A, P, 0));
    assert_eq!(m.wake(&mem, A, P, 1), Ok(1));
    assert_eq!(w.cancel(), Outcome::Finished(Ok(0)));
    assert_eq!(w.cancel().on_timeout(), Ok(0));
}

/// Sleep ends by a wake, not by a look at the word: after a requeue the old word means nothing.
#[test]
fn kevlar_requeued_waiter_wakes_whatever_the_old_word_is() {
    let (m, mem, _) = setup();
    let mut w = asleep(m.wait(waiter(), mem.clone(), A, P, 0));
    assert_eq!(move_all(&m, &mem, counts(0, 1)), Ok(1));
    assert_eq!(m.wake(&mem, B, P, 1), Ok(1));
    assert!(is_woken(&mut w));
}

#[test]
fn kevlar_same_address_in_two_spaces_is_two_futexes() {
    let (m, mem, _) = setup();
    let (one, two) = (m.fork(), m.fork());
    for scope in [P, S] {
        let mut w = asleep(one.wait(waiter(), mem.clone(), A, scope, 0));
        assert_eq!(two.wake(&mem, A, scope, 9), Ok(0));
        assert!(is_asleep(&mut w));
    }
}

#[test]
fn dragonos_requeue_to_a_word_that_nobody_has_waited_on() {
    let (m, mem, _) = setup();
    let mut w = asleep(m.wait(waiter(), mem.clone(), A, P, 0));
    assert_eq!(move_all(&m, &mem, counts(0, 1)), Ok(1));
    assert_eq!(m.wake(&mem, A, P, 9), Ok(0));
    assert_eq!(m.wake(&mem, B, P, 9), Ok(1));
    assert!(is_woken(&mut w));
}

#[test]
fn dragonos_requeue_pi_answers() {
    let (m, mem, _) = setup();
    let (on, to) = (Word::private(A), Word::private(B));
    let w = m.wait_requeue_pi(waiter(), mem.clone(), on, to, 0, !0, task(1, 0));
    let mut w = asleep(w);
    assert_eq!(m.cmp_requeue_pi(&mem, on, to, counts(1, 0), 0), Ok(1));
    assert!(is_woken(&mut w));
    assert_eq!(mem.get(B), 1);
}

#[test]
fn gvisor_requeue_returns_woken_and_moved() {
    let (m, mem, _) = setup();
    let _w = [0; 4].map(|_| asleep(m.wait(waiter(), mem.clone(), A, P, 0)));
    let (from, to) = (Word::private(A), Word::private(B));
    assert_eq!(m.requeue(&mem, from, to, counts(1, 2), Some(0)), Ok(3));
    assert_eq!(m.requeue(&mem, from, to, counts(0, i32::MAX), None), Ok(1));
}

/// A wake that comes after the sleep was interrupted, but before it is withdrawn, is its result,
/// so the call is not restarted into another sleep.
#[test]
fn ish_wake_in_the_restart_window() {
    let (m, mem, _) = setup();
    let op = futex::Op::Wait { on: Word::private(A), val: 0, bitset: !0 };
    let mut w = asleep(m.wait(waiter(), mem.clone(), A, P, 0));
    assert_eq!(m.wake(&mem, A, P, 1), Ok(1));
    assert_eq!(op.interrupted(w.cancel(), false), Err(Ok(0)));
}

/// Also gVisor: a requeue onto the same word ends, counts, and changes nothing.
#[test]
fn elfuse_requeue_to_the_same_word_ends() {
    let (m, mem, _) = setup();
    let mut w = [0; 3].map(|_| asleep(m.wait(waiter(), mem.clone(), A, P, 0)));
    let on = Word::private(A);
    assert_eq!(m.requeue(&mem, on, on, counts(0, i32::MAX), None), Ok(3));
    for w in &mut w {
        assert_eq!(m.wake(&mem, A, P, 1), Ok(1));
        assert!(is_woken(w));
    }
}

/// The host kernel accepts it (see the oracle's `requeue_to_self`).
#[test]
fn moss_requeue_to_self_is_legal() {
    let (m, mem, _) = setup();
    let on = Word::private(A);
    assert_eq!(m.requeue(&mem, on, on, counts(1, 1), Some(0)), Ok(0));
}

#[test]
fn gvisor_robust_wake_is_shared_whatever_the_tid() {
    // Bit 7 set and not: gVisor took it for the private flag.
    for tid in [0x80, 0x7f] {
        let (m, mem, _) = kernel();
        let word = Arc::new(AtomicU32::new(tid | WAITERS));
        mem.map_shared(A, &word, 3, 0);
        let mut w = asleep(m.fork().wait(waiter(), mem.clone(), A, S, tid | WAITERS));
        // The entry is 8 bytes before the word; the head lies at 0x8000.
        for (at, v) in [(0x8000, 0xff8), (0x8008, 8), (0x8010, 0), (0xff8, 0x8000)] {
            mem.map(Addr(at), v);
            mem.map(Addr(at + 4), 0);
        }
        mem.map_shared(A, &word, 3, 0);
        m.exit_robust_list(&mem, &*mem, Addr(0x8000), tid);
        assert_eq!(mem.get(A), OWNER_DIED | WAITERS);
        assert!(is_woken(&mut w));
    }
}

#[test]
fn gvisor_robust_pi_hand_over() {
    let (m, mem, hook) = setup();
    assert_eq!(m.trylock_pi(&mem, A, P, task(10, 0)), Ok(0));
    let mut w = blocked(m.lock_pi(waiter(), mem.clone(), A, P, task(11, 0)));
    // The robust walk has changed the word already when the hand-over comes.
    mem.set(A, WAITERS | OWNER_DIED);
    hook.0.dead.lock().unwrap().insert(10);
    m.exit_pi_state(TaskId(10));
    assert!(is_woken(&mut w));
    assert_eq!(mem.get(A), WAITERS | OWNER_DIED | 11);
    assert_eq!(m.unlock_pi(&mem, A, P, task(11, 0)), Ok(0));
}

#[test]
fn gvisor_pi_acquire_keeps_the_waiters() {
    let (m, mem, hook) = setup();
    assert_eq!(m.trylock_pi(&mem, A, P, task(10, 0)), Ok(0));
    let mut w = blocked(m.lock_pi(waiter(), mem.clone(), A, P, task(11, 0)));
    mem.set(A, WAITERS | OWNER_DIED);
    // A newcomer queues behind instead of taking the word without the bit.
    let mut late = blocked(m.lock_pi(waiter(), mem.clone(), A, P, task(12, 0)));
    hook.0.dead.lock().unwrap().insert(10);
    m.exit_pi_state(TaskId(10));
    assert!(is_woken(&mut w) && is_asleep(&mut late));
    assert_eq!(m.unlock_pi(&mem, A, P, task(11, 0)), Ok(0));
    assert!(is_woken(&mut late));
}

#[test]
fn gvisor_lock_pi_of_nobody_is_esrch() {
    let (m, mem, hook) = setup();
    hook.0.dead.lock().unwrap().insert(99);
    mem.set(A, 99);
    assert_eq!(common::done(m.lock_pi(waiter(), mem.clone(), A, P, task(1, 0))), Err(Errno::ESRCH));
}

#[test]
fn gvisor_wake_op_is_signed_masked_and_wakes_one() {
    let (m, mem, _) = setup();
    let sleep = |a| asleep(m.wait(waiter(), mem.clone(), a, P, mem.get(a)));
    let _w = [A, A, B, B].map(sleep);
    // B = -1; was 0 > -2.
    assert_eq!(m.wake_op(&mem, A, B, P, 0, -7, 4 << 24 | 0xfff << 12 | 0xffe), Ok(2));
    assert_eq!(mem.get(B), u32::MAX);
    // B = 1 << (33 & 31); was -1 < 0.
    assert_eq!(m.wake_op(&mem, A, B, P, 1, 1, 1 << 31 | 2 << 24 | 33 << 12), Ok(2));
    assert_eq!(mem.get(B), 2);
}

#[test]
fn gvisor_negative_counts_are_einval() {
    let (m, mem, _) = setup();
    assert_eq!(move_all(&m, &mem, counts(-1, 0)), Err(Errno::EINVAL));
    assert_eq!(move_all(&m, &mem, counts(0, -1)), Err(Errno::EINVAL));
}

#[test]
fn gvisor_clock_realtime_on_the_wrong_operation_is_enosys() {
    for op in [0, 1, 3, 4, 5, 6, 7, 8, 10, 12] {
        let args = futex::Args { op: op | 256, ..Default::default() };
        assert_eq!(futex::Op::decode(&args), Err(Errno::ENOSYS), "{op}");
    }
}

/// Also Kevlar: a wake is for those whose bitsets meet its own.
#[test]
fn maestro_a_wake_obeys_the_bitset() {
    let (m, mem, _) = setup();
    let sleep = |bits| asleep(m.wait_bitset(waiter(), mem.clone(), A, P, 0, bits));
    let (mut one, mut two) = (sleep(1), sleep(2));
    assert_eq!(m.wake_bitset(&mem, A, P, i32::MAX, 2), Ok(1));
    assert!(is_asleep(&mut one) && is_woken(&mut two));
}

/// A deadline of zero is no eternity.
#[test]
#[cfg(feature = "std")]
fn maestro_a_deadline_that_has_passed_ends_the_wait() {
    let (m, mem, _) = setup();
    let wait = asleep(m.wait(waiter(), mem.clone(), A, P, 0));
    assert_eq!(wait.block(Some(std::time::Instant::now())).on_timeout(), Err(Errno::ETIMEDOUT));
    assert_eq!(m.wake(&mem, A, P, 1), Ok(0));
}

/// A new address space is not the one that ended, wherever the kernel keeps them.
#[test]
fn maestro_a_new_address_space_has_no_old_waiters() {
    let (m, mem, _) = setup();
    let old = m.fork();
    let mut forgotten = asleep(old.wait(waiter(), mem.clone(), A, P, 0));
    drop(old);
    for _ in 0..64 {
        assert_eq!(m.fork().wake(&mem, A, P, i32::MAX), Ok(0));
    }
    assert!(is_asleep(&mut forgotten));
}

/// The word is compared with both buckets locked: who has seen the new value is not moved.
#[test]
fn dragonos_requeue_compares_under_the_lock() {
    struct Watched(futex::Manager, Arc<Memory>, std::sync::Mutex<Option<Woken>>);
    type Woken = std::thread::JoinHandle<Result<u32, Errno>>;
    impl futex::Target for Watched {
        fn check(&self, at: Addr) -> Result<(), Errno> {
            futex::Target::check(&self.1, at)
        }
        fn shared_key(&self, at: Addr, write: bool) -> Result<futex::Backing, Errno> {
            self.1.shared_key(at, write)
        }
        fn load_nofault(&self, at: Addr) -> Result<u32, futex::Fault> {
            let (m, mem) = (self.0.clone(), self.1.clone());
            let t = std::thread::spawn(move || m.wake(&mem, A, P, 1));
            // Without a lock it would be done by now, mostly.
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert!(!t.is_finished(), "a wake came through");
            *self.2.lock().unwrap() = Some(t);
            self.1.load_nofault(at)
        }
        fn compare_exchange_nofault(&self, at: Addr, o: u32, n: u32) -> Result<u32, futex::Fault> {
            self.1.compare_exchange_nofault(at, o, n)
        }
        fn fault_in(&self, at: Addr, write: bool) -> Result<(), Errno> {
            self.1.fault_in(at, write)
        }
    }
    let (m, mem, _) = setup();
    let mut w = asleep(m.wait(waiter(), mem.clone(), A, P, 0));
    let watched = Watched(m.clone(), mem.clone(), std::sync::Mutex::default());
    let (from, to) = (Word::private(A), Word::private(B));
    assert_eq!(m.requeue(&watched, from, to, counts(0, 1), Some(0)), Ok(1));
    let wake = watched.2.lock().unwrap().take().expect("the word was read");
    assert_eq!(wake.join().unwrap(), Ok(0), "it came after the move");
    assert_eq!(m.wake(&mem, B, P, 1), Ok(1));
    assert!(is_woken(&mut w));
}

/// An owner runs at no less than its most urgent waiter, along the chain of owners.
#[test]
fn gvisor_pi_boosts_the_owner() {
    let (m, mem, hook) = setup();
    for (at, owner) in [(A, task(1, 0)), (B, task(2, 3))] {
        assert_eq!(m.trylock_pi(&mem, at, P, owner), Ok(0));
    }
    let _second = blocked(m.lock_pi(waiter(), mem.clone(), A, P, task(2, 3)));
    let mut third = blocked(m.lock_pi(waiter(), mem.clone(), B, P, task(3, 7)));
    let seven = Some(futex::Priority(7));
    assert_eq!((hook.boost_of(1), hook.boost_of(2)), (seven, seven));
    assert_eq!(third.cancel(), Outcome::Withdrawn);
    assert_eq!((hook.boost_of(1), hook.boost_of(2)), (Some(futex::Priority(3)), None));
}
