//! The kernel's seams over the raw parts.

use crate::cpu;
use crate::executor::TimerWheel;
use crate::host::{Host, Shared};
use crate::hot_calls::HotCalls;
use crate::raw::{Interrupter, RawContext, RawTrap};
use crate::shared::{GUEST_END, SITES_BASE, SITES_END, op};
use crate::space::{Space, plain_way};
use arch::fpu::{Component, FpuLayout};
use arch::signal::code::SEGV_PKUERR;
use arch::x86_64::{Registers, access_of_error_code};
use arch::{Access, Addr, AddrRange, Arch};
use kernel::{
    BoxFuture, Context, Embedder, FaultInfo, Interrupt, Platform, Random, Spawn, TimerId, Timers,
    Trap,
};
use mm::{AddressSpace, FileRange, MemoryFile, OutOfMemory};
use std::any::Any;
use std::sync::Arc;
use std::task::{Context as Cx, Poll, Waker};

const SIGILL: u32 = 4;
const SIGTRAP: u32 = 5;
const SIGSEGV: u32 = 11;
const SIGSYS: u32 = 31;
/// `si_code` of a signal that the kernel sends of itself.
const SI_KERNEL: i32 = 128;
const SYS_SECCOMP: i32 = 1;
const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
const PAGE_FAULT: u64 = 14;
/// The bit of a page fault's error code that says that a protection key was in the way.
const PROTECTION_KEY: u64 = 1 << 5;
/// Flags that user code can have: what sigreturn takes, nested task and CPUID's.
const EFLAGS: u64 = arch::x86_64::eflags::SIGRETURN | arch::x86_64::eflags::NT | 1 << 21;
const EFLAGS_FIXED: u64 = arch::x86_64::eflags::IF | arch::x86_64::eflags::FIXED;
/// Words that the kernel keeps for itself in the legacy area of a signal frame's FPU image.
const SOFTWARE_BYTES: std::ops::Range<usize> = 464..512;

impl Host {
    /// Everything that a kernel needs from outside, made of this host.
    pub fn embedder(&self) -> Embedder {
        let shared = self.shared().clone();
        let clock = shared.clock.clone();
        let it = Arc::new(Hosted { shared });
        Embedder { platform: it.clone(), clock, timers: it.clone(), random: it.clone(), spawn: it }
    }
}

/// The host as seen by the kernel.
struct Hosted {
    shared: Arc<Shared>,
}

impl Platform for Hosted {
    fn contexts_per_space(&self) -> u32 {
        // Those that have been given up may still be on their way back.
        const RETURNING: usize = 64;
        (crate::shared::MAX_SLOTS - RETURNING) as u32
    }

    fn arch(&self) -> Arch {
        Arch::X86_64
    }

    fn memory(&self) -> Arc<dyn MemoryFile> {
        self.shared.memory.clone()
    }

    fn new_address_space(&self) -> Result<Arc<dyn AddressSpace>, OutOfMemory> {
        Ok(Arc::new(HostedSpace(self.shared.new_space()?)))
    }

    fn new_context(&self) -> Result<Box<dyn Context>, OutOfMemory> {
        let raw = RawContext::default();
        let layout = self.shared.fpu;
        let cycles_per_us = self.shared.cycles_per_us;
        let (first, hot, calls) = (true, None, HotCalls::default());
        Ok(Box::new(HostedContext { raw, layout, cycles_per_us, first, calls, hot }))
    }

    fn user_range(&self) -> AddrRange {
        AddrRange { start: Addr(self.shared.guest_start), end: Addr(GUEST_END) }
    }

    fn reserved_range(&self) -> AddrRange {
        AddrRange { start: Addr(SITES_BASE), end: Addr(SITES_END) }
    }

    fn fpu_layout(&self) -> FpuLayout {
        self.shared.fpu
    }

    fn hwcap(&self) -> (u64, u64) {
        (cpu::hwcap(), cpu::hwcap2())
    }

    fn cpus(&self) -> usize {
        self.shared.cpus
    }

    fn processor(&self) -> Option<String> {
        self.shared.processor.clone()
    }
}

impl Timers for Hosted {
    fn arm(&self, deadline: i64, waker: Waker) -> TimerId {
        let timers: &TimerWheel = &self.shared.timers;
        TimerId(timers.arm(deadline, waker))
    }

    fn cancel(&self, timer: TimerId) {
        self.shared.timers.cancel(timer.0);
    }
}

