//! Leases: whoever holds one hears when somebody else opens or truncates the file, who waits until
//! it is given up or its time is over; fcntl(2), `fs/locks.c`.

use super::{FileLocks, LockKind, LockOwner};
use crate::Nanos;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use sync::waitq::{Events, Notify};
use syserr::Errno;

/// A lease of a description.
pub(super) struct Lease {
    pub(super) owner: LockOwner,
    pub(super) pid: i32,
    kind: LockKind,
    /// Somebody wants to read: when it ends as one for writing.
    downgrade: Option<Nanos>,
    /// Somebody wants to write: when it ends.
    unlock: Option<Nanos>,
    teller: Arc<dyn Notify>,
}

impl Lease {
    pub(super) fn is_breaking(&self) -> bool {
        self.downgrade.is_some() || self.unlock.is_some()
    }

    /// What it is to become (`target_leasetype`).
    pub(super) fn target(&self) -> Option<LockKind> {
        match (self.unlock, self.downgrade) {
            (Some(_), _) => None,
            (None, Some(_)) => Some(LockKind::Read),
            (None, None) => Some(self.kind),
        }
    }

    fn conflicts(&self, write: bool) -> bool {
        write || self.kind == LockKind::Write
    }
}

/// Who has a file open (`i_writecount`, `i_readcount`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenCounts {
    /// Descriptions that may write; negative for who executes it.
    pub writers: i32,
    /// Descriptions that only read.
    pub readers: u32,
    /// Whether the one who asks for a lease may write.
    pub own_writes: bool,
}

/// `/proc/sys/fs/lease-break-time`.
#[derive(Debug)]
pub struct LeaseRules(AtomicU32);

impl Default for LeaseRules {
    fn default() -> LeaseRules {
        LeaseRules(AtomicU32::new(45))
    }
}

impl LeaseRules {
    /// How many seconds a holder has to give a lease up; 0 for as many as it likes.
    pub fn break_time(&self) -> u32 {
        self.0.load(Relaxed)
    }

    /// Sets what [`LeaseRules::break_time`] says.
    pub fn set_break_time(&self, seconds: u32) {
        self.0.store(seconds, Relaxed);
    }

    /// When a lease ends that somebody begins to break `now`.
    fn end(&self, now: Nanos) -> Nanos {
        match self.break_time() {
            0 => Nanos::MAX,
            s => now.saturating_add(i64::from(s) * 1_000_000_000),
        }
    }
}

fn expire(leases: &mut Vec<Lease>, now: Nanos) {
    leases.retain_mut(|l| {
        if l.downgrade.is_some_and(|t| now >= t) {
            l.kind = LockKind::Read;
            l.downgrade = None;
        }
        l.unlock.is_none_or(|t| now < t)
    });
}

impl FileLocks {
    /// The lease of `owner`, or what it is to become where it is being broken; `F_GETLEASE`.
    pub fn lease(&self, owner: LockOwner, now: Nanos) -> Option<LockKind> {
        let mut inner = self.inner.lock();
        expire(&mut inner.leases, now);
        inner.leases.iter().find(|l| l.owner == owner).and_then(Lease::target)
    }

    /// Takes or changes a lease; `F_SETLEASE`. `teller` hears when somebody breaks it. Says whether
    /// it is a new one. `open` is asked with leases locked: who opens the file counts first and
    /// looks for leases then.
    ///
    /// # Errors
    /// `EAGAIN` where somebody else has the file open, or a lease on it.
    pub fn set_lease(
        &self,
        owner: LockOwner,
        pid: i32,
        kind: LockKind,
        open: impl FnOnce() -> OpenCounts,
        now: Nanos,
        teller: Arc<dyn Notify>,
    ) -> Result<bool, Errno> {
        let mut inner = self.inner.lock();
        expire(&mut inner.leases, now);
        let open = open();
        let busy = match kind {
            LockKind::Read => open.writers > 0,
            LockKind::Write => {
                (open.writers, open.readers) != (open.own_writes.into(), (!open.own_writes).into())
            }
        };
        let others = inner.leases.iter().filter(|l| l.owner != owner);
        if busy || others.into_iter().any(|l| kind == LockKind::Write || l.unlock.is_some()) {
            return Err(Errno::EAGAIN);
        }
        let new = match inner.leases.iter_mut().find(|l| l.owner == owner) {
            Some(own) => {
                own.kind = kind;
                if kind == LockKind::Read {
                    own.downgrade = None;
                }
                false
            }
            None => {
                let (downgrade, unlock) = (None, None);
                inner.leases.push(Lease { owner, pid, kind, downgrade, unlock, teller });
                true
            }
        };
        drop(inner);
        self.queue().notify(Events::OUT);
        Ok(new)
    }

    /// Gives the lease of `owner` up.
    ///
    /// # Errors
    /// `EAGAIN` when it has none.
    pub fn end_lease(&self, owner: LockOwner) -> Result<(), Errno> {
        let mut inner = self.inner.lock();
        let before = inner.leases.len();
        inner.leases.retain(|l| l.owner != owner);
        let ended = inner.leases.len() != before;
        drop(inner);
        if !ended {
            return Err(Errno::EAGAIN);
        }
        self.queue().notify(Events::OUT);
        Ok(())
    }

    /// Breaks the leases that are in the way of one who opens the file, to write or only to read.
    /// Holders hear of it once.
    ///
    /// # Errors
    /// When to ask again at the latest, while there are some; before that [`FileLocks::queue`] tells.
    pub fn break_leases(&self, write: bool, now: Nanos, rules: &LeaseRules) -> Result<(), Nanos> {
        let mut inner = self.inner.lock();
        expire(&mut inner.leases, now);
        let mut told: Vec<Arc<dyn Notify>> = Vec::new();
        let mut first: Option<Nanos> = None;
        for l in inner.leases.iter_mut().filter(|l| l.conflicts(write)) {
            if write && l.unlock.is_none() {
                l.unlock = Some(rules.end(now));
                told.push(l.teller.clone());
            } else if !write && !l.is_breaking() {
                l.downgrade = Some(rules.end(now));
                told.push(l.teller.clone());
            }
            let end = l.unlock.into_iter().chain(l.downgrade).min().unwrap_or(now);
            first = Some(first.map_or(end, |f| f.min(end)));
        }
        drop(inner);
        told.iter().for_each(|t| t.notify(Events::PRI));
        first.map_or(Ok(()), Err)
    }
}
