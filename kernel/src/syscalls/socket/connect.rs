//! connect(2) and accept(2).

use super::create::{accept_flags, describe};
use super::landlock::may_use_port;
use super::{CallCx, SocketFile, address, interrupted};
use crate::block::{BlockError, Blocked, block_on_file};
use crate::syscalls::fs::flat;
use crate::{Args, Outcome, Resource, Task, TaskCx};
use alloc::boxed::Box;
use alloc::sync::Arc;
use mm::MemoryManager;
use sync::waitq::Events;
use syserr::Errno;
use vfs::OpenFlags;
use vfs::landlock::PortAccess;
use vfs::socket::Socket;

/// connect(2).
pub(crate) fn sys_connect(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat(connect(cx, a))
}

fn connect(cx: &TaskCx, a: &Args) -> Result<Outcome, Errno> {
    let f = cx.task.files().get_open(a[0] as i32)?;
    let to = address::read(&**cx.mm(), a[1], a[2] as i32)?;
    let f = SocketFile::new(f)?;
    may_use_port(cx, f.socket()?, &to, PortAccess::CONNECT_TCP)?;
    let call = CallCx::new(cx);
    let wait = !f.0.nonblocking();
    match f.socket()?.connect(&call.who(), &to, wait) {
        Err(Errno::EAGAIN) if wait => {}
        r => return Ok(r.map(|()| 0).into()),
    }
    let deadline = f.deadline(&cx.task, true);
    Ok(Outcome::Block(Box::pin(async move {
        let background = f.socket().is_ok_and(Socket::connects_in_background);
        let again = || {
            let s = f.socket()?;
            if background { s.connect_result() } else { s.connect(&call.who(), &to, true) }
        };
        let events = Events::OUT | Events::WRNORM;
        match block_on_file(&call.task, &f.0, events, deadline, again).await {
            Ok(()) => Ok(0).into(),
            Err(BlockError::Failed(e)) => e.into(),
            Err(BlockError::Wait(Blocked::TimedOut)) if background => Errno::EINPROGRESS.into(),
            Err(BlockError::Wait(Blocked::TimedOut)) => Errno::EAGAIN.into(),
            Err(BlockError::Wait(Blocked::Interrupted)) => interrupted(deadline.is_some()),
        }
    })))
}

/// accept(2).
pub(crate) fn sys_accept(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat(accept(cx, a, OpenFlags::empty()))
}

/// accept4(2).
pub(crate) fn sys_accept4(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat(accept_flags(a[3]).and_then(|flags| accept(cx, a, flags)))
}

fn accept(cx: &TaskCx, a: &Args, flags: OpenFlags) -> Result<Outcome, Errno> {
    let f = SocketFile::get(cx, a[0])?;
    let call = CallCx::new(cx);
    let (at, len_at) = (a[1], a[2]);
    let wait = !f.0.nonblocking();
    // Without a descriptor the connection stays in the queue.
    let task = cx.task.clone();
    let room = move || task.files().check_room(task.limit(Resource::Nofile).0);
    room()?;
    match f.socket()?.accept(&call.who(), wait) {
        Err(Errno::EAGAIN) if wait => {}
        r => return Ok(accepted(&cx.task, cx.mm(), r?, flags, at, len_at).into()),
    }
    let deadline = f.deadline(&cx.task, false);
    Ok(Outcome::Block(Box::pin(async move {
        let again = || {
            room()?;
            f.socket()?.accept(&call.who(), true)
        };
        let events = Events::IN | Events::RDNORM;
        match block_on_file(&call.task, &f.0, events, deadline, again).await {
            Ok(s) => accepted(&call.task, &call.mm, s, flags, at, len_at).into(),
            Err(BlockError::Failed(e)) => e.into(),
            Err(BlockError::Wait(Blocked::TimedOut)) => Errno::EAGAIN.into(),
            Err(BlockError::Wait(Blocked::Interrupted)) => interrupted(deadline.is_some()),
        }
    })))
}

/// Gives a connection its descriptor, and the caller the address it comes from.
fn accepted(
    task: &Arc<Task>,
    mm: &Arc<MemoryManager>,
    socket: Socket,
    flags: OpenFlags,
    at: u64,
    len_at: u64,
) -> Result<u64, Errno> {
    if at != 0 {
        let from = socket.peer_address().map_err(|_| Errno::ECONNABORTED)?;
        address::write(&**mm, &from, at, len_at)?;
    }
    let limit = task.limit(Resource::Nofile).0;
    let cloexec = flags.contains(OpenFlags::CLOEXEC);
    let fd = task.files().install(describe(socket, flags), 0, limit, cloexec)?;
    Ok(fd as u64)
}
