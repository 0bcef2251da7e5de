//! The sandbox's host side: configuration, the shared parts, and the way in.

use crate::clock::{self, HostClock};
use crate::cpu::{self, Xsave};
use crate::executor::{BoxFuture, Executor, Reactor, Registration, RunQueue, Source, TimerWheel};
use crate::memfile::MemFile;
use crate::regions::Regions;
use crate::shared::{GUEST_END, GUEST_START};
use crate::space::{Slices, Space};
use crate::zygote::Zygote;
use arch::FpuLayout;
use mm::OutOfMemory;
use rustix::event::epoll::EventFlags;
use rustix::fd::BorrowedFd;
use std::io;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, fence};
use std::sync::{Arc, Weak};
use sync::Mutex;
use sync::waitq::{Events, Queue};

/// Microseconds that a stub may leave an interrupt unanswered; a busy host may well stop it for a
/// second or two.
const SILENCE_US: u64 = if cfg!(test) { 300_000 } else { 10_000_000 };

/// What a sandbox may use of its host.
#[derive(Clone, Copy, Debug)]
pub struct HostConfig {
    /// Bytes of guest memory, page cache included, and freed memory that is kept for reuse for a
    /// moment: an eighth of it, at most 128 MiB.
    pub memory_limit: u64,
    /// Processors that guests are told of and host threads that one process may have.
    pub cpus: usize,
    /// Stub processes kept ready for the next fork or exec.
    pub spare_stubs: usize,
}

impl Default for HostConfig {
    /// All of the host's memory and the processors that this process may run on.
    fn default() -> HostConfig {
        let info = rustix::system::sysinfo();
        let memory_limit = (info.totalram as u64).saturating_mul(u64::from(info.mem_unit.max(1)));
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        HostConfig { memory_limit, cpus, spare_stubs: 2 }
    }
}

/// The parts that stubs, contexts and the executor share.
pub(crate) struct Shared {
    pub(crate) regions: Arc<Regions>,
    pub(crate) memory: Arc<MemFile>,
    pub(crate) reactor: Arc<Reactor>,
    pub(crate) run_queue: Arc<RunQueue>,
    pub(crate) timers: TimerWheel,
    pub(crate) zygote: Zygote,
    pub(crate) cpus: usize,
    /// The lowest address that guests may have: the host can keep more for itself than usual.
    pub(crate) guest_start: u64,
    /// As `/proc/cpuinfo` describes the first one; read before nothing more can be opened.
    pub(crate) processor: Option<String>,
    pub(crate) spare: usize,
    pub(crate) slices: Slices,
    pub(crate) cycles_per_us: u64,
    pub(crate) xsave: Xsave,
    pub(crate) fpu: FpuLayout,
    pub(crate) clock: Arc<HostClock>,
    /// Contexts that are ready or in user code.
    pub(crate) running: AtomicU32,
    /// Cycles that user code runs between two traps, on average.
    expected: AtomicU64,
    /// Cycles between two traps of anybody's, on average, and when the last one was.
    arrivals: AtomicU64,
    trapped: AtomicU64,
    active: Mutex<Vec<Arc<Space>>>,
    generation: AtomicU64,
    /// Spaces without users whose process may still live.
    dying: Mutex<Vec<Arc<Space>>>,
}

/// What the host leaves of [`GUEST_START`] and what follows (`vm.mmap_min_addr`).
fn guest_start() -> u64 {
    let kept = std::fs::read_to_string("/proc/sys/vm/mmap_min_addr").ok();
    let kept = kept.and_then(|s| s.trim().parse::<u64>().ok()).unwrap_or(0);
    kept.next_multiple_of(arch::PAGE_SIZE).clamp(GUEST_START, GUEST_END)
}

impl Shared {
    /// Cycles that an idle stub thread spins. In a crowd it takes a processor from somebody, at worst
    /// from this side: then it waits no longer than an answer takes that is being made already.
    pub(crate) fn stub_spin(&self) -> u32 {
        let crowd = self.running.load(Relaxed) as usize > self.cpus;
        (self.cycles_per_us * if crowd { 3 } else { 30 }) as u32
    }

