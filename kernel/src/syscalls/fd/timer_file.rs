//! The file behind timerfd_create(2).

use crate::ns::OwnClock;
use crate::timers::{Armed, Fire};
use crate::{ClockId, Kernel};
use alloc::format;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use arch::IoDst;
use core::any::Any;
use sync::Mutex;
use sync::waitq::{Events, Queue};
use syserr::Errno;
use vfs::{FileOps, Stat, anon};

/// What timerfd_settime(2) asks for, in nanoseconds; a value of 0 disarms.
pub(super) struct Setting {
    pub(super) value: i64,
    pub(super) interval: i64,
    pub(super) absolute: bool,
}

#[derive(Default)]
struct State {
    /// Next expiry on `CLOCK_MONOTONIC`.
    deadline: Option<i64>,
    interval: i64,
    ticks: u64,
    /// The shot that is awaited. An interval timer has none between its expiry and the next look
    /// at it, so that nobody pays for ticks that nobody reads (`timerfd_tmrproc`, fs/timerfd.c).
    armed: Option<Armed>,
    /// Counts settings, so that a shot of an old one is known.
    generation: u64,
}

struct Shared {
    kernel: Weak<Kernel>,
    state: Mutex<State>,
    queue: Queue,
}

impl TimerFile {
    /// What of its clock each time namespace has for itself.
    pub(super) fn own_clock(&self) -> Option<OwnClock> {
        const MONOTONIC: i32 = 1;
        match self.clock {
            _ if self.realtime => None,
            MONOTONIC => Some(OwnClock::Monotonic),
            _ => Some(OwnClock::Boottime),
        }
    }
}

/// An open timer.
pub(super) struct TimerFile {
    clock: i32,
    realtime: bool,
    shared: Arc<Shared>,
}

impl State {
    /// Counts the expiries until `now`, and moves the deadline past it.
    fn advance(&mut self, now: i64) {
        let Some(at) = self.deadline.filter(|at| *at <= now) else { return };
        if self.interval == 0 {
            self.ticks += 1;
            self.deadline = None;
            return;
        }
        let n = (now - at) / self.interval + 1;
        self.ticks = self.ticks.saturating_add(n as u64);
        self.deadline = Some(at.saturating_add(n.saturating_mul(self.interval)));
    }
}

impl Shared {
    fn arm(self: &Arc<Self>, kernel: &Arc<Kernel>, s: &mut State) {
        if let (Some(at), None) = (s.deadline, s.armed) {
            let me = Arc::new(Shot(Arc::downgrade(self)));
            let service = kernel.timer_service();
            s.armed = Some(service.arm(kernel.embedder(), at, me, s.generation));
        }
    }

    fn advance(&self) {
        if let Some(k) = self.kernel.upgrade() {
            let now = k.now(ClockId::Monotonic);
            self.state.lock().advance(now);
        }
    }
}

/// What the timer service holds: not the timer itself, which ends with its last descriptor.
struct Shot(Weak<Shared>);

impl Fire for Shot {
    fn fire(&self, _: i64, generation: u64) {
        let Some(shared) = self.0.upgrade() else { return };
        let Some(kernel) = shared.kernel.upgrade() else { return };
        let mut s = shared.state.lock();
        if s.generation != generation {
            return;
        }
        s.armed = None;
        s.advance(kernel.now(ClockId::Monotonic));
        if s.ticks == 0 {
            // A read was here before.
            shared.arm(&kernel, &mut s);
            return;
        }
        drop(s);
        shared.queue.notify(Events::IN);
    }
}

impl TimerFile {
    pub(super) fn new(kernel: &Arc<Kernel>, clock: i32, realtime: bool) -> TimerFile {
        let shared =
            Shared { kernel: Arc::downgrade(kernel), state: Mutex::default(), queue: Queue::new() };
        TimerFile { clock, realtime, shared: Arc::new(shared) }
    }

    /// Sets the timer; returns what was left before, and the interval.
    pub(super) fn set(&self, kernel: &Arc<Kernel>, new: Setting) -> (i64, i64) {
        let now = kernel.now(ClockId::Monotonic);
        let mut s = self.shared.state.lock();
        s.advance(now);
        let old = (left(&s, now), s.interval);
        s.generation += 1;
        s.ticks = 0;
        let gone = s.armed.take();
        s.interval = new.interval;
        s.deadline = (new.value != 0).then(|| match (new.absolute, self.realtime) {
            (false, _) => now.saturating_add(new.value),
            (true, false) => new.value,
            (true, true) => {
                let shift = now.saturating_sub(kernel.now(ClockId::Realtime));
                new.value.saturating_add(shift)
            }
        });
        self.shared.arm(kernel, &mut s);
        drop(s);
        if let Some(a) = gone {
            kernel.timer_service().cancel(a);
        }
        old
    }

    /// What is left, and the interval.
    pub(super) fn get(&self, kernel: &Arc<Kernel>) -> (i64, i64) {
        let now = kernel.now(ClockId::Monotonic);
        let mut s = self.shared.state.lock();
        s.advance(now);
        self.shared.arm(kernel, &mut s);
        (left(&s, now), s.interval)
    }
}

fn left(s: &State, now: i64) -> i64 {
    s.deadline.map_or(0, |at| at.saturating_sub(now).max(1))
}

impl Drop for TimerFile {
    fn drop(&mut self) {
        let mut s = self.shared.state.lock();
        s.generation += 1;
        let gone = s.armed.take();
        drop(s);
        if let (Some(a), Some(k)) = (gone, self.shared.kernel.upgrade()) {
            k.timer_service().cancel(a);
        }
    }
}

impl FileOps for TimerFile {
    fn read_at(&self, dst: &mut dyn IoDst, _: u64) -> Result<usize, Errno> {
        if dst.remaining() < 8 {
            return Err(Errno::EINVAL);
        }
        let mut s = self.shared.state.lock();
        if let Some(kernel) = self.shared.kernel.upgrade() {
            s.advance(kernel.now(ClockId::Monotonic));
            self.shared.arm(&kernel, &mut s);
        }
        let ticks = core::mem::take(&mut s.ticks);
        drop(s);
        if ticks == 0 {
            return Err(Errno::EAGAIN);
        }
        match dst.put(&ticks.to_ne_bytes())? {
            8 => Ok(8),
            _ => Err(Errno::EFAULT),
        }
    }

    fn ignores_seeks(&self) -> bool {
        true
    }

    fn readiness(&self) -> Events {
        self.shared.advance();
        let ready = self.shared.state.lock().ticks > 0;
        if ready { Events::IN } else { Events::empty() }
    }

    fn queue(&self) -> Option<&Queue> {
        Some(&self.shared.queue)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(anon::anon_stat())
    }

    fn fdinfo(&self, _: &dyn vfs::proc::ProcSource, out: &mut Vec<u8>) {
        let Some(kernel) = self.shared.kernel.upgrade() else { return };
        let (value, interval) = self.get(&kernel);
        let ticks = self.shared.state.lock().ticks;
        const S: i64 = 1_000_000_000;
        let text = format!(
            "clockid: {}\nticks: {ticks}\nsettime flags: 00\nit_value: ({}, {})\nit_interval: ({}, {})\n",
            self.clock,
            value / S,
            value % S,
            interval / S,
            interval % S,
        );
        out.extend_from_slice(text.as_bytes());
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
