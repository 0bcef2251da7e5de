//! recvfrom(2), recvmsg(2), recvmmsg(2).

use super::control::Room;
use super::message::{
    self, CONTROL_LEN_AT, FLAGS_AT, MANY, MMSG_LEN_AT, MMSG_SIZE, MsgHdr, NAME_LEN_AT,
};
use super::{CallCx, SocketFile, address, interrupted};
use crate::block::{BlockError, Blocked, block_on_file};
use crate::syscalls::abi::read_timespec;
use crate::syscalls::fs::buffers::{self, Ranges};
use crate::syscalls::fs::flat;
use crate::{Args, ClockId, Outcome, TaskCx};
use alloc::boxed::Box;
use alloc::vec::Vec;
use arch::{Addr, IoDst, UserIo, UserMemoryExt};
use sync::waitq::Events;
use syserr::Errno;
use vfs::socket::{Domain, ReceiveFlags, Received};

const MSG_OOB: u32 = 1;
const MSG_TRUNC: u32 = 0x20;
const MSG_DONTWAIT: u32 = 0x40;
const MSG_WAITALL: u32 = 0x100;
const MSG_ERRQUEUE: u32 = 0x2000;
const MSG_WAITFORONE: u32 = 0x10000;
const MSG_CMSG_CLOEXEC: u32 = 0x4000_0000;

/// Where the address and the ancillary data of a message go.
#[derive(Clone, Copy)]
enum Place {
    /// recvfrom(2): address and its length.
    Plain { at: u64, len_at: u64 },
    /// recvmsg(2): a header.
    Header { at: u64, header: MsgHdr },
}

/// One message that is being received.
struct Receiving {
    file: SocketFile,
    to: Ranges,
    place: Place,
    flags: u32,
    got: Received,
}

impl Receiving {
    fn from_header(
        cx: &TaskCx,
        file: &SocketFile,
        at: u64,
        flags: u32,
    ) -> Result<Receiving, Errno> {
        let (header, to) = message::read(cx, at)?;
        let (place, got) = (Place::Header { at, header }, Received::default());
        Ok(Receiving { file: file.clone(), to, place, flags, got })
    }

    fn nonblocking(&self) -> bool {
        // Nobody waits for errors, except where the flag is not known.
        let errors = self.flags & MSG_ERRQUEUE != 0
            && self.file.socket().is_ok_and(|s| s.domain() != Domain::Unix);
        self.flags & MSG_DONTWAIT != 0 || errors || self.file.0.nonblocking()
    }

    /// Receives what is there; `EAGAIN` when there is to be more.
    fn step(&mut self, call: &CallCx) -> Result<(), Errno> {
        let file = self.file.clone();
        let socket = file.socket()?;
        let mut flags = ReceiveFlags::from_bits_truncate(self.flags);
        flags.set(ReceiveFlags::DONTWAIT, self.nonblocking());
        let mut io = UserIo::from_ranges(&*call.mm, self.to.iter().copied());
        io.skip(self.got.bytes as u64);
        let all = io.remaining();
        let had = self.got.bytes > 0;
        let r = match socket.receive(&mut io, flags) {
            Ok(r) => r,
            Err(Errno::EAGAIN) => return Err(Errno::EAGAIN),
            Err(e) if had => {
                socket.keep_error(e);
                return Ok(());
            }
            Err(e) => return Err(e),
        };
        let more = self.flags & MSG_WAITALL != 0
            && !flags.contains(ReceiveFlags::PEEK)
            && !socket.has_messages()
            && !r.ended
            && (r.bytes as u64) < all;
        if had {
            self.got.bytes += r.bytes;
            self.got.files.extend(r.files);
        } else {
            self.got = r;
        }
        if more { Err(Errno::EAGAIN) } else { Ok(()) }
    }

    /// The first try; `None` when it has to wait.
    fn try_now(&mut self, call: &CallCx) -> Option<Result<u64, Errno>> {
        match self.step(call) {
            Err(Errno::EAGAIN) if self.nonblocking() && self.got.bytes > 0 => {
                Some(self.deliver(call))
            }
            Err(Errno::EAGAIN) if !self.nonblocking() => None,
            r => Some(r.and_then(|()| self.deliver(call))),
        }
    }

    /// Tells the caller what came with the bytes.
    fn deliver(&mut self, call: &CallCx) -> Result<u64, Errno> {
        let mut got = core::mem::take(&mut self.got);
        let mem = &*call.mm;
        match self.place {
            Place::Plain { at, len_at } => {
                if at != 0 {
                    address::write(mem, &got.from, at, len_at)?;
                }
            }
            Place::Header { at, header } => {
                let cloexec = self.flags & MSG_CMSG_CLOEXEC;
                let mut room =
                    Room { mem, at: header.control, left: header.control_len, flags: cloexec };
                room.put(&call.task, &mut got, cloexec != 0)?;
                let field = |offset: u64| Addr(at.wrapping_add(offset));
                if header.name != 0 {
                    address::write(mem, &got.from, header.name, field(NAME_LEN_AT).0)?;
                }
                let cut = if got.truncated { MSG_TRUNC } else { 0 };
                let error = if got.error { MSG_ERRQUEUE } else { 0 };
                let error = error | if got.urgent { MSG_OOB } else { 0 };
                mem.write_obj(field(FLAGS_AT), &(room.flags | cut | error))?;
                let used = room.at.wrapping_sub(header.control);
                mem.write_obj(field(CONTROL_LEN_AT), &used)?;
            }
        }
        Ok(got.bytes as u64)
    }

