//! poll(2), select(2), epoll(7).

mod epoll;
mod files;

mod select;
mod time;
mod watch;

pub(crate) use epoll::*;
pub(crate) use files::*;
pub(crate) use select::*;

use crate::TaskCx;
use crate::signal::SignalSet;
use arch::{Addr, UserMemoryExt};
use syserr::Errno;

/// Puts a signal mask in place for the length of a call, if there is one (`set_user_sigmask`).
pub(crate) fn set_mask(cx: &TaskCx, at: u64, size: u64) -> Result<(), Errno> {
    if at == 0 {
        return Ok(());
    }
    if size != size_of::<u64>() as u64 {
        return Err(Errno::EINVAL);
    }
    let mask = SignalSet(cx.mm().read_obj(Addr(at))?);
    cx.task.set_temporary_mask(mask.blockable());
    Ok(())
}
