//! Time namespaces; time_namespaces(7), `kernel/time/namespace.c`.

use crate::{Kernel, Task};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::str::FromStr;
use mm::MemoryManager;
use sync::Mutex;
use syserr::Errno;
use vfs::nsfs::{Namespace, NsHead};
use vfs::{Creds, cap};

/// Nanoseconds in a second.
const SECOND: i64 = 1_000_000_000;
/// The most seconds that a clock can show (`KTIME_SEC_MAX`).
const SECONDS_MAX: i64 = i64::MAX / SECOND;

/// A clock that is another one in each namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnClock {
    /// `CLOCK_MONOTONIC` and its like.
    Monotonic,
    /// `CLOCK_BOOTTIME` and its like.
    Boottime,
}

/// How far the clocks of a namespace are ahead of the first one's, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offsets {
    monotonic: i64,
    boottime: i64,
}

impl Offsets {
    fn of(&self, clock: OwnClock) -> i64 {
        match clock {
            OwnClock::Monotonic => self.monotonic,
            OwnClock::Boottime => self.boottime,
        }
    }

    /// What a clock shows when the first namespace's shows `ns`.
    pub(crate) fn shown(&self, clock: OwnClock, ns: i64) -> i64 {
        ns.saturating_add(self.of(clock))
    }

    /// When the machine was started, to who counts the time since then as `CLOCK_BOOTTIME` does
    /// (`timens_sub_boottime`).
    pub(crate) fn boot(&self, realtime: i64) -> i64 {
        realtime.saturating_sub(self.boottime)
    }

    /// The time of the first namespace at which a clock shows `ns`; the beginning, for what was before
    /// it (`timens_ktime_to_host`).
    pub(crate) fn first(&self, clock: OwnClock, ns: i64) -> i64 {
        ns.saturating_sub(self.of(clock)).max(0)
    }
}

#[derive(Default)]
struct State {
    offsets: Offsets,
    /// Somebody is in it: they do not change any more.
    frozen: bool,
}

/// A time namespace.
pub(crate) struct TimeNs {
    head: NsHead,
    state: Mutex<State>,
}

impl Namespace for TimeNs {
    fn head(&self) -> Option<&NsHead> {
        Some(&self.head)
    }
}

impl TimeNs {
    /// The one that a kernel begins with.
    pub(crate) fn initial(head: NsHead) -> TimeNs {
        TimeNs { head, state: Mutex::new(State { frozen: true, ..State::default() }) }
    }

    /// A new one, with the same clocks at first.
    pub(crate) fn like(&self, head: NsHead) -> TimeNs {
        let state = State { offsets: self.offsets(), frozen: false };
        TimeNs { head, state: Mutex::new(state) }
    }

    pub(crate) fn offsets(&self) -> Offsets {
        self.state.lock().offsets
    }

    /// Whether its clocks are not everybody's.
    pub(crate) fn has_own_clocks(&self) -> bool {
        self.offsets() != Offsets::default()
    }

    /// The text of `/proc/PID/timens_offsets`.
    pub(crate) fn text(&self) -> Vec<u8> {
        let Offsets { monotonic, boottime } = self.offsets();
        let line = |name: &str, ns: i64| {
            let (sec, rest) = (ns.div_euclid(SECOND), ns.rem_euclid(SECOND));
            format!("{name:<10} {sec:10} {rest:9}\n")
        };
        (line("monotonic", monotonic) + &line("boottime", boottime)).into_bytes()
    }

