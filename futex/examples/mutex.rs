//! A mutex of user space, between threads that block in a futex manager.
//!
//! The "guest" is a slice of atomics that all threads share; an address is an index into it.

use arch::Addr;
use futex::{Backing, Fault, Manager, Scope, Target, Waiter};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use syserr::Errno;

struct Words([AtomicU32; 4]);

impl Words {
    fn at(&self, addr: Addr) -> Option<&AtomicU32> {
        self.0.get(usize::try_from(addr.0 / 4).ok()?)
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

const LOCK: Addr = Addr(0);

/// 0: free, 1: taken, 2: taken and somebody may sleep.
fn lock(futexes: &Manager, words: &Words, waiter: &mut Waiter) {
    let word = &words.0[0];
    if word.compare_exchange(0, 1, SeqCst, SeqCst).is_ok() {
        return;
    }
    while word.swap(2, SeqCst) != 0 {
        // EAGAIN: it changed before we slept, so try again.
        if let Ok(wait) = futexes.wait(waiter, words, LOCK, Scope::Private, 2) {
            let _ = wait.block(None);
        }
    }
}

fn unlock(futexes: &Manager, words: &Words) {
    if words.0[0].swap(0, SeqCst) == 2 {
        futexes.wake(words, LOCK, Scope::Private, 1).expect("a good address");
    }
}

fn main() {
    let futexes = Manager::new(0x5eed);
    let words = Words(std::array::from_fn(|_| AtomicU32::new(0)));
    // Two halves of a counter: only the lock keeps them equal.
    let (a, b) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                let mut waiter = Waiter::new();
                for _ in 0..10_000 {
                    lock(&futexes, &words, &mut waiter);
                    let n = a.load(SeqCst);
                    assert_eq!(n, b.load(SeqCst), "somebody else is inside");
                    a.store(n + 1, SeqCst);
                    b.store(n + 1, SeqCst);
                    unlock(&futexes, &words);
                }
            });
        }
    });
    println!("{} increments", a.load(SeqCst));
}
