//! How a stub process comes to be: the template, its children, their threads.

use crate::handler::{CONTROL, REPORT};
use crate::handshake::Futex;
use crate::mapper::stub_mapper;
use crate::shared::*;
use crate::sys::{self, HostFutex, call};
use core::arch::{asm, global_asm};
use core::mem::offset_of;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

const PROT_READ: u64 = 1;
const PROT_RW: u64 = 3;
const PROT_EXEC: u64 = 4;
const MAP_SHARED_FIXED: u64 = 0x11;
const MAP_PRIVATE_FIXED: u64 = 0x12;
const MAP_ANONYMOUS: u64 = 0x20;
const SIGKILL: u64 = 9;
const SIGCHLD: u64 = 17;
const CLONE_PARENT: u64 = 0x8000;
const PR_SET_PDEATHSIG: u64 = 1;
const PR_SET_DUMPABLE: u64 = 4;
const PR_SET_NO_NEW_PRIVS: u64 = 38;
/// SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS and the interrupt.
const TRAPS: [u64; 7] = [4, 5, 7, 8, 11, 31, INTERRUPT_SIGNAL as u64];

global_asm!(
    ".pushsection .text.entry,\"ax\",@progbits",
    // Where the sentry's copy jumps to, wherever this is mapped: rdi = parent, rsi = mapped at.
    ".globl stub_entry",
    "stub_entry:",
    "xor ebp, ebp",
    "call {relocate}",
    "ud2",
    // On the final stack, at the final place.
    ".globl stub_template",
    "stub_template:",
    "xor ebp, ebp",
    "call {template}",
    "ud2",
    ".globl stub_restorer",
    "stub_restorer:",
    "mov eax, 15",
    "syscall",
    "ud2",
    ".popsection",
    relocate = sym relocate,
    template = sym template,
);

unsafe extern "C" {
    fn stub_restorer();
}

/// Maps the stub where it belongs and goes there. The copy that runs now lies anywhere: the
/// sentry's own stack or libraries may lie where the stub belongs, and go.
unsafe extern "C" fn relocate(parent: u64, at: u64) -> ! {
    let map = |addr, len, prot, flags, fd: u32, offset| {
        // SAFETY: replaces mappings that the template has no use for; the code and the stack in
        // use now were mapped far below by the sentry.
        if unsafe { call(sys::MMAP, [addr, len, prot, flags, u64::from(fd), offset]) } < 0 {
            sys::die();
        }
    };
    map(TEXT_BASE, TEXT_MAX, PROT_READ | PROT_EXEC, MAP_PRIVATE_FIXED, IMAGE_FD, 0);
    map(BOOT_STACK, BOOT_STACK_SIZE, PROT_RW, MAP_PRIVATE_FIXED | MAP_ANONYMOUS, !0, 0);
    map(BELL_BASE, 4096, PROT_READ, MAP_SHARED_FIXED, REGIONS_FD, 0);
    map(COMMAND_BASE, 4096, PROT_RW, MAP_SHARED_FIXED, REGIONS_FD, 4096);
    let here: u64;
    // SAFETY: computes an address. The compiler might take the final one from a table.
    unsafe {
        asm!("lea {}, [rip + stub_template]", out(reg) here, options(nomem, nostack, preserves_flags));
    }
    let entry = here - at + TEXT_BASE;
    // SAFETY: the code is the same there; nothing of this stack is used again.
    unsafe {
        asm!(
            "mov rsp, {stack}", "jmp {entry}",
            stack = in(reg) BOOT_STACK + BOOT_STACK_SIZE,
            entry = in(reg) entry,
            in("rdi") parent,
            options(noreturn)
        )
    }
}

/// `struct sigaction` as the kernel takes it.
#[repr(C)]
struct SigAction {
    handler: u64,
    flags: u64,
    restorer: u64,
    mask: u64,
}

