//! read(2), write(2) and their families.

use super::buffers::{self, Ranges};
use super::transfer::{self, At};
use crate::{Args, Outcome, TaskCx};
use alloc::sync::Arc;
use syserr::Errno;
use vfs::File;

/// The description behind the descriptor in a register.
pub(crate) fn file(cx: &TaskCx, fd: u64) -> Result<Arc<File>, Errno> {
    cx.task.files().get_open(fd as i32)
}

/// Turns `Result<Outcome, Errno>` into an outcome, so that handlers can use `?`.
pub(crate) fn flat(r: Result<Outcome, Errno>) -> Outcome {
    r.unwrap_or_else(Outcome::from)
}

fn readable(cx: &TaskCx, fd: u64) -> Result<Arc<File>, Errno> {
    let f = file(cx, fd)?;
    if f.flags().readable() { Ok(f) } else { Err(Errno::EBADF) }
}

fn writable(cx: &TaskCx, fd: u64) -> Result<Arc<File>, Errno> {
    let f = file(cx, fd)?;
    if f.flags().writable() { Ok(f) } else { Err(Errno::EBADF) }
}

/// A file and an offset for it, in the order in which Linux checks them.
fn positioned(file: Arc<File>, offset: u64, write: bool) -> Result<(Arc<File>, At), Errno> {
    if (offset as i64) < 0 {
        return Err(Errno::EINVAL);
    }
    if !file.ops().seekable() || write && !file.ops().writes_anywhere() {
        return Err(Errno::ESPIPE);
    }
    Ok((file, At::Offset(offset as i64)))
}

/// read(2).
pub(crate) fn sys_read(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let file = readable(cx, a[0])?;
        let to = buffers::single(cx, a[1], a[2])?;
        Ok(transfer::read(cx, file, to, At::Position, false))
    })())
}

/// write(2).
pub(crate) fn sys_write(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let file = writable(cx, a[0])?;
        let from = buffers::single(cx, a[1], a[2])?;
        Ok(transfer::write(cx, file, from, At::Position, false))
    })())
}

/// pread64(2).
pub(crate) fn sys_pread64(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        if (a[3] as i64) < 0 {
            return Err(Errno::EINVAL);
        }
        let (file, at) = positioned(file(cx, a[0])?, a[3], false)?;
        let to = buffers::single(cx, a[1], a[2])?;
        Ok(transfer::read(cx, file, to, at, false))
    })())
}

/// pwrite64(2).
pub(crate) fn sys_pwrite64(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        if (a[3] as i64) < 0 {
            return Err(Errno::EINVAL);
        }
        let (file, at) = positioned(file(cx, a[0])?, a[3], true)?;
        let from = buffers::single(cx, a[1], a[2])?;
        Ok(transfer::write(cx, file, from, at, false))
    })())
}

/// readv(2).
pub(crate) fn sys_readv(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let file = readable(cx, a[0])?;
        let to = buffers::vector(cx, a[1], a[2])?;
        Ok(transfer::read(cx, file, to, At::Position, false))
    })())
}

/// writev(2).
pub(crate) fn sys_writev(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let file = writable(cx, a[0])?;
        let from = buffers::vector(cx, a[1], a[2])?;
        Ok(transfer::write(cx, file, from, At::Position, false))
    })())
}

/// preadv(2). On 64-bit machines the low half of the offset is all of it.
pub(crate) fn sys_preadv(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        if (a[3] as i64) < 0 {
            return Err(Errno::EINVAL);
        }
        let (file, at) = positioned(file(cx, a[0])?, a[3], false)?;
        let to = buffers::vector(cx, a[1], a[2])?;
        Ok(transfer::read(cx, file, to, at, false))
    })())
}

/// pwritev(2).
pub(crate) fn sys_pwritev(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        if (a[3] as i64) < 0 {
            return Err(Errno::EINVAL);
        }
        let (file, at) = positioned(file(cx, a[0])?, a[3], true)?;
        let from = buffers::vector(cx, a[1], a[2])?;
        Ok(transfer::write(cx, file, from, at, false))
    })())
}

