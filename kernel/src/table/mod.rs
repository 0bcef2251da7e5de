//! The syscall-table registry: static data keyed by operating system and architecture.
//!
//! A table is an array indexed by number, built in const context and placed in read-only memory.
//! A number without a system call holds the same kind of entry as one with: [`Entry::MISSING`],
//! whose handler answers `ENOSYS`, so that looking a number up takes one bound check and no
//! branch on presence. The same rows say how arguments are printed, how well a call is supported,
//! and on which number it sits, and everything that documents the tables is generated from them.

mod aarch64;
mod arg;
mod rows;
mod x86_64;

use crate::{BoxFuture, TaskCx, TraceEvent};
use alloc::boxed::Box;
use arch::{Arch, Os};
use syserr::{Errno, Restart};

pub use aarch64::LINUX_AARCH64;
pub use arg::Arg;
pub use x86_64::LINUX_X86_64;

/// The six argument registers.
pub type Args = [u64; 6];

/// What a handler does with its call. It never blocks: it tries, and when it cannot go on it
/// returns [`Outcome::Block`] with a future that owns what it needs.
pub type Handler = fn(&mut TaskCx, &Args) -> Outcome;

/// How a system call ended, or how it goes on.
pub enum Outcome {
    /// The value or error number for the return register.
    Done(Result<u64, Errno>),
    /// The registers are as they must be: sigreturn, a successful execve, an exit.
    Keep,
    /// Broken off by a signal; signal delivery decides whether it runs again.
    Restart(Restart),
    /// Goes on as this future.
    Block(BoxFuture<Outcome>),
    /// The task's tracer hears of this first.
    Event(Box<TraceEvent>),
}

impl From<Result<u64, Errno>> for Outcome {
    fn from(r: Result<u64, Errno>) -> Outcome {
        Outcome::Done(r)
    }
}

impl From<Errno> for Outcome {
    fn from(e: Errno) -> Outcome {
        Outcome::Done(Err(e))
    }
}

/// How well a system call is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// Every documented behaviour.
    Full,
    /// With the exceptions that the note names.
    Partial(&'static str),
    /// Not at all: `ENOSYS`, or what the note says.
    None(&'static str),
}

/// One system call.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Its name, as in syscalls(2).
    pub name: &'static str,
    /// Its arguments, for tracers.
    pub args: &'static [Arg],
    /// How well it is supported.
    pub support: Support,
    /// What runs.
    pub handler: Handler,
}

impl Entry {
    /// What stands on a number without a system call.
    pub const MISSING: Entry =
        Entry { name: "", args: &[], support: Support::None(""), handler: missing };

    /// Whether a system call has this number at all.
    pub const fn is_present(&self) -> bool {
        !self.name.is_empty()
    }
}

impl core::fmt::Debug for Entry {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).field("support", &self.support).finish()
    }
}

/// Answers `ENOSYS`: the handler of every call that is named but not there.
pub fn missing(_: &mut TaskCx, _: &Args) -> Outcome {
    Outcome::Done(Err(Errno::ENOSYS))
}

/// Numbers that a table holds: `0..SLOTS`.
pub const SLOTS: usize = 512;

/// The system calls of one operating system on one architecture.
pub struct SyscallTable {
    os: Os,
    arch: Arch,
    entries: [Entry; SLOTS],
}

impl SyscallTable {
    /// A table of `rows`, each with its number.
    ///
    /// # Panics
    /// In const evaluation, when a number is `SLOTS` or more, or stands twice.
    pub const fn new(os: Os, arch: Arch, rows: &[(usize, Entry)]) -> SyscallTable {
        let mut entries = [Entry::MISSING; SLOTS];
        let mut i = 0;
        while i < rows.len() {
            let (nr, entry) = rows[i];
            assert!(nr < SLOTS, "system call number out of range");
            assert!(!entries[nr].is_present(), "system call number given twice");
            entries[nr] = entry;
            i += 1;
        }
        SyscallTable { os, arch, entries }
    }

