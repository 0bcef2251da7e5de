//! Swap space, for which no file here is fit: swapon(2), swapoff(2).

use super::walk::{CWD, resolve, vfs};
use crate::{Args, Outcome, TaskCx};
use syserr::Errno;
use vfs::{LookupFlags, cap, mode};

/// `SWAP_FLAGS_VALID`.
const FLAGS: u32 = 0x7_ffff;
const READ_WRITE: u32 = 6;

/// swapon(2).
pub(crate) fn sys_swapon(cx: &mut TaskCx, a: &Args) -> Outcome {
    if a[1] as u32 & !FLAGS != 0 {
        return Errno::EINVAL.into();
    }
    refuse(cx, a[0]).into()
}

/// swapoff(2).
pub(crate) fn sys_swapoff(cx: &mut TaskCx, a: &Args) -> Outcome {
    refuse(cx, a[0]).into()
}

/// Why a file is not swapped to: as the host says of one of tmpfs, whose pages have no place on a
/// device.
fn refuse(cx: &TaskCx, path: u64) -> Errno {
    if !cx.task.creds().has(cap::SYS_ADMIN) {
        return Errno::EPERM;
    }
    let found = resolve(cx, CWD, path, LookupFlags::empty()).and_then(|f| {
        if f.path.inode().kind() == mode::IFDIR {
            return Err(Errno::EISDIR);
        }
        vfs(cx).access(&f.walk.cx(), &f.path, READ_WRITE)
    });
    found.err().unwrap_or(Errno::EINVAL)
}
