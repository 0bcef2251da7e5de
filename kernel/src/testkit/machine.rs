//! The platform double.

use super::TEXT;
use super::script::{Guest, Next, Script, Step};
use crate::{Context, Interrupt, Platform, Random, Trap};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, AddrRange, Arch, FpuLayout};
use core::task::{Context as Cx, Poll};
use mm::testkit::{RecordingSpace, VecMemoryFile};
use mm::{AddressSpace, MemoryFile, OutOfMemory};
use sync::Mutex;
use sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Counts down to a failure.
#[derive(Debug)]
pub struct Counting(AtomicUsize);

impl Counting {
    fn never() -> Counting {
        Counting(AtomicUsize::new(usize::MAX))
    }

    /// The `n`-th from now on fails; `usize::MAX` for none.
    pub fn fail_in(&self, n: usize) {
        self.0.store(n, Ordering::Relaxed);
    }

    fn check(&self) -> Result<(), OutOfMemory> {
        match self.0.load(Ordering::Relaxed) {
            usize::MAX => Ok(()),
            0 => Err(OutOfMemory),
            n => {
                self.0.store(n - 1, Ordering::Relaxed);
                Ok(())
            }
        }
    }
}

/// A machine that runs one script.
pub struct Machine {
    steps: Arc<Vec<Step>>,
    memory: Arc<VecMemoryFile>,
    log: Arc<Mutex<Vec<i64>>>,
    arch: Arch,
    /// Fails making address spaces.
    pub spaces: Counting,
    /// Fails making contexts.
    pub contexts: Counting,
    /// How many contexts an address space can have; as many as there are, unless a test says less.
    pub contexts_per_space: AtomicU32,
}

impl Machine {
    /// A machine of `arch` with at most `limit` bytes of memory.
    pub fn new(arch: Arch, script: Script, limit: u64) -> Arc<Machine> {
        Arc::new(Machine {
            steps: Arc::new(script.into_steps()),
            memory: VecMemoryFile::new(limit),
            log: Arc::default(),
            arch,
            spaces: Counting::never(),
            contexts: Counting::never(),
            contexts_per_space: AtomicU32::new(u32::MAX),
        })
    }

    /// Its memory.
    pub fn vec_memory(&self) -> &Arc<VecMemoryFile> {
        &self.memory
    }

    /// What the guests have logged.
    pub fn log(&self) -> Vec<i64> {
        self.log.lock().clone()
    }
}

impl Platform for Machine {
    fn arch(&self) -> Arch {
        self.arch
    }

    fn memory(&self) -> Arc<dyn MemoryFile> {
        self.memory.clone()
    }

    fn new_address_space(&self) -> Result<Arc<dyn AddressSpace>, OutOfMemory> {
        self.spaces.check()?;
        Ok(RecordingSpace::new(self.memory.clone()))
    }

    fn new_context(&self) -> Result<Box<dyn Context>, OutOfMemory> {
        self.contexts.check()?;
        Ok(Box::new(Scripted {
            steps: self.steps.clone(),
            memory: self.memory.clone(),
            log: self.log.clone(),
            interrupt: Arc::default(),
            ran: AtomicU64::new(0),
        }))
    }

    fn contexts_per_space(&self) -> u32 {
        self.contexts_per_space.load(Ordering::Relaxed)
    }

    fn user_range(&self) -> AddrRange {
        AddrRange { start: Addr(0x1000), end: Addr((1 << 47) - 4096) }
    }

    fn fpu_layout(&self) -> FpuLayout {
        match self.arch {
            Arch::X86_64 => FpuLayout::fxsave(),
            Arch::Aarch64 => FpuLayout::fpsimd(),
        }
    }

    fn hwcap(&self) -> (u64, u64) {
        (0, 0)
    }

    fn cpus(&self) -> usize {
        2
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Interrupt for Flag {
    fn interrupt(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Scripted {
    steps: Arc<Vec<Step>>,
    memory: Arc<dyn MemoryFile>,
    log: Arc<Mutex<Vec<i64>>>,
    interrupt: Arc<Flag>,
    ran: AtomicU64,
}

impl Scripted {
    fn run(&self, space: &Arc<dyn AddressSpace>, regs: &mut arch::Context) -> Trap {
        // A script that never traps is preempted.
        for _ in 0..1000 {
            if self.interrupt.0.swap(false, Ordering::SeqCst) {
                return Trap::Interrupted;
            }
            let ip = regs.ip();
            let index = ip.wrapping_sub(TEXT) / 2;
            let step = usize::try_from(index).ok().and_then(|i| self.steps.get(i));
            let Some(step) = step else {
                let info = crate::FaultInfo::default();
                return Trap::Fault { addr: Addr(ip), access: arch::Access::EXEC, info };
            };
            // A microsecond an instruction.
            self.ran.fetch_add(1000, Ordering::Relaxed);
            let mut guest = Guest { regs, space, memory: &self.memory, log: &self.log };
            match step(&mut guest) {
                Ok(Next::Go) => regs.set_ip(ip + 2),
                Ok(Next::Jump(to)) => regs.set_ip(to),
                Ok(Next::Trap(t)) => {
                    regs.set_ip(ip + 2);
                    return t;
                }
                Err(fault) => return fault,
            }
        }
        Trap::Interrupted
    }
}

impl Context for Scripted {
    fn poll_switch(
        &mut self,
        _: &mut Cx<'_>,
        space: &Arc<dyn AddressSpace>,
        regs: &mut arch::Context,
    ) -> Poll<Trap> {
        Poll::Ready(self.run(space, regs))
    }

    fn pull_fpu(&mut self, _: &mut arch::Context) {}

    fn push_fpu(&mut self, _: &arch::Context) {}

    fn interrupter(&self) -> Arc<dyn Interrupt> {
        self.interrupt.clone()
    }

    fn user_time(&self) -> u64 {
        self.ran.load(Ordering::Relaxed)
    }
}

/// Randomness that is the same in every run: SplitMix64.
#[derive(Debug, Default)]
pub struct SeededRandom(AtomicU64);

impl SeededRandom {
    /// A source that `seed` determines.
    pub fn new(seed: u64) -> SeededRandom {
        SeededRandom(AtomicU64::new(seed))
    }
}

impl Random for SeededRandom {
    fn fill(&self, buf: &mut [u8]) {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        for part in buf.chunks_mut(8) {
            let z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
            let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            for (to, from) in part.iter_mut().zip((z ^ (z >> 31)).to_le_bytes()) {
                *to = from;
            }
        }
    }
}
