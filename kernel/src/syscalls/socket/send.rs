//! sendto(2), sendmsg(2), sendmmsg(2), and write(2) to a socket.

use super::message::{self, MANY, MMSG_LEN_AT, MMSG_SIZE};
use super::{CallCx, SocketFile, address, control, interrupted};
use crate::block::{BlockError, Blocked, block_on_file};
use crate::syscalls::fs::buffers::{self, Ranges};
use crate::syscalls::fs::flat;
use crate::{Args, Outcome, Resource, TaskCx};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, IoSrc, UserIo, UserMemoryExt};
use sync::waitq::Events;
use syserr::Errno;
use vfs::File;
use vfs::cap;
use vfs::socket::{PacketOptions, SendInfo, Socket, Ucred};

const MSG_OOB: u32 = 1;
const MSG_DONTWAIT: u32 = 0x40;
const MSG_MORE: u32 = 0x8000;
const MSG_NOSIGNAL: u32 = 0x4000;

/// One message on its way.
struct Sending {
    file: SocketFile,
    from: Ranges,
    to: Option<Vec<u8>>,
    files: Vec<Arc<File>>,
    creds: Ucred,
    explicit_creds: bool,
    packet: PacketOptions,
    limit: u64,
    flags: u32,
    done: usize,
}

impl Sending {
    fn new(cx: &TaskCx, file: SocketFile, from: Ranges, flags: u32) -> Sending {
        let c = cx.task.creds();
        let privileged = c.has(cap::SYS_RESOURCE) || c.has(cap::SYS_ADMIN);
        let limit = if privileged { u64::MAX } else { cx.task.limit(Resource::Nofile).0 };
        let creds = Ucred { pid: cx.task.tgid(), uid: c.uid, gid: c.gid };
        Sending {
            file,
            from,
            to: None,
            files: Vec::new(),
            creds,
            explicit_creds: false,
            packet: PacketOptions::default(),
            limit,
            flags,
            done: 0,
        }
    }

    /// From a header; sendmsg(2).
    fn from_header(cx: &TaskCx, file: &SocketFile, at: u64, flags: u32) -> Result<Sending, Errno> {
        let (h, from) = message::read(cx, at)?;
        let mut s = Sending::new(cx, file.clone(), from, flags);
        if h.name != 0 && h.name_len > 0 {
            s.to = Some(address::read(&**cx.mm(), h.name, h.name_len)?);
        }
        let sent = control::read(cx, file.socket()?, h.control, h.control_len)?;
        s.explicit_creds = sent.creds.is_some();
        s.creds = sent.creds.unwrap_or(s.creds);
        s.files = sent.files;
        s.packet = sent.packet;
        Ok(s)
    }

    /// Goes on where the last try stopped; `EAGAIN` when there is more to do.
    fn step(&mut self, call: &CallCx) -> Result<usize, Errno> {
        let file = self.file.clone();
        let socket = file.socket()?;
        loop {
            let mut io = UserIo::from_ranges(&*call.mm, self.from.iter().copied());
            io.skip(self.done as u64);
            let left = io.remaining();
            let mut info = SendInfo {
                to: self.to.as_deref(),
                creds: self.creds,
                explicit_creds: self.explicit_creds,
                files: core::mem::take(&mut self.files),
                limit: self.limit,
                packet: self.packet,
                oob: self.flags & MSG_OOB != 0,
                more: self.flags & MSG_MORE != 0,
                who: Some(call.who()),
            };
            let r = socket.send(&mut io, &mut info);
            self.files = info.files;
            match r {
                Ok(n) => {
                    self.done += n;
                    if n as u64 >= left || socket.has_messages() {
                        return Ok(self.done);
                    }
                }
                Err(Errno::EAGAIN) => return Err(Errno::EAGAIN),
                Err(e) if self.done == 0 => return Err(e),
                Err(e) => {
                    socket.keep_error(e);
                    return Ok(self.done);
                }
            }
        }
    }

    fn nonblocking(&self) -> bool {
        self.flags & MSG_DONTWAIT != 0 || self.file.0.nonblocking()
    }

    /// The first try; `None` when it has to wait.
    fn try_now(&mut self, call: &CallCx) -> Option<Result<u64, Errno>> {
        match self.step(call) {
            Err(Errno::EAGAIN) if !self.nonblocking() => None,
            r => Some(self.ended(call, r)),
        }
    }

    fn ended(&self, call: &CallCx, r: Result<usize, Errno>) -> Result<u64, Errno> {
        match r {
            Err(Errno::EAGAIN) if self.done > 0 => Ok(self.done as u64),
            Err(Errno::EPIPE) => {
                let signals = self.file.socket().is_ok_and(Socket::signals_broken_pipe);
                if signals && self.flags & MSG_NOSIGNAL == 0 {
                    call.task.broken_pipe();
                }
                Err(Errno::EPIPE)
            }
            r => r.map(|n| n as u64),
        }
    }