    /// Waits until something came; `Err` when the wait was interrupted.
    async fn finish(
        &mut self,
        call: &CallCx,
        until: Option<i64>,
    ) -> Result<Result<u64, Errno>, Outcome> {
        let file = self.file.clone();
        let own = file.deadline(&call.task, false);
        let deadline = match (own, until) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let events = Events::IN | Events::RDNORM;
        match block_on_file(&call.task, &file.0, events, deadline, || self.step(call)).await {
            Ok(()) => Ok(self.deliver(call)),
            Err(BlockError::Failed(e)) => Ok(Err(e)),
            Err(BlockError::Wait(_)) if self.got.bytes > 0 => Ok(self.deliver(call)),
            Err(BlockError::Wait(Blocked::TimedOut)) => Ok(Err(Errno::EAGAIN)),
            Err(BlockError::Wait(Blocked::Interrupted)) => Err(interrupted(own.is_some())),
        }
    }

    fn run(mut self, call: CallCx) -> Outcome {
        if let Some(r) = self.try_now(&call) {
            return r.into();
        }
        Outcome::Block(Box::pin(async move {
            self.finish(&call, None).await.map_or_else(|o| o, Outcome::from)
        }))
    }
}

/// recvfrom(2).
pub(crate) fn sys_recvfrom(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let to = buffers::single(cx, a[1], a[2])?;
        let file = SocketFile::get(cx, a[0])?;
        let place = Place::Plain { at: a[4], len_at: a[5] };
        let r = Receiving { file, to, place, flags: a[3] as u32, got: Received::default() };
        Ok(r.run(CallCx::new(cx)))
    })())
}

/// recvmsg(2).
pub(crate) fn sys_recvmsg(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let file = SocketFile::get(cx, a[0])?;
        let r = Receiving::from_header(cx, &file, a[1], a[2] as u32)?;
        Ok(r.run(CallCx::new(cx)))
    })())
}

/// Messages of one recvmmsg(2), as far as their headers could be read.
struct Many {
    messages: alloc::vec::IntoIter<Receiving>,
    next: Option<Receiving>,
    /// What was wrong with the first that could not.
    broken: Option<Errno>,
    at: u64,
    done: u64,
    for_one: bool,
    until: Option<i64>,
}

impl Many {
    fn result(&self, e: Option<Errno>) -> Result<u64, Errno> {
        match e.or(self.broken) {
            Some(e) if self.done == 0 => Err(e),
            _ => Ok(self.done),
        }
    }

    fn received(&mut self, call: &CallCx, n: u64) -> Result<(), Errno> {
        call.mm.write_obj(Addr(self.at.wrapping_add(MMSG_LEN_AT)), &(n as u32))?;
        self.at = self.at.wrapping_add(MMSG_SIZE);
        self.done += 1;
        self.next = self.messages.next();
        if self.for_one
            && let Some(next) = self.next.as_mut()
        {
            next.flags |= MSG_DONTWAIT;
        }
        let now = || call.task.kernel().now(ClockId::Monotonic);
        if self.until.is_some_and(|t| now() >= t) {
            self.next = None;
        }
        Ok(())
    }

    /// Receives what is there; `None` when it has to wait.
    fn try_now(&mut self, call: &CallCx) -> Option<Result<u64, Errno>> {
        while let Some(r) = self.next.as_mut() {
            let r = r.try_now(call)?;
            if let Err(e) = r.and_then(|n| self.received(call, n)) {
                return Some(self.result(Some(e)));
            }
        }
        Some(self.result(None))
    }
}

/// recvmmsg(2). The timeout also ends a wait for the first message, where Linux would go on.
pub(crate) fn sys_recvmmsg(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let span = read_timespec(&**cx.mm(), a[4])?;
        let until = span.map(|s| cx.kernel().now(ClockId::Monotonic).saturating_add(s));
        let file = SocketFile::get(cx, a[0])?;
        let flags = a[3] as u32;
        let (mut messages, mut broken) = (Vec::new(), None);
        for i in 0..(a[2] as u32 as u64).min(MANY) {
            let at = a[1].wrapping_add(i * MMSG_SIZE);
            match Receiving::from_header(cx, &file, at, flags & !MSG_WAITFORONE) {
                Ok(r) => messages.push(r),
                Err(e) => {
                    broken = Some(e);
                    break;
                }
            }
        }
        let mut messages = messages.into_iter();
        let next = messages.next();
        let for_one = flags & MSG_WAITFORONE != 0;
        let mut many = Many { messages, next, broken, at: a[1], done: 0, for_one, until };
        let call = CallCx::new(cx);
        if let Some(r) = many.try_now(&call) {
            return Ok(r.into());
        }
        Ok(Outcome::Block(Box::pin(async move {
            loop {
                let Some(r) = many.next.as_mut() else { return many.result(None).into() };
                match r.finish(&call, many.until).await {
                    Ok(r) => {
                        if let Err(e) = r.and_then(|n| many.received(&call, n)) {
                            return many.result(Some(e)).into();
                        }
                    }
                    Err(_) if many.done > 0 => return Ok(many.done).into(),
                    Err(o) => return o,
                }
                if let Some(r) = many.try_now(&call) {
                    return r.into();
                }
            }
        })))
    })())
}
