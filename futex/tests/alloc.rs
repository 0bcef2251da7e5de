//! Waiting, waking nobody and forking allocate nothing.
#![cfg(not(loom))]

mod common;

use arch::Addr;
use futex::{Manager, Outcome, Scope, Waiter};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[expect(unsafe_code, reason = "the only way to see allocations")]
// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|c| c.set(c.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(p, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(f: impl FnOnce()) -> u64 {
    let before = COUNT.with(Cell::get);
    f();
    COUNT.with(Cell::get) - before
}

#[test]
fn nothing_is_allocated() {
    let m = Manager::new(1);
    let mem = common::Memory::new();
    let (a, scope) = (Addr(0x1000), Scope::Private);
    mem.map(a, 0);
    let mut waiter = Waiter::new();
    let mut cancelled = || {
        let mut w = m.wait(&mut waiter, &mem, a, scope, 0).unwrap();
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(std::pin::Pin::new(&mut w).poll(&mut cx).is_pending());
        assert_eq!(w.cancel(), Outcome::Withdrawn);
    };
    cancelled();
    assert_eq!(allocations(|| (0..10).for_each(|_| cancelled())), 0);
    let woken = |w: &mut Waiter| {
        let mut w = m.wait(w, &mem, a, scope, 0).unwrap();
        assert_eq!(m.wake(&mem, a, scope, 1), Ok(1));
        assert_eq!(w.cancel(), Outcome::Finished(Ok(0)));
    };
    assert_eq!(allocations(|| (0..10).for_each(|_| woken(&mut waiter))), 0);
    assert_eq!(allocations(|| assert_eq!(m.wake(&mem, a, scope, 1), Ok(0))), 0);
    assert_eq!(allocations(|| drop(m.fork())), 0);
}
