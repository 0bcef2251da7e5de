//! `/proc/kmsg`: the kernel's log, in which nothing is ever written, so that who reads it waits.

use super::node::Node;
use crate::{FileOps, PathCx, Stat, Whence, cap};
use alloc::sync::Arc;
use arch::IoDst;
use core::any::Any;
use sync::waitq::{Events, Queue};
use syserr::Errno;

/// # Errors
/// `EPERM` for who may not read the log (`check_syslog_permissions`).
pub(super) fn open(node: Arc<Node>, cx: &PathCx<'_>) -> Result<Arc<dyn FileOps>, Errno> {
    if !cx.creds.has(cap::SYSLOG) {
        return Err(Errno::EPERM);
    }
    Ok(Arc::new(Kmsg { node, queue: Queue::new() }))
}

struct Kmsg {
    node: Arc<Node>,
    /// Of readers, whom nothing wakes but signals.
    queue: Queue,
}

impl FileOps for Kmsg {
    fn read_at(&self, dst: &mut dyn IoDst, _: u64) -> Result<usize, Errno> {
        if dst.remaining() == 0 { Ok(0) } else { Err(Errno::EAGAIN) }
    }

    fn seekable(&self) -> bool {
        true
    }

    fn seek(&self, offset: i64, whence: Whence) -> Result<u64, Errno> {
        match whence {
            Whence::Set | Whence::End => u64::try_from(offset).map_err(|_| Errno::EINVAL),
            _ => Err(Errno::EINVAL),
        }
    }

    fn readiness(&self) -> Events {
        Events::empty()
    }

    fn queue(&self) -> Option<&Queue> {
        Some(&self.queue)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(self.node.status())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
