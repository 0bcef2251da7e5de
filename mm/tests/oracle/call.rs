//! The calls of a sequence, and what they answer.

use arch::PAGE_SIZE;

pub(crate) const P: u64 = PAGE_SIZE;
pub(crate) const BASE: u64 = 0x10_0000_0000;
pub(crate) const PAGES: u64 = 48;
/// `PROT_GROWSDOWN`.
pub(crate) const GROWS_DOWN: u32 = 0x0100_0000;
pub(crate) const FILE_PAGES: u64 = 16;
pub(crate) const END: u64 = BASE + PAGES * P;
/// Pages above the break at the start that a sequence may reach.
pub(crate) const BRK_PAGES: u64 = 8;
/// Processes of a sequence, at most.
pub(crate) const PROCS: usize = 3;

/// One call. Addresses are absolute, those of the heap relative to the break at the start.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Mmap {
        at: u64,
        len: u64,
        prot: u32,
        flags: u32,
        file: bool,
        offset: u64,
    },
    Munmap {
        at: u64,
        len: u64,
    },
    Mprotect {
        at: u64,
        len: u64,
        prot: u32,
    },
    Mremap {
        at: u64,
        old: u64,
        new: u64,
        flags: u32,
        to: u64,
    },
    Madvise {
        at: u64,
        len: u64,
        advice: i32,
    },
    ProcessMadvise {
        ranges: [(u64, u64); 2],
        advice: i32,
    },
    Mlock {
        at: u64,
        len: u64,
        how: u8,
    },
    Mlockall {
        flags: u32,
    },
    Munlockall,
    Msync {
        at: u64,
        len: u64,
        flags: u32,
    },
    Mincore {
        at: u64,
        pages: u64,
    },
    Mseal {
        at: u64,
        len: u64,
    },
    Brk {
        by: u64,
    },
    BrkTouch {
        page: u64,
        value: u64,
    },
    /// By the kernel on the caller's behalf.
    CopyOut {
        at: u64,
        value: u64,
    },
    CopyIn {
        at: u64,
    },
    /// By an instruction.
    Store {
        at: u64,
        value: u64,
    },
    Load {
        at: u64,
    },
    Truncate {
        pages: u64,
    },
    FileWrite {
        page: u64,
        value: u64,
    },
    Fork,
}

/// What a call returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A value: 0, bytes of memory, or an address in the region.
    Value(u64),
    /// An address outside of the region, below 2 GiB or not.
    Elsewhere {
        low: bool,
    },
    Errno(u16),
    /// A signal and its code.
    Signal(i32, i32),
    /// The host has not come so far.
    Missing,
}

pub(crate) fn place(at: u64) -> Answer {
    if (BASE..END).contains(&at) {
        Answer::Value(at)
    } else {
        Answer::Elsewhere { low: at < 1 << 31 }
    }
}

/// A sequence: who of the processes there are makes which call.
pub(crate) type Sequence = Vec<(usize, Call)>;

/// The process that makes each call; a fork adds one, up to [`PROCS`].
pub(crate) fn owners(calls: &Sequence) -> Vec<usize> {
    let mut n = 1;
    let mut out = Vec::new();
    for (who, call) in calls {
        out.push(who % n);
        if matches!(call, Call::Fork) {
            n = (n + 1).min(PROCS);
        }
    }
    out
}
