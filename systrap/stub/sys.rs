//! Host system calls and single instructions.

use crate::handshake::Futex;
use core::arch::asm;
use core::sync::atomic::AtomicU32;

pub const MMAP: u64 = 9;
pub const MPROTECT: u64 = 10;
pub const MUNMAP: u64 = 11;
pub const RT_SIGACTION: u64 = 13;
pub const RT_SIGPROCMASK: u64 = 14;
pub const WRITE: u64 = 1;
pub const CLOSE: u64 = 3;
pub const CLONE: u64 = 56;
pub const GETPPID: u64 = 110;
pub const SIGALTSTACK: u64 = 131;
pub const PRCTL: u64 = 157;
pub const GETTID: u64 = 186;
pub const FUTEX: u64 = 202;
pub const EXIT_GROUP: u64 = 231;
pub const SECCOMP: u64 = 317;

/// Any system call.
///
/// # Safety
/// As the call itself; memory that it changes must not be in use.
#[inline(always)]
pub unsafe fn call(nr: u64, a: [u64; 6]) -> i64 {
    let ret: i64;
    // SAFETY: the caller answers for the call's effects; the clobbers are those of `syscall`.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") nr => ret,
            in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
            in("r10") a[3], in("r8") a[4], in("r9") a[5],
            lateout("rcx") _, lateout("r11") _,
            options(nostack)
        );
    }
    ret
}

/// Ends the process at once.
pub fn die() -> ! {
    // SAFETY: exit_group has no memory effects; `ud2` ends a process whose exit was refused.
    unsafe {
        call(EXIT_GROUP, [1, 0, 0, 0, 0, 0]);
        asm!("ud2", options(noreturn));
    }
}

/// The time-stamp counter and the processor that it was read on, plus one.
#[inline(always)]
pub fn tsc_here() -> (u64, u32) {
    let mut aux = 0;
    // SAFETY: the sentry refuses hosts without RDTSCP; it writes the word that it is given.
    let tsc = unsafe { core::arch::x86_64::__rdtscp(&raw mut aux) };
    (tsc, aux.wrapping_add(1))
}

/// The time-stamp counter.
#[inline(always)]
pub fn tsc() -> u64 {
    // SAFETY: RDTSC is available on every x86-64 and has no effects.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// The host's futex(2).
pub struct HostFutex;

impl Futex for HostFutex {
    #[inline(always)]
    fn wait(&self, word: &AtomicU32, value: u32) {
        // SAFETY: FUTEX_WAIT reads the word and writes nothing.
        unsafe { call(FUTEX, [word.as_ptr() as u64, 0, u64::from(value), 0, 0, 0]) };
    }

    #[inline(always)]
    fn wake(&self, word: &AtomicU32, count: u32) {
        // SAFETY: FUTEX_WAKE changes no memory of ours.
        unsafe { call(FUTEX, [word.as_ptr() as u64, 1, u64::from(count), 0, 0, 0]) };
    }
}

/// Copies `n` bytes.
///
/// # Safety
/// Both ranges are mapped for it and do not overlap.
#[inline(always)]
pub unsafe fn copy(to: *mut u8, from: *const u8, n: usize) {
    // SAFETY: the caller's promise is that of `rep movsb`.
    unsafe {
        asm!(
            "rep movsb",
            inout("rcx") n => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags)
        );
    }
}

/// For copies that the compiler makes.
///
/// # Safety
/// As memcpy(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    // SAFETY: as the caller promises.
    unsafe { copy(to, from, n) };
    to
}

/// For fills that the compiler makes.
///
/// # Safety
/// As memset(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memset(to: *mut u8, value: i32, n: usize) -> *mut u8 {
    // SAFETY: as the caller promises.
    unsafe {
        asm!(
            "rep stosb",
            inout("rcx") n => _, inout("rdi") to => _, in("al") value as u8,
            options(nostack, preserves_flags)
        );
    }
    to
}
