//! `IOCB_CMD_POLL`: a request that is done when a file is ready.

use super::context::Context;
use super::submit::Request;
use alloc::sync::{Arc, Weak};
use sync::Mutex;
use sync::waitq::{Events, Notify, Ticket};
use syserr::Errno;
use vfs::File;

/// A request that waits. Dropped, it listens no more.
pub(super) struct PollRequest {
    request: Request,
    file: Arc<File>,
    context: Weak<Context>,
    ticket: Mutex<Option<Ticket>>,
}

/// What the file's queue holds: not the request, which holds the file.
struct Listener(Weak<PollRequest>);

/// The event says what its file's driver told, whether it was asked for or not; drivers tell of
/// data and of its normal band together.
fn with_bands(mut events: Events) -> Events {
    events.set(Events::RDNORM, events.intersects(Events::IN | Events::RDNORM));
    events.set(Events::WRNORM, events.intersects(Events::OUT | Events::WRNORM));
    events
}

impl Notify for Listener {
    fn notify(&self, events: Events) {
        if let Some(p) = self.0.upgrade() {
            p.done(with_bands(events));
        }
    }
}

impl PollRequest {
    /// Completes the request at once, or when the file is ready.
    ///
    /// # Errors
    /// `EINVAL` when the file is not ready and will never tell; the request is the caller's then.
    pub(super) fn start(
        context: &Arc<Context>,
        request: Request,
        file: Arc<File>,
        asked: Events,
    ) -> Result<(), Errno> {
        let ready = file.readiness() & asked;
        if !ready.is_empty() {
            request.complete(context, i64::from(ready.bits()));
            return Ok(());
        }
        let queue = file.queue().ok_or(Errno::EINVAL)?;
        let me = Arc::new(PollRequest {
            request,
            file: file.clone(),
            context: Arc::downgrade(context),
            ticket: Mutex::new(None),
        });
        context.keep(me.clone());
        let ticket = queue.register_target(asked, Arc::new(Listener(Arc::downgrade(&me))));
        *me.ticket.lock() = Some(ticket);
        let ready = file.readiness() & asked;
        if !ready.is_empty() {
            me.done(ready);
        }
        Ok(())
    }

    /// Completes it, if nobody else has.
    pub(super) fn done(&self, ready: Events) {
        let Some(context) = self.context.upgrade() else { return };
        if context.forget(|p| core::ptr::eq(p, self)).is_some() {
            self.request.complete(&context, i64::from(ready.bits()));
        }
    }

    /// The `struct iocb`.
    pub(super) fn object(&self) -> u64 {
        self.request.event.obj
    }

    /// Completes it without an event of the file: io_cancel(2), which took it out.
    pub(super) fn cancelled(&self, context: &Context) {
        self.request.complete(context, 0);
    }
}

impl Drop for PollRequest {
    fn drop(&mut self) {
        if let (Some(t), Some(q)) = (self.ticket.lock().take(), self.file.queue()) {
            q.unregister(t);
        }
    }
}
