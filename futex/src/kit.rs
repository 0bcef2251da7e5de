//! For tests: what every [`Target`] must do, as a check to run on an implementation of one's own.

use crate::{Backing, Fault, Manager, Outcome, Scope, SharedKey, Target, Waiter};
use arch::Addr;
use syserr::Errno;

/// What is mapped where, for [`check_target`]. All words are aligned, have never been touched, and
/// are 0.
#[derive(Clone, Copy, Debug)]
pub struct Mapped {
    /// Eight bytes of memory that belongs to one address space alone, to be read and written.
    pub private: Addr,
    /// Twice the same eight bytes of one shared object, to be read and written. The second address
    /// space has them at the first address.
    pub shared: [Addr; 2],
    /// A word of private memory that may only be read.
    pub read_only: Addr,
    /// A user address where nothing is mapped.
    pub nothing: Addr,
    /// An address that no user has.
    pub beyond: Addr,
}

/// Checks a [`Target`]: one address space, and another that maps the shared words too.
///
/// # Panics
/// When a target does something else than [`Target`] says.
pub fn check_target<T: Target>(target: &T, other: &T, at: Mapped) {
    check_addresses(target, at);
    check_keys(target, other, at);
    check_faults(target, at);
    check_words(target, other, at);
    check_waits(target, other, at);
}

/// An address is judged without looking at what is mapped.
fn check_addresses<T: Target>(target: &T, at: Mapped) {
    for addr in [at.private, at.shared[0], at.read_only, at.nothing] {
        assert_eq!(target.check(addr), Ok(()), "{addr:?} is a user address");
    }
    assert_eq!(target.check(at.beyond), Err(Errno::EFAULT), "{:?} is none", at.beyond);
}

fn check_keys<T: Target>(target: &T, other: &T, at: Mapped) {
    for write in [false, true] {
        let key = |t: &T, addr| t.shared_key(addr, write);
        assert_eq!(key(target, at.private), Ok(Backing::Private));
        assert_eq!(key(target, at.nothing), Err(Errno::EFAULT), "nothing has no key");
        let first = key(target, at.shared[0]);
        let Ok(Backing::Shared(SharedKey { object, offset })) = first else {
            panic!("{first:?} is no shared key");
        };
        assert_eq!(key(target, at.shared[1]), first, "one word, one key, wherever it is mapped");
        assert_eq!(key(other, at.shared[0]), first, "one word, one key, in every address space");
        let next = Backing::Shared(SharedKey { object, offset: offset + 4 });
        assert_eq!(key(target, at.shared[0].wrapping_add(4)), Ok(next), "offsets are in bytes");
    }
    assert_eq!(target.shared_key(at.read_only, false), Ok(Backing::Private));
    assert_eq!(target.shared_key(at.read_only, true), Err(Errno::EFAULT), "it may not be written");
}

/// What is not accessible is a fault, and stays one.
fn check_faults<T: Target>(target: &T, at: Mapped) {
    assert_eq!(target.load_nofault(at.nothing), Err(Fault));
    assert_eq!(target.compare_exchange_nofault(at.nothing, 0, 1), Err(Fault));
    for write in [false, true] {
        assert_eq!(target.fault_in(at.nothing, write), Err(Errno::EFAULT));
    }
    assert_eq!(target.fault_in(at.read_only, false), Ok(()));
    assert_eq!(target.load_nofault(at.read_only), Ok(0), "it was faulted in");
    assert_eq!(target.fault_in(at.read_only, true), Err(Errno::EFAULT), "it may not be written");
    assert_eq!(target.compare_exchange_nofault(at.read_only, 0, 1), Err(Fault));
    assert_eq!(target.load_nofault(at.read_only), Ok(0), "nothing was written");
}

fn check_words<T: Target>(target: &T, other: &T, at: Mapped) {
    for (addr, views) in [(at.private, 1), (at.shared[0], 3)] {
        let first = target.load_nofault(addr);
        assert!(matches!(first, Ok(0) | Err(Fault)), "never touched, and {first:?}");
        assert_eq!(target.fault_in(addr, true), Ok(()));
        assert_eq!(target.load_nofault(addr), Ok(0), "it was faulted in");
        let replace = |old, new| target.compare_exchange_nofault(addr, old, new);
        assert_eq!(replace(0, 0x8000_0001), Ok(0), "what was there");
        assert_eq!(replace(0, 7), Ok(0x8000_0001), "what is there, if it is something else");
        let all = [(target, addr), (target, at.shared[1]), (other, addr)];
        for (t, addr) in all.into_iter().take(views) {
            assert_eq!(t.fault_in(addr, false), Ok(()));
            assert_eq!(t.load_nofault(addr), Ok(0x8000_0001), "one word, wherever it is mapped");
        }
        assert_eq!(target.load_nofault(addr.wrapping_add(4)), Ok(0), "the next word is another");
        assert_eq!(replace(0x8000_0001, 0), Ok(0x8000_0001));
    }
}

/// Futexes over both address spaces: waiters meet wakes through whatever mapping.
fn check_waits<T: Target>(target: &T, other: &T, at: Mapped) {
    let (here, mut waiter) = (Manager::new(1), Waiter::new());
    let there = here.fork();
    let cases = [
        (at.private, Scope::Private, &here, target, at.private),
        (at.private, Scope::Shared, &here, target, at.private),
        (at.shared[0], Scope::Shared, &here, target, at.shared[1]),
        (at.shared[0], Scope::Shared, &there, other, at.shared[0]),
    ];
    for (addr, scope, waker, from, wake) in cases {
        let refused = here.wait(&mut waiter, target, addr, scope, 1).err();
        assert_eq!(refused, Some(Errno::EAGAIN), "{addr:?} is not 1");
        let mut wait = here.wait(&mut waiter, target, addr, scope, 0).expect("it is 0");
        assert_eq!(waker.wake(from, wake, scope, 1), Ok(1), "{wake:?} is {addr:?}");
        assert_eq!(wait.cancel(), Outcome::Finished(Ok(0)));
    }
    for addr in [at.nothing, at.beyond] {
        for scope in [Scope::Private, Scope::Shared] {
            let refused = here.wait(&mut waiter, target, addr, scope, 0).err();
            assert_eq!(refused, Some(Errno::EFAULT), "{addr:?}");
        }
    }
}
