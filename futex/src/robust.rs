//! What happens to a thread's futexes when it ends: robust lists and the cleared thread id.

use crate::abi::{MATCH_ANY, OWNER_DIED, ROBUST_LIST_LIMIT, RobustListHead, TID_MASK, WAITERS};
use crate::key::Scope;
use crate::manager::{Manager, RETRIES};
use crate::target::Target;
use arch::{Addr, Permissions, UserMemory, UserMemoryExt};

/// The lowest bit of an entry's address marks a PI futex.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    addr: u64,
    pi: bool,
}

impl Entry {
    fn new(v: u64) -> Entry {
        Entry { addr: v & !1, pi: v & 1 != 0 }
    }
}

/// The walk has to stop: an address that is not there.
struct Stop;

impl Manager {
    /// Walks the robust list at `head` of the ending thread `tid`: marks each futex that it holds
    /// with `FUTEX_OWNER_DIED` and wakes one waiter of each.
    ///
    /// Wakes are always shared ones, and those of PI futexes are left to
    /// [`Manager::exit_pi_state`], which comes next. Memory that is not there ends the walk
    /// silently. `head` is what set_robust_list(2) registered; null does nothing. Source:
    /// `exit_robust_list` and `handle_futex_death` in `kernel/futex/core.c`.
    pub fn exit_robust_list<T: Target>(
        &self,
        target: T,
        memory: &dyn UserMemory,
        head: Addr,
        tid: u32,
    ) {
        if head == Addr::NULL {
            return;
        }
        let Ok(list) = memory.read_obj::<RobustListHead>(head) else { return };
        let word = |e: Entry| Addr(e.addr.wrapping_add_signed(list.futex_offset));
        let mut entry = Entry::new(list.next);
        let pending = Entry::new(list.list_op_pending);
        for _ in 0..ROBUST_LIST_LIMIT {
            if entry.addr == head.0 {
                break;
            }
            // Read before the futex is given away: its new owner may free the entry.
            let next = memory.read_obj::<u64>(Addr(entry.addr));
            // The pending one may be in the list already; it is handled once.
            if entry.addr != pending.addr
                && self.futex_death(&target, word(entry), tid, entry.pi, false).is_err()
            {
                return;
            }
            let Ok(next) = next else { return };
            entry = Entry::new(next);
        }
        if pending.addr != 0 {
            let _ = self.futex_death(&target, word(pending), tid, pending.pi, true);
        }
    }

    fn futex_death<T: Target>(
        &self,
        target: &T,
        addr: Addr,
        tid: u32,
        pi: bool,
        pending: bool,
    ) -> Result<(), Stop> {
        if !addr.0.is_multiple_of(4) || target.check(addr).is_err() {
            return Err(Stop);
        }
        for _ in 0..RETRIES {
            let Ok(word) = target.load_nofault(addr) else {
                target.fault_in(addr, false).map_err(|_| Stop)?;
                continue;
            };
            if pending && !pi && word & TID_MASK == 0 {
                // It may have died between its unlock of the word and its wake.
                let _ = self.wake(target, addr, Scope::Shared, 1);
                return Ok(());
            }
            if word & TID_MASK != tid {
                return Ok(());
            }
            match target.compare_exchange_nofault(addr, word, word & WAITERS | OWNER_DIED) {
                Ok(seen) if seen == word => {
                    if !pi && word & WAITERS != 0 {
                        let _ = self.wake_bitset(target, addr, Scope::Shared, 1, MATCH_ANY);
                    }
                    return Ok(());
                }
                Ok(_) => {}
                Err(_) => target.fault_in(addr, true).map_err(|_| Stop)?,
            }
        }
        Err(Stop)
    }

    /// Stores 0 at the `clear_child_tid` address of an ending thread and wakes one waiter there,
    /// who is joining it. To be called only while others use the address space. Errors are
    /// ignored. Source: set_tid_address(2); `mm_release` in `kernel/fork.c`.
    pub fn clear_child_tid<T: Target>(&self, target: T, memory: &dyn UserMemory, addr: Addr) {
        if memory.copy_out(addr, &0u32.to_ne_bytes(), Permissions::Obey).is_ok() {
            let _ = self.wake(target, addr, Scope::Shared, 1);
        }
    }
}
