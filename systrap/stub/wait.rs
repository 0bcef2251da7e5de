//! Waiting for the next ready context.

use crate::shared::*;
use crate::sys;
use core::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};

/// Takes the oldest ready context.
#[inline(always)]
fn take(control: &Control, report: &Report) -> Option<u32> {
    let mut head = report.ready_head.load(Relaxed);
    loop {
        // Nothing can overwrite the entry before the head passes it: the ring has room for every
        // slot at once.
        if head == control.ready_tail.load(Acquire) {
            return None;
        }
        let slot = control.ready[head as usize % MAX_SLOTS].load(Relaxed);
        match report.ready_head.compare_exchange_weak(head, head.wrapping_add(1), SeqCst, Relaxed) {
            Ok(_) => return Some(slot),
            Err(now) => head = now,
        }
    }
}

/// Waits for a ready context, spinning first.
#[inline(always)]
pub fn next(control: &Control, report: &Report) -> u32 {
    if let Some(slot) = take(control, report) {
        return slot;
    }
    report.idle.fetch_add(1, SeqCst);
    let mut start = sys::tsc();
    loop {
        for _ in 0..8 {
            if let Some(slot) = take(control, report) {
                report.idle.fetch_sub(1, SeqCst);
                return slot;
            }
            core::hint::spin_loop();
        }
        if sys::tsc().wrapping_sub(start) > u64::from(control.spin.load(Relaxed)) {
            // One step from spinning to asleep, then a last look: the sentry stores the tail first
            // and reads this word after, so one of the two sees the other.
            report.idle.fetch_add(0xffff, SeqCst);
            let tail = control.ready_tail.load(SeqCst);
            if report.ready_head.load(SeqCst) == tail {
                sys::futex_wait(&raw const control.ready_tail as u64, tail);
            }
            report.idle.fetch_sub(0xffff, SeqCst);
            start = sys::tsc();
        }
    }
}
