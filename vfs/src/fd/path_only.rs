//! What an `O_PATH` descriptor can do: next to nothing.

use alloc::sync::Arc;
use core::any::Any;
use sync::waitq::Events;
use syserr::Errno;

use crate::{FileOps, Inode, Stat};

pub(crate) struct PathOnly(pub(crate) Arc<dyn Inode>);

impl FileOps for PathOnly {
    fn stat(&self) -> Result<Stat, Errno> {
        self.0.stat()
    }

    fn readiness(&self) -> Events {
        Events::NVAL
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
