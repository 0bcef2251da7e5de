//! How often something has changed, for who polls a file about it.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use sync::waitq::{Events, Queue};

/// A count of changes: of the tree of mounts, for `/proc/self/mounts`, or of a setting.
#[derive(Default)]
pub struct Changes {
    count: AtomicU64,
    queue: Queue,
}

impl Changes {
    /// How often.
    pub fn count(&self) -> u64 {
        self.count.load(SeqCst)
    }

    /// Told with [`Events::PRI`] and [`Events::ERR`].
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Something has changed.
    pub fn note(&self) {
        self.count.fetch_add(1, SeqCst);
        self.queue.notify(Events::PRI | Events::ERR);
    }
}
