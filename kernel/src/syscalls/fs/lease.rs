//! `F_SETLEASE` and `F_GETLEASE` of fcntl(2), and waiting for leases of others.

use super::sigio::{MessageTeller, own};
use crate::block::{BlockError, Blocked, wait_on};
use crate::{ClockId, Task, TaskCx};
use alloc::sync::Arc;
use sync::waitq::Events;
use syserr::Errno;
use vfs::locks::LockKind;
use vfs::{File, FileOwner, cap};

const F_RDLCK: i32 = 0;
const F_WRLCK: i32 = 1;
const F_UNLCK: i32 = 2;

/// `F_GETLEASE`.
pub(super) fn get(cx: &TaskCx, file: &File) -> u64 {
    let now = cx.kernel().now(ClockId::Monotonic);
    let lease = file.existing_locks().and_then(|l| l.lease(file.lock_owner(), now));
    let kind = match lease {
        Some(LockKind::Read) => F_RDLCK,
        Some(LockKind::Write) => F_WRLCK,
        None => F_UNLCK,
    };
    kind as u64
}

/// `F_SETLEASE`.
pub(super) fn set(cx: &TaskCx, file: &Arc<File>, fd: i32, kind: i32) -> Result<u64, Errno> {
    let kind = match kind {
        F_RDLCK => Some(LockKind::Read),
        F_WRLCK => Some(LockKind::Write),
        F_UNLCK => None,
        _ => return Err(Errno::EINVAL),
    };
    let creds = cx.task.creds();
    if file.stat()?.uid != creds.fsuid && !creds.has(cap::LEASE) {
        return Err(Errno::EACCES);
    }
    if !file.is_regular() {
        return Err(Errno::EINVAL);
    }
    let Some(kind) = kind else {
        file.locks().end_lease(file.lock_owner())?;
        file.set_owner(FileOwner::default());
        return Ok(0);
    };
    let teller = Arc::new(MessageTeller::new(cx, file, fd));
    let (owner, now) = (file.lock_owner(), cx.kernel().now(ClockId::Monotonic));
    let counts = || file.open_counts();
    if file.locks().set_lease(owner, cx.task.tgid(), kind, counts, now, teller)? {
        own(cx, file);
    }
    Ok(0)
}

/// Waits until nobody's lease is in the way any more, and opens `file` in full.
///
/// # Errors
/// [`BlockError`].
pub(super) async fn finish_open(task: &Arc<Task>, file: &Arc<File>) -> Result<(), BlockError> {
    let (kernel, locks) = (task.kernel(), file.locks());
    let write = file.flags().writable();
    while let Err(end) = kernel.vfs().break_leases(file, write) {
        let broken = || kernel.vfs().break_leases(file, write).ok();
        match task.block(Some(end), wait_on(locks.queue(), Events::OUT, broken)).await {
            Ok(()) | Err(Blocked::TimedOut) => {}
            Err(e) => return Err(BlockError::Wait(e)),
        }
    }
    kernel.vfs().finish_open(&task.creds(), file).map_err(BlockError::Failed)
}
