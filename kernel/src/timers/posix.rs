//! POSIX timers: timer_create(2).

use super::service::Armed;
use super::{Fire, UNTAKEN, advance};
use crate::ns::OwnClock;
use crate::signal::{SI_TIMER, SIGALRM, SigInfo};
use crate::{ClockId, Kernel, Resource, Task, ThreadGroup};
use alloc::sync::{Arc, Weak};
use syserr::Errno;

/// What a timer's expiry does.
#[derive(Clone, Debug)]
pub enum Notify {
    /// `SIGEV_NONE`.
    Nothing,
    /// `SIGEV_SIGNAL`: a signal to the process.
    Process(u32),
    /// `SIGEV_THREAD_ID`: a signal to one thread.
    Thread(u32, Weak<Task>),
}

/// What a timer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerClock {
    /// `CLOCK_REALTIME` and its relatives.
    Realtime,
    /// `CLOCK_MONOTONIC` and its relatives.
    Monotonic,
    /// `CLOCK_BOOTTIME` and its relatives.
    Boottime,
    /// Processor time of a process or of one of its threads, by its ID.
    Cpu {
        /// The process or thread.
        id: i32,
        /// It is a thread.
        thread: bool,
    },
}

impl TimerClock {
    /// What of it each time namespace has for itself.
    pub(crate) fn own(self) -> Option<OwnClock> {
        match self {
            TimerClock::Monotonic => Some(OwnClock::Monotonic),
            TimerClock::Boottime => Some(OwnClock::Boottime),
            _ => None,
        }
    }

    /// The time that the clock shows in the first time namespace; `None` when what it counts is gone.
    pub fn now(self, kernel: &Kernel) -> Option<i64> {
        match self {
            TimerClock::Realtime => Some(kernel.now(ClockId::Realtime)),
            TimerClock::Monotonic | TimerClock::Boottime => Some(kernel.now(ClockId::Monotonic)),
            TimerClock::Cpu { id, thread } => {
                let task = kernel.task(id)?;
                let used = if thread { task.cpu_times() } else { task.group_ref().cpu_times() };
                Some(used.total() as i64)
            }
        }
    }

    /// The clock on which deadlines are kept: its own for processor time, else `CLOCK_MONOTONIC`.
    fn deadlines(self, kernel: &Kernel) -> i64 {
        match self {
            TimerClock::Cpu { .. } => self.now(kernel).unwrap_or(0),
            _ => kernel.now(ClockId::Monotonic),
        }
    }
}

/// One timer of a process.
#[derive(Debug)]
pub struct PosixTimer {
    /// What it counts.
    pub clock: TimerClock,
    /// What its expiry does.
    pub notify: Notify,
    /// `sigev_value`.
    pub value: u64,
    /// Nanoseconds; 0 for a timer that expires once.
    pub interval: i64,
    /// Nanoseconds of `CLOCK_MONOTONIC` or of the processor time that it counts; 0 while disarmed.
    pub deadline: i64,
    /// Expirations since the signal that is pending was queued.
    pub overrun: i32,
    /// What timer_getoverrun(2) says: of the signal that was delivered last.
    pub last_overrun: i32,
    generation: u64,
    armed: Option<Armed>,
    queued: bool,
}

/// `DELAYTIMER_MAX`.
const OVERRUN_MAX: i64 = i32::MAX as i64;

/// How many timers a process may have. Linux counts them against `RLIMIT_SIGPENDING`.
const MAX_TIMERS: usize = 4096;

struct TimerFire {
    kernel: Weak<Kernel>,
    group: Weak<ThreadGroup>,
    id: i32,
}

