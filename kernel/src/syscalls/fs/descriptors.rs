//! Descriptors: close(2), dup(2), lseek(2), fsync(2).

use super::rw::{file, flat};
use crate::{Args, Kernel, Outcome, Resource, TaskCx};
use alloc::sync::Arc;
use syserr::Errno;
use vfs::{FdTable, File, OpenFlags, Whence};

/// Gives `file` the lowest free descriptor.
pub(crate) fn install(cx: &TaskCx, file: Arc<File>, cloexec: bool) -> Result<u64, Errno> {
    let limit = cx.task.limit(Resource::Nofile).0;
    cx.task.files().install(file, 0, limit, cloexec).map(|fd| fd as u64)
}

/// close(2).
pub(crate) fn sys_close(cx: &mut TaskCx, a: &Args) -> Outcome {
    cx.task.files().close(a[0] as i32).map(|()| 0).into()
}

/// Whether a table can be copied.
///
/// # Errors
/// `EMFILE` for one that has more than `fs.nr_open` allows by now (`dup_fd` in fs/file.c).
pub(crate) fn check_copy(kernel: &Kernel, files: &FdTable) -> Result<(), Errno> {
    // Tables have room for multiples of 64.
    let most = kernel.vfs().settings().nr_open().next_multiple_of(64);
    if files.room_taken() > most { Err(Errno::EMFILE) } else { Ok(()) }
}

/// close_range(2).
pub(crate) fn sys_close_range(cx: &mut TaskCx, a: &Args) -> Outcome {
    const UNSHARE: u32 = 2;
    const CLOEXEC: u32 = 4;
    let flags = a[2] as u32;
    if flags & !(UNSHARE | CLOEXEC) != 0 || a[0] as u32 > a[1] as u32 {
        return Errno::EINVAL.into();
    }
    if flags & UNSHARE != 0 {
        if let Err(e) = check_copy(cx.kernel(), &cx.task.files()) {
            return e.into();
        }
        let own = cx.task.files().fork();
        cx.task.set_files(own);
    }
    let files = cx.task.files();
    files.close_range(a[0] as u32, a[1] as u32, flags & CLOEXEC != 0).map(|()| 0).into()
}

fn dup_to(cx: &TaskCx, old: u64, new: u64, cloexec: bool, same_ok: bool) -> Outcome {
    let limit = cx.task.limit(Resource::Nofile).0;
    let r = cx.task.files().dup_to(old as i32, new as i32, limit, cloexec, same_ok);
    r.map(|fd| fd as u64).into()
}

/// dup(2).
pub(crate) fn sys_dup(cx: &mut TaskCx, a: &Args) -> Outcome {
    let file = cx.task.files().get(a[0] as i32);
    file.and_then(|f| install(cx, f, false)).into()
}

/// dup2(2).
pub(crate) fn sys_dup2(cx: &mut TaskCx, a: &Args) -> Outcome {
    dup_to(cx, a[0], a[1], false, true)
}

/// dup3(2).
pub(crate) fn sys_dup3(cx: &mut TaskCx, a: &Args) -> Outcome {
    let flags = a[2] as u32;
    if flags & !OpenFlags::CLOEXEC.bits() != 0 {
        return Errno::EINVAL.into();
    }
    dup_to(cx, a[0], a[1], flags != 0, false)
}

/// lseek(2).
pub(crate) fn sys_lseek(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let f = file(cx, a[0])?;
        let whence = match a[2] as u32 {
            0 => Whence::Set,
            1 => Whence::Current,
            2 => Whence::End,
            3 => Whence::Data,
            4 => Whence::Hole,
            _ => return Err(Errno::EINVAL),
        };
        Ok(f.seek(a[1] as i64, whence).into())
    })())
}

/// fsync(2).
pub(crate) fn sys_fsync(cx: &mut TaskCx, a: &Args) -> Outcome {
    file(cx, a[0]).and_then(|f| f.sync(false)).map(|()| 0).into()
}

/// fdatasync(2).
pub(crate) fn sys_fdatasync(cx: &mut TaskCx, a: &Args) -> Outcome {
    file(cx, a[0]).and_then(|f| f.sync(true)).map(|()| 0).into()
}

/// sync(2): what guests write lies in memory, or was given to the host when it was written.
pub(crate) fn sys_sync(_: &mut TaskCx, _: &Args) -> Outcome {
    Ok(0).into()
}

/// syncfs(2).
pub(crate) fn sys_syncfs(cx: &mut TaskCx, a: &Args) -> Outcome {
    file(cx, a[0]).map(|_| 0).into()
}

/// sync_file_range(2).
pub(crate) fn sys_sync_file_range(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let f = file(cx, a[0])?;
        let (at, len) = (a[1] as i64, a[2] as i64);
        if a[3] as u32 & !7 != 0 || at < 0 || len < 0 || at.checked_add(len).is_none() {
            return Err(Errno::EINVAL);
        }
        if !matches!(f.kind(), vfs::mode::IFREG | vfs::mode::IFBLK | vfs::mode::IFDIR) {
            return Err(Errno::ESPIPE);
        }
        Ok(Ok(0).into())
    })())
}

/// fadvise64(2): advice about a cache that needs none.
pub(crate) fn sys_fadvise64(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let f = file(cx, a[0])?;
        if f.kind() == vfs::mode::IFIFO {
            return Err(Errno::ESPIPE);
        }
        if (a[2] as i64) < 0 || a[3] as u32 > 5 {
            return Err(Errno::EINVAL);
        }
        Ok(Ok(0).into())
    })())
}

/// ftruncate(2).
pub(crate) fn sys_ftruncate(cx: &mut TaskCx, a: &Args) -> Outcome {
    if (a[1] as i64) < 0 {
        return Errno::EINVAL.into();
    }
    let limit = cx.task.limit(Resource::Fsize).0;
    let r = file(cx, a[0]).and_then(|f| f.truncate(a[1] as i64, limit, &cx.task.creds()));
    if r == Err(Errno::EFBIG) && limit != u64::MAX {
        cx.task.file_too_large();
    }
    r.map(|()| 0).into()
}

/// fallocate(2).
pub(crate) fn sys_fallocate(cx: &mut TaskCx, a: &Args) -> Outcome {
    let limit = cx.task.limit(Resource::Fsize).0;
    let creds = cx.task.creds();
    let r = file(cx, a[0])
        .and_then(|f| f.allocate(a[1] as u32, a[2] as i64, a[3] as i64, limit, &creds));
    if r == Err(Errno::EFBIG) && limit != u64::MAX {
        cx.task.file_too_large();
    }
    r.map(|()| 0).into()
}
