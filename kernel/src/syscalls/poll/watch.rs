//! Waiting for any of several files.

use crate::block::Blocked;
use crate::{Task, TaskCx};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::task::{Poll, Waker};
use sync::waitq::{Events, Ticket};
use vfs::File;

/// One file, what is asked of it, and what it answered.
pub(super) struct Watched {
    pub(super) file: Option<Arc<File>>,
    pub(super) asked: Events,
    pub(super) got: Events,
}

impl Watched {
    /// The file behind a descriptor; asked for errors and hang-ups in any case.
    pub(super) fn new(cx: &TaskCx, fd: i32, asked: Events) -> Watched {
        Watched::exactly(cx, fd, asked | Events::ERR | Events::HUP)
    }

    /// The file behind a descriptor, asked for nothing else.
    pub(super) fn exactly(cx: &TaskCx, fd: i32, asked: Events) -> Watched {
        Watched { file: cx.task.files().get_open(fd).ok(), asked, got: Events::empty() }
    }
}

/// Asks every file, and says how many have something.
pub(super) fn scan(watched: &mut [Watched]) -> usize {
    let mut n = 0;
    for w in watched {
        w.got = match &w.file {
            Some(f) => f.readiness() & w.asked,
            None => Events::NVAL,
        };
        n += usize::from(!w.got.is_empty());
    }
    n
}

/// Registrations in the queues of several files, taken back when dropped.
struct Registered<'a> {
    watched: &'a mut [Watched],
    tickets: Vec<Option<Ticket>>,
    waker: Option<Waker>,
}

impl Registered<'_> {
    fn register(&mut self, waker: &Waker) {
        if self.waker.as_ref().is_some_and(|w| w.will_wake(waker)) {
            return;
        }
        self.clear();
        for w in &*self.watched {
            let queue = w.file.as_ref().and_then(|f| f.queue());
            self.tickets.push(queue.map(|q| q.register(w.asked, waker)));
        }
        self.waker = Some(waker.clone());
    }

    fn clear(&mut self) {
        for (w, t) in self.watched.iter().zip(self.tickets.drain(..)) {
            if let (Some(q), Some(t)) = (w.file.as_ref().and_then(|f| f.queue()), t) {
                q.unregister(t);
            }
        }
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Waits until a file has something, and says how many have.
pub(super) async fn wait(
    task: &Arc<Task>,
    watched: &mut [Watched],
    deadline: Option<i64>,
) -> Result<usize, Blocked> {
    let mut r = Registered { watched, tickets: Vec::new(), waker: None };
    let any = poll_fn(|cx| {
        r.register(cx.waker());
        match scan(r.watched) {
            0 => Poll::Pending,
            n => Poll::Ready(n),
        }
    });
    task.block(deadline, any).await
}
