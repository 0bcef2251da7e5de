//! The file by which a listener hears of system calls; seccomp_unotify(2).

use super::notify::{Addition, Answer, Notifier};
use crate::block::{Blocked, wait_on};
use crate::syscalls::misc::check_zeros;
use crate::task::TaskCx;
use crate::{Outcome, Task};
use alloc::boxed::Box;
use alloc::sync::Arc;
use arch::{Addr, PAGE_SIZE, UserMemoryExt};
use core::any::Any;
use sync::waitq::{Events, Queue};
use syserr::{Errno, Restart};
use vfs::{Caller, File, FileOps, OpenFlags, Stat};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct seccomp_notif`.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct RawNotification {
    id: u64,
    pid: u32,
    flags: u32,
    data: [u32; 16],
}
static_assertions::const_assert_eq!(size_of::<RawNotification>(), 80);

/// `struct seccomp_notif_resp`.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct RawAnswer {
    id: u64,
    val: i64,
    error: i32,
    flags: u32,
}
static_assertions::const_assert_eq!(size_of::<RawAnswer>(), 24);

/// `struct seccomp_notif_addfd`.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct RawAddition {
    id: u64,
    flags: u32,
    srcfd: u32,
    newfd: u32,
    newfd_flags: u32,
}
static_assertions::const_assert_eq!(size_of::<RawAddition>(), 24);

/// Sizes of request, answer and data (`struct seccomp_notif_sizes`).
pub(crate) const SIZES: [u16; 3] = [
    size_of::<RawNotification>() as u16,
    size_of::<RawAnswer>() as u16,
    super::data::DATA_SIZE as u16,
];

/// `SECCOMP_IOCTL_NOTIF_*`.
mod cmd {
    /// What all have in their second byte.
    pub(super) const KIND: u32 = b'!' as u32;
    pub(super) const RECV: u32 = 0xc050_2100;
    pub(super) const SEND: u32 = 0xc018_2101;
    pub(super) const ID_VALID: u32 = 0x4008_2102;
    pub(super) const ID_VALID_WRONG_DIR: u32 = 0x8008_2102;
    /// Without direction and size.
    pub(super) const ADDFD: u32 = 0x2103;
    pub(super) const SET_FLAGS: u32 = 0x4008_2104;
    pub(super) const BARE: u32 = 0xffff;
    pub(super) const SIZE_SHIFT: u32 = 16;
    pub(super) const SIZE_MASK: u32 = 0x3fff;
}

/// The only file of a listener; when it closes, nobody is asked any more.
pub(crate) struct Listener {
    notifier: Arc<Notifier>,
    inode: u64,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.notifier.close();
    }
}

impl FileOps for Listener {
    fn readiness(&self) -> Events {
        self.notifier.readiness()
    }

    fn queue(&self) -> Option<&Queue> {
        Some(&self.notifier.queue)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(Stat { ino: self.inode, nlink: 1, mode: 0o600, blksize: 4096, ..Stat::default() })
    }

    fn ioctl(&self, _: &dyn Caller, _: u32, _: Addr) -> Result<u64, Errno> {
        Err(Errno::EINVAL)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A description for the listener of `notifier`.
pub(crate) fn open(task: &Task, notifier: &Arc<Notifier>) -> Arc<File> {
    let inode = task.kernel().vfs().env().new_inode_number();
    let ops = Listener { notifier: notifier.clone(), inode };
    File::anonymous(Arc::new(ops), OpenFlags::RDWR, "seccomp notify")
}

/// ioctl(2) of a listener; `None` for other files and commands.
pub(crate) fn ioctl(cx: &TaskCx, file: &Arc<File>, cmd: u32, arg: u64) -> Option<Outcome> {
    if cmd >> 8 & 0xff != cmd::KIND {
        return None;
    }
    let l = file.downcast::<Listener>()?;
    Some(match cmd {
        cmd::RECV => receive(cx, file, arg),
        cmd::SEND => answer(cx, l, arg).into(),
        cmd::ID_VALID | cmd::ID_VALID_WRONG_DIR => is_valid(cx, l, arg).into(),
        // SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP: where the two run is the executor's choice.
        cmd::SET_FLAGS => if arg & !1 == 0 { Ok(0) } else { Err(Errno::EINVAL) }.into(),
        _ if cmd & cmd::BARE == cmd::ADDFD => {
            let size = cmd >> cmd::SIZE_SHIFT & cmd::SIZE_MASK;
            add(cx, file, arg, size.into()).unwrap_or_else(Outcome::from)
        }
        _ => Errno::EINVAL.into(),
    })
}

fn interrupted() -> Outcome {
    Outcome::Restart(Restart::Sys)
}

fn receive(cx: &TaskCx, file: &Arc<File>, arg: u64) -> Outcome {
    match check_zeros(cx, arg, 0, size_of::<RawNotification>() as u64) {
        Err(Errno::E2BIG) => return Errno::EINVAL.into(),
        Err(e) => return e.into(),
        Ok(()) => {}
    }
    let (task, mm, file) = (cx.task.clone(), cx.mm().clone(), file.clone());
    Outcome::Block(Box::pin(async move {
        let Some(Listener { notifier, .. }) = file.downcast() else { return Errno::EBADF.into() };
        let mask = Events::IN | Events::HUP | Events::ERR;
        let got =
            match task.block(None, wait_on(&notifier.queue, mask, || notifier.receive())).await {
                Ok(Ok(got)) => got,
                Ok(Err(e)) => return e.into(),
                Err(Blocked::Interrupted | Blocked::TimedOut) => return interrupted(),
            };
        let pid = task.number_of(got.tid) as u32;
        let raw = RawNotification { id: got.id, pid, flags: 0, data: got.data.words() };
        let put = mm.write_obj(Addr(arg), &raw);
        if put.is_err() {
            notifier.put_back(got.id);
        }
        put.map(|()| 0).into()
    }))
}

fn answer(cx: &TaskCx, l: &Listener, arg: u64) -> Result<u64, Errno> {
    const CONTINUE: u32 = 1;
    let r: RawAnswer = cx.mm().read_obj(Addr(arg))?;
    let answer = match r.flags {
        0 if r.error != 0 => Answer::Result(i64::from(r.error) as u64),
        0 => Answer::Result(r.val as u64),
        CONTINUE if r.error == 0 && r.val == 0 => Answer::Continue,
        _ => return Err(Errno::EINVAL),
    };
    l.notifier.answer(r.id, answer).map(|()| 0)
}

fn is_valid(cx: &TaskCx, l: &Listener, arg: u64) -> Result<u64, Errno> {
    let id = cx.mm().read_obj(Addr(arg))?;
    if l.notifier.is_open(id) { Ok(0) } else { Err(Errno::ENOENT) }
}

fn add(cx: &TaskCx, file: &Arc<File>, arg: u64, size: u64) -> Result<Outcome, Errno> {
    const SETFD: u32 = 1;
    const SEND: u32 = 2;
    if size < size_of::<RawAddition>() as u64 || size >= PAGE_SIZE {
        return Err(Errno::EINVAL);
    }
    check_zeros(cx, arg, size_of::<RawAddition>() as u64, size)?;
    let raw: RawAddition = cx.mm().read_obj(Addr(arg))?;
    let cloexec = OpenFlags::CLOEXEC.bits();
    let set = raw.flags & SETFD != 0;
    if raw.newfd_flags & !cloexec != 0 || raw.flags & !(SETFD | SEND) != 0 || raw.newfd != 0 && !set
    {
        return Err(Errno::EINVAL);
    }
    let source = cx.task.files().get_open(raw.srcfd as i32)?;
    let at = set.then_some(raw.newfd as i32);
    let cloexec = raw.newfd_flags & cloexec != 0;
    let addition = Arc::new(Addition::new(source, at, cloexec, raw.flags & SEND != 0));
    let (task, file) = (cx.task.clone(), file.clone());
    let l = file.downcast::<Listener>().ok_or(Errno::EINVAL)?;
    l.notifier.add(raw.id, &addition)?;
    Ok(Outcome::Block(Box::pin(async move {
        let Some(Listener { notifier, .. }) = file.downcast() else { return Errno::EBADF.into() };
        let result = match task.block(None, addition.wait()).await {
            Ok(result) => Some(result),
            Err(_) => notifier.give_up(raw.id, &addition),
        };
        result.map_or_else(interrupted, |r| r.map(|fd| fd as u64).into())
    })))
}
