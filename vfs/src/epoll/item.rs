//! One watched file.

use super::{EDGE, EXCLUSIVE, Event, ONESHOT, Ready, WAKEUP, check};
use crate::File;
use alloc::sync::{Arc, Weak};
use sync::Mutex;
use sync::waitq::{Events, Notify, Ticket};

/// Bits that say how, not what.
const HOW: u32 = EXCLUSIVE | WAKEUP | ONESHOT | EDGE;

/// Errors and hang-ups are reported unasked, until a one-shot watch sleeps.
fn always(mut event: Event) -> Event {
    event.events |= (Events::ERR | Events::HUP).bits();
    event
}

/// A watch. In the lists it is an `Arc`; in the file's queue too, so a file that is notified
/// while the watch ends finds one that does nothing any more.
pub(crate) struct Item {
    file: Weak<File>,
    ready: Weak<Ready>,
    state: Mutex<State>,
    this: Weak<Item>,
}

struct State {
    event: Event,
    ticket: Option<Ticket>,
    listed: bool,
    removed: bool,
}

impl Item {
    pub(super) fn new(file: &Arc<File>, event: Event, ready: &Arc<Ready>) -> Arc<Item> {
        let event = always(event);
        let state = State { event, ticket: None, listed: false, removed: false };
        Arc::new_cyclic(|this| Item {
            file: Arc::downgrade(file),
            ready: Arc::downgrade(ready),
            state: Mutex::new(state),
            this: this.clone(),
        })
    }

    pub(super) fn file(&self) -> Option<Arc<File>> {
        self.file.upgrade()
    }

    pub(super) fn is_alive(&self) -> bool {
        self.file.strong_count() > 0
    }

    pub(super) fn event(&self) -> Event {
        self.state.lock().event
    }

    /// Starts to listen, and lists the watch if there is something already.
    pub(super) fn attach(&self) {
        let (Some(file), Some(this)) = (self.file(), self.this.upgrade()) else { return };
        let Some(queue) = file.queue() else { return };
        let ticket = queue.register_target(Events::all(), this);
        self.state.lock().ticket = Some(ticket);
        self.list_if_ready();
    }

    pub(super) fn detach(&self) {
        let mut s = self.state.lock();
        s.removed = true;
        let ticket = s.ticket.take();
        drop(s);
        if let (Some(t), Some(file)) = (ticket, self.file())
            && let Some(q) = file.queue()
        {
            q.unregister(t);
        }
    }

    pub(super) fn change(&self, event: Event) {
        self.state.lock().event = always(event);
        self.list_if_ready();
    }

    fn list_if_ready(&self) {
        if !self.current(check::MAX_DEPTH).is_empty() {
            self.requeue(false);
        }
    }

    /// The events asked for that are true now.
    pub(super) fn current(&self, depth: u32) -> Events {
        let asked = Events::from_bits_retain(self.event().events & !HOW);
        match self.file() {
            Some(file) if !asked.is_empty() => check::readiness(&file, depth) & asked,
            _ => Events::empty(),
        }
    }

    /// For a watch that was just taken off the list: what to report, if anything.
    pub(super) fn poll_listed(&self) -> Option<Event> {
        self.state.lock().listed = false;
        let now = self.current(check::MAX_DEPTH);
        (!now.is_empty()).then(|| Event { events: now.bits(), data: self.event().data })
    }

    /// After a report: one-shot watches sleep, level-triggered ones are looked at again.
    pub(super) fn delivered(&self) {
        let mut s = self.state.lock();
        if s.event.events & ONESHOT != 0 {
            s.event.events &= HOW;
        } else if s.event.events & EDGE == 0 {
            drop(s);
            self.requeue(false);
        }
    }

    /// Puts the watch on the ready list, unless it is there already, and tells who waits: a poll
    /// that watches this one's edges hears of each.
    pub(super) fn requeue(&self, front: bool) {
        let (Some(ready), Some(this)) = (self.ready.upgrade(), self.this.upgrade()) else { return };
        let mut s = self.state.lock();
        if s.removed {
            return;
        }
        if !core::mem::replace(&mut s.listed, true) {
            drop(s);
            let mut list = ready.list.lock();
            if front { list.push_front(this) } else { list.push_back(this) }
        } else {
            drop(s);
        }
        ready.queue.notify(Events::IN | Events::RDNORM);
    }
}

impl Notify for Item {
    fn notify(&self, events: Events) {
        let asked = Events::from_bits_retain(self.event().events & !HOW);
        if asked.intersects(events) {
            self.requeue(false);
        }
    }
}
