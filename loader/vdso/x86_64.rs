//! The x86-64 vDSO. Compiled by the build script into a shared object of its own, which is mapped
//! into programs; it is no module of the crate.
//!
//! The names, the version and the arguments are those of vdso(7). Whatever the parameter page does
//! not provide for becomes the system call itself, so that a page of zeroes is always right.
#![no_std]

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicU32, Ordering};

const SYS_GETTIMEOFDAY: usize = 96;
const SYS_TIME: usize = 201;
const SYS_CLOCK_GETTIME: usize = 228;
const SYS_GETCPU: usize = 309;

const NS_PER_SEC: u64 = 1_000_000_000;
/// How often an update in progress is waited for before the kernel is asked instead: a writer that
/// was preempted must not stop its readers.
const TRIES: u32 = 1024;

/// `loader::ClockParams`.
#[repr(C)]
struct ClockParams {
    base_cycles: u64,
    base_ns: u64,
    mult: u64,
}

/// `loader::VdsoParams`.
#[repr(C)]
struct VdsoParams {
    seq: AtomicU32,
    mode: u32,
    cpu: u32,
    reserved: u32,
    realtime: ClockParams,
    monotonic: ClockParams,
}

const MODE_TSC: u32 = 1;
const CPU_RDTSCP: u32 = 1;

#[repr(C)]
pub struct Timespec {
    sec: i64,
    nsec: i64,
}

#[repr(C)]
pub struct Timeval {
    sec: i64,
    usec: i64,
}

// `.byte` for the exact sequence by which unwinders recognise a signal frame, and a `nop` before
// it, as they look up the address before the one that is returned to.
global_asm!(
    ".hidden __ehdr_start",
    ".pushsection .text.sigreturn,\"ax\",@progbits",
    ".balign 16",
    "nop",
    ".globl __vdso_rt_sigreturn, __kernel_rt_sigreturn",
    ".type __vdso_rt_sigreturn,@function",
    ".type __kernel_rt_sigreturn,@function",
    "__vdso_rt_sigreturn:",
    "__kernel_rt_sigreturn:",
    ".byte 0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00",
    "syscall",
    "ud2",
    ".size __vdso_rt_sigreturn, . - __vdso_rt_sigreturn",
    ".size __kernel_rt_sigreturn, . - __kernel_rt_sigreturn",
    ".popsection",
    ".weak clock_gettime, gettimeofday, time, getcpu",
    ".set clock_gettime, __vdso_clock_gettime",
    ".set gettimeofday, __vdso_gettimeofday",
    ".set time, __vdso_time",
    ".set getcpu, __vdso_getcpu",
);

/// The page before the ELF header.
#[inline(always)]
fn params() -> *const VdsoParams {
    let at: *const VdsoParams;
    // SAFETY: only computes an address.
    unsafe {
        asm!("lea {}, [rip + __ehdr_start - 4096]", out(reg) at,
             options(nomem, nostack, preserves_flags, pure));
    }
    at
}

