//! The flags of the futex2 system calls: futex_waitv(2), futex_wake(2), futex_wait(2),
//! futex_requeue(2).

use crate::abi::{FUTEX2_PRIVATE, FUTEX2_SIZE_MASK, FUTEX2_SIZE_U32, FutexWaitv};
use crate::key::Scope;
use crate::manager::Manager;
use crate::requeue::Word;
use crate::target::Target;
use crate::waitv::WaitEntry;
use arch::Addr;
use syserr::Errno;

/// A checked flags word of a futex2 call: always 32 bits, private or shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Futex2 {
    scope: Scope,
}

impl Futex2 {
    /// Checks the flags as user space gave them. Source: `futex2_to_flags`, `futex_flags_valid`
    /// in `kernel/futex/futex.h`.
    ///
    /// # Errors
    /// `EINVAL` for unknown flags, and for sizes other than 32 bits, which Linux has only
    /// reserved.
    pub fn from_flags(flags: u32) -> Result<Futex2, Errno> {
        let unknown = flags & !(FUTEX2_SIZE_MASK | FUTEX2_PRIVATE);
        if unknown != 0 || flags & FUTEX2_SIZE_MASK != FUTEX2_SIZE_U32 {
            return Err(Errno::EINVAL);
        }
        let private = flags & FUTEX2_PRIVATE != 0;
        Ok(Futex2 { scope: if private { Scope::Private } else { Scope::Shared } })
    }

    /// How the word is keyed.
    pub fn scope(self) -> Scope {
        self.scope
    }

    /// The 32 bits of a value or mask argument. Source: `futex_validate_input`.
    ///
    /// # Errors
    /// `EINVAL` when it has more.
    pub fn narrow(self, v: u64) -> Result<u32, Errno> {
        u32::try_from(v).map_err(|_| Errno::EINVAL)
    }
}

/// The two sides of a futex_requeue(2), and the value that the first word must have.
///
/// # Errors
/// As [`WaitEntry::try_from`]; `EINVAL` when the two differ in their flags.
pub fn requeue_words(pair: [FutexWaitv; 2]) -> Result<(Word, Word, u32), Errno> {
    let [from, to] = pair;
    let same_flags = from.flags == to.flags;
    let (from, to) = (WaitEntry::try_from(from)?, WaitEntry::try_from(to)?);
    if !same_flags {
        return Err(Errno::EINVAL);
    }
    let word = |e: WaitEntry| Word { addr: e.addr, scope: e.scope };
    Ok((word(from), word(to), from.val))
}

impl Manager {
    /// futex_wake(2): as [`Manager::wake_bitset`], but a count of 0 wakes nobody. Source:
    /// `FLAGS_STRICT` in `kernel/futex/waitwake.c`.
    ///
    /// # Errors
    /// As [`Manager::wake_bitset`]; `EINVAL` for a mask of more than 32 bits.
    pub fn futex2_wake<T: Target>(
        &self,
        target: T,
        addr: Addr,
        flags: Futex2,
        mask: u64,
        n: i32,
    ) -> Result<u32, Errno> {
        let mask = flags.narrow(mask)?;
        if n == 0 && mask != 0 {
            return self.key(&target, addr, flags.scope, false).map(|_| 0);
        }
        self.wake_bitset(target, addr, flags.scope, n, mask)
    }
}
