//! futex_waitv(2): one sleep on several futexes.

use crate::abi::{FutexWaitv, MATCH_ANY, WAITV_MAX};
use crate::chain::{Kind, Sleep};
use crate::futex2::Futex2;
use crate::key::Scope;
use crate::manager::{Manager, RETRIES};
use crate::pi::Step;
use crate::sleep::{Entry, NotQueued};
use crate::slot::Waiter;
use crate::target::Target;
use crate::wait::{Hold, Outcome, Wait};
use arch::Addr;
use smallvec::SmallVec;
use syserr::Errno;

/// One futex of [`Manager::waitv`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitEntry {
    /// Address of the futex word.
    pub addr: Addr,
    /// How it is keyed.
    pub scope: Scope,
    /// The value that it must have.
    pub val: u32,
}

impl TryFrom<FutexWaitv> for WaitEntry {
    type Error = Errno;

    /// Checks an entry as user space gave it. Source: `futex_parse_waitv`.
    ///
    /// # Errors
    /// `EINVAL` for unknown flags, another size than 32 bits, a value that does not fit, or a
    /// non-zero reserved field.
    fn try_from(v: FutexWaitv) -> Result<WaitEntry, Errno> {
        let flags = Futex2::from_flags(v.flags)?;
        if v.reserved != 0 {
            return Err(Errno::EINVAL);
        }
        let val = u32::try_from(v.val).map_err(|_| Errno::EINVAL)?;
        Ok(WaitEntry { addr: Addr(v.uaddr), scope: flags.scope(), val })
    }
}

impl Manager {
    /// Sleeps on all of `entries` at once, if each word has its value. The future's result is the
    /// index of a futex that was woken, the highest if several were.
    ///
    /// An interrupted call is restarted as by `ERESTARTSYS`; its deadline is an absolute time.
    ///
    /// Source: futex_waitv(2); `futex_wait_multiple` in `kernel/futex/waitwake.c`.
    ///
    /// # Errors
    /// `EINVAL` for no or more than [`WAITV_MAX`] entries, or an unaligned address; `EAGAIN` when
    /// a word does not have its value; `EFAULT`; `ENOMEM`.
    pub fn waitv<'a, T: Target>(
        &'a self,
        target: T,
        entries: &[WaitEntry],
    ) -> Result<Step<'a, T>, Errno> {
        if entries.is_empty() || entries.len() > WAITV_MAX {
            return Err(Errno::EINVAL);
        }
        // All addresses are looked at before the first futex is queued on.
        let mut queued: SmallVec<[Entry; 4]> = SmallVec::new();
        for (i, e) in entries.iter().enumerate() {
            let key = self.key(&target, e.addr, e.scope, false)?;
            let (addr, val) = (e.addr, e.val);
            let sleep = Sleep { kind: Kind::Plain, bitset: MATCH_ANY, entry: i as u32 };
            queued.push(Entry { key, addr, val, sleep });
        }
        for _ in 0..RETRIES {
            let waiter = Waiter::on(entries.len());
            let slot = waiter.slot().cloned().ok_or(Errno::ENOMEM)?;
            let mut wait = Wait::new(Hold::Given(self, waiter), None, None);
            let queue_one = |e: &Entry| match self.try_enqueue(&target, e, &slot) {
                Ok(_) => Ok(()),
                Err(why) => Err((e.addr, why)),
            };
            let Err((addr, why)) = queued.iter().try_for_each(queue_one) else {
                return Ok(Step::Block(wait));
            };
            // A wake that came in before all were queued is the result, as in Linux.
            if let Outcome::Finished(Ok(index)) = wait.cancel() {
                return Ok(Step::Done(index));
            }
            match why {
                NotQueued::Errno(e) => return Err(e),
                NotQueued::Fault => target.fault_in(addr, false)?,
            }
        }
        Err(Errno::EAGAIN)
    }
}
