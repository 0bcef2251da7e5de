//! Signal numbers and sets of them.

/// Signals that there are: `1..=64`.
pub const COUNT: u32 = 64;

macro_rules! numbers {
    ($($name:ident = $n:literal;)*) => {
        $(#[doc = concat!("Number ", $n, "; signal(7).")] pub const $name: u32 = $n;)*
    };
}

numbers! {
    SIGHUP = 1; SIGINT = 2; SIGQUIT = 3; SIGILL = 4; SIGTRAP = 5; SIGABRT = 6; SIGBUS = 7;
    SIGFPE = 8; SIGKILL = 9; SIGUSR1 = 10; SIGSEGV = 11; SIGUSR2 = 12; SIGPIPE = 13; SIGALRM = 14;
    SIGTERM = 15; SIGSTKFLT = 16; SIGCHLD = 17; SIGCONT = 18; SIGSTOP = 19; SIGTSTP = 20;
    SIGTTIN = 21; SIGTTOU = 22; SIGURG = 23; SIGXCPU = 24; SIGXFSZ = 25; SIGVTALRM = 26;
    SIGPROF = 27; SIGWINCH = 28; SIGIO = 29; SIGPWR = 30; SIGSYS = 31; SIGRTMIN = 32;
}

/// A set of signals in the kernel's `sigset_t` form: bit `n - 1` stands for signal `n`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct SigSet(pub u64);

impl SigSet {
    /// No signal.
    pub const EMPTY: SigSet = SigSet(0);
    /// Every signal.
    pub const FULL: SigSet = SigSet(u64::MAX);
    /// `SIGKILL` and `SIGSTOP`, which can be neither blocked, caught nor ignored.
    pub const UNBLOCKABLE: SigSet = SigSet::of(&[SIGKILL, SIGSTOP]);
    /// The signals whose default action stops the process.
    pub const STOPPING: SigSet = SigSet::of(&[SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU]);
    /// The signals that an instruction causes; they are delivered before all others.
    pub const SYNCHRONOUS: SigSet = SigSet::of(&[SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS]);
    /// The signals whose default action is nothing.
    pub const IGNORED: SigSet = SigSet::of(&[SIGCONT, SIGCHLD, SIGWINCH, SIGURG]);
    /// The signals whose default action would write a core dump.
    pub const CORE: SigSet = SigSet::of(&[
        SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGSEGV, SIGBUS, SIGSYS, SIGXCPU, SIGXFSZ,
    ]);

    /// The set of the signals listed; numbers out of range are left out.
    pub const fn of(signals: &[u32]) -> SigSet {
        let mut bits = 0;
        let mut i = 0;
        while i < signals.len() {
            bits |= SigSet::bit(signals[i]);
            i += 1;
        }
        SigSet(bits)
    }

    const fn bit(signo: u32) -> u64 {
        if signo >= 1 && signo <= COUNT { 1 << (signo - 1) } else { 0 }
    }

    /// Whether `signo` is in the set.
    pub const fn contains(self, signo: u32) -> bool {
        self.0 & SigSet::bit(signo) != 0
    }

    /// Puts `signo` into the set.
    pub fn insert(&mut self, signo: u32) {
        self.0 |= SigSet::bit(signo);
    }

    /// Takes `signo` out of the set.
    pub fn remove(&mut self, signo: u32) {
        self.0 &= !SigSet::bit(signo);
    }

    /// The set without the signals of `other`.
    pub const fn without(self, other: SigSet) -> SigSet {
        SigSet(self.0 & !other.0)
    }

    /// Signals in both.
    pub const fn and(self, other: SigSet) -> SigSet {
        SigSet(self.0 & other.0)
    }

    /// Signals in either.
    pub const fn or(self, other: SigSet) -> SigSet {
        SigSet(self.0 | other.0)
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The signal that is delivered first: a synchronous one, else the lowest number.
    pub const fn first(self) -> Option<u32> {
        let urgent = self.0 & SigSet::SYNCHRONOUS.0;
        let bits = if urgent != 0 { urgent } else { self.0 };
        if bits == 0 { None } else { Some(bits.trailing_zeros() + 1) }
    }

    /// What may be blocked of this set.
    pub const fn blockable(self) -> SigSet {
        self.without(SigSet::UNBLOCKABLE)
    }
}

impl core::fmt::Debug for SigSet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SigSet({:#x})", self.0)
    }
}
