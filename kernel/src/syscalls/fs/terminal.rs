//! What system calls do differently with terminals: job control, where it ends in signals
//! (`__tty_check_change`), reads that wait for `VMIN` and `VTIME`, and the other side of a pair.

use super::descriptors::install;
use super::walk::{Walk, vfs};
use crate::block::{BlockError, Blocked, block_on_file};
use crate::signal::{SIGTTIN, SIGTTOU};
use crate::{Args, ClockId, Outcome, Task, TaskCx};
use alloc::sync::Arc;
use sync::waitq::Events;
use syserr::{Errno, Restart};
use vfs::tty::{Patience, TtyFile};
use vfs::{File, Nanos, OpenFlags, cap};

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

/// How long a read of a file waits, as far as terminals go.
pub(super) fn patience(file: &File) -> Patience {
    file.downcast::<TtyFile>().map_or(Patience::Endless, TtyFile::patience)
}

/// Reads a terminal until there is enough, or until nothing came for `span` after the last byte.
pub(super) async fn read_paced(
    task: Arc<Task>,
    file: Arc<File>,
    span: Nanos,
    mut read: impl FnMut(&TtyFile, bool) -> Result<usize, Errno>,
) -> Outcome {
    let Some(tty) = file.downcast::<TtyFile>() else { return Errno::ENOTTY.into() };
    loop {
        let typed = tty.typed();
        let now = task.kernel().now(ClockId::Monotonic);
        let until = (typed > 0).then(|| now.saturating_add(span));
        // The clock starts anew with each byte.
        let more = || match read(tty, false) {
            Err(Errno::EAGAIN) if tty.typed() != typed => Ok(None),
            r => r.map(Some),
        };
        match block_on_file(&task, &file, Events::IN | Events::RDNORM, until, more).await {
            Ok(None) => {}
            Ok(Some(n)) => return Ok(n as u64).into(),
            Err(BlockError::Wait(Blocked::TimedOut)) => {
                return read(tty, true).map(|n| n as u64).into();
            }
            Err(BlockError::Wait(Blocked::Interrupted)) if tty.typed() > 0 => {
                return read(tty, true).map(|n| n as u64).into();
            }
            Err(e) => return e.into_outcome(),
        }
    }
}

/// `TIOCGPTPEER`: opens a terminal's other side (ioctl_tty(2)).
pub(crate) fn open_peer(cx: &TaskCx, file: &File, flags: u64) -> Result<Outcome, Errno> {
    let flags = super::open::classic(cx, flags, 0).flags;
    let peer = vfs(cx).open_terminal_peer(&Walk::new(cx).cx(), file, flags)?;
    opened(&peer, flags);
    install(cx, peer, flags.contains(OpenFlags::CLOEXEC)).map(|fd| Ok(fd).into())
}

/// Tells the operations of a file that was just opened its status flags.
pub(super) fn opened(file: &File, flags: OpenFlags) {
    if file.downcast::<TtyFile>().is_some() {
        file.ops().flags_changed(flags);
    }
}

/// vhangup(2).
pub(crate) fn sys_vhangup(cx: &mut TaskCx, _: &Args) -> Outcome {
    if !cx.task.creds().has(cap::SYS_TTY_CONFIG) {
        return Errno::EPERM.into();
    }
    cx.kernel().hang_up(cx.task.group_ref().sid());
    Outcome::Done(Ok(0))
}