bitflags::bitflags! {
    /// `RWF_*` of preadv2(2).
    #[derive(Clone, Copy)]
    pub(crate) struct Rwf: u32 {
        const HIPRI = 1;
        const DSYNC = 2;
        const SYNC = 4;
        const NOWAIT = 8;
        const APPEND = 16;
        const NOAPPEND = 32;
    }
}

/// File, memory, place and flags of preadv2(2) and pwritev2(2).
fn extended(cx: &TaskCx, a: &Args, write: bool) -> Result<(Arc<File>, Ranges, At, Rwf), Errno> {
    let f = file(cx, a[0])?;
    let (f, at) = if a[3] as i64 == -1 { (f, At::Position) } else { positioned(f, a[3], write)? };
    if !(if write { f.flags().writable() } else { f.flags().readable() }) {
        return Err(Errno::EBADF);
    }
    let ranges = buffers::vector(cx, a[1], a[2])?;
    let flags = Rwf::from_bits(a[5] as u32).ok_or(Errno::EOPNOTSUPP)?;
    if flags.contains(Rwf::APPEND | Rwf::NOAPPEND) {
        return Err(Errno::EINVAL);
    }
    Ok((f, ranges, at, flags))
}

/// Where a write with these flags goes.
fn written_at(at: At, flags: Rwf) -> At {
    match at {
        At::Offset(o) if flags.contains(Rwf::NOAPPEND) => At::Exactly(o),
        // The position that an append leaves behind is the description's all the same.
        At::Position if flags.contains(Rwf::APPEND) => At::EndAndPosition,
        At::Offset(_) if flags.contains(Rwf::APPEND) => At::End,
        at => at,
    }
}

/// Writes, and waits for the disk when the flags say so.
fn write_with(cx: &TaskCx, f: Arc<File>, from: Ranges, at: At, flags: Rwf) -> Outcome {
    let at = written_at(at, flags);
    let out = transfer::write_uncounted(cx, f.clone(), from, at, flags.contains(Rwf::NOWAIT));
    if flags.intersects(Rwf::SYNC | Rwf::DSYNC)
        && matches!(out, Outcome::Done(Ok(_)))
        && let Err(e) = f.sync(!flags.contains(Rwf::SYNC))
        // Where there is nothing to wait for, only fsync(2) says so.
        && e != Errno::EINVAL
    {
        return e.into();
    }
    out
}

/// A transfer as io_submit(2) asks for it: at an offset, which streams ignore. It does not count as
/// the task's (`aio_read` of fs/aio.c).
///
/// # Errors
/// `EINVAL` for flags that exclude each other.
pub(crate) fn transfer_with(
    cx: &TaskCx,
    f: Arc<File>,
    write: bool,
    ranges: Ranges,
    offset: i64,
    flags: Rwf,
) -> Result<Outcome, Errno> {
    if flags.contains(Rwf::APPEND | Rwf::NOAPPEND) {
        return Err(Errno::EINVAL);
    }
    let at = if f.ops().seekable() { At::Offset(offset) } else { At::Position };
    if write {
        return Ok(write_with(cx, f, ranges, at, flags));
    }
    Ok(transfer::read_uncounted(cx, f, ranges, at, flags.contains(Rwf::NOWAIT)))
}

/// preadv2(2).
pub(crate) fn sys_preadv2(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let (f, to, at, flags) = extended(cx, a, false)?;
        Ok(transfer::read(cx, f, to, at, flags.contains(Rwf::NOWAIT)))
    })())
}

/// pwritev2(2).
pub(crate) fn sys_pwritev2(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let (f, from, at, flags) = extended(cx, a, true)?;
        Ok(transfer::counted(cx, write_with(cx, f, from, at, flags), |t, n| t.written.add(n)))
    })())
}

/// readahead(2): everything is read when it is asked for, so only the arguments are checked.
pub(crate) fn sys_readahead(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let f = readable(cx, a[0])?;
        if f.is_regular() { Ok(Ok(0).into()) } else { Err(Errno::EINVAL) }
    })())
}