/// The template: makes stub processes when told to, and never runs a guest.
unsafe extern "C" fn template(parent: u64) -> ! {
    let keep = [
        (TEXT_BASE, TEXT_MAX),
        (BOOT_STACK, BOOT_STACK_SIZE),
        (COMMAND_BASE, 4096),
        (BELL_BASE, 4096),
        (TASK_END, 0),
    ];
    // SAFETY: everything of the sentry's copy goes; code, stack and shared pages stay.
    unsafe {
        let mut from = 0;
        let mut failed = 0;
        for (at, len) in keep {
            failed |= call(sys::MUNMAP, [from, at - from, 0, 0, 0, 0]);
            from = at + len;
        }
        call(sys::CLOSE, [u64::from(IMAGE_FD), 0, 0, 0, 0, 0]);
        call(sys::PRCTL, [PR_SET_DUMPABLE, 0, 0, 0, 0, 0]);
        call(sys::PRCTL, [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0]);
        let all = !0u64;
        call(sys::RT_SIGPROCMASK, [2, &raw const all as u64, 0, 8, 0, 0]);
        for signo in TRAPS {
            let action = SigAction {
                handler: crate::handler::handle as *const () as u64,
                // SA_SIGINFO | SA_ONSTACK | SA_RESTORER
                flags: 0x0c00_0004,
                restorer: stub_restorer as *const () as u64,
                mask: all,
            };
            call(sys::RT_SIGACTION, [signo, &raw const action as u64, 0, 8, 0, 0]);
        }
        follow_parent(parent);
        // SAFETY: the sentry's part mapped the page before it jumped here.
        let command = &*(COMMAND_BASE as *const Command);
        command.result.store((failed < 0) as u32, Relaxed);
        command.done.store(STARTED, Release);
        HostFutex.wake(&command.done, 1);
        let mut seen = 0;
        loop {
            let seq = command.seq.load(Acquire);
            if seq == seen {
                HostFutex.wait(&command.seq, seq);
                continue;
            }
            seen = seq;
            let region = command.region.load(Relaxed);
            let report_size = command.report_size.load(Relaxed);
            let pid = call(sys::CLONE, [CLONE_PARENT | SIGCHLD, 0, 0, 0, 0, 0]);
            if pid == 0 {
                child(parent, region, report_size);
            }
            command.result.store(pid as u32, Relaxed);
            command.done.store(seq, Release);
            HostFutex.wake(&command.done, 1);
        }
    }
}

/// Dies when the sentry does.
fn follow_parent(parent: u64) {
    // SAFETY: neither call touches memory.
    unsafe {
        call(sys::PRCTL, [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0]);
        if call(sys::GETPPID, [0; 6]) as u64 != parent {
            sys::die();
        }
    }
}

/// The first thread of a stub process, which becomes its mapper.
unsafe fn child(parent: u64, region: u64, report_size: u64) -> ! {
    follow_parent(parent);
    // SAFETY: the addresses are the stub's own and hold nothing yet; the command page is not used
    // in this process again.
    unsafe {
        let fd = u64::from(REGIONS_FD);
        let control = [CONTROL_BASE, CONTROL_SIZE, PROT_READ, MAP_SHARED_FIXED, fd, region];
        let report =
            [REPORT_BASE, report_size, PROT_RW, MAP_SHARED_FIXED, fd, region + CONTROL_SIZE];
        let part = |at, len: usize, prot, offset: usize| {
            [at, len as u64, prot, MAP_SHARED_FIXED, fd, region + offset as u64]
        };
        let thunks = size_of::<[Thunk; MAX_SITES]>();
        let thunks =
            part(THUNKS_BASE, thunks, PROT_READ | PROT_EXEC, offset_of!(Control, thunks));
        let sites = part(SITES_BASE, 2 * 4096, PROT_READ, offset_of!(Control, sites));
        if [control, report, thunks].iter().any(|a| call(sys::MMAP, *a) < 0) {
            sys::die();
        }
        // A host may keep more of the lowest addresses than usual.
        if call(sys::MMAP, sites) >= 0 {
            (*REPORT).has_sites.store(1, Relaxed);
        }
        call(sys::MUNMAP, [COMMAND_BASE, size_of::<Command>() as u64, 0, 0, 0, 0]);
        call(sys::CLOSE, [fd, 0, 0, 0, 0, 0]);
        let control = &*CONTROL;
        let program =
            [u64::from(control.filter_len.load(Relaxed)), &raw const control.filter as u64];
        // SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW
        if call(sys::SECCOMP, [1, 4, &raw const program as u64, 0, 0, 0]) != 0 {
            sys::die();
        }
        stub_mapper()
    }
}

/// A host thread without a context: gives itself a signal frame by trapping once.
pub unsafe extern "C" fn thread_start(index: u32) -> ! {
    let base = REPORT_BASE + STACKS_OFFSET + u64::from(index) * STACK_SIZE;
    let stack = [base, 0, STACK_SIZE];
    // The traps are unblocked, or the first one would kill; the interrupt has to wait for it.
    let mask = TRAPS[..6].iter().fold(!0u64, |m, s| m & !(1 << (s - 1)));
    // SAFETY: the signal stack is this thread's part of the region.
    unsafe {
        call(sys::RT_SIGPROCMASK, [2, &raw const mask as u64, 0, 8, 0, 0]);
        let thread = &(*REPORT).threads[index as usize % MAX_THREADS];
        thread.current.store(0, Relaxed);
        thread.tid.store(call(sys::GETTID, [0; 6]) as u32, Relaxed);
        call(sys::SIGALTSTACK, [&raw const stack as u64, 0, 0, 0, 0, 0]);
        if let Some(selector) = THREAD_SELECTORS.get(index as usize) {
            be_known_by(*selector);
        }
        call(ENTER_NR, [0; 6]);
    }
    sys::die()
}

/// Puts a selector into `es`, unless this processor has no such segment.
fn be_known_by(selector: u16) {
    // SAFETY: 64-bit code ignores the segment; a selector that `verr` accepts can be loaded.
    unsafe {
        asm!("verr {0:x}", "jnz 2f", "mov es, {0:e}", "2:", in(reg) selector, options(nostack));
    }
}
