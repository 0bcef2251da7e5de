//! Robust lists: what the exit of a thread does to the futexes it holds.
#![cfg(not(loom))]

mod common;

use arch::Addr;
use common::{Memory, asleep, is_asleep, is_woken, kernel, waiter};
use futex::abi::{OWNER_DIED, ROBUST_LIST_LIMIT, WAITERS};
use futex::{Manager, Scope};
use std::sync::Arc;

const HEAD: u64 = 0x8000;
const ENTRIES: u64 = 0x10000;
const TID: u32 = 40;

/// The futex word lies 8 bytes after the entry's link.
fn entry(i: u64) -> u64 {
    ENTRIES + 32 * i
}

fn word(i: u64) -> Addr {
    Addr(entry(i) + 8)
}

fn put(mem: &Memory, at: u64, v: u64) {
    mem.map(Addr(at), v as u32);
    mem.map(Addr(at + 4), (v >> 32) as u32);
}

/// A list of `n` entries, all owned by [`TID`], with a pending entry.
fn list(n: u64, pending: u64) -> (Manager, Arc<Memory>) {
    let (m, mem, _) = kernel();
    let at = |i| if i < n { entry(i) } else { HEAD };
    for i in 0..n {
        put(&mem, entry(i), at(i + 1));
        mem.map(word(i), TID);
    }
    put(&mem, HEAD, at(0));
    put(&mem, HEAD + 8, 8);
    put(&mem, HEAD + 16, pending);
    (m, mem)
}

fn exit(m: &Manager, mem: &Memory) {
    m.exit_robust_list(mem, mem, Addr(HEAD), TID);
}

fn sleeper(m: &Manager, mem: &Arc<Memory>, i: u64) -> common::Sleeper {
    asleep(m.wait(waiter(), mem.clone(), word(i), Scope::Shared, mem.get(word(i))))
}

#[test]
fn marks_and_wakes_one_each() {
    let (m, mem) = list(3, 0);
    mem.set(word(1), TID | WAITERS);
    let (mut w0, mut w1) = (sleeper(&m, &mem, 0), sleeper(&m, &mem, 1));
    let mut second = sleeper(&m, &mem, 1);
    exit(&m, &mem);
    assert_eq!([0, 1, 2].map(|i| mem.get(word(i))), [OWNER_DIED, OWNER_DIED | WAITERS, OWNER_DIED]);
    // Without the bit nobody is woken: user space says that nobody sleeps.
    assert!(is_asleep(&mut w0) && is_woken(&mut w1) && is_asleep(&mut second));
}

#[test]
fn leaves_what_others_own() {
    let (m, mem) = list(2, 0);
    mem.set(word(0), 41 | WAITERS);
    exit(&m, &mem);
    assert_eq!([0, 1].map(|i| mem.get(word(i))), [41 | WAITERS, OWNER_DIED]);
}

#[test]
fn the_pending_entry_is_handled_last_and_once() {
    let (m, mem) = list(2, entry(0));
    mem.set(word(0), TID | WAITERS);
    let (mut a, mut b) = (sleeper(&m, &mem, 0), sleeper(&m, &mem, 0));
    exit(&m, &mem);
    assert!(is_woken(&mut a) && is_asleep(&mut b));
    assert_eq!([0, 1].map(|i| mem.get(word(i))), [OWNER_DIED | WAITERS, OWNER_DIED]);
}

/// It had stored 0 and died before its wake.
#[test]
fn a_pending_entry_that_is_free_is_woken() {
    let (m, mem) = list(1, entry(5));
    mem.map(word(5), 0);
    let mut w = sleeper(&m, &mem, 5);
    exit(&m, &mem);
    assert!(is_woken(&mut w));
    assert_eq!(mem.get(word(5)), 0);
}

#[test]
fn pi_entries_are_marked_but_not_woken_here() {
    let (m, mem) = list(2, 0);
    put(&mem, HEAD, entry(0) | 1);
    mem.set(word(0), TID | WAITERS);
    let mut w = sleeper(&m, &mem, 0);
    exit(&m, &mem);
    assert_eq!(mem.get(word(0)), OWNER_DIED | WAITERS);
    assert!(is_asleep(&mut w));
}

#[test]
fn a_circle_ends_at_the_limit() {
    let (m, mem) = list(2, 0);
    put(&mem, entry(1), entry(0));
    exit(&m, &mem);
    let n = ROBUST_LIST_LIMIT as u64;
    let (m2, mem2) = list(n + 1, 0);
    exit(&m2, &mem2);
    assert_eq!(mem2.get(word(n - 1)), OWNER_DIED);
    assert_eq!(mem2.get(word(n)), TID);
}

#[test]
fn what_is_not_there_ends_the_walk_silently() {
    for gone in [HEAD, HEAD + 8, HEAD + 16, entry(1), entry(1) + 8, entry(2)] {
        let (m, mem) = list(3, entry(2));
        mem.unmap(Addr(gone));
        exit(&m, &mem);
        let head_there = !(HEAD..=HEAD + 16).contains(&gone);
        assert_eq!(mem.get(word(0)) == OWNER_DIED, head_there, "{gone:#x}");
    }
    let (m, mem) = list(1, 0);
    m.exit_robust_list(&mem, &*mem, Addr::NULL, TID);
    put(&mem, HEAD, 3);
    exit(&m, &mem);
}

#[test]
fn clear_child_tid_tolerates_anything() {
    let (m, mem) = list(0, 0);
    for at in [0, 1, HEAD + 2, common::TOP, u64::MAX] {
        m.clear_child_tid(&mem, &*mem, Addr(at));
    }
}
