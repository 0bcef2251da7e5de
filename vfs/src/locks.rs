//! Advisory locks: record locks of processes and descriptions (fcntl(2)), flock(2), and leases.
//!
//! Kept with the inode. Taking a lock never blocks: a conflict names who is in the way, and the
//! caller waits on [`FileLocks::queue`], inside a [`LockGraph::wait`] that refuses a circle.

mod lease;

use crate::Stat;
use crate::env::split_dev;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use sync::Mutex;
use sync::waitq::{Events, Queue};
use syserr::Errno;

use lease::Lease;
pub use lease::{LeaseRules, OpenCounts};

/// Whose lock it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LockOwner {
    /// A descriptor table (`F_SETLK`); [`crate::FdTable::lock_owner`].
    Table(u64),
    /// An open file description (`F_OFD_SETLK`, flock(2)); [`crate::File::lock_owner`].
    Description(u64),
}

/// Shared or exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// `F_RDLCK`, `LOCK_SH`.
    Read,
    /// `F_WRLCK`, `LOCK_EX`.
    Write,
}

/// A lock on some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose.
    pub owner: LockOwner,
    /// Process ID that `F_GETLK` reports; -1 for a description's.
    pub pid: i32,
    /// The open file description that it was set through; [`crate::File::lock_owner`].
    pub via: LockOwner,
    /// Which kind.
    pub kind: LockKind,
    /// First byte.
    pub start: u64,
    /// Last byte, included; [`TO_THE_END`] for the end of the file, wherever that is.
    pub last: u64,
}

impl Record {
    fn overlaps(&self, start: u64, last: u64) -> bool {
        self.start <= last && start <= self.last
    }

    fn conflicts(&self, with: &Record) -> bool {
        self.owner != with.owner
            && self.overlaps(with.start, with.last)
            && (self.kind == LockKind::Write || with.kind == LockKind::Write)
    }
}

/// Why a lock was not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockError {
    /// Somebody else's lock is in the way.
    Conflict(Record),
    /// There are too many: `ENOLCK`.
    TooMany,
}

/// The last byte of a record that has no end; `OFFSET_MAX`.
pub const TO_THE_END: u64 = i64::MAX as u64;

/// The most records on one inode.
const RECORDS_MAX: usize = 1 << 16;

#[derive(Default)]
struct Inner {
    /// Sorted by owner, then start; one owner's never overlap, and touching ones differ in kind.
    records: Vec<Record>,
    whole: Vec<Whole>,
    leases: Vec<Lease>,
}

/// A lock of flock(2).
struct Whole {
    owner: LockOwner,
    /// The process that took it.
    pid: i32,
    kind: LockKind,
}

/// All locks on one inode.
#[derive(Default)]
pub struct FileLocks {
    inner: Mutex<Inner>,
    queue: Queue,
}

impl FileLocks {
    /// Who waits for a lock here; told with [`Events::OUT`] whenever one is released.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// The first record that would keep `want` from being set; `F_GETLK`.
    pub fn test(&self, want: &Record) -> Option<Record> {
        let inner = self.inner.lock();
        inner.records.iter().filter(|r| r.conflicts(want)).min_by_key(|r| r.start).copied()
    }

    /// Sets a record, in place of what its owner had on the same bytes.
    ///
    /// # Errors
    /// [`LockError`]; nothing was changed then.
    pub fn set(&self, want: Record) -> Result<(), LockError> {
        let mut inner = self.inner.lock();
        if let Some(r) = inner.records.iter().find(|r| r.conflicts(&want)) {
            return Err(LockError::Conflict(*r));
        }
        if inner.records.len() + 2 > RECORDS_MAX {
            return Err(LockError::TooMany);
        }
        let mut new = want;
        let joins = |r: &Record, new: &Record| {
            r.owner == new.owner
                && r.kind == new.kind
                && r.start <= new.last.saturating_add(1)
                && new.start <= r.last.saturating_add(1)
        };
        // What grows stays the lock of who set it first.
        if let Some(r) = inner.records.iter().find(|r| joins(r, &want)) {
            (new.pid, new.via) = (r.pid, r.via);
        }
        let downgraded = carve(&mut inner.records, want.owner, want.start, want.last);
        // Swallow neighbours of the same kind that touch.
        inner.records.retain(|r| {
            let touches = joins(r, &new);
            if touches {
                new.start = new.start.min(r.start);
                new.last = new.last.max(r.last);
            }
            !touches
        });
        let at = inner.records.partition_point(|r| (r.owner, r.start) < (new.owner, new.start));
        inner.records.insert(at, new);
        drop(inner);
        if downgraded {
            self.queue.notify(Events::OUT);
        }
        Ok(())
    }

