//! open(2), openat2(2), creat(2).

use super::descriptors::install;
use super::lease::finish_open;
use super::open_flags::translate;
use super::rw::flat;
use super::transfer::interrupted;
use super::walk::{CWD, Walk, path, vfs};
use crate::block::wait_on;
use crate::{Args, Outcome, Resource, Task, TaskCx};
use alloc::boxed::Box;
use alloc::sync::Arc;
use arch::{Addr, Arch, Permissions, UserMemory, UserMemoryExt};
use sync::waitq::Events;
use syserr::Errno;
use vfs::pipe::PipeEnd;
use vfs::{File, LookupFlags, OpenFlags, OpenHow};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// `struct open_how`; openat2(2).
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct RawHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}
static_assertions::assert_eq_size!(RawHow, [u8; 24]);

/// Opens and gives a descriptor, or waits for the other side of a FIFO.
fn open(cx: &TaskCx, dirfd: u64, at: u64, how: OpenHow) -> Result<Outcome, Errno> {
    how.check()?;
    open_path(cx, dirfd, &path(cx, at)?, how)
}

/// The same with a path of the kernel's own.
pub(super) fn open_path(
    cx: &TaskCx,
    dirfd: u64,
    path: &[u8],
    mut how: OpenHow,
) -> Result<Outcome, Errno> {
    // Without a descriptor no file is made either.
    cx.task.files().check_room(cx.task.limit(Resource::Nofile).0)?;
    let walk = Walk::new(cx);
    how.flags |= OpenFlags::LARGEFILE;
    let file = vfs(cx).open(&walk.cx(), dirfd as i32, path, how)?;
    opened(cx, file, how.flags)
}

/// Gives what was opened a descriptor, once nothing is in the way any more.
pub(super) fn opened(cx: &TaskCx, file: Arc<File>, flags: OpenFlags) -> Result<Outcome, Errno> {
    super::terminal::opened(&file, flags);
    let cloexec = flags.contains(OpenFlags::CLOEXEC);
    if file.waits_for_leases() {
        let task = cx.task.clone();
        return Ok(Outcome::Block(Box::pin(async move {
            if let Err(e) = finish_open(&task, &file).await {
                return e.into_outcome();
            }
            let limit = task.limit(Resource::Nofile).0;
            task.files().install(file, 0, limit, cloexec).map(|fd| fd as u64).into()
        })));
    }
    let waits = file.downcast::<PipeEnd>().is_some_and(|p| !p.is_open());
    if waits && !file.nonblocking() {
        let task = cx.task.clone();
        return Ok(Outcome::Block(Box::pin(wait_for_partner(task, file, cloexec))));
    }
    install(cx, file, cloexec).map(|fd| Ok(fd).into())
}

async fn wait_for_partner(task: Arc<Task>, file: Arc<File>, cloexec: bool) -> Outcome {
    if let (Some(end), Some(queue)) = (file.downcast::<PipeEnd>(), file.queue()) {
        let open = || end.is_open().then_some(());
        if task.block(None, wait_on(queue, Events::all(), open)).await.is_err() {
            return interrupted();
        }
    }
    let limit = task.limit(Resource::Nofile).0;
    task.files().install(file, 0, limit, cloexec).map(|fd| fd as u64).into()
}

/// Flags and mode of open(2): unknown flags are ignored, and so is a mode that is not needed.
pub(super) fn classic(cx: &TaskCx, flags: u64, mode: u64) -> OpenHow {
    let flags = translate(cx.image.arch.arch(), flags as u32);
    let mut flags = OpenFlags::from_bits_truncate(flags);
    if flags.contains(OpenFlags::PATH) {
        flags &= OpenFlags::DIRECTORY | OpenFlags::NOFOLLOW | OpenFlags::PATH | OpenFlags::CLOEXEC;
    }
    OpenHow { flags, mode: mode as u32 & 0o7777, resolve: LookupFlags::empty() }
}

/// open(2).
pub(crate) fn sys_open(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat(open(cx, CWD, a[0], classic(cx, a[1], a[2])))
}

/// openat(2).
pub(crate) fn sys_openat(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat(open(cx, a[0], a[1], classic(cx, a[2], a[3])))
}

/// creat(2).
pub(crate) fn sys_creat(cx: &mut TaskCx, a: &Args) -> Outcome {
    let flags = OpenFlags::CREAT | OpenFlags::WRONLY | OpenFlags::TRUNC;
    let how = OpenHow { flags, mode: a[1] as u32 & 0o7777, ..OpenHow::default() };
    flat(open(cx, CWD, a[0], how))
}

/// openat2(2).
pub(crate) fn sys_openat2(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat((|| {
        let how = strict(cx.image.arch.arch(), read_how(cx, Addr(a[2]), a[3])?)?;
        open(cx, a[0], a[1], how)
    })())
}

/// A structure that may be longer than the one known here, if the rest is zero
/// (`copy_struct_from_user`).
fn read_how(cx: &TaskCx, at: Addr, size: u64) -> Result<RawHow, Errno> {
    let known = size_of::<RawHow>() as u64;
    if size < known {
        return Err(Errno::EINVAL);
    }
    if size > arch::PAGE_SIZE {
        return Err(Errno::E2BIG);
    }
    let how: RawHow = cx.mm().read_obj(at)?;
    let mut rest = alloc::vec![0; (size - known) as usize];
    cx.mm().copy_in(at.wrapping_add(known), &mut rest, Permissions::Obey)?;
    if rest.iter().any(|b| *b != 0) {
        return Err(Errno::E2BIG);
    }
    Ok(how)
}

/// openat2(2) refuses what open(2) ignores.
fn strict(arch: Arch, raw: RawHow) -> Result<OpenHow, Errno> {
    const RESOLVE: u64 = 0x3f;
    let flags = u32::try_from(raw.flags).map_err(|_| Errno::EINVAL)?;
    let flags = OpenFlags::from_bits(translate(arch, flags)).ok_or(Errno::EINVAL)?;
    let with_mode = flags.intersects(OpenFlags::CREAT | OpenFlags::TMPFILE);
    if raw.mode & !0o7777 != 0 || raw.mode != 0 && !with_mode || raw.resolve & !RESOLVE != 0 {
        return Err(Errno::EINVAL);
    }
    let resolve = LookupFlags::from_bits_truncate(raw.resolve as u32);
    if resolve.contains(LookupFlags::BENEATH | LookupFlags::IN_ROOT) {
        return Err(Errno::EINVAL);
    }
    let for_path =
        OpenFlags::DIRECTORY | OpenFlags::NOFOLLOW | OpenFlags::PATH | OpenFlags::CLOEXEC;
    if flags.contains(OpenFlags::PATH) && !for_path.contains(flags) {
        return Err(Errno::EINVAL);
    }
    let creating = OpenFlags::CREAT | OpenFlags::TRUNC | OpenFlags::TMPFILE;
    if resolve.contains(LookupFlags::CACHED) && flags.intersects(creating) {
        return Err(Errno::EAGAIN);
    }
    Ok(OpenHow { flags, mode: raw.mode as u32, resolve })
}