    /// Takes note of a trap at `now`, after `cycles` of user code. One long run must not make many
    /// short ones wait, so it counts no more than a wake-up costs a few times over.
    pub(crate) fn expect(&self, cycles: u64, now: u64) {
        let before = self.trapped.swap(now, Relaxed);
        for (average, sample) in
            [(&self.expected, cycles), (&self.arrivals, now.saturating_sub(before))]
        {
            let sample = sample.min(400 * self.cycles_per_us);
            average.store((average.load(Relaxed) * 7 + sample) / 8, Relaxed);
        }
    }

    /// Cycles that are worth spinning for the next trap.
    pub(crate) fn spin_budget(&self) -> u64 {
        if self.running.load(Relaxed) == 0 {
            return 0;
        }
        // In a crowd, each runs long until its trap, most of that time without a processor.
        let next = self.expected.load(Relaxed).min(self.arrivals.load(Relaxed));
        match next / self.cycles_per_us {
            0..150 => 200 * self.cycles_per_us,
            _ => 5 * self.cycles_per_us,
        }
    }

    pub(crate) fn activate(&self, space: Arc<Space>) {
        self.active.lock().push(space);
        self.generation.fetch_add(1, SeqCst);
    }

    pub(crate) fn active_generation(&self) -> u64 {
        self.generation.load(SeqCst)
    }

    pub(crate) fn active_spaces(&self) -> Vec<Arc<Space>> {
        self.active.lock().clone()
    }

    /// Takes spaces off the list in which nothing runs.
    pub(crate) fn deactivate_idle(&self) {
        let mut active = self.active.lock();
        let before = active.len();
        active.retain(|s| {
            let keep = !s.is_dead() && s.is_in_use();
            if !keep {
                s.active.store(false, SeqCst);
            }
            keep
        });
        if active.len() != before {
            self.generation.fetch_add(1, SeqCst);
        }
    }

    /// Has memory that waits for its unmapping come back, if some was missing lately.
    pub(crate) fn reclaim(&self) {
        if self.memory.was_short() {
            for space in self.reactor.spaces() {
                space.reclaim();
            }
        }
    }

    /// A process descriptor became readable.
    pub(crate) fn stub_died(&self, space: &Weak<Space>, token: u64) {
        match space.upgrade() {
            Some(space) => {
                space.bury();
                self.reactor.remove(space.child().fd(), token);
                self.dying.lock().retain(|s| !Arc::ptr_eq(s, &space));
                self.deactivate_idle();
            }
            None => tracing::debug!(token, "a stub died after its address space"),
        }
    }

    /// Ends a space that has no user left.
    pub(crate) fn condemn(&self, space: Arc<Space>) {
        if !space.is_dead() {
            space.child().kill();
            self.dying.lock().push(space);
        }
    }

    pub(crate) fn new_space(self: &Arc<Self>) -> Result<Arc<Space>, OutOfMemory> {
        let stub = self.zygote.acquire(self.spare).map_err(|error| {
            tracing::warn!(%error, "no stub process for an address space");
            OutOfMemory
        })?;
        let space = Arc::new(Space::new(self.clone(), stub));
        let source = Source::Stub(Arc::downgrade(&space));
        let token = self
            .reactor
            .add(space.child().fd(), EventFlags::IN, source)
            .map_err(|_| OutOfMemory)?;
        space.token.store(token, Relaxed);
        Ok(space)
    }
}

/// A sandbox's host side. Make it before the process has other threads, and run it on the thread
/// that made it: the stub processes die with that thread.
pub struct Host {
    shared: Arc<Shared>,
}