    /// Releases the bytes `start..=last` of `owner`'s records.
    ///
    /// # Errors
    /// [`LockError::TooMany`] when a record would have to be split and there are too many.
    pub fn clear(&self, owner: LockOwner, start: u64, last: u64) -> Result<(), LockError> {
        let mut inner = self.inner.lock();
        if inner.records.len() + 1 > RECORDS_MAX {
            let splits = |r: &Record| r.owner == owner && r.start < start && r.last > last;
            if inner.records.iter().any(splits) {
                return Err(LockError::TooMany);
            }
        }
        let changed = carve(&mut inner.records, owner, start, last);
        drop(inner);
        if changed {
            self.queue.notify(Events::OUT);
        }
        Ok(())
    }

    /// Takes or changes a lock on the whole file for the process `pid`; flock(2). Changing is not
    /// atomic, as in Linux: on a conflict the old lock is gone.
    ///
    /// # Errors
    /// `EWOULDBLOCK`.
    pub fn flock(&self, owner: LockOwner, pid: i32, kind: LockKind) -> Result<(), Errno> {
        let mut inner = self.inner.lock();
        if inner.whole.iter().any(|w| w.owner == owner && w.kind == kind) {
            return Ok(());
        }
        let before = inner.whole.len();
        inner.whole.retain(|w| w.owner != owner);
        let released = inner.whole.len() != before;
        let free = match kind {
            LockKind::Write => inner.whole.is_empty(),
            LockKind::Read => inner.whole.iter().all(|w| w.kind == LockKind::Read),
        };
        if free {
            inner.whole.push(Whole { owner, pid, kind });
        }
        drop(inner);
        if released {
            self.queue.notify(Events::OUT);
        }
        if free { Ok(()) } else { Err(Errno::EAGAIN) }
    }

    /// Releases `owner`'s lock on the whole file, and no record; `LOCK_UN`.
    pub fn unlock(&self, owner: LockOwner) {
        self.remove(|_| false, |w| w.owner == owner, |_| false);
    }

    /// Releases everything of `owner`: records, its lock on the whole file, its lease.
    pub fn release(&self, owner: LockOwner) {
        self.remove(|r| r.owner == owner, |w| w.owner == owner, |l| l.owner == owner);
    }

    fn remove(
        &self,
        record: impl Fn(&Record) -> bool,
        whole: impl Fn(&Whole) -> bool,
        lease: impl Fn(&Lease) -> bool,
    ) {
        let mut inner = self.inner.lock();
        let count = |i: &Inner| i.records.len() + i.whole.len() + i.leases.len();
        let before = count(&inner);
        inner.records.retain(|r| !record(r));
        inner.whole.retain(|w| !whole(w));
        inner.leases.retain(|l| !lease(l));
        let changed = count(&inner) != before;
        drop(inner);
        if changed {
            self.queue.notify(Events::OUT);
        }
    }

    /// Every record.
    pub fn records(&self) -> Vec<Record> {
        self.inner.lock().records.clone()
    }

