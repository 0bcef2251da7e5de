//! The signal handler: out of one context, into the next.

use crate::shared::*;
use crate::{entry, ops, sys, wait};
use core::arch::asm;
use core::sync::atomic::Ordering::{Acquire, Relaxed};

pub const CONTROL: *const Control = CONTROL_BASE as *const Control;
pub const REPORT: *const Report = REPORT_BASE as *const Report;
pub const BELL: *const BellPage = BELL_BASE as *const BellPage;

/// `struct sigcontext` in `struct ucontext` (`arch/x86/include/uapi/asm/sigcontext.h`).
#[repr(C)]
pub struct UContext {
    flags: u64,
    link: u64,
    stack: [u64; 3],
    /// r8 … r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags.
    gregs: [u64; 18],
    /// cs, gs, fs, ss.
    selectors: u64,
    err: u64,
    trapno: u64,
    oldmask: u64,
    cr2: u64,
    fpstate: *mut u8,
    reserved: [u64; 8],
    sigmask: u64,
}

/// `siginfo_t`, as far as faults and `SIGSYS` fill it.
#[repr(C)]
pub struct SigInfo {
    signo: i32,
    errno: i32,
    code: i32,
    _pad: i32,
    addr: u64,
    syscall: u32,
    arch: u32,
}

/// Where each element of `gregs` lies in a slot.
const ORDER: [usize; 18] = [
    reg::R8,
    reg::R9,
    reg::R10,
    reg::R11,
    reg::R12,
    reg::R13,
    reg::R14,
    reg::R15,
    reg::RDI,
    reg::RSI,
    reg::RBP,
    reg::RBX,
    reg::RDX,
    reg::RAX,
    reg::RCX,
    reg::RSP,
    reg::RIP,
    reg::EFLAGS,
];
/// The instruction pointer among `gregs`.
const IP: usize = 16;
const SIGSYS: i32 = 31;
/// 64-bit user code and data.
const SELECTORS: u64 = 0x002b_0000_0000_0033;
/// The XSAVE header follows the legacy area.
const XSTATE_BV: usize = 512;
/// The kernel's own words lie in the last bytes of the legacy area.
const LEGACY: usize = 464;

/// All traps come here, on the thread's own signal stack, with all signals blocked.
pub unsafe extern "C" fn handle(signo: i32, info: *const SigInfo, uc: *mut UContext) {
    // SAFETY: the region is mapped for as long as the process lives; the kernel made the frame.
    let (control, report, info, uc) = unsafe { (&*CONTROL, &*REPORT, &*info, &mut *uc) };
    let stacks = REPORT_BASE + STACKS_OFFSET;
    let index = ((&raw const *uc as u64).wrapping_sub(stacks) / STACK_SIZE) as u32;
    let thread = &report.threads[index as usize % MAX_THREADS];
    let current = thread.current.load(Relaxed);
    let interrupts = signo == INTERRUPT_SIGNAL as i32;
    let ip = uc.gregs[IP];
    if interrupts && is_own(ip) && !entry::is_restoring(ip) {
        // Too early or too late, see there.
        return;
    }
    if current != 0 {
        let slot = slot(control, current - 1);
        if interrupts && slot.interrupt.load(Relaxed) == 0 {
            // Too late: the context that was meant has come back by itself.
            return;
        }
        if interrupts && is_own(ip) {
            give_back(control, report, thread);
        } else {
            save(control, slot, signo, info, uc);
            thread.current.store(0, Relaxed);
            publish(report, current - 1);
        }
    }
    let next = match thread.chosen.load(Relaxed) {
        0 => choose(control, report, thread, index),
        chosen => {
            thread.chosen.store(0, Relaxed);
            if begin(control, report, thread, index, chosen - 1) {
                chosen - 1
            } else {
                choose(control, report, thread, index)
            }
        }
    };
    load(control, slot(control, next), thread, index.wrapping_add(1), next, uc);
}

/// Whether code of the stub's is at `ip`.
#[inline(always)]
fn is_own(ip: u64) -> bool {
    ip.wrapping_sub(TEXT_BASE) < TEXT_MAX
        || ip.wrapping_sub(THUNKS_BASE) < size_of::<[Thunk; MAX_SITES]>() as u64
}

/// Waits for a context that may run, and begins to carry it.
#[inline(always)]
pub fn choose(control: &Control, report: &Report, thread: &Thread, index: u32) -> u32 {
    loop {
        let next = wait::next(control, report, thread);
        ops::run(control, report);
        if begin(control, report, thread, index, next) {
            return next;
        }
    }
}

/// Begins to carry a context; `false` if it was wanted back, and is.
#[inline(always)]
fn begin(control: &Control, report: &Report, thread: &Thread, index: u32, next: u32) -> bool {
    thread.current.store(next.wrapping_add(1), Relaxed);
    let runs = slot(control, next).interruption().enter(index);
    if !runs {
        give_back(control, report, thread);
    }
    runs
}

/// Publishes the context that a thread carries and that has not run. Its FPU state may be in the
/// thread's registers, in part, or not.
#[inline(always)]
pub fn give_back(control: &Control, report: &Report, thread: &Thread) {
    let index = thread.current.load(Relaxed).wrapping_sub(1);
    let slot = slot(control, index);
    slot.signo.store(INTERRUPT_SIGNAL, Relaxed);
    slot.started.store(0, Relaxed);
    slot.trapped.store(0, Relaxed);
    slot.thread.store(0, Relaxed);
    thread.fpu_of.store(0, Relaxed);
    thread.current.store(0, Relaxed);
    publish(report, index);
}