impl Host {
    /// Makes the memory file, the template process and the executor.
    ///
    /// # Errors
    /// What the host refuses, in words.
    pub fn new(config: HostConfig) -> io::Result<Host> {
        let first_reading = clock::Reading::now();
        let xsave = Xsave::detect()?;
        let context = |what: &'static str| {
            move |e: io::Error| io::Error::new(e.kind(), format!("{what}: {e}"))
        };
        let regions = Arc::new(Regions::new(&xsave).map_err(context("shared contexts"))?);
        let memory =
            Arc::new(MemFile::new(config.memory_limit).map_err(context("the memory file"))?);
        let reactor = Arc::new(Reactor::new()?);
        let zygote =
            Zygote::start(regions.clone(), memory.fd(), reactor.doorbell(), reactor.acks())
                .map_err(context("the stub template"))?;
        let clock = HostClock::new(memory.clone(), first_reading)
            .map_err(|OutOfMemory| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let clock = Arc::new(clock);
        let ring = || -> Box<dyn Fn() + Send + Sync> {
            let (regions, reactor) = (regions.clone(), reactor.clone());
            Box::new(move || {
                fence(SeqCst);
                regions.bell().ring(|| reactor.ring());
            })
        };
        let cycles_per_us = cpu::cycles_per_us();
        let shared = Shared {
            run_queue: Arc::new(RunQueue::new(ring())),
            timers: TimerWheel::new(clock.clone(), ring()),
            slices: Slices {
                patience: 40 * cycles_per_us,
                slice: 6000 * cycles_per_us,
                silence: SILENCE_US * cycles_per_us,
            },
            cpus: config.cpus.clamp(1, crate::shared::MAX_THREADS),
            guest_start: guest_start(),
            processor: cpu::description(),
            spare: config.spare_stubs,
            running: AtomicU32::new(0),
            expected: AtomicU64::new(0),
            arrivals: AtomicU64::new(0),
            trapped: AtomicU64::new(0),
            active: Mutex::default(),
            generation: AtomicU64::new(0),
            dying: Mutex::default(),
            regions,
            memory,
            reactor,
            zygote,
            cycles_per_us,
            fpu: crate::platform::fpu_layout(&xsave)?,
            clock,
            xsave,
        };
        shared.zygote.tend(shared.spare);
        Ok(Host { shared: Arc::new(shared) })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Runs `main`, and everything that is spawned meanwhile, until `main` has ended.
    pub fn run<T: Send + 'static>(&self, main: impl Future<Output = T> + Send + 'static) -> T {
        let done = Arc::new(AtomicBool::new(false));
        let result = Arc::new(Mutex::new(None));
        let (d, r) = (done.clone(), result.clone());
        let job: BoxFuture<()> = Box::pin(async move {
            let value = main.await;
            *r.lock() = Some(value);
            d.store(true, SeqCst);
        });
        self.shared.run_queue.spawn(job);
        let mut executor = Executor::new(self.shared.clone());
        loop {
            executor.run(&done);
            if let Some(value) = result.lock().take() {
                return value;
            }
        }
    }

    /// Ends all processes of the sandbox, and no more: for a program that exits next and leaves the
    /// rest to its host. No address space can be used after it.
    pub fn end_processes(&self) {
        let spaces = self.shared.reactor.spaces();
        spaces.iter().for_each(|s| s.child().kill());
        self.shared.zygote.end();
        for s in &spaces {
            s.child().reap(true);
        }
    }

    /// Notifies `queue` of events on a host descriptor, each time it becomes ready.
    ///
    /// # Errors
    /// `EPERM` for descriptors that are always ready, such as regular files.
    pub fn watch(
        &self,
        fd: BorrowedFd<'_>,
        events: Events,
        queue: Arc<Queue>,
    ) -> io::Result<Registration> {
        Registration::new(self.shared.clone(), fd, events, queue)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.shared.run_queue.clear();
        self.shared.timers.clear();
        let spaces = std::mem::take(&mut *self.shared.active.lock());
        let dying = std::mem::take(&mut *self.shared.dying.lock());
        for space in spaces.into_iter().chain(dying) {
            space.bury();
        }
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("cpus", &self.shared.cpus).finish_non_exhaustive()
    }
}
