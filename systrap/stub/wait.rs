//! Waiting for the next ready context.

use crate::handler::{BELL, slot};
use crate::shared::*;
use crate::sys;
use core::sync::atomic::Ordering::Relaxed;

/// Looks at the ring between two looks at the clock.
const LOOKS: u32 = 8;

/// Waits for a ready context, spinning first, unless the sentry needs the processor for its answer.
#[inline(always)]
pub fn next(control: &Control, report: &Report, thread: &Thread) -> u32 {
    // SAFETY: the page is mapped in every stub.
    let bell = unsafe { &*BELL };
    let mut looks = 0;
    let mut start = 0;
    let patient = || {
        core::hint::spin_loop();
        looks += 1;
        if looks % LOOKS != 1 {
            return true;
        }
        let (now, here) = sys::tsc_here();
        if looks == 1 {
            start = now;
        }
        let patient = here != bell.processor.load(Relaxed)
            && now.wrapping_sub(start) < u64::from(control.spin.load(Relaxed));
        if !patient {
            thread.processor.store(here, Relaxed);
            looks = 0;
        }
        patient
    };
    // The way of a line from the sentry's processor is long, and all that is done with a slot until
    // its context runs is a chain of looks at single words.
    let found = |context| slot(control, context).fetch();
    control.ready_ring(report).wait(&sys::HostFutex, patient, found)
}
