//! Reading and writing: tried at once, and continued as a future only when it would block.

use super::buffers::Ranges;
use super::terminal::read_paced;
use crate::block::{BlockError, Blocked, block_on_file};
use crate::{ClockId, Outcome, Resource, Task, TaskCx};
use alloc::boxed::Box;
use alloc::sync::Arc;
use arch::{IoSrc, UserIo, UserMemory};
use sync::waitq::Events;
use syserr::{Errno, Restart};
use vfs::tty::{Patience, TtyFile};
use vfs::{File, FileOps};

/// Where a transfer takes place.
#[derive(Clone, Copy)]
pub(super) enum At {
    /// At the description's position.
    Position,
    /// At an offset; the position stays.
    Offset(i64),
    /// At an offset, `O_APPEND` or not (`RWF_NOAPPEND`); the position stays.
    Exactly(i64),
    /// At the end (`RWF_APPEND`); the position stays.
    End,
    /// At the end, and the position follows.
    EndAndPosition,
}

fn read_once(file: &File, mem: &dyn UserMemory, to: &Ranges, at: At) -> Result<usize, Errno> {
    let mut io = UserIo::from_ranges(mem, to.iter().copied());
    match at {
        At::Offset(o) | At::Exactly(o) => file.pread(&mut io, o),
        At::Position | At::End | At::EndAndPosition => file.read(&mut io),
    }
}

/// Has `count` hear how many bytes a call has moved, when it ends.
pub(super) fn counted(
    cx: &TaskCx,
    outcome: Outcome,
    count: impl FnOnce(&Task, u64) + Send + 'static,
) -> Outcome {
    match outcome {
        Outcome::Done(r) => {
            count(&cx.task, r.unwrap_or(0));
            Outcome::Done(r)
        }
        Outcome::Block(future) => {
            let task = cx.task.clone();
            Outcome::Block(Box::pin(async move {
                let outcome = future.await;
                count(&task, if let Outcome::Done(Ok(n)) = outcome { n } else { 0 });
                outcome
            }))
        }
        other => other,
    }
}

/// Reads into the caller's buffers; `nonblock` beside the description's own flag.
pub(super) fn read(cx: &TaskCx, file: Arc<File>, to: Ranges, at: At, nonblock: bool) -> Outcome {
    counted(cx, read_uncounted(cx, file, to, at, nonblock), |t, n| t.read.add(n))
}

/// As [`read`], for who is not in a system call that reads.
pub(super) fn read_uncounted(
    cx: &TaskCx,
    file: Arc<File>,
    to: Ranges,
    at: At,
    nonblock: bool,
) -> Outcome {
    if let Err(o) = super::terminal::may_read(cx, &file) {
        return o;
    }
    let first = read_once(&file, &**cx.mm(), &to, at);
    if first != Err(Errno::EAGAIN) || nonblock || file.nonblocking() {
        return first.map(|n| n as u64).into();
    }
    let timeout = deadline(cx, file.ops().timeouts().0);
    let (task, mm) = (cx.task.clone(), cx.mm().clone());
    let quiet = match super::terminal::patience(&file) {
        Patience::Endless => None,
        Patience::First(span) => deadline(cx, Some(span)),
        Patience::Each(span) => {
            let again = move |tty: &TtyFile, all: bool| {
                let mut io = UserIo::from_ranges(&*mm, to.iter().copied());
                if all { tty.read_typed(&mut io) } else { tty.read_at(&mut io, 0) }
            };
            return Outcome::Block(Box::pin(read_paced(task, file, span, again)));
        }
    };
    Outcome::Block(Box::pin(async move {
        let again = || read_once(&file, &*mm, &to, at);
        let until = quiet.or(timeout);
        match block_on_file(&task, &file, Events::IN | Events::RDNORM, until, again).await {
            Ok(n) => Ok(n as u64).into(),
            Err(BlockError::Wait(Blocked::TimedOut)) if quiet.is_some() => Ok(0).into(),
            Err(e) => ended(e, timeout.is_some()),
        }
    }))
}

/// When a span from now is over.
fn deadline(cx: &TaskCx, span: Option<vfs::Nanos>) -> Option<i64> {
    span.map(|s| cx.kernel().now(ClockId::Monotonic).saturating_add(s))
}

