//! System calls on sockets.

mod address;
mod connect;
mod control;
mod create;
mod landlock;
mod message;
mod options;
mod receive;
mod send;

pub(crate) use connect::*;
pub(crate) use create::*;
pub(crate) use options::*;
pub(crate) use receive::*;
pub(crate) use send::*;

use crate::syscalls::fs::walk::Walk;
use crate::{ClockId, Outcome, Task, TaskCx};
use alloc::sync::Arc;
use mm::MemoryManager;
use syserr::{Errno, Restart};
use vfs::File;
use vfs::socket::{Socket, Who};

/// Who calls, for calls that may go on after their handler returned.
struct CallCx {
    task: Arc<Task>,
    mm: Arc<MemoryManager>,
    walk: Walk,
}

impl CallCx {
    fn new(cx: &TaskCx) -> CallCx {
        CallCx { task: cx.task.clone(), mm: cx.mm().clone(), walk: Walk::new(cx) }
    }

    fn who(&self) -> Who<'_> {
        Who { vfs: self.task.kernel().vfs(), path: self.walk.cx() }
    }
}

/// A description that is known to be of a socket.
#[derive(Clone)]
struct SocketFile(Arc<File>);

impl SocketFile {
    /// The socket behind a descriptor.
    fn get(cx: &TaskCx, fd: u64) -> Result<SocketFile, Errno> {
        SocketFile::new(cx.task.files().get_open(fd as i32)?)
    }

    fn new(file: Arc<File>) -> Result<SocketFile, Errno> {
        if file.downcast::<Socket>().is_some() {
            Ok(SocketFile(file))
        } else {
            Err(Errno::ENOTSOCK)
        }
    }

    fn socket(&self) -> Result<&Socket, Errno> {
        self.0.downcast().ok_or(Errno::ENOTSOCK)
    }

    /// When a call that receives or sends gives up, on `CLOCK_MONOTONIC`.
    fn deadline(&self, task: &Task, send: bool) -> Option<i64> {
        let (receive, sends) = self.0.ops().timeouts();
        let span = if send { sends } else { receive };
        span.map(|s| task.kernel().now(ClockId::Monotonic).saturating_add(s))
    }
}

/// How a call ends that a signal broke off: one with a timeout is not restarted (signal(7)).
fn interrupted(timed: bool) -> Outcome {
    if timed { Errno::EINTR.into() } else { Outcome::Restart(Restart::Sys) }
}
