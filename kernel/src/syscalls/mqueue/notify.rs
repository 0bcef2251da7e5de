//! Being told of the first message; mq_notify(2).

use super::find;
use crate::signal::{SI_MESGQ, SIGNAL_COUNT, Sender, SigInfo, Target};
use crate::{Args, Kernel, Outcome, Task, TaskCx};
use alloc::sync::{Arc, Weak};
use arch::{Addr, UserMemoryExt};
use syserr::Errno;
use vfs::File;
use vfs::locks::LockOwner;
use vfs::socket::Socket;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

const SIGEV_SIGNAL: i32 = 0;
const SIGEV_NONE: i32 = 1;
const SIGEV_THREAD: i32 = 2;
/// What the C library's thread reads from its socket (`NOTIFY_COOKIE_LEN`).
const COOKIE_LEN: usize = 32;
/// The cookie's last byte: a message has come (`NOTIFY_WOKENUP`), or none will be told
/// (`NOTIFY_REMOVED`).
const WOKEN: u8 = 1;
const REMOVED: u8 = 2;

/// `struct sigevent`, as far as it is read here.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct SigEvent {
    value: u64,
    signo: i32,
    notify: i32,
    rest: [u64; 6],
}
static_assertions::assert_eq_size!(SigEvent, [u8; 64]);

enum How {
    Nothing,
    Signal(u32, u64),
    /// A netlink socket, and what to write to it (`SIGEV_THREAD`).
    Socket(Arc<File>, [u8; COOKIE_LEN]),
}

/// A registration.
pub(super) struct Notice {
    /// Closing any descriptor of the queue in this table takes it back.
    pub(super) owner: LockOwner,
    tgid: i32,
    /// What that is in the namespace of who is told, which is most likely that of who reads it.
    number: i32,
    how: How,
    kernel: Weak<Kernel>,
}

impl Notice {
    /// `sigev_notify`, the signal and the process, as reading the queue shows them.
    pub(super) fn shown(&self) -> (i32, u32, i32) {
        match self.how {
            How::Nothing => (SIGEV_NONE, 0, self.number),
            How::Signal(signo, _) => (SIGEV_SIGNAL, signo, self.number),
            How::Socket(..) => (SIGEV_THREAD, 0, self.number),
        }
    }

    /// Tells that a message of `sender` came.
    pub(super) fn deliver(self, sender: &Task) {
        match self.how {
            How::Signal(signo, value) if signo != 0 => {
                if let Some(k) = self.kernel.upgrade() {
                    let told = k.process(self.tgid);
                    let pid = told.map_or(0, |g| g.pid_ns().number_of(sender.tgid()));
                    let info = SigInfo::queue(signo, SI_MESGQ, pid, sender.creds().uid, value);
                    // A process that has ended, or has too many signals queued, hears nothing.
                    let to = Target::Process(self.tgid);
                    let _ = k.send(Sender::Kernel, to, signo, Some(info));
                }
            }
            How::Socket(file, cookie) => answer(&file, cookie, WOKEN),
            How::Nothing | How::Signal(..) => {}
        }
    }

    /// Tells that nothing will be told.
    pub(super) fn removed(self) {
        if let How::Socket(file, cookie) = self.how {
            answer(&file, cookie, REMOVED);
        }
    }
}

fn answer(file: &File, mut cookie: [u8; COOKIE_LEN], what: u8) {
    let [.., last] = &mut cookie;
    *last = what;
    if let Some(s) = file.downcast::<Socket>() {
        s.give_from_kernel(&cookie);
    }
}

/// mq_notify(2).
pub(crate) fn sys_mq_notify(cx: &mut TaskCx, a: &Args) -> Outcome {
    notify(cx, a).map(|()| 0).into()
}

fn notify(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    let how = match a[1] {
        0 => None,
        at => Some(how(cx, cx.mm().read_obj(Addr(at))?)?),
    };
    let (_, queue) = find(cx, a[0])?;
    let tgid = cx.task.tgid();
    let Some(how) = how else {
        queue.unregister(|n| n.tgid == tgid);
        return Ok(());
    };
    let (owner, kernel) = (cx.task.files().lock_owner(), Arc::downgrade(cx.kernel()));
    let number = cx.task.group_ref().number();
    queue.register(Notice { owner, tgid, number, how, kernel })
}

fn how(cx: &TaskCx, e: SigEvent) -> Result<How, Errno> {
    match e.notify {
        SIGEV_NONE => Ok(How::Nothing),
        SIGEV_SIGNAL if (0..=SIGNAL_COUNT as i32).contains(&e.signo) => {
            Ok(How::Signal(e.signo as u32, e.value))
        }
        SIGEV_THREAD => {
            let cookie: [u8; COOKIE_LEN] = cx.mm().read_obj(Addr(e.value))?;
            let file = cx.task.files().get_open(e.signo)?;
            let socket = file.downcast::<Socket>().ok_or(Errno::ENOTSOCK)?;
            if !socket.is_netlink() {
                return Err(Errno::EINVAL);
            }
            Ok(How::Socket(file, cookie))
        }
        _ => Err(Errno::EINVAL),
    }
}