/// How an interrupted transfer ends: not restarted when the descriptor has a timeout (signal(7)).
fn ended(e: BlockError, timed: bool) -> Outcome {
    match e {
        BlockError::Wait(Blocked::Interrupted) if timed => Errno::EINTR.into(),
        e => e.into_outcome(),
    }
}

struct Write {
    file: Arc<File>,
    from: Ranges,
    at: At,
    limit: u64,
    done: usize,
}

impl Write {
    /// Goes on where the last try stopped, as far as it can; `EAGAIN` when there is more to do.
    fn step(&mut self, mem: &dyn UserMemory) -> Result<usize, Errno> {
        loop {
            let mut io = UserIo::from_ranges(mem, self.from.iter().copied());
            io.skip(self.done as u64);
            let left = io.remaining();
            let r = match self.at {
                At::Position => self.file.write(&mut io, self.limit),
                At::Offset(o) => self.file.pwrite(&mut io, o, self.limit),
                At::Exactly(o) => self.file.pwrite_exactly(&mut io, o, self.limit),
                At::End => self.file.write_end(&mut io, self.limit, false),
                At::EndAndPosition => self.file.write_end(&mut io, self.limit, true),
            };
            match r {
                Ok(n) => {
                    self.done += n;
                    if n as u64 >= left || n == 0 || !self.file.ops().writes_all() {
                        return Ok(self.done);
                    }
                }
                Err(Errno::EAGAIN) => return Err(Errno::EAGAIN),
                Err(e) if self.done == 0 => return Err(e),
                Err(_) => return Ok(self.done),
            }
        }
    }

    fn partial(&self) -> Option<Outcome> {
        (self.done > 0).then(|| Ok(self.done as u64).into())
    }
}

/// Signals that failures of a write send.
fn failed(task: &Arc<Task>, e: Errno, limit: u64) -> Outcome {
    match e {
        Errno::EPIPE => task.broken_pipe(),
        Errno::EFBIG if limit != u64::MAX => task.file_too_large(),
        _ => {}
    }
    e.into()
}

/// Writes from the caller's buffers.
pub(super) fn write(cx: &TaskCx, file: Arc<File>, from: Ranges, at: At, nonblock: bool) -> Outcome {
    counted(cx, write_uncounted(cx, file, from, at, nonblock), |t, n| t.written.add(n))
}

/// As [`write`], for who is not in a system call that writes.
pub(super) fn write_uncounted(
    cx: &TaskCx,
    file: Arc<File>,
    from: Ranges,
    at: At,
    nonblock: bool,
) -> Outcome {
    if let Err(o) = super::terminal::may_write(cx, &file) {
        return o;
    }
    // A socket wants to know who writes.
    if matches!(at, At::Position | At::EndAndPosition)
        && let Some(o) = crate::syscalls::socket::write(cx, &file, &from, nonblock)
    {
        return o;
    }
    if file.flags().writable()
        && from.iter().any(|r| !r.is_empty())
        && let Err(e) = file.remove_privileges(&cx.task.creds())
    {
        return e.into();
    }
    let limit = cx.task.limit(Resource::Fsize).0;
    let blocks = !nonblock && !file.nonblocking();
    let mut w = Write { file, from, at, limit, done: 0 };
    match w.step(&**cx.mm()) {
        Ok(n) => return Ok(n as u64).into(),
        Err(Errno::EAGAIN) if blocks => {}
        Err(Errno::EAGAIN) => return w.partial().unwrap_or(Errno::EAGAIN.into()),
        Err(e) => return failed(&cx.task, e, limit),
    }
    let timeout = deadline(cx, w.file.ops().timeouts().1);
    let (task, mm) = (cx.task.clone(), cx.mm().clone());
    Outcome::Block(Box::pin(async move {
        let file = w.file.clone();
        let events = Events::OUT | Events::WRNORM;
        match block_on_file(&task, &file, events, timeout, || w.step(&*mm)).await {
            Ok(n) => Ok(n as u64).into(),
            Err(BlockError::Failed(e)) => failed(&task, e, limit),
            Err(e) => w.partial().unwrap_or_else(|| ended(e, timeout.is_some())),
        }
    }))
}

/// A wait for a file outside of reading and writing, restarted with `SA_RESTART`.
pub(crate) fn interrupted() -> Outcome {
    Outcome::Restart(Restart::Sys)
}
