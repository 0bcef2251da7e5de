//! Interval timers: setitimer(2).

use super::service::Armed;
use super::{Fire, UNTAKEN, advance};
use crate::signal::{SIGALRM, SIGKILL, SIGPROF, SIGVTALRM, SIGXCPU, SigInfo};
use crate::task::CpuTimes;
use crate::{Attention, ClockId, Kernel, Limit, Resource, ThreadGroup};
use alloc::sync::{Arc, Weak};

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

/// Which interval timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// `ITIMER_REAL`.
    Real,
    /// `ITIMER_VIRTUAL`.
    Virtual,
    /// `ITIMER_PROF`.
    Prof,
}

/// Time left and interval, in nanoseconds; 0 left is disarmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntervalTimer {
    /// Time until it expires.
    pub value: i64,
    /// What it is armed with again then.
    pub interval: i64,
}

#[derive(Default)]
pub(crate) struct Real {
    deadline: i64,
    interval: i64,
    generation: u64,
    armed: Option<Armed>,
}

/// A timer over processor time: the total at which it expires, and the interval.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cpu {
    deadline: u64,
    interval: u64,
}

impl Cpu {
    /// Whether it expires at `used`; it is armed again or disarmed then.
    fn expire(&mut self, used: u64) -> bool {
        if self.deadline == 0 || used < self.deadline {
            return false;
        }
        self.deadline = match self.interval {
            0 => 0,
            n => {
                let missed = (used - self.deadline) / n;
                self.deadline.saturating_add(n.saturating_mul(missed + 1))
            }
        };
        true
    }

    fn show(&self, used: u64) -> IntervalTimer {
        let value = match self.deadline {
            0 => 0,
            // Armed is never shown as 0.
            d => (d.saturating_sub(used) as i64).max(1),
        };
        IntervalTimer { value, interval: self.interval as i64 }
    }

    fn set(&mut self, new: IntervalTimer, used: u64) {
        self.interval = new.interval.max(0) as u64;
        self.deadline = if new.value > 0 { used.saturating_add(new.value as u64) } else { 0 };
    }
}

struct RealFire {
    kernel: Weak<Kernel>,
    group: Weak<ThreadGroup>,
}

impl Fire for RealFire {
    fn fire(&self, _: i64, generation: u64) {
        let (Some(kernel), Some(group)) = (self.kernel.upgrade(), self.group.upgrade()) else {
            return;
        };
        {
            let mut timers = group.timers.lock();
            let real = &mut timers.real;
            if real.generation != generation {
                return;
            }
            let now = kernel.now(ClockId::Monotonic);
            if advance(&mut real.deadline, real.interval, now) == 0 {
                // Its signal was taken, and the timer armed again, just before.
                return;
            }
            real.disarm(&kernel);
            if real.deadline != 0 {
                real.arm(&kernel, &group, real.deadline.max(now.saturating_add(UNTAKEN)));
            }
        }
        // A standard signal is merged or queued, never refused.
        let _ = group.post(SIGALRM, SigInfo::kernel(SIGALRM));
    }
}

impl Real {
    fn arm(&mut self, kernel: &Arc<Kernel>, group: &Arc<ThreadGroup>, at: i64) {
        let fire = RealFire { kernel: Arc::downgrade(kernel), group: Arc::downgrade(group) };
        let service = kernel.timer_service();
        self.armed = Some(service.arm(kernel.embedder(), at, Arc::new(fire), self.generation));
    }

    fn disarm(&mut self, kernel: &Kernel) {
        if let Some(armed) = self.armed.take() {
            kernel.timer_service().cancel(armed);
        }
    }
}

impl ThreadGroup {
    /// An interval timer as it stands; `used` is the processor time of the group.
    pub(crate) fn interval_timer(
        &self,
        kernel: &Kernel,
        which: Which,
        used: CpuTimes,
    ) -> IntervalTimer {
        let timers = self.timers.lock();
        match which {
            Which::Real => {
                let (mut next, interval) = (timers.real.deadline, timers.real.interval);
                let now = kernel.now(ClockId::Monotonic);
                if interval > 0 {
                    advance(&mut next, interval, now);
                }
                let value = if next == 0 { 0 } else { (next - now).max(1) };
                IntervalTimer { value, interval }
            }
            Which::Virtual => timers.virt.show(used.user),
            Which::Prof => timers.prof.show(used.total()),
        }
    }

