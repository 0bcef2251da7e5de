//! Events of one instance that nobody has read yet.

use super::Mask;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The most events; `fs.inotify.max_queued_events`.
const EVENTS_MAX: usize = 16_384;
/// The most bytes of names that they may have together.
const NAMES_MAX: usize = 1 << 20;
/// Bytes of `struct inotify_event` without its name, and what names are filled up to.
const HEADER: usize = 16;

/// One event.
pub(super) struct Event {
    pub(super) wd: i32,
    pub(super) mask: Mask,
    pub(super) cookie: u32,
    pub(super) name: Option<Arc<[u8]>>,
}

impl Event {
    /// An event without name and cookie.
    pub(super) fn plain(wd: i32, mask: Mask) -> Event {
        Event { wd, mask, cookie: 0, name: None }
    }

    fn name_len(&self) -> usize {
        self.name.as_ref().map_or(0, |n| (n.len() + 1).next_multiple_of(HEADER))
    }

    /// `struct inotify_event`.
    fn bytes(&self) -> Vec<u8> {
        let len = self.name_len();
        let mut out = Vec::with_capacity(HEADER + len);
        out.extend_from_slice(&self.wd.to_ne_bytes());
        for word in [self.mask.bits(), self.cookie, len as u32] {
            out.extend_from_slice(&word.to_ne_bytes());
        }
        out.extend_from_slice(self.name.as_deref().unwrap_or_default());
        out.resize(HEADER + len, 0);
        out
    }

    /// As `event_compare` (fs/notify/inotify/inotify_fsnotify.c).
    fn same(&self, other: &Event) -> bool {
        (self.wd, self.mask, &self.name) == (other.wd, other.mask, &other.name)
    }
}

#[derive(Default)]
pub(super) struct Events {
    list: VecDeque<Event>,
    /// Bytes that reading all of them gives.
    bytes: usize,
}

impl Events {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Bytes that reading everything gives.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds an event, unless it is the last one again. What does not fit is lost, and that is told.
    pub(super) fn push(&mut self, event: Event) {
        if self.list.back().is_some_and(|last| last.same(&event)) {
            return;
        }
        let names = self.bytes - self.list.len() * HEADER;
        let full = self.list.len() >= EVENTS_MAX || names > NAMES_MAX;
        let event = if full { Event::plain(-1, Mask::Q_OVERFLOW) } else { event };
        if self.list.back().is_some_and(|last| last.mask == Mask::Q_OVERFLOW && full) {
            return;
        }
        self.bytes += HEADER + event.name_len();
        self.list.push_back(event);
    }

    /// Takes the first event as bytes, if it is at most `room` long. `None`: there is none.
    pub(super) fn pop(&mut self, room: u64) -> Option<Result<Vec<u8>, ()>> {
        let len = HEADER + self.list.front()?.name_len();
        if len as u64 > room {
            return Some(Err(()));
        }
        self.bytes -= len;
        self.list.pop_front().map(|e| Ok(e.bytes()))
    }
}
