//! cachestat(2).

use crate::{Args, Outcome, TaskCx};
use arch::{Addr, UserMemoryExt};
use syserr::Errno;
use vfs::perm;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// `struct cachestat`, in pages.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct RawStat {
    cached: u64,
    dirty: u64,
    writeback: u64,
    evicted: u64,
    recently_evicted: u64,
}
static_assertions::assert_eq_size!(RawStat, [u8; 40]);

/// cachestat(2): nothing is ever on its way to a disk, and nobody remembers what was evicted.
pub(crate) fn sys_cachestat(cx: &mut TaskCx, a: &Args) -> Outcome {
    stat(cx, a).map(|()| 0).into()
}

fn stat(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    let file = cx.task.files().get(a[0] as i32)?;
    file.check_not_path()?;
    let [offset, len]: [u64; 2] = cx.mm().read_obj(Addr(a[1]))?;
    let creds = cx.task.creds();
    let owner = creds.owns(file.stat()?.uid);
    let may_write = || perm::check(&**file.inode(), &creds, perm::MAY_WRITE).is_ok();
    if !file.flags().writable() && !owner && !may_write() {
        return Err(Errno::EPERM);
    }
    if a[3] as u32 != 0 {
        return Err(Errno::EINVAL);
    }
    const PAGE: u64 = arch::PAGE_SIZE - 1;
    let start = offset & !PAGE;
    let end = match len {
        0 => i64::MAX as u64,
        len => offset.wrapping_add(len - 1) | PAGE,
    };
    let end = end.min(i64::MAX as u64);
    let found = if start < end { file.ops().cached(start..end) } else { Default::default() };
    let out = RawStat { cached: found.cached, dirty: found.dirty, ..RawStat::default() };
    cx.mm().write_obj(Addr(a[2]), &out)
}
