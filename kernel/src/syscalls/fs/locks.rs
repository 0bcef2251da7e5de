//! Record locks and flock(2).

use super::rw::{file, flat};
use super::transfer::interrupted;
use crate::block::wait_on;
use crate::{Args, Outcome, Task, TaskCx};
use alloc::boxed::Box;
use alloc::sync::Arc;
use arch::{Addr, UserMemoryExt};
use sync::waitq::Events;
use syserr::Errno;
use vfs::File;
use vfs::locks::{LockError, LockKind, LockOwner, Record};
use zerocopy::{FromBytes, Immutable, IntoBytes};

const F_RDLCK: i16 = 0;
const F_WRLCK: i16 = 1;
const F_UNLCK: i16 = 2;

/// `struct flock` of 64-bit machines; fcntl(2).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Flock {
    kind: i16,
    whence: i16,
    pad: u32,
    start: i64,
    len: i64,
    pid: i32,
    pad2: u32,
}
static_assertions::assert_eq_size!(Flock, [u8; 32]);

/// First and last byte that a `struct flock` means.
fn range(file: &File, l: &Flock) -> Result<(u64, u64), Errno> {
    let base = match l.whence {
        0 => 0,
        1 => file.position() as i64,
        2 => file.stat()?.size as i64,
        _ => return Err(Errno::EINVAL),
    };
    let start = base.checked_add(l.start).ok_or(Errno::EOVERFLOW)?;
    let (start, last) = match l.len {
        0 => (start, i64::MAX),
        n if n > 0 => (start, start.checked_add(n - 1).ok_or(Errno::EOVERFLOW)?),
        n => (start.checked_add(n).ok_or(Errno::EINVAL)?, start - 1),
    };
    if start < 0 || last < 0 {
        return Err(Errno::EINVAL);
    }
    Ok((start as u64, last as u64))
}

fn kind(l: &Flock) -> Result<Option<LockKind>, Errno> {
    match l.kind {
        F_RDLCK => Ok(Some(LockKind::Read)),
        F_WRLCK => Ok(Some(LockKind::Write)),
        F_UNLCK => Ok(None),
        _ => Err(Errno::EINVAL),
    }
}

fn owner(cx: &TaskCx, file: &File, of_description: bool) -> (LockOwner, i32) {
    if of_description {
        (file.lock_owner(), -1)
    } else {
        (cx.task.files().lock_owner(), cx.task.tgid())
    }
}

/// `F_GETLK` and `F_OFD_GETLK`.
pub(super) fn get(cx: &TaskCx, file: &File, ofd: bool, at: Addr) -> Result<Outcome, Errno> {
    let mut l: Flock = cx.mm().read_obj(at)?;
    if ofd && l.pid != 0 {
        return Err(Errno::EINVAL);
    }
    let kind = match kind(&l)? {
        Some(k) => k,
        // A description may ask who holds anything at all there.
        None if ofd => LockKind::Write,
        None => return Err(Errno::EINVAL),
    };
    let (start, last) = range(file, &l)?;
    let (owner, pid) = owner(cx, file, ofd);
    match file.locks().test(&Record { owner, pid, via: file.lock_owner(), kind, start, last }) {
        None => l.kind = F_UNLCK,
        Some(r) => {
            l.kind = if r.kind == LockKind::Read { F_RDLCK } else { F_WRLCK };
            l.whence = 0;
            l.start = r.start as i64;
            l.len = if r.last == i64::MAX as u64 { 0 } else { (r.last - r.start + 1) as i64 };
            // Those of descriptions are nobody's.
            l.pid = if r.pid > 0 { cx.task.number_of(r.pid) } else { r.pid };
        }
    }
    cx.mm().write_obj(at, &l)?;
    Ok(Ok(0).into())
}

