//! io_submit(2), io_cancel(2).

use super::abi::*;
use super::context::Context;
use super::contexts::find;
use super::poll::PollRequest;
use crate::syscalls::fs::{self, buffers, flat};
use crate::syscalls::sched::check_io_priority;
use crate::{Args, Outcome, TaskCx};
use alloc::boxed::Box;
use alloc::sync::Arc;
use arch::{Addr, UserMemoryExt};
use sync::waitq::Events;
use syserr::Errno;
use vfs::eventfd::EventFd;
use vfs::{File, mode};

/// What a request's completion needs.
pub(super) struct Request {
    /// The event, without its result.
    pub(super) event: IoEvent,
    /// An eventfd to add one to (`IOCB_FLAG_RESFD`).
    pub(super) tell: Option<Tell>,
}

impl Request {
    /// Tells the context, and the eventfd.
    pub(super) fn complete(&self, context: &Context, res: i64) {
        context.complete(&IoEvent { res, ..self.event });
        if let Some(e) = &self.tell {
            e.add(1);
        }
    }
}

/// A description that is known to be an eventfd.
pub(super) struct Tell(Arc<File>);

impl Tell {
    fn new(cx: &TaskCx, fd: u32) -> Result<Tell, Errno> {
        let file = cx.task.files().get_open(fd as i32)?;
        if file.downcast::<EventFd>().is_some() { Ok(Tell(file)) } else { Err(Errno::EINVAL) }
    }

    pub(super) fn add(&self, n: u64) {
        if let Some(e) = self.0.downcast::<EventFd>() {
            e.add(n);
        }
    }
}

/// io_submit(2).
pub(crate) fn sys_io_submit(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat(submit(cx, a))
}

fn submit(cx: &TaskCx, a: &Args) -> Result<Outcome, Errno> {
    let count = a[1] as i64;
    if count < 0 {
        return Err(Errno::EINVAL);
    }
    let context = find(cx, a[0])?;
    let count = (count as u64).min(u64::from(context.ring.slots));
    for i in 0..count {
        let one = (|| {
            let at: u64 = cx.mm().read_obj(Addr(a[2]).wrapping_add(i * 8))?;
            start(cx, &context, at)
        })();
        match one {
            Ok(None) => {}
            Err(e) if i == 0 => return Err(e),
            Err(_) => return Ok(Ok(i).into()),
            // The file makes the caller wait. What comes behind is left to the next call.
            Ok(Some(rest)) => return Ok(finish(context, rest, i + 1)),
        }
    }
    Ok(Ok(count).into())
}

/// A read or write that has begun.
type Begun = (Request, Outcome);

fn finish(context: Arc<Context>, (request, outcome): Begun, submitted: u64) -> Outcome {
    Outcome::Block(Box::pin(async move {
        let mut outcome = outcome;
        while let Outcome::Block(f) = outcome {
            outcome = f.await;
        }
        request.complete(&context, result(&outcome));
        Ok(submitted).into()
    }))
}

/// What a transfer's event says; one that was broken off cannot be restarted.
fn result(o: &Outcome) -> i64 {
    match o {
        Outcome::Done(Ok(n)) => *n as i64,
        Outcome::Done(Err(e)) => -i64::from(e.to_raw()),
        _ => -i64::from(Errno::EINTR.to_raw()),
    }
}

/// Starts one request (`io_submit_one`); gives it back when it has to wait for its file.
fn start(cx: &TaskCx, context: &Arc<Context>, at: u64) -> Result<Option<Begun>, Errno> {
    let iocb: Iocb = cx.mm().read_obj(Addr(at))?;
    if iocb.reserved2 != 0 || iocb.nbytes > i64::MAX as u64 {
        return Err(Errno::EINVAL);
    }
    context.begin()?;
    prepare(cx, context, at, &iocb).inspect_err(|_| context.refuse())
}

