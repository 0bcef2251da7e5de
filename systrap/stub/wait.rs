//! Waiting for the next ready context.

use crate::shared::*;
use crate::sys;
use core::sync::atomic::Ordering::Relaxed;

/// Looks at the ring between two looks at the clock.
const LOOKS: u32 = 8;

/// Waits for a ready context, spinning first.
#[inline(always)]
pub fn next(control: &Control, report: &Report) -> u32 {
    let mut looks = 0;
    let mut start = 0;
    control.ready_ring(report).wait(&sys::HostFutex, || {
        core::hint::spin_loop();
        looks += 1;
        if looks % LOOKS != 1 {
            return true;
        }
        if looks == 1 {
            start = sys::tsc();
            return true;
        }
        let patient = sys::tsc().wrapping_sub(start) <= u64::from(control.spin.load(Relaxed));
        if !patient {
            looks = 0;
        }
        patient
    })
}
