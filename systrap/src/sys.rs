//! Host system calls that rustix does not offer in the shape needed here.

use core::arch::asm;
use core::sync::atomic::AtomicU32;
use linux_raw_sys::general as nr;

/// Any system call; a negated error number on failure.
///
/// # Safety
/// As the call itself; memory that it changes must not be in use.
#[inline(always)]
pub(crate) unsafe fn call(number: u32, a: [u64; 6]) -> i64 {
    let ret: i64;
    // SAFETY: the caller answers for the call's effects; the clobbers are those of `syscall`.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") u64::from(number) => ret,
            in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
            in("r10") a[3], in("r8") a[4], in("r9") a[5],
            lateout("rcx") _, lateout("r11") _,
            options(nostack)
        );
    }
    ret
}

/// Wakes at most `count` sleepers on a word in shared memory.
pub(crate) fn futex_wake(word: *const AtomicU32, count: u32) {
    // SAFETY: FUTEX_WAKE changes no memory of ours.
    unsafe { call(nr::__NR_futex, [word as u64, 1, u64::from(count), 0, 0, 0]) };
}

/// Sleeps while a word in shared memory is `value`, at most `timeout_ns`.
pub(crate) fn futex_wait(word: *const AtomicU32, value: u32, timeout_ns: u64) {
    let timeout = [timeout_ns / 1_000_000_000, timeout_ns % 1_000_000_000];
    let a = [word as u64, 0, u64::from(value), timeout.as_ptr() as u64, 0, 0];
    // SAFETY: FUTEX_WAIT reads the word and the timeout.
    unsafe { call(nr::__NR_futex, a) };
}

/// Sends a signal to one host thread, if it belongs to that process.
pub(crate) fn tgkill(pid: i32, tid: u32, signo: u32) -> i64 {
    let a = [pid as u64, u64::from(tid), u64::from(signo), 0, 0, 0];
    // SAFETY: no memory effects; the caller names a child that is not reaped yet.
    unsafe { call(nr::__NR_tgkill, a) }
}

/// The time-stamp counter and the processor that it was read on, plus one.
#[inline(always)]
pub(crate) fn tsc_here() -> (u64, u32) {
    let mut aux = 0;
    // SAFETY: the sentry refuses hosts without RDTSCP; it writes the word that it is given.
    let tsc = unsafe { core::arch::x86_64::__rdtscp(&raw mut aux) };
    (tsc, aux.wrapping_add(1))
}

/// The time-stamp counter.
#[inline(always)]
pub(crate) fn tsc() -> u64 {
    // SAFETY: RDTSC is available on every x86-64 and has no effects.
    unsafe { core::arch::x86_64::_rdtsc() }
}
