//! `FUTEX_WAKE`, `FUTEX_WAKE_BITSET` and `FUTEX_WAKE_OP`.

use crate::abi::MATCH_ANY;
use crate::bucket::barrier;
use crate::chain::{Wakers, wake_all};
use crate::key::{Key, Scope};
use crate::manager::{Manager, RETRIES};
use crate::target::{Fault, Target};
use arch::Addr;
use syserr::Errno;

/// How often a word may change under an atomic operation before the locks are dropped, as arm64's
/// `FUTEX_MAX_LOOPS`.
const MAX_LOOPS: u32 = 128;

/// The decoded third value of `FUTEX_WAKE_OP`.
struct WakeOp {
    op: u32,
    cmp: u32,
    arg: u32,
    cmp_arg: i32,
}

/// The signed value of a 12-bit field.
const fn sign_extend_12(v: u32) -> i32 {
    ((v << 20) as i32) >> 20
}

impl WakeOp {
    fn decode(v: u32) -> WakeOp {
        let raw = sign_extend_12(v >> 12 & 0xfff);
        // FUTEX_OP_OPARG_SHIFT; Linux masks a shift that is out of range.
        let arg = if v >> 31 != 0 { 1u32 << (raw & 31) } else { raw as u32 };
        WakeOp { op: v >> 28 & 7, cmp: v >> 24 & 15, arg, cmp_arg: sign_extend_12(v & 0xfff) }
    }

    /// What the word becomes; `None` for an unknown operation.
    fn apply(&self, old: u32) -> Option<u32> {
        Some(match self.op {
            0 => self.arg,
            1 => old.wrapping_add(self.arg),
            2 => old | self.arg,
            3 => old & !self.arg,
            4 => old ^ self.arg,
            _ => return None,
        })
    }

    fn compare(&self, old: u32) -> Result<bool, Errno> {
        let (old, arg) = (old as i32, self.cmp_arg);
        match self.cmp {
            0 => Ok(old == arg),
            1 => Ok(old != arg),
            2 => Ok(old < arg),
            3 => Ok(old <= arg),
            4 => Ok(old > arg),
            5 => Ok(old >= arg),
            _ => Err(Errno::ENOSYS),
        }
    }
}

/// Why an atomic operation on a word did not happen.
enum NotDone {
    Fault,
    Contended,
    Errno(Errno),
}

fn atomic_op<T: Target>(target: &T, addr: Addr, op: &WakeOp) -> Result<bool, NotDone> {
    let fault = |_: Fault| NotDone::Fault;
    // An unknown operation touches nothing; an unknown comparison is found after the change.
    op.apply(0).ok_or(NotDone::Errno(Errno::ENOSYS))?;
    let mut old = target.load_nofault(addr).map_err(fault)?;
    for _ in 0..MAX_LOOPS {
        let new = op.apply(old).ok_or(NotDone::Errno(Errno::ENOSYS))?;
        let seen = target.compare_exchange_nofault(addr, old, new).map_err(fault)?;
        if seen == old {
            return op.compare(old).map_err(NotDone::Errno);
        }
        old = seen;
    }
    Err(NotDone::Contended)
}

/// How many a wake of `n` wakes at most.
fn at_least_one(n: i32) -> u32 {
    n.max(1) as u32
}

impl Manager {
    /// Wakes up to `n` waiters (at least one) on the word at `addr`; returns how many.
    ///
    /// The word itself is not accessed. Source: futex(2), `FUTEX_WAKE`; that `n <= 0` wakes one is
    /// `futex_wake` in `kernel/futex/waitwake.c`.
    ///
    /// # Errors
    /// `EINVAL` for an unaligned address or when a waiter is there for a PI operation; `EFAULT`.
    pub fn wake<T: Target>(
        &self,
        target: T,
        addr: Addr,
        scope: Scope,
        n: i32,
    ) -> Result<u32, Errno> {
        self.wake_bitset(target, addr, scope, n, MATCH_ANY)
    }

    /// As [`Manager::wake`], of waiters whose bitset meets `bitset`. Source: futex(2),
    /// `FUTEX_WAKE_BITSET`.
    ///
    /// # Errors
    /// As [`Manager::wake`]; `EINVAL` for an empty bitset.
    pub fn wake_bitset<T: Target>(
        &self,
        target: T,
        addr: Addr,
        scope: Scope,
        n: i32,
        bitset: u32,
    ) -> Result<u32, Errno> {
        if bitset == 0 {
            return Err(Errno::EINVAL);
        }
        let key = self.key(&target, addr, scope, false)?;
        self.wake_key(key, n, bitset)
    }

    pub(crate) fn wake_key(&self, key: Key, n: i32, bitset: u32) -> Result<u32, Errno> {
        barrier();
        let Some(bucket) = self.table.busy(key) else { return Ok(0) };
        let mut wakers = Wakers::new();
        let mut queue = bucket.lock();
        let woken = queue.wake(key, at_least_one(n), bitset, &mut wakers);
        if woken == Ok(0) {
            bucket.settle(&queue);
        }
        drop(queue);
        wake_all(wakers);
        woken
    }

    /// Changes the word at `addr2` as `op` says, wakes up to `n` waiters at `addr`, and up to `n2`
    /// at `addr2` if the old value there meets `op`'s condition; at least one each. Returns the
    /// sum. Source: futex(2), `FUTEX_WAKE_OP`; `futex_atomic_op_inuser` for the signed 12-bit
    /// arguments and the masked shift.
    ///
    /// # Errors
    /// `ENOSYS` for an unknown operation or comparison; otherwise as [`Manager::wake`].
    #[expect(clippy::too_many_arguments, reason = "they are the system call's")]
    pub fn wake_op<T: Target>(
        &self,
        target: T,
        addr: Addr,
        addr2: Addr,
        scope: Scope,
        n: i32,
        n2: i32,
        op: u32,
    ) -> Result<u32, Errno> {
        let (op, n, n2) = (WakeOp::decode(op), at_least_one(n), at_least_one(n2));
        let key = self.key(&target, addr, scope, false)?;
        let key2 = self.key(&target, addr2, scope, true)?;
        for _ in 0..RETRIES {
            let mut pair = self.table.lock_two(key, key2)?;
            // Nothing may fail once the word is changed.
            let mut wakers = Wakers::new();
            let most = pair.from().at_most(key, n) + pair.to().at_most(key2, n2);
            wakers.try_reserve(most).map_err(|_| Errno::ENOMEM)?;
            let met = match atomic_op(&target, addr2, &op) {
                Ok(met) => met,
                Err(NotDone::Errno(e)) => return Err(e),
                Err(NotDone::Contended) => continue,
                Err(NotDone::Fault) => {
                    drop(pair);
                    target.fault_in(addr2, true)?;
                    continue;
                }
            };
            let mut woken = pair.from().wake(key, n, MATCH_ANY, &mut wakers);
            if met && let Ok(first) = woken {
                let more = pair.to().wake(key2, n2, MATCH_ANY, &mut wakers);
                woken = more.map(|more| first + more);
            }
            drop(pair);
            wake_all(wakers);
            return woken;
        }
        Err(Errno::EAGAIN)
    }
}