impl Fire for TimerFire {
    fn fire(&self, _: i64, generation: u64) {
        let (Some(kernel), Some(group)) = (self.kernel.upgrade(), self.group.upgrade()) else {
            return;
        };
        // A signal can go unseen: when it is ignored, or dropped by sigaction(2).
        let pending = group.holds_timer(self.id);
        let (notify, info) = {
            let mut timers = group.timers.lock();
            let Some(t) = timers.posix.get_mut(&self.id) else { return };
            if t.generation != generation {
                return;
            }
            let now = t.clock.deadlines(&kernel);
            let expirations = advance(&mut t.deadline, t.interval, now);
            if expirations == 0 {
                // Its signal was taken, and the timer armed again, just before; or the processor
                // was used less than it could have been.
                if t.deadline != 0 && t.counts_cpu() {
                    t.arm(&kernel, &group, self.id, t.deadline);
                    group.publish_cpu_times();
                }
                return;
            }
            t.disarm(&kernel);
            if t.deadline != 0 {
                t.arm(&kernel, &group, self.id, t.deadline.max(now.saturating_add(UNTAKEN)));
            }
            let queued = t.queued && pending;
            let late = if queued { expirations } else { expirations - 1 };
            t.add_overrun(late);
            if queued {
                return;
            }
            t.queued = true;
            let signo = match t.notify {
                Notify::Nothing => return,
                Notify::Process(s) | Notify::Thread(s, _) => s,
            };
            (t.notify.clone(), SigInfo::timer(signo, self.id, t.overrun, t.value))
        };
        let signo = info.signo as u32;
        let sent = match notify {
            Notify::Thread(_, task) => match task.upgrade() {
                Some(t) => group.post_thread(&t, signo, info),
                None => return,
            },
            _ => group.post(signo, info),
        };
        if sent.is_err() {
            // No room for the signal: the next expiry tries again.
            if let Some(t) = group.timers.lock().posix.get_mut(&self.id) {
                t.queued = false;
            }
        }
    }
}

impl PosixTimer {
    fn arm(&mut self, kernel: &Arc<Kernel>, group: &Arc<ThreadGroup>, id: i32, at: i64) {
        // Nobody hears of its expiry; what is left is computed when somebody asks.
        if matches!(self.notify, Notify::Nothing) {
            return;
        }
        let fire = TimerFire { kernel: Arc::downgrade(kernel), group: Arc::downgrade(group), id };
        let service = kernel.timer_service();
        let at = if self.counts_cpu() { self.look_again(kernel, group, at) } else { at };
        self.armed = Some(service.arm(kernel.embedder(), at, Arc::new(fire), self.generation));
    }

    fn counts_cpu(&self) -> bool {
        matches!(self.clock, TimerClock::Cpu { .. })
    }

    /// When so much processor time can have been used at the earliest. Looking more often than
    /// every four milliseconds would cost more than it tells.
    fn look_again(&self, kernel: &Kernel, group: &ThreadGroup, at: i64) -> i64 {
        let threads = group.thread_count().max(1) as i64;
        let left = at.saturating_sub(self.clock.deadlines(kernel));
        kernel.now(ClockId::Monotonic).saturating_add((left / threads).max(4_000_000))
    }

    fn disarm(&mut self, kernel: &Kernel) {
        if let Some(armed) = self.armed.take() {
            kernel.timer_service().cancel(armed);
        }
    }

    fn add_overrun(&mut self, n: i64) {
        self.overrun = i64::from(self.overrun).saturating_add(n).min(OVERRUN_MAX) as i32;
    }
}

impl ThreadGroup {
    /// timer_create(2): the timer's ID.
    ///
    /// # Errors
    /// `EAGAIN` when there are too many.
    pub(crate) fn create_timer(
        &self,
        clock: TimerClock,
        notify: Notify,
        value: Option<u64>,
    ) -> Result<i32, Errno> {
        let room = self.limit(Resource::Sigpending).cur.min(MAX_TIMERS as u64);
        let queued = crate::signal::queued_entries(&self.lock());
        let mut timers = self.timers.lock();
        if timers.posix.len() as u64 + queued >= room {
            return Err(Errno::EAGAIN);
        }
        let mut id = timers.next_posix;
        while timers.posix.contains_key(&id) {
            id = id.checked_add(1).unwrap_or(0);
        }
        timers.next_posix = id.checked_add(1).unwrap_or(0);
        let timer = PosixTimer {
            clock,
            notify,
            value: value.unwrap_or(id as u64),
            interval: 0,
            deadline: 0,
            overrun: 0,
            last_overrun: 0,
            generation: 0,
            armed: None,
            queued: false,
        };
        timers.posix.insert(id, timer);
        Ok(id)
    }