#[inline(always)]
fn syscall(nr: usize, a: usize, b: usize, c: usize) -> isize {
    let ret;
    // SAFETY: the call of the program, with the program's own arguments.
    unsafe {
        asm!("syscall", inlateout("rax") nr as isize => ret, in("rdi") a, in("rsi") b, in("rdx") c,
             lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    ret
}

/// The time-stamp counter, not read before earlier loads are done.
#[inline(always)]
fn cycles() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: reads a counter. Not `nomem`: it keeps its place between the loads around it.
    unsafe {
        asm!("lfence", "rdtsc", out("eax") low, out("edx") high,
             options(nostack, preserves_flags));
    }
    u64::from(high) << 32 | u64::from(low)
}

/// A clock's time in nanoseconds; `None` when the kernel has to be asked.
#[inline(always)]
fn read(realtime: bool) -> Option<u64> {
    let p = params();
    for _ in 0..TRIES {
        // SAFETY: the kernel maps the parameter page before the image. It writes concurrently, so
        // every field is read once and used only if `seq` did not change.
        unsafe {
            let seq = (*p).seq.load(Ordering::Acquire);
            if (&raw const (*p).mode).read_volatile() != MODE_TSC {
                return None;
            }
            if seq & 1 == 0 {
                let clock =
                    if realtime { &raw const (*p).realtime } else { &raw const (*p).monotonic };
                let base_cycles = (&raw const (*clock).base_cycles).read_volatile();
                let base_ns = (&raw const (*clock).base_ns).read_volatile();
                let mult = (&raw const (*clock).mult).read_volatile();
                let delta = cycles().wrapping_sub(base_cycles);
                core::sync::atomic::fence(Ordering::Acquire);
                if (*p).seq.load(Ordering::Relaxed) == seq {
                    // Another processor's counter may be a little behind the base.
                    let delta = if delta > i64::MAX as u64 { 0 } else { delta };
                    let ns = (u128::from(delta) * u128::from(mult)) >> 32;
                    return Some(base_ns.wrapping_add(ns as u64));
                }
            }
        }
        core::hint::spin_loop();
    }
    None
}

/// clock_gettime(2).
///
/// # Safety
/// As the system call: `to` is the program's word.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __vdso_clock_gettime(clock: i32, to: *mut Timespec) -> i32 {
    let now = match clock {
        // CLOCK_REALTIME, CLOCK_REALTIME_COARSE
        0 | 5 => read(true),
        // CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME
        1 | 4 | 6 | 7 => read(false),
        _ => None,
    };
    let Some(ns) = now else {
        return syscall(SYS_CLOCK_GETTIME, clock as usize, to as usize, 0) as i32;
    };
    // SAFETY: a bad pointer faults in the program, as in Linux's vDSO.
    unsafe {
        (&raw mut (*to).sec).write((ns / NS_PER_SEC) as i64);
        (&raw mut (*to).nsec).write((ns % NS_PER_SEC) as i64);
    }
    0
}

/// gettimeofday(2).
///
/// # Safety
/// As [`__vdso_clock_gettime`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __vdso_gettimeofday(to: *mut Timeval, zone: *mut u64) -> i32 {
    let now = if zone.is_null() { read(true) } else { None };
    let Some(ns) = now else {
        return syscall(SYS_GETTIMEOFDAY, to as usize, zone as usize, 0) as i32;
    };
    if !to.is_null() {
        // SAFETY: as in `__vdso_clock_gettime`.
        unsafe {
            (&raw mut (*to).sec).write((ns / NS_PER_SEC) as i64);
            (&raw mut (*to).usec).write((ns % NS_PER_SEC / 1000) as i64);
        }
    }
    0
}

/// time(2).
///
/// # Safety
/// As [`__vdso_clock_gettime`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __vdso_time(to: *mut i64) -> i64 {
    let Some(ns) = read(true) else {
        return syscall(SYS_TIME, to as usize, 0, 0) as i64;
    };
    let sec = (ns / NS_PER_SEC) as i64;
    if !to.is_null() {
        // SAFETY: as in `__vdso_clock_gettime`.
        unsafe { to.write(sec) };
    }
    sec
}

/// getcpu(2).
///
/// # Safety
/// As [`__vdso_clock_gettime`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __vdso_getcpu(cpu: *mut u32, node: *mut u32, unused: *mut u64) -> i32 {
    // SAFETY: as in `read`; one word, which is valid whatever its value.
    if unsafe { (&raw const (*params()).cpu).read_volatile() } != CPU_RDTSCP {
        return syscall(SYS_GETCPU, cpu as usize, node as usize, unused as usize) as i32;
    }
    let aux: u32;
    // SAFETY: reads counters. Linux keeps processor and node in the auxiliary one.
    unsafe {
        asm!("rdtscp", out("eax") _, out("edx") _, out("ecx") aux,
             options(nomem, nostack, preserves_flags));
    }
    // SAFETY: as in `__vdso_clock_gettime`.
    unsafe {
        if !cpu.is_null() {
            cpu.write(aux & 0xfff);
        }
        if !node.is_null() {
            node.write(aux >> 12);
        }
    }
    0
}
