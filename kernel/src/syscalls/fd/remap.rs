//! Files that share their blocks: ioctl_ficlone(2), ioctl_fideduperange(2). No file system here can do
//! that, and the errors tell which files could anyway (`fs/remap_range.c`).

use crate::TaskCx;
use crate::syscalls::fs::file;
use arch::{Addr, PAGE_SIZE, UserMemoryExt};
use syserr::Errno;
use vfs::{File, OpenFlags, mode};

const FICLONE: u32 = 0x4004_9409;
const FICLONERANGE: u32 = 0x4020_940d;
const FIDEDUPERANGE: u32 = 0xc018_9436;

/// `struct file_clone_range`: descriptor, offset, length, offset there.
type CloneRange = [u64; 4];
/// `struct file_dedupe_range` up to its list: offset, length, and a count of 16 bits with what is
/// reserved.
type DedupeRange = [u64; 3];
/// The size of one of the list, `struct file_dedupe_range_info`.
const DEDUPE_INFO: u64 = 32;

/// These commands; `None` for others.
pub(crate) fn ioctl(cx: &TaskCx, f: &File, cmd: u32, arg: u64) -> Option<Result<u64, Errno>> {
    let never = match cmd {
        FICLONE => clone(cx, arg, f),
        FICLONERANGE => {
            let range = cx.mm().read_obj::<CloneRange>(Addr(arg));
            range.and_then(|range| clone(cx, range[0], f))
        }
        FIDEDUPERANGE => dedupe(cx, arg, f),
        _ => return None,
    };
    Some(never.map(|()| 0))
}

fn kinds(files: [&File; 2]) -> Result<(), Errno> {
    match files {
        f if f.iter().any(|f| f.kind() == mode::IFDIR) => Err(Errno::EISDIR),
        f if f.iter().any(|f| !f.is_regular()) => Err(Errno::EINVAL),
        _ => Ok(()),
    }
}

fn clone(cx: &TaskCx, from: u64, to: &File) -> Result<(), Errno> {
    let from = file(cx, from)?;
    if from.stat()?.dev != to.stat()?.dev {
        return Err(Errno::EXDEV);
    }
    kinds([&from, to])?;
    let appends = to.flags().contains(OpenFlags::APPEND);
    if !from.flags().readable() || !to.flags().writable() || appends {
        return Err(Errno::EBADF);
    }
    Err(Errno::EOPNOTSUPP)
}

fn dedupe(cx: &TaskCx, arg: u64, f: &File) -> Result<(), Errno> {
    let [_, _, counted]: DedupeRange = cx.mm().read_obj(Addr(arg))?;
    let count = counted & 0xffff;
    if size_of::<DedupeRange>() as u64 + count * DEDUPE_INFO > PAGE_SIZE {
        return Err(Errno::ENOMEM);
    }
    if !f.flags().readable() || counted >> 16 != 0 {
        return Err(Errno::EINVAL);
    }
    kinds([f, f])?;
    Err(Errno::EOPNOTSUPP)
}