    /// timer_settime(2): arms timer `id` for `deadline` on `CLOCK_MONOTONIC` or the processor time
    /// that it counts, or disarms it with `None`. Returns what it was: time left and interval, in nanoseconds.
    ///
    /// # Errors
    /// `EINVAL` when there is no such timer.
    pub(crate) fn set_timer(
        self: &Arc<Self>,
        kernel: &Arc<Kernel>,
        id: i32,
        deadline: Option<i64>,
        interval: i64,
    ) -> Result<(i64, i64), Errno> {
        let old = self.timer_state(kernel, id)?;
        let mut timers = self.timers.lock();
        let t = timers.posix.get_mut(&id).ok_or(Errno::EINVAL)?;
        t.disarm(kernel);
        t.generation += 1;
        t.interval = interval;
        t.deadline = 0;
        t.overrun = 0;
        t.last_overrun = 0;
        if let Some(at) = deadline {
            t.deadline = at;
            t.arm(kernel, self, id, at);
        }
        Ok(old)
    }

    /// timer_gettime(2): time left and interval, in nanoseconds.
    ///
    /// # Errors
    /// `EINVAL` when there is no such timer.
    pub(crate) fn timer_state(&self, kernel: &Kernel, id: i32) -> Result<(i64, i64), Errno> {
        let timers = self.timers.lock();
        let t = timers.posix.get(&id).ok_or(Errno::EINVAL)?;
        let now = t.clock.deadlines(kernel);
        let mut next = t.deadline;
        if t.interval > 0 || matches!(t.notify, Notify::Nothing) {
            advance(&mut next, t.interval, now);
        }
        let left = if next == 0 { 0 } else { (next - now).max(1) };
        Ok((left, t.interval))
    }

    /// The clock of a timer.
    ///
    /// # Errors
    /// `EINVAL` when there is no such timer.
    pub(crate) fn timer_clock(&self, id: i32) -> Result<TimerClock, Errno> {
        self.timers.lock().posix.get(&id).map(|t| t.clock).ok_or(Errno::EINVAL)
    }

    /// timer_getoverrun(2).
    ///
    /// # Errors
    /// `EINVAL` when there is no such timer.
    pub(crate) fn timer_overrun(&self, id: i32) -> Result<i32, Errno> {
        self.timers.lock().posix.get(&id).map(|t| t.last_overrun).ok_or(Errno::EINVAL)
    }

    /// timer_delete(2).
    ///
    /// # Errors
    /// `EINVAL` when there is no such timer.
    pub(crate) fn delete_timer(&self, kernel: &Kernel, id: i32) -> Result<(), Errno> {
        let timer = self.timers.lock().posix.remove(&id).ok_or(Errno::EINVAL)?;
        if let Some(armed) = timer.armed {
            kernel.timer_service().cancel(armed);
        }
        Ok(())
    }

    /// Deletes all POSIX timers: execve(2) and the end of the process.
    pub(crate) fn delete_timers(&self, kernel: &Kernel) {
        let gone = core::mem::take(&mut self.timers.lock().posix);
        for armed in gone.into_values().filter_map(|t| t.armed) {
            kernel.timer_service().cancel(armed);
        }
    }

    /// Whether the signal of POSIX timer `id` waits for somebody to take it.
    fn holds_timer(&self, id: i32) -> bool {
        let state = self.lock();
        state.pending.holds_timer(id)
            || state.threads.iter().any(|t| t.signals.lock().pending.holds_timer(id))
    }

    /// A signal is on its way to user code. Of a timer: it is armed for its next expiry, and its
    /// overrun count is filled in.
    pub(crate) fn rearm_timer(
        self: &Arc<Self>,
        kernel: &Arc<Kernel>,
        mut info: SigInfo,
    ) -> SigInfo {
        if info.signo as u32 == SIGALRM {
            self.rearm_interval_timer(kernel);
        }
        if info.code == SI_TIMER {
            let mut timers = self.timers.lock();
            let Some(t) = timers.posix.get_mut(&info.pid()) else { return info };
            if t.interval > 0 && t.deadline != 0 {
                let now = t.clock.deadlines(kernel);
                let late = advance(&mut t.deadline, t.interval, now);
                t.add_overrun(late);
                t.disarm(kernel);
                t.arm(kernel, self, info.pid(), t.deadline);
            }
            t.last_overrun = core::mem::take(&mut t.overrun);
            t.queued = false;
            info = info.with_overrun(t.last_overrun);
        }
        info
    }
}
