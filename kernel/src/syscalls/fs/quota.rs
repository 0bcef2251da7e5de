//! Disk quotas, which no file system here has: quotactl(2), quotactl_fd(2).

use super::walk::{CWD, resolve};
use crate::{Args, Outcome, TaskCx};
use syserr::Errno;
use vfs::{LookupFlags, mode};

const Q_SYNC: u32 = 0x80_0001;

/// Command and kind of quota: of users, groups or projects.
fn command(cmd: u64) -> Result<u32, Errno> {
    let cmd = cmd as u32;
    if cmd & 0xff < 3 { Ok(cmd >> 8) } else { Err(Errno::EINVAL) }
}

/// Whether a command changes something (`quotactl_cmd_write` in `fs/quota/quota.c`).
fn writes(command: u32) -> bool {
    // Q_GETFMT, Q_GETINFO, Q_GETQUOTA, Q_GETNEXTQUOTA; Q_XGETQUOTA, Q_XGETQSTAT, Q_XQUOTASYNC,
    // Q_XGETQSTATV, Q_XGETNEXTQUOTA.
    let reads = [Q_SYNC, 0x80_0004, 0x80_0005, 0x80_0007, 0x80_0009]
        .into_iter()
        .chain([0x5803, 0x5805, 0x5807, 0x5808, 0x5809]);
    !reads.into_iter().any(|c| c == command)
}

/// quotactl(2): of a block device, on none of which there is a file system.
pub(crate) fn sys_quotactl(cx: &mut TaskCx, a: &Args) -> Outcome {
    by_device(cx, a).map(|()| 0).into()
}

fn by_device(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    let command = command(a[0])?;
    if a[1] == 0 {
        // All that there is has been written.
        return if command == Q_SYNC { Ok(()) } else { Err(Errno::ENODEV) };
    }
    let device = resolve(cx, CWD, a[1], LookupFlags::empty())?;
    if device.path.inode().kind() != mode::IFBLK {
        return Err(Errno::ENOTBLK);
    }
    Err(if device.path.mount().has_devices() { Errno::ENODEV } else { Errno::EACCES })
}

/// quotactl_fd(2): of the file system of an open file.
pub(crate) fn sys_quotactl_fd(cx: &mut TaskCx, a: &Args) -> Outcome {
    let r = (|| {
        let file = cx.task.files().get(a[0] as i32)?;
        if writes(command(a[1])?) {
            file.path().mount().writable()?;
        }
        Err(Errno::ENOSYS)
    })();
    r.into()
}
