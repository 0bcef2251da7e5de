//! Host operations that the sentry queued.

use crate::boot::stub_clone;
use crate::shared::*;
use crate::sys::{self, call};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

const MAP_SHARED_FIXED: u64 = 0x11;
const MAP_POPULATE: u64 = 0x8000;
/// CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM
const THREAD_FLAGS: u64 = 0x0005_0f00;

/// Performs what is queued, in order, each operation once.
#[inline(always)]
pub fn run(control: &Control, report: &Report) {
    if report.ops_done.load(Acquire) != control.ops_tail.load(Acquire) {
        run_all(control, report);
    }
}

#[inline(never)]
fn run_all(control: &Control, report: &Report) {
    while report.ops_lock.swap(1, Acquire) != 0 {
        core::hint::spin_loop();
    }
    let mut done = report.ops_done.load(Relaxed);
    while done != control.ops_tail.load(Acquire) {
        let i = done as usize % MAX_OPS;
        let cookie = &report.cookies[i];
        let c = [0, 1, 2].map(|i| u64::from(cookie[i].swap(0, Relaxed)));
        perform(&control.ops[i], c, report);
        done = done.wrapping_add(1);
        report.ops_done.store(done, Release);
    }
    report.ops_lock.store(0, Release);
}

fn perform(op: &Op, c: [u64; 3], report: &Report) {
    let (addr, len) = (op.addr.load(Relaxed), op.len.load(Relaxed));
    let prot = op.prot.load(Relaxed);
    // SAFETY: the filter lets these calls touch guest memory only, which the stub never refers to.
    unsafe {
        match op.kind.load(Relaxed) {
            op::MAP => {
                let populate = if prot & POPULATE != 0 { MAP_POPULATE } else { 0 };
                let ret = call(
                    sys::MMAP,
                    [
                        addr,
                        len,
                        u64::from(prot & 7) | c[0] << 32,
                        MAP_SHARED_FIXED | populate | c[1] << 32,
                        u64::from(MEMORY_FD) | c[2] << 32,
                        op.offset.load(Relaxed),
                    ],
                );
                if ret < 0 {
                    // Most likely too many mappings. They are only a cache: start afresh.
                    report.map_failures.fetch_add(1, Relaxed);
                    unmap(GUEST_START, GUEST_END - GUEST_START, c);
                }
            }
            op::PROTECT => {
                let ret = call(sys::MPROTECT, [addr, len, u64::from(prot & 7), c[0], c[1], c[2]]);
                if ret < 0 {
                    unmap(addr, len, c);
                }
            }
            op::UNMAP => unmap(addr, len, c),
            op::THREAD => {
                let top = REPORT_BASE + STACKS_OFFSET + (addr + 1) * STACK_SIZE;
                stub_clone(THREAD_FLAGS, top, c[0], c[1], addr, c[2]);
            }
            _ => {}
        }
    }
}

/// # Safety
/// The range holds guest memory only.
unsafe fn unmap(addr: u64, len: u64, c: [u64; 3]) {
    // SAFETY: the caller's.
    unsafe { call(sys::MUNMAP, [addr, len, 0, c[0], c[1], c[2]]) };
}
