//! Where a vfork(2) parent waits.

use sync::atomic::{AtomicBool, Ordering};
use sync::waitq::{Events, Queue};

/// Opens once, when the child lets go of the memory it borrowed: at execve(2) or at its end.
#[derive(Default)]
pub(crate) struct VforkGate {
    open: AtomicBool,
    queue: Queue,
}

impl VforkGate {
    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::Release);
        self.queue.notify(Events::IN);
    }

    pub(crate) async fn wait(&self) {
        crate::block::wait_on(&self.queue, Events::IN, || {
            self.open.load(Ordering::Acquire).then_some(())
        })
        .await;
    }
}