    /// The lines of `/proc/locks` and `/proc/PID/fdinfo` for the locks on a file of this status
    /// that `shown` wants, given their owner and the description they were set through. `id` is
    /// the number of the last line before, and then of the last of these. Who waits is not
    /// shown (`lock_get_status` in fs/locks.c). `number` is what the reader calls the process of
    /// an ID; without one, its locks are not shown.
    pub fn describe(
        &self,
        stat: &Stat,
        id: &mut u64,
        shown: impl Fn(LockOwner, LockOwner) -> bool,
        number: impl Fn(i32) -> Option<i32>,
    ) -> Vec<String> {
        let mut out = Vec::new();
        let mut line = |class: &str, kind, pid, range: &dyn fmt::Display| {
            // Those of descriptions are nobody's.
            let Some(pid) = (if pid > 0 { number(pid) } else { Some(pid) }) else { return };
            let kind = match kind {
                Some(LockKind::Read) => "READ",
                Some(LockKind::Write) => "WRITE",
                None => "UNLCK",
            };
            let (major, minor) = split_dev(stat.dev);
            *id += 1;
            out.push(format!(
                "{id}: {class} {kind} {pid} {major:02x}:{minor:02x}:{} {range}\n",
                stat.ino,
            ));
        };
        let inner = self.inner.lock();
        for l in inner.leases.iter().filter(|l| shown(l.owner, l.owner)) {
            let class = if l.is_breaking() { "LEASE  BREAKING " } else { "LEASE  ACTIVE   " };
            line(class, l.target(), l.pid, &"0 EOF");
        }
        for w in inner.whole.iter().filter(|w| shown(w.owner, w.owner)) {
            line("FLOCK  ADVISORY ", Some(w.kind), w.pid, &"0 EOF");
        }
        for r in inner.records.iter().filter(|r| shown(r.owner, r.via)) {
            let class = match r.owner {
                LockOwner::Table(_) => "POSIX  ADVISORY ",
                LockOwner::Description(_) => "OFDLCK ADVISORY ",
            };
            match r.last {
                TO_THE_END => line(class, Some(r.kind), r.pid, &format_args!("{} EOF", r.start)),
                last => line(class, Some(r.kind), r.pid, &format_args!("{} {last}", r.start)),
            }
        }
        out
    }
}

/// Removes `start..=last` from `owner`'s records; whether there was anything.
fn carve(records: &mut Vec<Record>, owner: LockOwner, start: u64, last: u64) -> bool {
    let mut changed = false;
    let mut i = 0;
    while let Some(r) = records.get(i).copied() {
        if r.owner != owner || !r.overlaps(start, last) {
            i += 1;
            continue;
        }
        changed = true;
        records.remove(i);
        if r.start < start {
            records.insert(i, Record { last: start - 1, ..r });
            i += 1;
        }
        if r.last > last {
            records.insert(i, Record { start: last + 1, ..r });
            i += 1;
        }
    }
    changed
}

/// Who waits for whom, over all files of a kernel.
#[derive(Default)]
pub struct LockGraph(Mutex<BTreeMap<LockOwner, Vec<LockOwner>>>);

/// The longest chain that is followed; Linux's `MAX_DEADLK_ITERATIONS`.
const CHAIN_MAX: usize = 10;

impl LockGraph {
    /// Notes that `waiter` waits for `holder` until the guard is dropped.
    ///
    /// # Errors
    /// `EDEADLK` when `holder`, directly or through others, waits for `waiter`.
    pub fn wait(&self, waiter: LockOwner, holder: LockOwner) -> Result<LockWait<'_>, Errno> {
        let mut waits = self.0.lock();
        // Descriptions cannot deadlock by definition: nobody knows who will unlock them.
        if let (LockOwner::Table(_), LockOwner::Table(_)) = (waiter, holder) {
            let mut at = holder;
            for _ in 0..CHAIN_MAX {
                if at == waiter {
                    return Err(Errno::EDEADLK);
                }
                match waits.get(&at).and_then(|v| v.first()) {
                    Some(next) => at = *next,
                    None => break,
                }
            }
        }
        waits.entry(waiter).or_default().push(holder);
        Ok(LockWait { graph: self, waiter, holder })
    }
}

/// A wait that [`LockGraph`] knows of.
pub struct LockWait<'a> {
    graph: &'a LockGraph,
    waiter: LockOwner,
    holder: LockOwner,
}

impl Drop for LockWait<'_> {
    fn drop(&mut self) {
        let mut waits = self.graph.0.lock();
        if let Some(v) = waits.get_mut(&self.waiter) {
            if let Some(i) = v.iter().position(|h| *h == self.holder) {
                v.remove(i);
            }
            if v.is_empty() {
                waits.remove(&self.waiter);
            }
        }
    }
}
