//! Which watches are legal: exclusive ones, and polls that watch polls.

use super::{EDGE, EXCLUSIVE, Epoll, WAKEUP};
use crate::File;
use alloc::sync::Arc;
use sync::waitq::Events;
use syserr::Errno;

/// How many polls may stand below one (`EP_MAX_NESTS`).
pub(super) const MAX_DEPTH: u32 = 4;

/// How many watches a check for circles looks at before it says that there are too many.
const MAX_STEPS: u32 = 10_000;

/// What may be set beside `EPOLLEXCLUSIVE` (`EPOLLEXCLUSIVE_OK_BITS`).
const WITH_EXCLUSIVE: u32 = Events::IN.bits()
    | Events::OUT.bits()
    | Events::ERR.bits()
    | Events::HUP.bits()
    | WAKEUP
    | EDGE
    | EXCLUSIVE;

pub(super) fn as_epoll(file: &File) -> Option<&Epoll> {
    file.ops().as_any().downcast_ref()
}

/// `EINVAL` for bits that `EPOLLEXCLUSIVE` does not go with.
pub(super) fn exclusive(events: u32, nested: bool) -> Result<(), Errno> {
    if events & EXCLUSIVE != 0 && (nested || events & !WITH_EXCLUSIVE != 0) {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// Whether `outer` may watch `inner`.
pub(super) fn nesting(outer: &Epoll, inner: &Epoll) -> Result<(), Errno> {
    descend(outer, inner, 1, &mut MAX_STEPS.clone())
}

fn descend(outer: &Epoll, at: &Epoll, depth: u32, steps: &mut u32) -> Result<(), Errno> {
    if core::ptr::eq(outer, at) || depth > MAX_DEPTH {
        return Err(Errno::ELOOP);
    }
    for file in at.watched() {
        *steps = steps.checked_sub(1).ok_or(Errno::ELOOP)?;
        if let Some(e) = as_epoll(&file) {
            descend(outer, e, depth + 1, steps)?;
        }
    }
    Ok(())
}

/// What is true of `file` now, looking through at most `depth` polls.
pub(super) fn readiness(file: &Arc<File>, depth: u32) -> Events {
    match as_epoll(file) {
        None => file.readiness(),
        Some(e) if depth > 0 && e.has_events(depth - 1) => Events::IN | Events::RDNORM,
        Some(_) => Events::empty(),
    }
}
