//! What `/proc/PID` shows of an address space beside its mappings.

use crate::seam::MappingIdentity;
use crate::{Mdwe, MemoryManager};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, AddrRange};
use sync::atomic::Ordering;
use syserr::Errno;

/// Ranges and names that exec sets and prctl(2) `PR_SET_MM` may change.
#[derive(Clone, Default)]
pub struct Meta {
    /// Where the arguments lie: `/proc/PID/cmdline`.
    pub argv: AddrRange,
    /// Where the environment lies: `/proc/PID/environ`.
    pub envv: AddrRange,
    /// The auxiliary vector as bytes: `/proc/PID/auxv`.
    pub auxv: Vec<u8>,
    /// The executable: `/proc/PID/exe`.
    pub executable: Option<Arc<dyn MappingIdentity>>,
    /// The program's text.
    pub code: AddrRange,
    /// The program's initialised data.
    pub data: AddrRange,
    /// Where the stack started: `mm->start_stack`, which `[stack]` is found by.
    pub start_stack: Addr,
    /// Where signal handlers return to, if the vDSO has a trampoline.
    pub sigreturn: Addr,
    /// Dumpability: `SUID_DUMP_*` as prctl(2) `PR_GET_DUMPABLE` returns it.
    pub dumpable: u32,
}

impl MemoryManager {
    /// A copy of what `/proc/PID` shows.
    pub fn meta(&self) -> Meta {
        self.meta.lock().clone()
    }

    /// Changes what `/proc/PID` shows. `f` runs under a lock: it must not touch this manager.
    pub fn update_meta(&self, f: impl FnOnce(&mut Meta)) {
        let old = {
            let mut m = self.meta.lock();
            let old = m.executable.clone();
            f(&mut m);
            old
        };
        drop(old);
    }

    /// What `PR_SET_MDWE` has denied.
    pub fn mdwe(&self) -> Mdwe {
        self.read().mdwe
    }

    /// Denies it from now on: mappings that are there stay as they are.
    ///
    /// # Errors
    /// `EINVAL` for [`Mdwe::NO_INHERIT`] alone, `EPERM` for less or other than was denied before.
    pub fn set_mdwe(&self, mdwe: Mdwe) -> Result<(), Errno> {
        if mdwe == Mdwe::NO_INHERIT {
            return Err(Errno::EINVAL);
        }
        let mut tx = self.lock();
        if !tx.st.mdwe.is_empty() && tx.st.mdwe != mdwe {
            return Err(Errno::EPERM);
        }
        tx.st.mdwe = mdwe;
        Ok(())
    }

    /// Records registrations for membarrier(2) commands, as a mask of command bits.
    pub fn register_membarrier(&self, bits: u32) {
        self.membarrier.fetch_or(bits, Ordering::Relaxed);
    }

    /// The membarrier(2) commands that were registered for.
    pub fn membarrier_registrations(&self) -> u32 {
        self.membarrier.load(Ordering::Relaxed)
    }
}
