//! POSIX message queues; mq_overview(7).
//!
//! Queues have names in one directory of their IPC namespace (`Queues`), which the file system type
//! `mqueue` shows. A descriptor of one is a file that can be polled, and read for a line about the
//! queue.

mod attr;
mod fs;
mod limits;
mod names;
mod notify;
mod queue;
mod transfer;

pub(crate) use attr::sys_mq_getsetattr;
pub use fs::MqueueType;
pub(crate) use names::{Accounts, Queues, sys_mq_open, sys_mq_unlink};
pub(crate) use notify::sys_mq_notify;
pub(crate) use transfer::{sys_mq_timedreceive, sys_mq_timedsend};

use crate::TaskCx;
use alloc::sync::Arc;
use queue::MessageQueue;
use syserr::Errno;
use vfs::File;

/// The queue behind a descriptor, and its description.
///
/// # Errors
/// `EBADF`, also for what is no queue.
fn find(cx: &TaskCx, fd: u64) -> Result<(Arc<File>, Arc<MessageQueue>), Errno> {
    let file = cx.task.files().get_open(fd as i32)?;
    let queue = file.downcast::<MessageQueue>().and_then(MessageQueue::this);
    queue.map(|q| (file, q)).ok_or(Errno::EBADF)
}