    /// Sets offsets as such a text says (`timens_offsets_write`).
    ///
    /// # Errors
    /// `EINVAL`, `EPERM`; `ERANGE` for clocks that would be before their beginning or near their end;
    /// `EACCES` once somebody is in the namespace.
    pub(crate) fn write(&self, creds: &Creds, now: i64, text: &[u8]) -> Result<(), Errno> {
        let text = text.split(|b| *b == 0).next().unwrap_or_default();
        let text = core::str::from_utf8(text).map_err(|_| Errno::EINVAL)?;
        let body = text.strip_suffix('\n').unwrap_or(text);
        let settings = body.split('\n').take(2).map(setting).collect::<Result<Vec<_>, _>>()?;
        if !creds.has_in(self.head.owner(), cap::SYS_TIME) {
            return Err(Errno::EPERM);
        }
        for (_, sec, rest) in &settings {
            let then = (now.rem_euclid(SECOND) + rest) / SECOND + now / SECOND;
            let fits = |s: &i64| (0..=SECONDS_MAX / 2).contains(s);
            let small = (-SECONDS_MAX..=SECONDS_MAX).contains(sec);
            if !small || !then.checked_add(*sec).is_some_and(|s| fits(&s)) {
                return Err(Errno::ERANGE);
            }
        }
        let mut state = self.state.lock();
        if state.frozen {
            return Err(Errno::EACCES);
        }
        for (clock, sec, rest) in settings {
            let ns = sec.saturating_mul(SECOND).saturating_add(rest);
            match clock {
                OwnClock::Monotonic => state.offsets.monotonic = ns,
                OwnClock::Boottime => state.offsets.boottime = ns,
            }
        }
        Ok(())
    }
}

/// One line: clock, seconds, nanoseconds.
fn setting(line: &str) -> Result<(OwnClock, i64, i64), Errno> {
    let mut words = line.split_ascii_whitespace();
    let clock = match words.next() {
        Some("monotonic" | "1") => OwnClock::Monotonic,
        Some("boottime" | "7") => OwnClock::Boottime,
        _ => return Err(Errno::EINVAL),
    };
    let mut number = || {
        let word = words.next().ok_or(Errno::EINVAL)?;
        i64::from_str(word).map_err(|_| Errno::EINVAL)
    };
    let (sec, rest) = (number()?, number()?);
    if (0..SECOND).contains(&rest) { Ok((clock, sec, rest)) } else { Err(Errno::EINVAL) }
}

impl Task {
    /// How far its clocks are ahead.
    pub(crate) fn clock_offsets(&self) -> Offsets {
        let r = self.resources.lock();
        r.namespaces.as_ref().map(|ns| ns.time.offsets()).unwrap_or_default()
    }
}

impl Kernel {
    /// An address space comes into a time namespace, whose offsets stay as they are from now on: its
    /// vDSO asks the kernel for the time where that is not everybody's (`vdso_join_timens`). `asks`
    /// says whether it does so already.
    pub(crate) fn join_time(&self, mm: &Arc<MemoryManager>, ns: &TimeNs, asks: bool) {
        ns.state.lock().frozen = true;
        let own = ns.has_own_clocks();
        if own != asks {
            self.show_time(mm, own);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vfs::nsfs::NamespaceKind;

    fn new() -> TimeNs {
        TimeNs::initial(NsHead::initial(NamespaceKind::Time))
            .like(NsHead::initial(NamespaceKind::Time))
    }

    #[test]
    fn offsets_are_read_as_they_are_shown() {
        let ns = new();
        let now = 100 * SECOND;
        let write = |text: &str| ns.write(&Creds::root(), now, text.as_bytes());
        assert_eq!(write("monotonic -50 500000000\n7 86400 0\n"), Ok(()));
        let shown = ns.text();
        assert_eq!(shown, b"monotonic         -50 500000000\nboottime        86400         0\n");
        assert_eq!(ns.offsets().shown(OwnClock::Monotonic, now), 50_500_000_000);
        assert_eq!(ns.offsets().first(OwnClock::Boottime, now), 0);
        for bad in ["", "realtime 1 0", "monotonic 1", "1 1 1000000000", "1 x 0", "1 1 -1"] {
            assert_eq!(write(bad), Err(Errno::EINVAL), "{bad}");
        }
        for far in ["1 -101 0", "1 9223372036 0", "1 -9223372037 0", "7 4611686018 0"] {
            assert_eq!(write(far), Err(Errno::ERANGE), "{far}");
        }
        assert_eq!(ns.text(), shown);
    }
}
