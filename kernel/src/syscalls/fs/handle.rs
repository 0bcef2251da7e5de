//! name_to_handle_at(2), open_by_handle_at(2); `fs/fhandle.c`.

use super::open::{classic, opened};
use super::rw::flat;
use super::walk::{AT_EMPTY_PATH, AT_SYMLINK_FOLLOW, Found, Walk, path_or_none, resolve_path, vfs};
use crate::{Args, Outcome, TaskCx};
use arch::{Addr, UserMemoryExt};
use syserr::Errno;
use vfs::{AT_FDCWD, HANDLE_WORDS, LookupFlags, Path, cap};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// `AT_HANDLE_MNT_ID_UNIQUE`.
const MNT_ID_UNIQUE: u64 = 1;
/// `AT_HANDLE_CONNECTABLE`: no handle here leads to a file by its directory.
const CONNECTABLE: u64 = 2;
/// `AT_HANDLE_FID`: the handle need not be good for opening.
const FID: u64 = 0x200;
/// `MAX_HANDLE_SZ`.
const MAX_SIZE: u32 = 128;
/// `FILEID_INVALID`.
const INVALID: i32 = 255;
/// `FILEID_INO32_GEN`, as tmpfs calls what it gives.
const TYPE: i32 = 1;
/// Bits of a type that belong to callers (`FILEID_USER_FLAGS_MASK`), and the one of a handle by its
/// directory, and of a directory, that there are.
const USER_FLAGS: i32 = 0x7fff_0000;
const KNOWN_FLAGS: i32 = 0x3_0000;

/// `struct file_handle`, which the handle follows.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Head {
    size: u32,
    kind: i32,
}

static_assertions::const_assert_eq!(size_of::<Head>(), 8);

/// Bytes of a handle.
const SIZE: u32 = 4 * HANDLE_WORDS as u32;

/// name_to_handle_at(2).
pub(crate) fn sys_name_to_handle_at(cx: &mut TaskCx, a: &Args) -> Outcome {
    name_to_handle(cx, a).map(|()| 0).into()
}

fn name_to_handle(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    let flags = u64::from(a[4] as u32);
    let known = u64::from(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) | FID | MNT_ID_UNIQUE | CONNECTABLE;
    let both = FID | CONNECTABLE;
    if flags & !known != 0 || flags & both == both {
        return Err(Errno::EINVAL);
    }
    let mut look = LookupFlags::empty();
    look.set(LookupFlags::NOFOLLOW, flags & u64::from(AT_SYMLINK_FOLLOW) == 0);
    look.set(LookupFlags::EMPTY_PATH, flags & u64::from(AT_EMPTY_PATH) != 0);
    let name = path_or_none(cx, a[1], look)?;
    let found = resolve_path(cx, a[0], &name, look)?;
    if !vfs(cx).has_handles(&found.path) || flags & CONNECTABLE != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let head: Head = cx.mm().read_obj(Addr(a[2]))?;
    if head.size > MAX_SIZE {
        return Err(Errno::EINVAL);
    }
    let handle = vfs(cx).handle_of(&found.path)?;
    if flags & MNT_ID_UNIQUE != 0 {
        cx.mm().write_obj(Addr(a[3]), &found.path.mount().unique_id())?;
    } else {
        cx.mm().write_obj(Addr(a[3]), &(found.path.mount().id() as u32))?;
    }
    let fits = head.size >= SIZE;
    let kind = if fits { TYPE } else { INVALID };
    cx.mm().write_obj(Addr(a[2]), &Head { size: SIZE, kind })?;
    if !fits {
        return Err(Errno::EOVERFLOW);
    }
    cx.mm().write_obj(Addr(a[2]).wrapping_add(size_of::<Head>() as u64), &handle)
}

/// open_by_handle_at(2).
pub(crate) fn sys_open_by_handle_at(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat(open_by_handle(cx, a))
}

fn open_by_handle(cx: &TaskCx, a: &Args) -> Result<Outcome, Errno> {
    let head: Head = cx.mm().read_obj(Addr(a[1]))?;
    let flags = head.kind & USER_FLAGS;
    if head.size > MAX_SIZE || head.size == 0 || head.kind < 0 || flags & !KNOWN_FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let Found { walk, path } = anchor(cx, a[0] as i32)?;
    if !walk.cx().creds.has(cap::DAC_READ_SEARCH) {
        return Err(Errno::EPERM);
    }
    let bytes: alloc::vec::Vec<u8> =
        cx.mm().read_vec(Addr(a[1]).wrapping_add(size_of::<Head>() as u64), head.size as usize)?;
    // Of whatever type it says it is, and whatever follows, as in `shmem_fh_to_dentry`.
    let (words, _) = bytes.as_chunks::<4>();
    let words: [[u8; 4]; HANDLE_WORDS] = *words.first_chunk().ok_or(Errno::ESTALE)?;
    let how = classic(cx, a[2], 0);
    how.check()?;
    let file = vfs(cx).open_handle(&walk.cx(), &path, words.map(u32::from_le_bytes), how.flags)?;
    opened(cx, file, how.flags)
}

/// The place that says on which mount a file is looked for.
fn anchor(cx: &TaskCx, fd: i32) -> Result<Found, Errno> {
    let walk = Walk::new(cx);
    let path: Path = match fd {
        AT_FDCWD => cx.task.fs().cwd(),
        fd => cx.task.files().get(fd)?.path().clone(),
    };
    Ok(Found { walk, path })
}
