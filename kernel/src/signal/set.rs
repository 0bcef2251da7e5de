//! Which signals do what when nobody catches them, and which come first.

use super::SignalSet;
use super::number::*;

/// The signals whose default action stops the process.
pub const STOPPING: SignalSet = SignalSet::of(&[SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU]);
/// The signals that an instruction causes; they are delivered before all others.
pub const SYNCHRONOUS: SignalSet =
    SignalSet::of(&[SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS]);
/// The signals whose default action is nothing.
pub const IGNORED: SignalSet = SignalSet::of(&[SIGCONT, SIGCHLD, SIGWINCH, SIGURG]);
/// The signals whose default action dumps core.
pub const CORE: SignalSet = SignalSet::of(&[
    SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGSEGV, SIGBUS, SIGSYS, SIGXCPU, SIGXFSZ,
]);

/// The signal of `set` that is delivered first: a synchronous one, else the lowest number
/// (`next_signal` in `kernel/signal.c`).
pub const fn next_of(set: SignalSet) -> Option<u32> {
    match set.intersection(SYNCHRONOUS).first() {
        None => set.first(),
        urgent => urgent,
    }
}