    /// A copy with `rows` added or put in the place of what was there.
    ///
    /// ```
    /// use kernel::{Args, Entry, LINUX_X86_64, Outcome, Support, SyscallTable, TaskCx};
    ///
    /// fn everybody_is_7(_: &mut TaskCx, _: &Args) -> Outcome {
    ///     Outcome::Done(Ok(7))
    /// }
    /// const GETPID: Entry =
    ///     Entry { name: "getpid", args: &[], support: Support::Full, handler: everybody_is_7 };
    /// static MINE: SyscallTable = LINUX_X86_64.with(&[(39, GETPID)]).without(&["ptrace"]);
    /// assert!(!MINE.lookup(101).is_present() && LINUX_X86_64.lookup(101).is_present());
    /// ```
    ///
    /// # Panics
    /// In const evaluation, when a number is `SLOTS` or more.
    pub const fn with(&self, rows: &[(usize, Entry)]) -> SyscallTable {
        let mut entries = self.entries;
        let mut i = 0;
        while i < rows.len() {
            let (nr, entry) = rows[i];
            assert!(nr < SLOTS, "system call number out of range");
            entries[nr] = entry;
            i += 1;
        }
        SyscallTable { entries, ..*self }
    }

    /// A copy without the calls named: they answer `ENOSYS`.
    ///
    /// # Panics
    /// In const evaluation, when no call has that name.
    pub const fn without(&self, names: &[&str]) -> SyscallTable {
        let mut entries = self.entries;
        let mut i = 0;
        while i < names.len() {
            let Some(nr) = position(&entries, names[i]) else {
                panic!("no system call has this name")
            };
            entries[nr] = Entry::MISSING;
            i += 1;
        }
        SyscallTable { entries, ..*self }
    }

    /// The operating system.
    pub const fn os(&self) -> Os {
        self.os
    }

    /// The architecture.
    pub const fn arch(&self) -> Arch {
        self.arch
    }

    /// The entry of a number; [`Entry::MISSING`] where there is no call.
    pub const fn lookup(&self, nr: u64) -> &Entry {
        if nr < SLOTS as u64 { &self.entries[nr as usize] } else { &Entry::MISSING }
    }

    /// The number of a name.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.iter().find(|(_, e)| e.name == name).map(|(nr, _)| nr)
    }

    /// Every call with its number, in numeric order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.entries
            .iter()
            .enumerate()
            .filter(|(_, e)| e.is_present())
            .map(|(nr, e)| (nr as u64, e))
    }
}

impl core::fmt::Debug for SyscallTable {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SyscallTable").field("os", &self.os).field("arch", &self.arch).finish()
    }
}

const fn position(entries: &[Entry], name: &str) -> Option<usize> {
    let mut nr = 0;
    while nr < entries.len() {
        if str_eq(entries[nr].name, name) {
            return Some(nr);
        }
        nr += 1;
    }
    None
}

const fn str_eq(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// The tables of a kernel, found by operating system and architecture.
#[derive(Clone, Copy, Debug)]
pub struct Registry(&'static [&'static SyscallTable]);

impl Registry {
    /// The tables that this crate has.
    pub const LINUX: Registry = Registry(&[&LINUX_X86_64, &LINUX_AARCH64]);

    /// An embedder's own choice. The first table of an (operating system, architecture) counts.
    pub const fn new(tables: &'static [&'static SyscallTable]) -> Registry {
        Registry(tables)
    }

    /// The table for programs of `os` on `arch`.
    pub fn lookup(&self, os: Os, arch: Arch) -> Option<&'static SyscallTable> {
        self.0.iter().copied().find(|t| t.os == os && t.arch == arch)
    }

    /// All tables.
    pub fn iter(&self) -> impl Iterator<Item = &'static SyscallTable> {
        self.0.iter().copied()
    }
}
