//! Copies between descriptors: sendfile(2), splice(2), tee(2), vmsplice(2), copy_file_range(2).

use super::buffers::{self, MAX_RW};
use super::pump::{Ends, Pump};
use super::rw::{file, flat};
use super::transfer::{self, At, counted};
use crate::{Args, Outcome, Task, TaskCx};
use arch::{Addr, UserMemoryExt};
use syserr::Errno;
use vfs::pipe::PipeEnd;
use vfs::{File, OpenFlags, mode};

const SPLICE_F_NONBLOCK: u32 = 2;
const SPLICE_FLAGS: u32 = 15;

/// An offset in memory, for one who passes a pointer.
fn offset(cx: &TaskCx, at: u64) -> Result<Option<i64>, Errno> {
    if at == 0 { Ok(None) } else { cx.mm().read_obj(Addr(at)).map(Some) }
}

/// `EINVAL` for an offset before the start (`rw_verify_area`).
fn check_offset(offset: Option<i64>) -> Result<(), Errno> {
    if offset.is_some_and(|o| o < 0) { Err(Errno::EINVAL) } else { Ok(()) }
}

fn pipe(f: &File) -> Option<&PipeEnd> {
    f.downcast()
}

/// Counts bytes that were read and written.
fn both(task: &Task, bytes: u64) {
    task.read.add(bytes);
    task.written.add(bytes);
}

/// sendfile(2).
pub(crate) fn sys_sendfile(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let from = offset(cx, a[2])?;
        let input = file(cx, a[1])?;
        if !input.flags().readable() {
            return Err(Errno::EBADF);
        }
        if from.is_some() && !input.ops().seekable() {
            return Err(Errno::ESPIPE);
        }
        check_offset(from)?;
        let output = file(cx, a[0])?;
        if !output.flags().writable() {
            return Err(Errno::EBADF);
        }
        // A stream can only be sent to a pipe (`splice_direct_to_actor` in `fs/splice.c`).
        if output.flags().contains(OpenFlags::APPEND)
            || !splices(&input)
            || input.kind() == mode::IFIFO
            || !input.ops().seekable() && pipe(&output).is_none()
        {
            return Err(Errno::EINVAL);
        }
        let ends = Ends { input, output, from, to: None };
        let sent = Pump::new(ends, a[3].min(MAX_RW)).all().run(cx, (a[2], 0), false);
        Ok(counted(cx, sent, both))
    })())
}

/// Whether a file's bytes can go through a pipe: not those of a directory, nor of an event file,
/// which has no type at all.
fn splices(file: &File) -> bool {
    !matches!(file.kind(), mode::IFDIR | 0)
}

/// splice(2).
pub(crate) fn sys_splice(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let flags = a[5] as u32;
        if flags & !SPLICE_FLAGS != 0 {
            return Err(Errno::EINVAL);
        }
        if a[4] == 0 {
            return Ok(Ok(0).into());
        }
        let (input, output) = (file(cx, a[0])?, file(cx, a[2])?);
        let (source, sink) = (pipe(&input), pipe(&output));
        if source.is_some() && a[1] != 0 || sink.is_some() && a[3] != 0 {
            return Err(Errno::ESPIPE);
        }
        let (from, to) = (offset(cx, a[1])?, offset(cx, a[3])?);
        if !input.flags().readable() || !output.flags().writable() {
            return Err(Errno::EBADF);
        }
        if !splices(&input) || !splices(&output) {
            return Err(Errno::EINVAL);
        }
        let same =
            source.zip(sink).is_some_and(|(s, t)| alloc::sync::Arc::ptr_eq(s.pipe(), t.pipe()));
        if source.is_none() && sink.is_none() || same {
            return Err(Errno::EINVAL);
        }
        if from.is_some() && !input.ops().seekable() || to.is_some() && !output.ops().seekable() {
            return Err(Errno::EINVAL);
        }
        if sink.is_none() && output.flags().contains(OpenFlags::APPEND) {
            return Err(Errno::EINVAL);
        }
        check_offset(from)?;
        check_offset(to)?;
        let ends = Ends { input, output, from, to };
        let nonblock = flags & SPLICE_F_NONBLOCK != 0;
        Ok(Pump::new(ends, a[4].min(MAX_RW)).run(cx, (a[1], a[3]), nonblock))
    })())
}

