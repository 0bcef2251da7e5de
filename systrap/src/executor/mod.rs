//! The loop that everything in the sentry runs on.
//!
//! One thread takes traps from the stubs, wakes and polls futures, fires timers and watches host
//! descriptors. While traps keep coming it polls shared memory; when they stop coming, or the stubs
//! need the processor that it polls on, it sleeps on one epoll descriptor, and nothing ticks.

mod queue;
mod reactor;
mod timers;

pub(crate) use queue::{BoxFuture, RunQueue};
pub use reactor::Registration;
pub(crate) use reactor::{Reactor, Source};
pub(crate) use timers::TimerWheel;

use crate::host::Shared;
use crate::space::Space;
use crate::sys;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

/// Futures polled before the stubs are looked at again.
const BATCH: usize = 32;
/// Microseconds between two looks at free memory.
const TRIM_US: u64 = 250_000;

/// The loop's own state.
pub(crate) struct Executor {
    host: Arc<Shared>,
    spaces: Vec<Arc<Space>>,
    generation: u64,
    /// When free memory was last looked at.
    trimmed: u64,
}

impl Executor {
    pub(crate) fn new(host: Arc<Shared>) -> Executor {
        Executor { host, spaces: Vec::new(), generation: 0, trimmed: sys::tsc() }
    }

    /// Runs until `done` is set by a future.
    pub(crate) fn run(&mut self, done: &AtomicBool) {
        let us = self.host.cycles_per_us;
        let mut idle_since = sys::tsc();
        let mut looked = idle_since;
        let mut made_room = true;
        while !done.load(Relaxed) {
            let mut busy = self.poll_spaces();
            busy |= self.host.run_queue.run(BATCH);
            let (now, here) = sys::tsc_here();
            self.host.regions.set_processor(here);
            if now.wrapping_sub(looked) > 50 * us {
                // Timers and descriptors are not starved by guests that trap all the time.
                looked = now;
                busy |= self.host.timers.fire();
                self.host.clock.follow(now);
                busy |= self.host.reactor.poll(&self.host, Some(0));
                self.host.reclaim();
                self.schedule(now);
                self.host.zygote.tend(self.host.spare);
                self.trim(now);
            }
            if busy {
                idle_since = now;
                made_room = false;
                continue;
            }
            let idle = now.wrapping_sub(idle_since);
            let mut patient = idle < self.host.spin_budget();
            if !made_room && idle >= us {
                // Whoever has trapped lately has got its answer, or waits for something.
                made_room = true;
                self.make_room();
                patient &= self.spaces.iter().any(|s| s.can_run_beside(here));
            }
            if patient {
                std::hint::spin_loop();
            } else {
                self.sleep(done);
                looked = sys::tsc();
                idle_since = looked;
            }
        }
    }

    /// Sends threads to sleep that spin on a processor which others need.
    fn make_room(&self) {
        let running = self.host.running.load(Relaxed) as usize;
        let spinning = self.spaces.iter().filter(|s| s.is_spinning());
        // This thread takes a processor, too.
        if running != 0 && 1 + running + spinning.clone().count() > self.host.cpus {
            spinning.for_each(|s| s.set_spin(0));
        }
    }

    fn refresh(&mut self) {
        let generation = self.host.active_generation();
        if generation != self.generation {
            self.generation = generation;
            self.spaces = self.host.active_spaces();
        }
    }

    fn poll_spaces(&mut self) -> bool {
        self.refresh();
        let mut busy = false;
        for space in &self.spaces {
            busy |= space.poll();
        }
        busy
    }

    /// Returns nanoseconds until the next look.
    fn schedule(&self, now: u64) -> Option<u64> {
        let cycles = self.spaces.iter().filter_map(|s| s.schedule(now)).min()?;
        Some(cycles * 1000 / self.host.cycles_per_us.max(1))
    }

    /// Has free memory that nobody needs go back to the host, from time to time.
    fn trim(&mut self, now: u64) {
        if self.until_trim(now) == 0 {
            self.trimmed = now;
            self.host.memory.trim();
        }
    }

    /// Nanoseconds until free memory is looked at.
    fn until_trim(&self, now: u64) -> u64 {
        let waited = now.saturating_sub(self.trimmed) / self.host.cycles_per_us.max(1);
        TRIM_US.saturating_sub(waited) * 1000
    }

    fn sleep(&mut self, done: &AtomicBool) {
        self.host.deactivate_idle();
        self.host.reclaim();
        self.refresh();
        self.host.zygote.tend(self.host.spare);
        self.trim(sys::tsc());
        let bell = self.host.regions.bell();
        bell.sleeps();
        // A stub publishes first and reads the word after; so do wakers of other threads.
        let news = self.spaces.iter().any(|s| s.has_news())
            || !self.host.run_queue.is_empty()
            || self.host.active_generation() != self.generation
            || done.load(SeqCst);
        if !news {
            let timer = self.host.timers.until_next();
            let now = sys::tsc();
            let trim = self.host.memory.is_keeping().then(|| self.until_trim(now));
            let timeout = [timer, self.schedule(now), trim].into_iter().flatten().min();
            self.host.reactor.poll(&self.host, timeout);
        }
        bell.is_awake();
        self.host.timers.fire();
    }
}
