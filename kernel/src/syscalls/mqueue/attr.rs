//! `struct mq_attr`; mq_getsetattr(2).

use super::find;
use crate::syscalls::abi::write_if;
use crate::{Args, Outcome, TaskCx};
use arch::{Addr, UserMemoryExt};
use syserr::Errno;
use vfs::OpenFlags;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct mq_attr`.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct MqAttr {
    pub(super) flags: i64,
    pub(super) maxmsg: i64,
    pub(super) msgsize: i64,
    pub(super) curmsgs: i64,
    reserved: [i64; 4],
}
static_assertions::assert_eq_size!(MqAttr, [u8; 64]);

/// mq_getsetattr(2): only `O_NONBLOCK` can be changed.
pub(crate) fn sys_mq_getsetattr(cx: &mut TaskCx, a: &Args) -> Outcome {
    getsetattr(cx, a).map(|()| 0).into()
}

fn getsetattr(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    const NONBLOCK: i64 = OpenFlags::NONBLOCK.bits() as i64;
    let new: Option<MqAttr> = match a[1] {
        0 => None,
        at => Some(cx.mm().read_obj(Addr(at))?),
    };
    if new.is_some_and(|n| n.flags & !NONBLOCK != 0) {
        return Err(Errno::EINVAL);
    }
    let (file, queue) = find(cx, a[0])?;
    let flags = file.flags();
    let old = MqAttr {
        flags: i64::from((flags & OpenFlags::NONBLOCK).bits()),
        maxmsg: queue.shape.maxmsg as i64,
        msgsize: queue.shape.msgsize as i64,
        curmsgs: queue.count() as i64,
        ..MqAttr::default()
    };
    if let Some(n) = new {
        let mut flags = flags;
        flags.set(OpenFlags::NONBLOCK, n.flags & NONBLOCK != 0);
        file.set_flags(flags)?;
    }
    write_if(&**cx.mm(), a[2], &old)
}
