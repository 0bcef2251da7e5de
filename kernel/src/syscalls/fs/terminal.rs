//! Job control of terminals, where it ends in signals (`__tty_check_change`).

use crate::signal::{SIGTTIN, SIGTTOU};
use crate::{ClockId, Outcome, TaskCx};
use syserr::{Errno, Restart};
use vfs::tty::TtyFile;
use vfs::{File, OpenFlags};

/// Stops a process in the background of its terminal, or tells why it cannot be.
fn check(cx: &TaskCx, tty: &TtyFile, signo: u32) -> Result<(), Outcome> {
    let group = cx.task.group_ref();
    if !tty.is_background(group.sid(), group.pgid()) {
        return Ok(());
    }
    if cx.task.blocked().contains(signo) || group.handlers().ignores(signo) {
        return if signo == SIGTTIN { Err(Errno::EIO.into()) } else { Ok(()) };
    }
    if cx.kernel().is_orphaned_group(group.pgid()) {
        return Err(Errno::EIO.into());
    }
    cx.kernel().signal_group(group.pgid(), signo);
    Err(Outcome::Restart(Restart::Sys))
}

/// Whether the caller may read a file now, as far as terminals go.
pub(super) fn may_read(cx: &TaskCx, file: &File) -> Result<(), Outcome> {
    match file.downcast::<TtyFile>() {
        Some(tty) => check(cx, tty, SIGTTIN),
        None => Ok(()),
    }
}

/// Whether the caller may write a file now.
pub(super) fn may_write(cx: &TaskCx, file: &File) -> Result<(), Outcome> {
    match file.downcast::<TtyFile>() {
        Some(tty) if tty.stops_writers() => check(cx, tty, SIGTTOU),
        _ => Ok(()),
    }
}

/// Whether the caller may do this ioctl(2) now.
pub(crate) fn may_control(cx: &TaskCx, file: &File, cmd: u32) -> Result<(), Outcome> {
    match file.downcast::<TtyFile>() {
        Some(tty) if tty.changes_terminal(cmd) => check(cx, tty, SIGTTOU),
        _ => Ok(()),
    }
}

/// When a read of a terminal ends without a byte (`VTIME`).
pub(super) fn read_deadline(cx: &TaskCx, file: &File) -> Option<i64> {
    let span = file.downcast::<TtyFile>()?.read_timeout()?;
    Some(cx.kernel().now(ClockId::Monotonic).saturating_add(span))
}

/// Tells the operations of a file that was just opened its status flags.
pub(super) fn opened(file: &File, flags: OpenFlags) {
    if file.downcast::<TtyFile>().is_some() {
        file.ops().flags_changed(flags);
    }
}
