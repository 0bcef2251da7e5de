//! Rewritten system calls: into the stub and out of it without a signal.
//!
//! A thunk jumps to the `stub_call` of its host thread with the call's number in rax and its own
//! place in rcx; what a system call leaves in rcx and r11 is put there later, so both are free.
//! Guest memory is not touched: what lies below the stack pointer may be in use. A thread's words
//! have a fixed address, and each thread has a piece of code of its own for the moments in which no
//! register can hold it: the first, and the last.
//!
//! Signals are not blocked here as they are in the handler. One that interrupts a context finds it
//! in one of two states. While registers are stored, or nothing is carried, it comes too late or too
//! early and is ignored: the context traps anyway, and the next one is asked before it runs. From
//! `stub_restore` to `stub_restored` all registers are still in the slot, so the context is given
//! back as if it had not been chosen.

use crate::handler::{CONTROL, REPORT, choose, give_back, publish, slot};
use crate::shared::*;
use crate::sys::{self, call};
use core::arch::global_asm;
use core::mem::offset_of;
use core::sync::atomic::Ordering::Relaxed;

/// The host threads' words.
const THREADS: u64 = REPORT_BASE + offset_of!(Report, threads) as u64;
/// As `stub.ld` has it: what is addressed without a register needs a symbol.
const _: () = assert!(THREADS == 0x7fff_3000_0900);
const _: () = assert!(REPORT_BASE + STACKS_OFFSET == 0x7fff_3000_2000);
/// From one thread's last piece of code to the next one's.
const TAIL: u64 = 16;
/// A thread's words take four times as much.
const _: () = assert!(size_of::<Thread>() as u64 == TAIL << 2 && THREAD_SELECTORS.len() == 12);
const SIGSYS: u32 = 31;
/// `si_code` and `si_arch` of a trapped system call.
const SYS_SECCOMP: u32 = 1;
const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
/// The trap flag: only the handler's return can set it for guest code alone.
const TF: u64 = 0x100;

unsafe extern "C" {
    fn stub_restore();
    fn stub_restored();
}

/// Whether registers are being loaded at `ip`.
pub fn is_restoring(ip: u64) -> bool {
    (stub_restore as *const () as u64..stub_restored as *const () as u64).contains(&ip)
}

/// The index of a host thread.
fn index_of(thread: &Thread) -> u32 {
    ((&raw const *thread as u64 - THREADS) / size_of::<Thread>() as u64) as u32
}

/// A context has trapped; its registers are in `slot`. Returns the slot to run next.
unsafe extern "C" fn called(slot: &'static Slot, thread: &'static Thread) -> &'static Slot {
    // SAFETY: the region is mapped for as long as the process lives.
    let (control, report) = unsafe { (&*CONTROL, &*REPORT) };
    slot.trapped.store(sys::tsc(), Relaxed);
    slot.arch.store(AUDIT_ARCH_X86_64, Relaxed);
    slot.code.store(SYS_SECCOMP, Relaxed);
    slot.signo.store(SIGSYS, Relaxed);
    slot.thread.store(0, Relaxed);
    let current = thread.current.load(Relaxed);
    thread.current.store(0, Relaxed);
    publish(report, current.wrapping_sub(1));
    next(control, report, thread)
}

/// The chosen context is wanted back. Returns the slot to run instead.
unsafe extern "C" fn interrupted(thread: &'static Thread) -> &'static Slot {
    // SAFETY: as above.
    let (control, report) = unsafe { (&*CONTROL, &*REPORT) };
    give_back(control, report, thread);
    next(control, report, thread)
}

#[inline(always)]
fn next(control: &Control, report: &Report, thread: &Thread) -> &'static Slot {
    let index = index_of(thread);
    let next = choose(control, report, thread, index);
    let slot = slot(control, next);
    if slot.regs[reg::EFLAGS].load(Relaxed) & TF != 0 {
        thread.chosen.store(next.wrapping_add(1), Relaxed);
        thread.fpu_of.store(0, Relaxed);
        thread.current.store(0, Relaxed);
        // SAFETY: traps into the handler, which does not return here.
        unsafe { call(ENTER_NR, [0; 6]) };
        sys::die();
    }
    thread.slot_at.store(&raw const *slot as u64, Relaxed);
    thread.fpu_of.store(next.wrapping_add(1), Relaxed);
    slot.fpu_thread.store(index.wrapping_add(1), Relaxed);
    slot.fpu_load.store(0, Relaxed);
    let (now, here) = sys::tsc_here();
    thread.processor.store(here, Relaxed);
    slot.started.store(now, Relaxed);
    slot
}

