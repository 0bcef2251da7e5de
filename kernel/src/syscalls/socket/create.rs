//! Making and naming sockets: socket(2), socketpair(2), bind(2), listen(2), shutdown(2),
//! getsockname(2), getpeername(2).

use super::landlock::may_use_port;
use super::{CallCx, SocketFile, address};
use crate::syscalls::fs::install;
use crate::{Args, Outcome, TaskCx};
use alloc::sync::Arc;
use arch::{Addr, UserMemoryExt};
use syserr::Errno;
use vfs::landlock::PortAccess;
use vfs::socket::{self, Net, Shut, Socket, Wanted};
use vfs::{File, OpenFlags};

/// `SOCK_NONBLOCK` and `SOCK_CLOEXEC`, which have the numbers of the flags of open(2).
const FLAGS: OpenFlags = OpenFlags::NONBLOCK.union(OpenFlags::CLOEXEC);
/// The bits of a socket type that are the type (`SOCK_TYPE_MASK`).
const TYPE_MASK: u32 = 0xf;

fn wanted(domain: u64, kind: u64, protocol: u64) -> Result<(Wanted, OpenFlags), Errno> {
    let flags = OpenFlags::from_bits_retain(kind as u32 & !TYPE_MASK);
    if !FLAGS.contains(flags) {
        return Err(Errno::EINVAL);
    }
    let kind = (kind as u32 & TYPE_MASK) as i32;
    Ok((socket::choose(domain as i32, kind, protocol as i32)?, flags))
}

/// The description of a new socket.
pub(super) fn describe(socket: Socket, flags: OpenFlags) -> Arc<File> {
    let status = OpenFlags::RDWR | flags & OpenFlags::NONBLOCK;
    File::anonymous(Arc::new(socket), status, "socket")
}

/// Checks `SOCK_NONBLOCK` and `SOCK_CLOEXEC` of accept4(2).
pub(super) fn accept_flags(flags: u64) -> Result<OpenFlags, Errno> {
    let flags = OpenFlags::from_bits_retain(flags as u32);
    if FLAGS.contains(flags) { Ok(flags) } else { Err(Errno::EINVAL) }
}

/// The network of the caller.
fn net(cx: &TaskCx) -> Arc<Net> {
    cx.namespaces().net.clone()
}

/// socket(2).
pub(crate) fn sys_socket(cx: &mut TaskCx, a: &Args) -> Outcome {
    let make = || {
        let (wanted, flags) = wanted(a[0], a[1], a[2])?;
        let call = CallCx::new(cx);
        let s = Socket::new(&net(cx), &call.who(), wanted)?;
        install(cx, describe(s, flags), flags.contains(OpenFlags::CLOEXEC))
    };
    make().into()
}

/// socketpair(2).
pub(crate) fn sys_socketpair(cx: &mut TaskCx, a: &Args) -> Outcome {
    let make = || {
        let (wanted, flags) = wanted(a[0], a[1], a[2])?;
        let call = CallCx::new(cx);
        let (x, y) = Socket::pair(&net(cx), &call.who(), wanted)?;
        let cloexec = flags.contains(OpenFlags::CLOEXEC);
        let files = cx.task.files();
        let first = install(cx, describe(x, flags), cloexec)?;
        let undo = |second: Option<u64>, e| {
            for fd in second.into_iter().chain([first]) {
                let _ = files.close(fd as i32);
            }
            Err(e)
        };
        let second = match install(cx, describe(y, flags), cloexec) {
            Ok(fd) => fd,
            Err(e) => return undo(None, e),
        };
        match cx.mm().write_obj(Addr(a[3]), &[first as i32, second as i32]) {
            Ok(()) => Ok(0),
            Err(e) => undo(Some(second), e),
        }
    };
    make().into()
}

/// bind(2).
pub(crate) fn sys_bind(cx: &mut TaskCx, a: &Args) -> Outcome {
    let bind = || {
        let f = SocketFile::get(cx, a[0])?;
        let name = address::read(&**cx.mm(), a[1], a[2] as i32)?;
        may_use_port(cx, f.socket()?, &name, PortAccess::BIND_TCP)?;
        f.socket()?.bind(&CallCx::new(cx).who(), &name)?;
        Ok(0)
    };
    bind().into()
}

/// listen(2).
pub(crate) fn sys_listen(cx: &mut TaskCx, a: &Args) -> Outcome {
    let listen = || {
        let f = SocketFile::get(cx, a[0])?;
        f.socket()?.listen(&CallCx::new(cx).who(), a[1] as i32)?;
        Ok(0)
    };
    listen().into()
}

/// shutdown(2).
pub(crate) fn sys_shutdown(cx: &mut TaskCx, a: &Args) -> Outcome {
    let shutdown = || {
        let f = SocketFile::get(cx, a[0])?;
        let how = match a[1] as i32 {
            0 => Shut::RECEIVE,
            1 => Shut::SEND,
            2 => Shut::all(),
            _ => return Err(Errno::EINVAL),
        };
        f.socket()?.shutdown(how)?;
        Ok(0)
    };
    shutdown().into()
}

/// getsockname(2).
pub(crate) fn sys_getsockname(cx: &mut TaskCx, a: &Args) -> Outcome {
    let name = || {
        let f = SocketFile::get(cx, a[0])?;
        address::write(&**cx.mm(), &f.socket()?.local_address(), a[1], a[2])?;
        Ok(0)
    };
    name().into()
}

/// getpeername(2).
pub(crate) fn sys_getpeername(cx: &mut TaskCx, a: &Args) -> Outcome {
    let name = || {
        let f = SocketFile::get(cx, a[0])?;
        address::write(&**cx.mm(), &f.socket()?.peer_address()?, a[1], a[2])?;
        Ok(0)
    };
    name().into()
}