impl Random for Hosted {
    fn fill(&self, buf: &mut [u8]) {
        if let Err(error) = crate::random::fill(buf) {
            // Weak keys are worse than no sandbox.
            tracing::error!(%error, "getrandom failed");
            std::process::abort();
        }
    }
}

impl Spawn for Hosted {
    fn spawn(&self, task: BoxFuture<()>) {
        self.shared.run_queue.spawn(task);
    }
}

/// What the FPU images of this host's signal frames hold.
pub(crate) fn fpu_layout(xsave: &cpu::Xsave) -> std::io::Result<FpuLayout> {
    let components: Vec<Component> = xsave
        .components()
        .map(|(number, offset, size)| Component { number, offset, size })
        .collect();
    FpuLayout::xsave(xsave.features, xsave.size, &components)
        .map_err(|e| std::io::Error::other(format!("the processor's FPU state: {e}")))
}

/// An address space in use; without users, its process ends.
struct HostedSpace(Arc<Space>);

impl Drop for HostedSpace {
    fn drop(&mut self) {
        self.0.host.condemn(self.0.clone());
    }
}

impl AddressSpace for HostedSpace {
    fn map(
        &self,
        at: AddrRange,
        offset: u64,
        access: Access,
        precommit: bool,
    ) -> Result<(), OutOfMemory> {
        let now = precommit
            || self.0.is_worth_entering(FileRange { start: offset, end: offset + at.len() });
        self.0.push_op(op::MAP, at, access, offset, now);
        Ok(())
    }

    fn protect(&self, at: AddrRange, access: Access) {
        self.0.push_op(op::PROTECT, at, access, 0, false);
    }

    fn unmap(&self, at: AddrRange) {
        self.0.push_op(op::UNMAP, at, Access::empty(), 0, false);
    }

    fn retire(&self, ranges: &[FileRange]) {
        self.0.retire(ranges);
    }

    fn flush(&self) {
        self.0.flush();
    }

    fn poll_flushed(&self, cx: &mut Cx<'_>) -> Poll<()> {
        if self.0.wait_flushed(cx.waker()) { Poll::Pending } else { Poll::Ready(()) }
    }