    /// Sets an interval timer and returns the old one.
    pub(crate) fn set_interval_timer(
        self: &Arc<Self>,
        kernel: &Arc<Kernel>,
        which: Which,
        new: IntervalTimer,
        used: CpuTimes,
    ) -> IntervalTimer {
        let old = self.interval_timer(kernel, which, used);
        let mut timers = self.timers.lock();
        match which {
            Which::Real => {
                let real = &mut timers.real;
                real.disarm(kernel);
                real.generation += 1;
                (real.interval, real.deadline) = (0, 0);
                // Of one that is disarmed no interval is kept, unlike with the others.
                if new.value > 0 {
                    real.interval = new.interval;
                    real.deadline = kernel.now(ClockId::Monotonic).saturating_add(new.value);
                    real.arm(kernel, self, real.deadline);
                }
            }
            Which::Virtual => timers.virt.set(new, used.user),
            Which::Prof => timers.prof.set(new, used.total()),
        }
        drop(timers);
        if which != Which::Real && new.value > 0 {
            self.watch_cpu_time(kernel, new.value);
        }
        old
    }

    /// `SIGALRM` is on its way to user code: the timer's next expiry comes at its real time.
    pub(super) fn rearm_interval_timer(self: &Arc<Self>, kernel: &Arc<Kernel>) {
        let mut timers = self.timers.lock();
        let real = &mut timers.real;
        if real.interval > 0 && real.deadline != 0 {
            advance(&mut real.deadline, real.interval, kernel.now(ClockId::Monotonic));
            real.disarm(kernel);
            real.arm(kernel, self, real.deadline);
        }
    }

    /// Disarms everything at the end of the process.
    pub(crate) fn stop_interval_timers(&self, kernel: &Kernel) {
        let mut timers = self.timers.lock();
        timers.real.generation += 1;
        let armed = [timers.real.armed.take(), timers.watch.take()];
        timers.real.deadline = 0;
        timers.virt = Cpu::default();
        timers.prof = Cpu::default();
        timers.limit = 0;
        drop(timers);
        for a in armed.into_iter().flatten() {
            kernel.timer_service().cancel(a);
        }
    }

    /// Watches `RLIMIT_CPU` from now on.
    pub(crate) fn limit_cpu_time(self: &Arc<Self>, kernel: &Arc<Kernel>, limit: Limit) {
        let next = limit.cur.saturating_mul(SECOND);
        self.timers.lock().limit = next.max(1);
        self.watch_cpu_time(kernel, 0);
    }

    /// Looks at processor time again after `left` nanoseconds of it at the earliest.
    fn watch_cpu_time(self: &Arc<Self>, kernel: &Arc<Kernel>, left: i64) {
        let fire = CpuFire { kernel: Arc::downgrade(kernel), group: Arc::downgrade(self) };
        // All threads together use it up as many times faster; ticks finer than four milliseconds
        // would cost more than they tell.
        let threads = self.thread_count().max(1) as i64;
        let wait = (left / threads).max(4_000_000);
        let at = kernel.now(ClockId::Monotonic).saturating_add(wait);
        let armed = kernel.timer_service().arm(kernel.embedder(), at, Arc::new(fire), 0);
        if let Some(old) = self.timers.lock().watch.replace(armed) {
            kernel.timer_service().cancel(old);
        }
    }

    /// Makes running threads publish their processor time.
    pub(crate) fn publish_cpu_times(&self) {
        for t in self.threads() {
            t.call(Attention::CPU_TIME);
        }
    }

    /// Sends what processor-time timers have to say, and returns the time left to the next.
    pub(crate) fn check_cpu_timers(&self) -> Option<i64> {
        let used = self.cpu_times();
        let hard = self.limit(Resource::Cpu).max.saturating_mul(SECOND);
        let (virt, prof, over, left) = {
            let mut t = self.timers.lock();
            let virt = t.virt.expire(used.user);
            let prof = t.prof.expire(used.total());
            let over = t.limit != 0 && used.total() >= t.limit;
            if over {
                // Once a second from the soft limit on.
                t.limit = used.total().saturating_add(SECOND);
            }
            let left = [
                (t.virt.deadline, used.user),
                (t.prof.deadline, used.total()),
                (t.limit, used.total()),
            ];
            let left =
                left.iter().filter(|(d, _)| *d != 0).map(|(d, u)| d.saturating_sub(*u) as i64);
            (virt, prof, over, left.min())
        };
        let killed = over && used.total() >= hard;
        let due =
            [(virt, SIGVTALRM), (prof, SIGPROF), (over && !killed, SIGXCPU), (killed, SIGKILL)];
        for (due, signo) in due {
            if due {
                // A standard signal is merged or queued, never refused.
                let _ = self.post(signo, SigInfo::kernel(signo));
            }
        }
        left
    }
}

struct CpuFire {
    kernel: Weak<Kernel>,
    group: Weak<ThreadGroup>,
}

impl Fire for CpuFire {
    fn fire(&self, _: i64, _: u64) {
        let (Some(kernel), Some(group)) = (self.kernel.upgrade(), self.group.upgrade()) else {
            return;
        };
        if let Some(left) = group.check_cpu_timers() {
            group.publish_cpu_times();
            group.watch_cpu_time(&kernel, left);
        }
    }
}