    /// Waits until it is sent; `Err` when the wait was interrupted.
    async fn finish(&mut self, call: &CallCx) -> Result<Result<u64, Errno>, Outcome> {
        let file = self.file.clone();
        let deadline = file.deadline(&call.task, true);
        let events = Events::OUT | Events::WRNORM;
        match block_on_file(&call.task, &file.0, events, deadline, || self.step(call)).await {
            Ok(n) => Ok(Ok(n as u64)),
            Err(BlockError::Failed(e)) => Ok(self.ended(call, Err(e))),
            Err(BlockError::Wait(_)) if self.done > 0 => Ok(Ok(self.done as u64)),
            Err(BlockError::Wait(Blocked::TimedOut)) => Ok(Err(Errno::EAGAIN)),
            Err(BlockError::Wait(Blocked::Interrupted)) => Err(interrupted(deadline.is_some())),
        }
    }

    /// Sends, at once or in the background.
    fn run(mut self, call: CallCx) -> Outcome {
        if let Some(r) = self.try_now(&call) {
            return r.into();
        }
        Outcome::Block(Box::pin(async move {
            self.finish(&call).await.map_or_else(|o| o, Outcome::from)
        }))
    }
}

/// write(2) to a socket; `None` when the file is none.
pub(crate) fn write(
    cx: &TaskCx,
    file: &Arc<File>,
    from: &Ranges,
    nonblock: bool,
) -> Option<Outcome> {
    file.downcast::<Socket>()?;
    let flags = if nonblock { MSG_DONTWAIT } else { 0 };
    let s = Sending::new(cx, SocketFile(file.clone()), from.clone(), flags);
    Some(s.run(CallCx::new(cx)))
}

/// sendto(2).
pub(crate) fn sys_sendto(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let from = buffers::single(cx, a[1], a[2])?;
        let file = SocketFile::get(cx, a[0])?;
        let mut s = Sending::new(cx, file, from, a[3] as u32);
        if a[4] != 0 {
            s.to = Some(address::read(&**cx.mm(), a[4], a[5] as i32)?).filter(|to| !to.is_empty());
        }
        Ok(s.run(CallCx::new(cx)))
    })())
}

/// sendmsg(2).
pub(crate) fn sys_sendmsg(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let file = SocketFile::get(cx, a[0])?;
        let s = Sending::from_header(cx, &file, a[1], a[2] as u32)?;
        Ok(s.run(CallCx::new(cx)))
    })())
}

/// Messages of one sendmmsg(2), as far as they could be read.
struct Many {
    messages: alloc::vec::IntoIter<Sending>,
    next: Option<Sending>,
    /// What was wrong with the first that could not.
    broken: Option<Errno>,
    at: u64,
    done: u64,
}

impl Many {
    fn result(&self, e: Option<Errno>) -> Result<u64, Errno> {
        match e.or(self.broken) {
            Some(e) if self.done == 0 => Err(e),
            _ => Ok(self.done),
        }
    }

    fn sent(&mut self, call: &CallCx, n: u64) -> Result<(), Errno> {
        call.mm.write_obj(Addr(self.at.wrapping_add(MMSG_LEN_AT)), &(n as u32))?;
        self.at = self.at.wrapping_add(MMSG_SIZE);
        self.done += 1;
        self.next = self.messages.next();
        Ok(())
    }

    /// Sends what can be sent at once; `None` when it has to wait.
    fn try_now(&mut self, call: &CallCx) -> Option<Result<u64, Errno>> {
        while let Some(s) = self.next.as_mut() {
            let r = s.try_now(call)?;
            if let Err(e) = r.and_then(|n| self.sent(call, n)) {
                return Some(self.result(Some(e)));
            }
        }
        Some(self.result(None))
    }
}

/// sendmmsg(2).
pub(crate) fn sys_sendmmsg(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let file = SocketFile::get(cx, a[0])?;
        let (mut messages, mut broken) = (Vec::new(), None);
        for i in 0..(a[2] as u32 as u64).min(MANY) {
            let at = a[1].wrapping_add(i * MMSG_SIZE);
            match Sending::from_header(cx, &file, at, a[3] as u32) {
                Ok(s) => messages.push(s),
                Err(e) => {
                    broken = Some(e);
                    break;
                }
            }
        }
        let mut messages = messages.into_iter();
        let next = messages.next();
        let mut many = Many { messages, next, broken, at: a[1], done: 0 };
        let call = CallCx::new(cx);
        if let Some(r) = many.try_now(&call) {
            return Ok(r.into());
        }
        Ok(Outcome::Block(Box::pin(async move {
            loop {
                let Some(s) = many.next.as_mut() else { return many.result(None).into() };
                match s.finish(&call).await {
                    Ok(r) => {
                        if let Err(e) = r.and_then(|n| many.sent(&call, n)) {
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