    fn inherit(&self, parent: &dyn AddressSpace) {
        if let Some(parent) = parent.as_any().downcast_ref::<HostedSpace>() {
            self.0.inherit_sites(&parent.0);
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// One user thread.
struct HostedContext {
    raw: RawContext,
    layout: FpuLayout,
    cycles_per_us: u64,
    /// Has never run.
    first: bool,
    calls: HotCalls,
    /// Where a call ends that has become hot.
    hot: Option<u64>,
}

impl Context for HostedContext {
    fn poll_switch(
        &mut self,
        cx: &mut Cx<'_>,
        space: &Arc<dyn AddressSpace>,
        regs: &mut arch::Context,
    ) -> Poll<Trap> {
        let Some(space) = space.as_any().downcast_ref::<HostedSpace>() else {
            return Poll::Ready(Trap::Dead);
        };
        if self.first {
            self.first = false;
            self.push_fpu(regs);
        }
        let Some(c) = regs.as_x86_64_mut() else { return Poll::Ready(Trap::Dead) };
        let words = zerocopy::transmute_mut!(&mut c.regs);
        let Poll::Ready(trap) = self.raw.poll(cx, &space.0, words) else { return Poll::Pending };
        Poll::Ready(match trap {
            RawTrap::Interrupted => {
                clean(&mut c.regs);
                Trap::Interrupted
            }
            RawTrap::Dead => Trap::Dead,
            RawTrap::Signal { signo, .. } => {
                clean(&mut c.regs);
                if resolve_site(&space.0, signo, &mut c.regs) {
                    return Poll::Ready(Trap::Syscall);
                }
                let trap = decode(trap, &mut c.regs);
                if matches!(trap, Trap::Syscall) && self.calls.count(c.regs.rip) {
                    self.hot = Some(c.regs.rip);
                }
                trap
            }
        })
    }

    fn hot_call(&mut self) -> Option<Addr> {
        self.hot.take().map(Addr)
    }

    fn rewrite_call(
        &mut self,
        space: &Arc<dyn AddressSpace>,
        end: Addr,
        code: &mut [u8],
        at: usize,
    ) -> bool {
        let space = space.as_any().downcast_ref::<HostedSpace>();
        space.is_some_and(|space| space.0.rewrite(end.0, code, at))
    }

    fn pull_fpu(&mut self, regs: &mut arch::Context) {
        let Some(mut image) = self.raw.get_fpu(self.layout.size()) else { return };
        for byte in image.get_mut(SOFTWARE_BYTES).into_iter().flatten() {
            *byte = 0;
        }
        let state = regs.fpu_mut();
        state.load(&image);
        // The stub does not copy what is in its initial state; what lies there is somebody's old.
        let used = state.xstate_bv();
        for c in self.layout.components().filter(|c| used & 1 << c.number == 0) {
            let place = c.offset as usize..(c.offset + c.size) as usize;
            if let Some(bytes) = state.as_mut_bytes().get_mut(place) {
                bytes.fill(0);
            }
        }
    }

    fn push_fpu(&mut self, regs: &arch::Context) {
        self.raw.set_fpu(regs.fpu().as_bytes().to_vec());
    }

    fn interrupter(&self) -> Arc<dyn Interrupt> {
        self.raw.interrupter().clone()
    }

    fn user_time(&self) -> u64 {
        self.raw.cycles() * 1000 / self.cycles_per_us.max(1)
    }
}

impl Interrupt for Interrupter {
    fn interrupt(&self) {
        Interrupter::interrupt(self);
    }
}

/// Makes registers that a guest may have forged into ones that a guest can have.
fn clean(r: &mut Registers) {
    r.cs = arch::x86_64::USER_CS;
    r.ss = arch::x86_64::USER_DS;
    r.eflags = r.eflags & EFLAGS | EFLAGS_FIXED;
    for base in [&mut r.fs_base, &mut r.gs_base] {
        *base = (*base as i64).wrapping_shl(16).wrapping_shr(16) as u64;
    }
}

/// Takes a trap that has to do with a rewritten call back to where the program made it. Whether
/// the trap stands for the call: it is that of an instruction in the place of the `syscall`.
fn resolve_site(space: &Space, signo: u32, r: &mut Registers) -> bool {
    let end = match signo {
        SIGSYS => space.end_of_plain(r.rip),
        SIGILL => space.end_of_tail(r.rip),
        SIGTRAP => {
            r.rip = plain_way(r.rip).unwrap_or(r.rip);
            None
        }
        _ => None,
    };
    let Some(end) = end else { return false };
    (r.rip, r.rcx) = (end, end);
    if signo == SIGSYS {
        return false;
    }
    (r.orig_rax, r.r11) = (r.rax, r.eflags);
    r.rax = syserr::Errno::ENOSYS.to_return();
    true
}

/// What a signal in the stub means for the kernel.
fn decode(trap: RawTrap, r: &mut Registers) -> Trap {
    let RawTrap::Signal { signo, code, arch, addr, err, trapno, cr2 } = trap else {
        return Trap::Interrupted;
    };
    let info = FaultInfo { trapno, error_code: err, address: cr2 };
    match signo {
        SIGSYS if code == SYS_SECCOMP && arch == AUDIT_ARCH_X86_64 => {
            // All of it, where the signal tells 32 bits: tracers see the register.
            r.orig_rax = r.rax;
            r.rax = syserr::Errno::ENOSYS.to_return();
            Trap::Syscall
        }
        // A 32-bit entry, which the guests' kernel does not have.
        SIGSYS => {
            r.orig_rax = u64::MAX;
            let info = FaultInfo { trapno: 13, ..FaultInfo::default() };
            Trap::Exception { signo: SIGSEGV, code: SI_KERNEL, addr: Addr(0), info }
        }
        // One that no exception is behind, such as of a jump into the middle of the vsyscall page:
        // what the frame says of one is left from an earlier.
        SIGSEGV if trapno == PAGE_FAULT && code == SI_KERNEL => {
            let info = FaultInfo::default();
            Trap::Exception { signo, code, addr: Addr(0), info }
        }
        // The page is there, and no change of the map would help: the program's PKRU denies it.
        SIGSEGV if trapno == PAGE_FAULT && err & PROTECTION_KEY != 0 => {
            Trap::Exception { signo, code: SEGV_PKUERR, addr: Addr(cr2), info }
        }
        SIGSEGV if trapno == PAGE_FAULT => {
            Trap::Fault { addr: Addr(cr2), access: access_of_error_code(err), info }
        }
        // The signals that a processor exception can be; anything else was forged.
        4 | 5 | 7 | 8 | SIGSEGV => Trap::Exception { signo, code, addr: Addr(addr), info },
        _ => Trap::Interrupted,
    }
}
