//! Contexts by their registers alone, below the kernel's types.

use crate::shared::reg;
use crate::space::{SlotPoll, Space};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use sync::Mutex;

/// General registers in the order of `struct user_regs_struct`.
pub(crate) type Regs = [u64; reg::COUNT];

/// Why a context came back, as the stub says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RawTrap {
    /// A signal.
    Signal { signo: u32, code: i32, arch: u32, addr: u64, err: u64, trapno: u64, cr2: u64 },
    /// Interrupted before it ran, or bound to no slot.
    Interrupted,
    /// The stub is gone.
    Dead,
}

/// A context's place in an address space.
struct Binding {
    space: Arc<Space>,
    slot: u32,
}

impl Drop for Binding {
    fn drop(&mut self) {
        self.space.unbind(self.slot);
    }
}

/// One user thread.
#[derive(Default)]
pub(crate) struct RawContext {
    bound: Option<Binding>,
    running: bool,
    started: u64,
    /// FPU image to be loaded before the next run.
    fpu: Option<Vec<u8>>,
    interrupter: Arc<Interrupter>,
    cycles: u64,
}

/// Where an interruption has to go.
#[derive(Default)]
pub(crate) struct Interrupter {
    pending: AtomicBool,
    target: Mutex<Option<(Weak<Space>, u32)>>,
}

impl Interrupter {
    pub(crate) fn interrupt(&self) {
        self.pending.store(true, Release);
        let target = self.target.lock();
        if let Some((space, slot)) = &*target
            && let Some(space) = space.upgrade()
        {
            space.interrupt(*slot);
        }
    }
}

impl RawContext {
    pub(crate) fn interrupter(&self) -> &Arc<Interrupter> {
        &self.interrupter
    }

    /// Time-stamp cycles in user code.
    pub(crate) fn cycles(&self) -> u64 {
        self.cycles
    }

    /// Loads `image` before the next run.
    pub(crate) fn set_fpu(&mut self, image: Vec<u8>) {
        self.fpu = Some(image);
    }

    /// The FPU image of the last run.
    pub(crate) fn get_fpu(&self, size: usize) -> Option<Vec<u8>> {
        if let Some(image) = &self.fpu {
            return Some(image.clone());
        }
        let b = self.bound.as_ref()?;
        let mut image = vec![0; size];
        b.space.read_fpu(b.slot, &mut image);
        Some(image)
    }

    /// Runs until the next trap.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        space: &Arc<Space>,
        regs: &mut Regs,
    ) -> Poll<RawTrap> {
        if !self.running {
            if self.interrupter.pending.swap(false, AcqRel) {
                return Poll::Ready(RawTrap::Interrupted);
            }
            if space.is_dead() || !self.bind(space) {
                return Poll::Ready(RawTrap::Dead);
            }
            self.start(cx, regs);
            return Poll::Pending;
        }
        let Some(b) = &self.bound else { return Poll::Ready(RawTrap::Dead) };
        match b.space.poll_slot(b.slot, cx.waker()) {
            SlotPoll::Running => Poll::Pending,
            SlotPoll::Dead => {
                self.running = false;
                Poll::Ready(RawTrap::Dead)
            }
            SlotPoll::Trapped => {
                self.running = false;
                Poll::Ready(self.finish(regs))
            }
        }
    }

    /// Takes a slot in `space`, giving up the one elsewhere; `false` if there is none.
    fn bind(&mut self, space: &Arc<Space>) -> bool {
        if self.bound.as_ref().is_some_and(|b| Arc::ptr_eq(&b.space, space)) {
            return true;
        }
        if self.bound.is_some() && self.fpu.is_none() {
            let size = space.host.xsave.size as usize;
            self.fpu = self.get_fpu(size);
        }
        *self.interrupter.target.lock() = None;
        self.bound = None;
        let Some(slot) = space.bind() else { return false };
        self.bound = Some(Binding { space: space.clone(), slot });
        *self.interrupter.target.lock() = Some((Arc::downgrade(space), slot));
        true
    }

    fn start(&mut self, cx: &mut Context<'_>, regs: &Regs) {
        let Some(b) = &self.bound else { return };
        let words = b.space.slot(b.slot);
        for (to, value) in words.regs.iter().zip(regs) {
            to.store(*value, Relaxed);
        }
        if let Some(image) = self.fpu.take() {
            b.space.write_fpu(b.slot, &image);
        }
        self.running = true;
        self.started = crate::sys::tsc();
        b.space.resume(b.slot, cx.waker());
        // An interruption that came before the slot counted as running has to be passed on.
        if self.interrupter.pending.load(Acquire) {
            b.space.interrupt(b.slot);
        }
    }

    fn finish(&mut self, regs: &mut Regs) -> RawTrap {
        let Some(b) = &self.bound else { return RawTrap::Dead };
        let words = b.space.slot(b.slot);
        for (value, from) in regs.iter_mut().zip(&words.regs).take(reg::GS_BASE + 1) {
            *value = from.load(Relaxed);
        }
        // Waiting for a host thread is not user time; what the stub says counts within bounds.
        let now = crate::sys::tsc();
        let left = words.trapped.load(Relaxed).clamp(self.started, now.max(self.started));
        let entered = words.started.load(Relaxed).clamp(self.started, left);
        self.cycles += left - entered;
        b.space.host.expect(left - entered, now);
        let signo = words.signo.load(Relaxed);
        if signo == crate::shared::INTERRUPT_SIGNAL {
            self.interrupter.pending.store(false, Release);
            return RawTrap::Interrupted;
        }
        RawTrap::Signal {
            signo,
            code: words.code.load(Relaxed) as i32,
            arch: words.arch.load(Relaxed),
            addr: words.addr.load(Relaxed),
            err: words.err.load(Relaxed),
            trapno: words.trapno.load(Relaxed),
            cr2: words.cr2.load(Relaxed),
        }
    }
}
