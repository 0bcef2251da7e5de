//! Host operations that the sentry queued, as the threads that carry contexts see them.

use crate::shared::*;
use crate::sys::{self, HostFutex, call};
use core::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};

/// Operations that a thread performs by itself rather than call the mapper.
const FEW: u32 = 16;
const PROT_WRITE: u32 = 2;

/// Returns once everything queued is performed.
#[inline(always)]
pub fn run(control: &Control, report: &Report) {
    let tail = control.ops_tail.load(Acquire);
    if !control.progress(report).has_reached(tail) {
        catch_up(control, report, tail);
    }
}

#[inline(never)]
fn catch_up(control: &Control, report: &Report, tail: u32) {
    if !take_away(control, report, tail) {
        control.progress(report).wait(tail, &HostFutex);
    }
}

/// Operations that only take something away from the process need no proof, and so no mapper. It
/// will perform them once more, in their order, which can only take away what a later fault
/// brings back. `false` if there are others.
fn take_away(control: &Control, report: &Report, tail: u32) -> bool {
    let done = report.ops_done.load(Acquire);
    let count = tail.wrapping_sub(done);
    let ops = || (0..count).map(|i| &control.ops[done.wrapping_add(i) as usize % MAX_OPS]);
    let takes = |o: &Op| match o.kind.load(Relaxed) {
        op::UNMAP => true,
        op::PROTECT => o.prot.load(Relaxed) & PROT_WRITE == 0,
        _ => false,
    };
    if count > FEW || !ops().all(takes) {
        return false;
    }
    for o in ops() {
        let (addr, len) = (o.addr.load(Relaxed), o.len.load(Relaxed));
        let prot = u64::from(o.prot.load(Relaxed) & 7);
        // SAFETY: the filter lets these calls touch guest memory only, which the stub never refers
        // to.
        unsafe {
            let protect = o.kind.load(Relaxed) == op::PROTECT;
            if !protect || call(sys::MPROTECT, [addr, len, prot, 0, 0, 0]) < 0 {
                call(sys::MUNMAP, [addr, len, 0, 0, 0, 0]);
            }
        }
    }
    // Another thread, or the mapper, may have come further meanwhile.
    let _ = report.ops_done.compare_exchange(done, tail, SeqCst, Relaxed);
    true
}