fn prepare(
    cx: &TaskCx,
    context: &Arc<Context>,
    at: u64,
    iocb: &Iocb,
) -> Result<Option<Begun>, Errno> {
    let file = cx.task.files().get_open(iocb.fildes as i32)?;
    let tell = (iocb.flags & IOCB_FLAG_RESFD != 0).then(|| Tell::new(cx, iocb.resfd));
    let event = IoEvent { data: iocb.data, obj: at, ..IoEvent::default() };
    let request = Request { event, tell: tell.transpose()? };
    cx.mm().write_obj(Addr(at).wrapping_add(KEY_OFFSET), &KIOCB_KEY)?;
    let plain = iocb.offset == 0 && iocb.nbytes == 0 && iocb.rw_flags == 0;
    let outcome = match iocb.opcode {
        IOCB_CMD_PREAD | IOCB_CMD_PWRITE | IOCB_CMD_PREADV | IOCB_CMD_PWRITEV => {
            transfer(cx, file, iocb)?
        }
        IOCB_CMD_FSYNC | IOCB_CMD_FDSYNC => {
            if !plain || iocb.buf != 0 {
                return Err(Errno::EINVAL);
            }
            match file.sync(iocb.opcode == IOCB_CMD_FDSYNC) {
                // It has no fsync.
                Err(Errno::EINVAL) => return Err(Errno::EINVAL),
                r => r.map(|()| 0).into(),
            }
        }
        IOCB_CMD_POLL => {
            if !plain || iocb.buf > u64::from(u16::MAX) {
                return Err(Errno::EINVAL);
            }
            let asked = Events::from_bits_truncate(iocb.buf as u32) | Events::ERR | Events::HUP;
            PollRequest::start(context, request, file, asked)?;
            return Ok(None);
        }
        _ => return Err(Errno::EINVAL),
    };
    if let Outcome::Block(_) = outcome {
        return Ok(Some((request, outcome)));
    }
    request.complete(context, result(&outcome));
    Ok(None)
}

fn transfer(cx: &TaskCx, file: Arc<File>, iocb: &Iocb) -> Result<Outcome, Errno> {
    if iocb.flags & IOCB_FLAG_IOPRIO != 0 {
        check_io_priority(cx, u32::from(iocb.reqprio as u16))?;
    }
    let flags = fs::Rwf::from_bits(iocb.rw_flags).ok_or(Errno::EOPNOTSUPP)?;
    let write = matches!(iocb.opcode, IOCB_CMD_PWRITE | IOCB_CMD_PWRITEV);
    let allowed = if write { file.flags().writable() } else { file.flags().readable() };
    if !allowed {
        return Err(Errno::EBADF);
    }
    if file.kind() == mode::IFDIR {
        return Err(Errno::EINVAL);
    }
    let ranges = match iocb.opcode {
        IOCB_CMD_PREAD | IOCB_CMD_PWRITE => buffers::single(cx, iocb.buf, iocb.nbytes)?,
        _ => buffers::vector(cx, iocb.buf, iocb.nbytes)?,
    };
    let bytes = ranges.iter().map(|r| r.len()).sum::<u64>();
    if file.ops().seekable() && (iocb.offset < 0 || iocb.offset.checked_add(bytes as i64).is_none())
    {
        return Err(Errno::EINVAL);
    }
    fs::transfer_with(cx, file, write, ranges, iocb.offset, flags)
}

/// io_cancel(2). Only what waits for a file can be cancelled; its event still comes.
pub(crate) fn sys_io_cancel(cx: &mut TaskCx, a: &Args) -> Outcome {
    cancel(cx, a[0], a[1]).map_or_else(Outcome::from, |()| Errno::EINPROGRESS.into())
}

fn cancel(cx: &TaskCx, id: u64, at: u64) -> Result<(), Errno> {
    let key: u32 = cx.mm().read_obj(Addr(at).wrapping_add(KEY_OFFSET))?;
    if key != KIOCB_KEY {
        return Err(Errno::EINVAL);
    }
    let context = find(cx, id)?;
    let request = context.forget(|p| p.object() == at).ok_or(Errno::EINVAL)?;
    request.cancelled(&context);
    Ok(())
}