global_asm!(
    ".pushsection .text,\"ax\",@progbits",
    // Nothing here may change the flags.
    ".macro stub_call_of k",
    ".balign 32",
    ".globl stub_call_\\k",
    "stub_call_\\k:",
    "mov [rip + stub_threads + {thread_size}*\\k + {stack}], rsp",
    "lea rsp, [rip + stub_stacks + {stack_size}*\\k + {stack_size}]",
    "lea r11, [rip + stub_threads + {thread_size}*\\k]",
    "jmp stub_call",
    ".endm",
    ".irp k, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11",
    "stub_call_of \\k",
    ".endr",
    ".globl stub_call_plain",
    "stub_call_plain:",
    "jmp rcx",
    "stub_call:",
    "push r11",
    "pushfq",
    "mov r11, [r11 + {slot_at}]",
    "mov [r11 + {regs} + 8*{r15}], r15",
    "mov [r11 + {regs} + 8*{r14}], r14",
    "mov [r11 + {regs} + 8*{r13}], r13",
    "mov [r11 + {regs} + 8*{r12}], r12",
    "mov [r11 + {regs} + 8*{rbp}], rbp",
    "mov [r11 + {regs} + 8*{rbx}], rbx",
    "mov [r11 + {regs} + 8*{r10}], r10",
    "mov [r11 + {regs} + 8*{r9}], r9",
    "mov [r11 + {regs} + 8*{r8}], r8",
    "mov [r11 + {regs} + 8*{rax}], rax",
    "mov [r11 + {regs} + 8*{rdx}], rdx",
    "mov [r11 + {regs} + 8*{rsi}], rsi",
    "mov [r11 + {regs} + 8*{rdi}], rdi",
    "mov [r11 + {regs} + 8*{orig_rax}], rax",
    "mov rcx, [rcx + {end}]",
    "mov [r11 + {regs} + 8*{rcx}], rcx",
    "mov [r11 + {regs} + 8*{rip}], rcx",
    "cld",
    "pop rcx",
    "mov [r11 + {regs} + 8*{eflags}], rcx",
    "mov [r11 + {regs} + 8*{r11_}], rcx",
    "pop rbx",
    "mov rcx, [rbx + {stack}]",
    "mov [r11 + {regs} + 8*{rsp_}], rcx",
    "rdfsbase rcx",
    "mov [r11 + {regs} + 8*{fs}], rcx",
    "rdgsbase rcx",
    "mov [r11 + {regs} + 8*{gs}], rcx",
    "movabs rcx, {control}",
    "mov eax, [rcx + {features}]",
    "mov edx, [rcx + {features} + 4]",
    "xsave64 [r11 + {xsave}]",
    "mov rdi, r11",
    "mov rsi, rbx",
    "call {called}",
    ".globl stub_restore",
    "stub_restore:",
    "cmp dword ptr [rax + {interrupt}], 0",
    "jne 5f",
    "mov r11, rax",
    "rdfsbase rcx",
    "cmp rcx, [r11 + {regs} + 8*{fs}]",
    "je 2f",
    "mov rcx, [r11 + {regs} + 8*{fs}]",
    "wrfsbase rcx",
    "2:",
    "rdgsbase rcx",
    "cmp rcx, [r11 + {regs} + 8*{gs}]",
    "je 3f",
    "mov rcx, [r11 + {regs} + 8*{gs}]",
    "wrgsbase rcx",
    "3:",
    "movabs rcx, {control}",
    "mov eax, [rcx + {features}]",
    "mov edx, [rcx + {features} + 4]",
    "xrstor64 [r11 + {xsave}]",
    "mov rcx, [r11 + {regs} + 8*{rip}]",
    "mov [rbx + {resume_at}], rcx",
    "mov rcx, [r11 + {regs} + 8*{r11_}]",
    "mov [rbx + {last}], rcx",
    "lea rcx, [rip + stub_threads]",
    "sub rbx, rcx",
    "shr rbx, 2",
    "lea rcx, [rip + stub_tails]",
    "add rbx, rcx",
    "mov [r11 + {tail}], rbx",
    "push qword ptr [r11 + {regs} + 8*{eflags}]",
    "popfq",
    "mov r15, [r11 + {regs} + 8*{r15}]",
    "mov r14, [r11 + {regs} + 8*{r14}]",
    "mov r13, [r11 + {regs} + 8*{r13}]",
    "mov r12, [r11 + {regs} + 8*{r12}]",
    "mov rbp, [r11 + {regs} + 8*{rbp}]",
    "mov rbx, [r11 + {regs} + 8*{rbx}]",
    "mov r10, [r11 + {regs} + 8*{r10}]",
    "mov r9, [r11 + {regs} + 8*{r9}]",
    "mov r8, [r11 + {regs} + 8*{r8}]",
    "mov rax, [r11 + {regs} + 8*{rax}]",
    "mov rcx, [r11 + {regs} + 8*{rcx}]",
    "mov rdx, [r11 + {regs} + 8*{rdx}]",
    "mov rsi, [r11 + {regs} + 8*{rsi}]",
    "mov rdi, [r11 + {regs} + 8*{rdi}]",
    "mov rsp, [r11 + {regs} + 8*{rsp_}]",
    "jmp qword ptr [r11 + {tail}]",
    ".balign {tail_size}",
    "stub_tails:",
    ".irp k, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11",
    "mov r11, [rip + stub_threads + {thread_size}*\\k + {last}]",
    "jmp qword ptr [rip + stub_threads + {thread_size}*\\k + {resume_at}]",
    ".balign {tail_size}",
    ".endr",
    ".globl stub_restored",
    "stub_restored:",
    "5:",
    "mov rdi, rbx",
    "call {interrupted}",
    "jmp stub_restore",
    ".popsection",
    thread_size = const size_of::<Thread>(),
    stack_size = const STACK_SIZE,
    tail_size = const TAIL,
    end = const THUNK_END - THUNK_PLAIN,
    control = const CONTROL_BASE,
    features = const offset_of!(Control, features),
    stack = const offset_of!(Thread, stack),
    slot_at = const offset_of!(Thread, slot_at),
    resume_at = const offset_of!(Thread, resume_at),
    last = const offset_of!(Thread, r11),
    tail = const offset_of!(Slot, tail),
    interrupt = const offset_of!(Slot, interrupt),
    regs = const offset_of!(Slot, regs),
    xsave = const XSAVE_OFFSET,
    r15 = const reg::R15,
    r14 = const reg::R14,
    r13 = const reg::R13,
    r12 = const reg::R12,
    rbp = const reg::RBP,
    rbx = const reg::RBX,
    r11_ = const reg::R11,
    r10 = const reg::R10,
    r9 = const reg::R9,
    r8 = const reg::R8,
    rax = const reg::RAX,
    rcx = const reg::RCX,
    rdx = const reg::RDX,
    rsi = const reg::RSI,
    rdi = const reg::RDI,
    orig_rax = const reg::ORIG_RAX,
    rip = const reg::RIP,
    eflags = const reg::EFLAGS,
    rsp_ = const reg::RSP,
    fs = const reg::FS_BASE,
    gs = const reg::GS_BASE,
    called = sym called,
    interrupted = sym interrupted,
);