/// A slot by its index.
#[inline(always)]
pub fn slot(control: &Control, index: u32) -> &'static Slot {
    let stride = u64::from(control.slot_size.load(Relaxed));
    let at = REPORT_BASE + SLOTS_OFFSET + u64::from(index) * stride;
    // SAFETY: the sentry hands out only indices of the region; a guest that forged one faults here
    // and ends its own process.
    unsafe { &*(at as *const Slot) }
}

/// Tells the sentry that a slot has trapped.
#[inline(always)]
pub fn publish(report: &Report, index: u32) {
    report.trapped().publish(index);
    // SAFETY: the page is mapped in every stub.
    unsafe { &*BELL }.bell().ring(|| {
        let one = 1u64;
        // SAFETY: writes eight bytes of ours to the doorbell.
        unsafe {
            sys::call(sys::WRITE, [u64::from(DOORBELL_FD), &raw const one as u64, 8, 0, 0, 0]);
        }
    });
}

/// Bytes of the FPU image that are worth copying.
#[inline(always)]
fn fpu_bytes(features: u64, full: usize) -> usize {
    match features {
        0..4 => 576,
        4..8 => 832.min(full),
        _ => full,
    }
}

#[inline(always)]
fn save(control: &Control, slot: &Slot, signo: i32, info: &SigInfo, uc: &UContext) {
    slot.trapped.store(sys::tsc(), Relaxed);
    for (value, at) in uc.gregs.iter().zip(ORDER) {
        slot.regs[at].store(*value, Relaxed);
    }
    let (fs, gs): (u64, u64);
    // SAFETY: the sentry refuses hosts without FSGSBASE.
    unsafe {
        asm!("rdfsbase {}", "rdgsbase {}", out(reg) fs, out(reg) gs, options(nomem, nostack, preserves_flags));
    }
    slot.regs[reg::FS_BASE].store(fs, Relaxed);
    slot.regs[reg::GS_BASE].store(gs, Relaxed);
    if signo == SIGSYS {
        slot.regs[reg::ORIG_RAX].store(u64::from(info.syscall), Relaxed);
        slot.arch.store(info.arch, Relaxed);
    } else {
        slot.regs[reg::ORIG_RAX].store(!0, Relaxed);
        slot.err.store(uc.err, Relaxed);
        slot.trapno.store(uc.trapno, Relaxed);
        slot.cr2.store(uc.cr2, Relaxed);
    }
    slot.addr.store(info.addr, Relaxed);
    slot.code.store(info.code as u32, Relaxed);
    slot.signo.store(signo as u32, Relaxed);
    slot.thread.store(0, Relaxed);
    if !uc.fpstate.is_null() {
        let full = control.xsave_size.load(Relaxed) as usize;
        // SAFETY: the kernel made the frame with an image of that size; the slot has room for it.
        unsafe {
            let features = uc.fpstate.add(XSTATE_BV).cast::<u64>().read();
            let to = (&raw const *slot).cast_mut().cast::<u8>().add(XSAVE_OFFSET);
            sys::copy(to, uc.fpstate, fpu_bytes(features, full));
        }
    }
}

#[inline(always)]
fn load(control: &Control, slot: &Slot, thread: &Thread, me: u32, index: u32, uc: &mut UContext) {
    for (value, at) in uc.gregs.iter_mut().zip(ORDER) {
        *value = slot.regs[at].load(Relaxed);
    }
    uc.selectors = SELECTORS;
    uc.sigmask = 0;
    thread.slot_at.store(&raw const *slot as u64, Relaxed);
    let (fs, gs): (u64, u64);
    // SAFETY: as in `save`.
    unsafe {
        asm!("rdfsbase {}", "rdgsbase {}", out(reg) fs, out(reg) gs, options(nomem, nostack, preserves_flags));
    }
    let (new_fs, new_gs) =
        (slot.regs[reg::FS_BASE].load(Relaxed), slot.regs[reg::GS_BASE].load(Relaxed));
    // SAFETY: the stub uses neither segment; a base that is not canonical faults and ends the
    // process of the guest that forged it.
    unsafe {
        if fs != new_fs {
            asm!("wrfsbase {}", in(reg) new_fs, options(nomem, nostack, preserves_flags));
        }
        if gs != new_gs {
            asm!("wrgsbase {}", in(reg) new_gs, options(nomem, nostack, preserves_flags));
        }
    }
    let owner = index.wrapping_add(1);
    // The frame still holds this context's own state if it ran here last, and nowhere else since.
    let here = thread.fpu_of.load(Relaxed) == owner && slot.fpu_thread.load(Relaxed) == me;
    if (slot.fpu_load.load(Acquire) != 0 || !here) && !uc.fpstate.is_null() {
        slot.fpu_load.store(0, Relaxed);
        thread.fpu_of.store(owner, Relaxed);
        slot.fpu_thread.store(me, Relaxed);
        let full = control.xsave_size.load(Relaxed) as usize;
        // SAFETY: as in `save`; the kernel's words between the two parts stay as they are, and the
        // kernel checks the image when it loads it.
        unsafe {
            let from = (&raw const *slot).cast::<u8>().add(XSAVE_OFFSET);
            let features = from.add(XSTATE_BV).cast::<u64>().read();
            sys::copy(uc.fpstate, from, LEGACY);
            let n = fpu_bytes(features, full) - XSTATE_BV;
            sys::copy(uc.fpstate.add(XSTATE_BV), from.add(XSTATE_BV), n);
        }
    }
    let (now, here) = sys::tsc_here();
    thread.processor.store(here, Relaxed);
    slot.started.store(now, Relaxed);
}
