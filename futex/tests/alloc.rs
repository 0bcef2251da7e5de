//! What is allocated, and what happens when it cannot be.
#![cfg(not(loom))]

mod common;

use arch::Addr;
use common::{Memory, task};
use futex::{Counts, Manager, NoInheritance, Outcome, Scope, Waiter, Word};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::task::{Context, Waker};
use syserr::Errno;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    /// Bytes that are allocated.
    static LIVE: Cell<i64> = const { Cell::new(0) };
    /// How many allocations succeed before all fail.
    static LEFT: Cell<u64> = const { Cell::new(u64::MAX) };
}

struct Counting;

#[expect(unsafe_code, reason = "the only way to see allocations")]
// SAFETY: everything is passed on to the system's allocator, or fails.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|c| c.set(c.get() + 1));
        let left = LEFT.with(Cell::get);
        if left == 0 {
            return std::ptr::null_mut();
        }
        LEFT.with(|l| l.set(left - u64::from(left != u64::MAX)));
        LIVE.with(|l| l.set(l.get() + layout.size() as i64));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        LIVE.with(|l| l.set(l.get() - layout.size() as i64));
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(p, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const A: Addr = Addr(0x1000);
const B: Addr = Addr(0x2000);
const P: Scope = Scope::Private;

fn allocations(f: impl FnOnce()) -> u64 {
    let before = COUNT.with(Cell::get);
    f();
    COUNT.with(Cell::get) - before
}

/// The result of `f` when only `n` allocations succeed.
fn with_allocations<R>(n: u64, f: impl FnOnce() -> R) -> R {
    LEFT.with(|l| l.set(n));
    let r = f();
    LEFT.with(|l| l.set(u64::MAX));
    r
}

/// Waiting, waking few, waking nobody, requeueing all and forking allocate nothing.
#[test]
fn nothing_is_allocated() {
    let (m, mem) = (Manager::new(1), Memory::new());
    mem.map(A, 0);
    let mut waiter = Waiter::new();
    let mut cancelled = || {
        let mut w = m.wait(&mut waiter, &mem, A, P, 0).unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(std::pin::Pin::new(&mut w).poll(&mut cx).is_pending());
        assert_eq!(w.cancel(), Outcome::Withdrawn);
    };
    cancelled();
    assert_eq!(allocations(|| (0..10).for_each(|_| cancelled())), 0);
    let to_b = || m.requeue(&mem, Word::private(A), Word::private(B), counts(0, 1), None);
    let moved = |w: &mut Waiter| {
        let mut w = m.wait(w, &mem, A, P, 0).unwrap();
        assert_eq!(to_b(), Ok(1));
        assert_eq!(m.wake(&mem, B, P, 1), Ok(1));
        assert_eq!(w.cancel(), Outcome::Finished(Ok(0)));
    };
    moved(&mut waiter);
    assert_eq!(allocations(|| (0..10).for_each(|_| moved(&mut waiter))), 0);
    assert_eq!(allocations(|| assert_eq!(m.wake(&mem, A, P, 1), Ok(0))), 0);
    assert_eq!(allocations(|| drop(m.fork())), 0);
}

/// Asterinas, moss and Kevlar keep something for each word that was ever waited on.
#[test]
fn what_is_kept_does_not_grow_with_the_words() {
    let (m, mem) = (Manager::new(1), Memory::new());
    let mut live = Vec::new();
    for round in 0..4u64 {
        for i in 0..50_000u64 {
            let at = Addr((round * 50_000 + i + 1) * 4);
            mem.map(at, 0);
            let crowd = if i % 1000 == 0 { 40 } else { 1 };
            let sleep = |_| m.wait(common::waiter(), mem.clone(), at, P, 0).unwrap().into_owned();
            let mut waits: Vec<_> = (0..crowd).map(sleep).collect();
            if i % 2 == 0 {
                assert_eq!(m.wake(&mem, at, P, i32::MAX), Ok(crowd));
            }
            waits.clear();
            mem.unmap(at);
        }
        live.push(LIVE.with(Cell::get) / 1024);
    }
    // What `common::waiter` leaks is a few words for each wait.
    let leaked = 50_000 * size_of::<Waiter>() as i64 / 1024 * 2;
    assert!(live[3] - live[2] <= leaked, "{live:?} KiB");
}

fn counts(wake: i32, requeue: i32) -> Counts {
    Counts { wake, requeue }
}

/// Two words, `at_a` waiters asleep on one and `at_b` on the other.
struct Stage {
    m: Manager,
    mem: Arc<Memory>,
    waits: Vec<common::Sleeper>,
}

fn stage(buckets: usize, at_a: usize, at_b: usize) -> Stage {
    let (m, mem) = (Manager::with(7, buckets, Box::new(NoInheritance)), Memory::new());
    mem.map(A, 0);
    mem.map(B, 0);
    let mut s = Stage { m, mem, waits: Vec::new() };
    for (at, n) in [(A, at_a), (B, at_b)] {
        for _ in 0..n {
            let w = s.m.wait(common::waiter(), s.mem.clone(), at, P, 0).unwrap().into_owned();
            s.waits.push(w);
        }
    }
    // Wakers are what a wake needs memory for.
    assert!(s.waits.iter_mut().all(common::is_asleep));
    s
}

/// Runs `operation` with its first allocation failing, then with its second, until it has all that
/// it wants. When it fails, the words and who sleeps where are as they were.
fn every_allocation_fails(
    name: &str,
    (at_a, at_b): (usize, usize),
    operation: impl Fn(&Stage) -> Result<u32, Errno>,
) {
    for buckets in [1, 1024] {
        let mut failed = 0;
        loop {
            let s = stage(buckets, at_a, at_b);
            match with_allocations(failed, || operation(&s)) {
                Ok(_) => break,
                Err(e) => assert_eq!(e, Errno::ENOMEM, "{name}, after {failed} allocations"),
            }
            assert_eq!((s.mem.get(A), s.mem.get(B)), (0, 0), "{name}: the words are untouched");
            for (at, n) in [(A, at_a), (B, at_b)] {
                assert_eq!(s.m.wake(&s.mem, at, P, i32::MAX), Ok(n as u32), "{name} at {at:?}");
            }
            failed += 1;
        }
        assert!(failed > 0, "{name} allocates something the first time");
    }
}

#[test]
fn a_wait_without_memory() {
    // The slot is made before; the double and `Box` would not survive a failing allocation.
    let waiter = || {
        let s = stage(1, 0, 0);
        let mut w = Waiter::new();
        let _ = s.m.wait(&mut w, &s.mem, A, P, 0).unwrap().cancel();
        w
    };
    let waiters: Vec<_> = (0..64).map(|_| std::cell::RefCell::new(waiter())).collect();
    let next = Cell::new(0);
    every_allocation_fails("wait", (0, 0), |s| {
        let mut w = waiters[next.replace(next.get() + 1)].borrow_mut();
        s.m.wait(&mut w, &s.mem, A, P, 0).map(|_| 0)
    });
    // A chain that is full.
    every_allocation_fails("wait behind others", (64, 0), |s| {
        let mut w = waiters[next.replace(next.get() + 1)].borrow_mut();
        s.m.wait(&mut w, &s.mem, A, P, 0).map(|_| 0)
    });
    every_allocation_fails("wait_requeue_pi", (0, 0), |s| {
        let mut w = waiters[next.replace(next.get() + 1)].borrow_mut();
        let (on, to) = (Word::private(A), Word::private(B));
        s.m.wait_requeue_pi(&mut w, &s.mem, on, to, 0, !0, task(5, 0)).map(|_| 0)
    });
}

#[test]
fn a_wake_without_memory() {
    every_allocation_fails("wake", (20, 3), |s| s.m.wake(&s.mem, A, P, i32::MAX));
    every_allocation_fails("wake_op", (20, 20), |s| {
        s.m.wake_op(&s.mem, A, B, P, i32::MAX, i32::MAX, 1 << 28 | 1 << 12)
    });
}

#[test]
fn a_requeue_without_memory() {
    let requeue =
        |s: &Stage, n| s.m.requeue(&s.mem, Word::private(A), Word::private(B), n, Some(0));
    every_allocation_fails("requeue", (20, 0), |s| requeue(s, counts(0, i32::MAX)));
    every_allocation_fails("requeue of some", (40, 1), |s| requeue(s, counts(1, 30)));
    every_allocation_fails("requeue to more", (20, 32), |s| requeue(s, counts(0, i32::MAX)));
    every_allocation_fails("requeue and wake", (64, 3), |s| requeue(s, counts(20, i32::MAX)));
}

#[test]
fn what_needs_no_memory_works_without() {
    let mut s = stage(1024, 8, 8);
    with_allocations(0, || {
        s.waits.truncate(12);
        assert_eq!(s.m.wake(&s.mem, B, P, i32::MAX), Ok(4));
        let n = counts(4, i32::MAX);
        assert_eq!(s.m.requeue(&s.mem, Word::private(A), Word::private(A), n, Some(0)), Ok(8));
    });
}