/// tee(2).
pub(crate) fn sys_tee(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let flags = a[3] as u32;
        if flags & !SPLICE_FLAGS != 0 {
            return Err(Errno::EINVAL);
        }
        if a[2] == 0 {
            return Ok(Ok(0).into());
        }
        let (input, output) = (file(cx, a[0])?, file(cx, a[1])?);
        if !input.flags().readable() || !output.flags().writable() {
            return Err(Errno::EBADF);
        }
        let (Some(source), Some(sink)) = (pipe(&input), pipe(&output)) else {
            return Err(Errno::EINVAL);
        };
        if alloc::sync::Arc::ptr_eq(source.pipe(), sink.pipe()) {
            return Err(Errno::EINVAL);
        }
        let ends = Ends { input, output, from: None, to: None };
        let nonblock = flags & SPLICE_F_NONBLOCK != 0;
        Ok(Pump::new(ends, a[2].min(MAX_RW)).keep().run(cx, (0, 0), nonblock))
    })())
}

/// vmsplice(2): what is given away is copied.
pub(crate) fn sys_vmsplice(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let flags = a[3] as u32;
        if flags & !SPLICE_FLAGS != 0 {
            return Err(Errno::EINVAL);
        }
        let f = file(cx, a[0])?;
        let ranges = buffers::vector(cx, a[1], a[2])?;
        let end = pipe(&f).ok_or(Errno::EBADF)?;
        let (writes, nonblock) = (end.writes(), flags & SPLICE_F_NONBLOCK != 0);
        Ok(if writes {
            transfer::write(cx, f, ranges, At::Position, nonblock)
        } else {
            transfer::read(cx, f, ranges, At::Position, nonblock)
        })
    })())
}

/// copy_file_range(2).
pub(crate) fn sys_copy_file_range(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let (input, output) = (file(cx, a[0])?, file(cx, a[2])?);
        let (from, to) = (offset(cx, a[1])?, offset(cx, a[3])?);
        if a[5] as u32 != 0 {
            return Err(Errno::EINVAL);
        }
        if input.kind() == mode::IFDIR || output.kind() == mode::IFDIR {
            return Err(Errno::EISDIR);
        }
        if !input.is_regular() || !output.is_regular() {
            return Err(Errno::EINVAL);
        }
        let appends = output.flags().contains(OpenFlags::APPEND);
        if !input.flags().readable() || !output.flags().writable() || appends {
            return Err(Errno::EBADF);
        }
        // Nothing is copied from one file system to another (`generic_copy_file_checks`).
        let system = |f: &File| f.path().mount().super_block().clone();
        if !alloc::sync::Arc::ptr_eq(&system(&input), &system(&output)) {
            return Err(Errno::EXDEV);
        }
        let at = from.unwrap_or(input.position() as i64);
        let end = to.unwrap_or(output.position() as i64);
        // As without signs, so that a negative offset ends past the largest there is
        // (`generic_copy_file_checks`).
        if [at, end].iter().any(|&o| (o as u64).checked_add(a[4]).is_none()) {
            return Err(Errno::EOVERFLOW);
        }
        if end == i64::MAX {
            return Err(Errno::EFBIG);
        }
        check_offset(Some(at))?;
        check_offset(Some(end))?;
        // Only as much as there is can overlap.
        let there = input.stat()?.size.saturating_sub(at as u64);
        let len = a[4].min(MAX_RW).min(there);
        let touch = (at.abs_diff(end)) < len;
        if touch && alloc::sync::Arc::ptr_eq(input.inode(), output.inode()) {
            return Err(Errno::EINVAL);
        }
        let ends = Ends { input, output, from, to };
        let copied = Pump::new(ends, len).run(cx, (a[1], a[3]), false);
        Ok(counted(cx, copied, both))
    })())
}