/// `F_SETLK`, `F_SETLKW` and their counterparts for descriptions.
pub(super) fn set(
    cx: &TaskCx,
    file: &Arc<File>,
    fd: i32,
    ofd: bool,
    wait: bool,
    at: Addr,
) -> Result<Outcome, Errno> {
    let l: Flock = cx.mm().read_obj(at)?;
    let (start, last) = range(file, &l)?;
    if ofd && l.pid != 0 {
        return Err(Errno::EINVAL);
    }
    let (owner, pid) = owner(cx, file, ofd);
    let Some(kind) = kind(&l)? else {
        file.locks().clear(owner, start, last).map_err(|_| Errno::ENOLCK)?;
        return Ok(Ok(0).into());
    };
    let allowed = match kind {
        LockKind::Read => file.flags().readable(),
        LockKind::Write => file.flags().writable(),
    };
    if !allowed {
        return Err(Errno::EBADF);
    }
    let want = Record { owner, pid, via: file.lock_owner(), kind, start, last };
    match file.locks().set(want) {
        Ok(()) => {}
        Err(LockError::TooMany) => return Err(Errno::ENOLCK),
        Err(LockError::Conflict(_)) if !wait => return Err(Errno::EAGAIN),
        Err(LockError::Conflict(_)) => {
            let (task, file) = (cx.task.clone(), file.clone());
            return Ok(Outcome::Block(Box::pin(wait_for(task, file, fd, want))));
        }
    }
    // Closed by another thread meanwhile: the close has not seen this lock.
    if !ofd && !cx.task.files().get(fd).is_ok_and(|f| Arc::ptr_eq(&f, file)) {
        file.locks().release(owner);
        return Err(Errno::EBADF);
    }
    Ok(Ok(0).into())
}

async fn wait_for(task: Arc<Task>, file: Arc<File>, fd: i32, want: Record) -> Outcome {
    let locks = file.locks();
    loop {
        let holder = match locks.set(want) {
            Ok(()) => break,
            Err(LockError::TooMany) => return Errno::ENOLCK.into(),
            Err(LockError::Conflict(r)) => r.owner,
        };
        let kernel = task.kernel().clone();
        let guard = match kernel.vfs().lock_graph().wait(want.owner, holder) {
            Ok(g) => g,
            Err(e) => return e.into(),
        };
        // Waits for that holder only: another one in the way is another edge of the graph.
        let gone = || match locks.test(&want) {
            Some(r) if r.owner == holder => None,
            _ => Some(()),
        };
        let r = task.block(None, wait_on(locks.queue(), Events::OUT, gone)).await;
        drop(guard);
        if r.is_err() {
            return interrupted();
        }
    }
    if let LockOwner::Table(_) = want.owner
        && !task.files().get(fd).is_ok_and(|f| Arc::ptr_eq(&f, &file))
    {
        locks.release(want.owner);
        return Errno::EBADF.into();
    }
    Ok(0).into()
}

/// flock(2).
pub(crate) fn sys_flock(cx: &mut TaskCx, a: &Args) -> Outcome {
    const LOCK_NB: u32 = 4;
    const LOCK_MAND: u32 = 32;
    flat((|| {
        let op = a[1] as u32;
        // Mandatory locks of long ago: nothing is done (`LOCK_MAND` in fs/locks.c).
        if op & LOCK_MAND != 0 {
            return Ok(Ok(0).into());
        }
        let kind = match op & !LOCK_NB {
            1 => Some(LockKind::Read),
            2 => Some(LockKind::Write),
            8 => None,
            _ => return Err(Errno::EINVAL),
        };
        let f = file(cx, a[0])?;
        let owner = f.lock_owner();
        let Some(kind) = kind else {
            f.locks().unlock(owner);
            return Ok(Ok(0).into());
        };
        match f.locks().flock(owner, cx.task.tgid(), kind) {
            Err(Errno::EAGAIN) if op & LOCK_NB == 0 => {}
            r => return Ok(r.map(|()| 0).into()),
        }
        let task = cx.task.clone();
        Ok(Outcome::Block(Box::pin(async move {
            let locks = f.locks();
            let again = || locks.flock(owner, task.tgid(), kind).ok();
            match task.block(None, wait_on(locks.queue(), Events::OUT, again)).await {
                Ok(()) => Ok(0).into(),
                Err(_) => interrupted(),
            }
        })))
    })())
}
