//! ioctl(2): the commands that every file has; the rest is the file's own.

use crate::syscalls::fd::remap;
use crate::syscalls::fs::fcntl::{owner, set_owner};
use crate::syscalls::fs::file_attr;
use crate::syscalls::fs::sigio::set_async;
use crate::syscalls::fs::terminal::{may_control, open_peer};
use crate::syscalls::fs::{file, flat};
use crate::syscalls::process::{number_in, open_related, pidfd_ioctl};
use crate::{Args, Outcome, TaskCx};
use alloc::sync::Arc;
use arch::{Addr, UserMemoryExt};
use syserr::Errno;
use vfs::nsfs::{NS_GET_PARENT, NS_GET_USERNS};
use vfs::{File, OpenFlags, cap, mode};

const FIBMAP: u32 = 1;
const FIGETBSZ: u32 = 2;
const FIONREAD: u32 = 0x541b;
const FIONBIO: u32 = 0x5421;
const FIONCLEX: u32 = 0x5450;
const FIOCLEX: u32 = 0x5451;
const FIOASYNC: u32 = 0x5452;
const FIOQSIZE: u32 = 0x5460;
const TIOCGPTPEER: u32 = 0x5441;
const FIFREEZE: u32 = 0xc004_5877;
const FITHAW: u32 = 0xc004_5878;
const FS_IOC_FIEMAP: u32 = 0xc020_660b;
const FIOSETOWN: u32 = 0x8901;
const SIOCSPGRP: u32 = 0x8902;
const FIOGETOWN: u32 = 0x8903;
const SIOCGPGRP: u32 = 0x8904;

/// ioctl(2).
pub(crate) fn sys_ioctl(cx: &mut TaskCx, a: &Args) -> Outcome {
    flat(file(cx, a[0]).map(|f| match may_control(cx, &f, a[1] as u32) {
        Ok(()) if !f.may_control() && !is_of_every_file(a[1] as u32) => Errno::EACCES.into(),
        Ok(()) if a[1] as u32 == TIOCGPTPEER => flat(open_peer(cx, &f, a[2])),
        Ok(()) => match crate::seccomp::ioctl(cx, &f, a[1] as u32, a[2]) {
            Some(outcome) => outcome,
            None => ioctl(cx, &f, a).into(),
        },
        Err(outcome) => outcome,
    }))
}

/// Whether a command is about a descriptor or a file system, and not about what a device does, so
/// that landlock(7) never forbids it (`is_masked_device_ioctl`).
fn is_of_every_file(cmd: u32) -> bool {
    // FICLONE, FICLONERANGE, FIDEDUPERANGE; FS_IOC_GETFSUUID, FS_IOC_GETFSSYSFSPATH.
    const OTHERS: [u32; 8] = [
        FIFREEZE,
        FITHAW,
        FS_IOC_FIEMAP,
        0x4004_9409,
        0x4020_940d,
        0xc018_9436,
        0x8011_1500,
        0x8081_1501,
    ];
    matches!(cmd, FIOCLEX | FIONCLEX | FIONBIO | FIOASYNC | FIOQSIZE | FIGETBSZ)
        || OTHERS.contains(&cmd)
}

fn ioctl(cx: &TaskCx, f: &Arc<File>, a: &Args) -> Result<u64, Errno> {
    let (fd, cmd, arg) = (a[0] as i32, a[1] as u32, Addr(a[2]));
    let set = |flag: OpenFlags, on: i32| {
        let mut flags = f.flags();
        flags.set(flag, on != 0);
        f.set_flags(flags).map(|()| 0)
    };
    match cmd {
        FIOCLEX => cx.task.files().set_cloexec(fd, true).map(|()| 0),
        FIONCLEX => cx.task.files().set_cloexec(fd, false).map(|()| 0),
        FIONBIO => set(OpenFlags::NONBLOCK, cx.mm().read_obj(arg)?),
        FIOASYNC => {
            let on: i32 = cx.mm().read_obj(arg)?;
            if (on != 0) == f.flags().contains(OpenFlags::ASYNC) {
                return Ok(0);
            }
            if !f.can_signal() {
                return Err(Errno::ENOTTY);
            }
            set_async(cx, f, fd, on != 0);
            Ok(0)
        }
        FIOSETOWN | SIOCSPGRP if f.kind() == mode::IFSOCK => {
            set_owner(cx, f, cx.mm().read_obj(arg)?)
        }
        FIOGETOWN | SIOCGPGRP if f.kind() == mode::IFSOCK => {
            cx.mm().write_obj(arg, &owner(cx, f))?;
            Ok(0)
        }
        FIOQSIZE => match f.kind() {
            mode::IFREG | mode::IFDIR | mode::IFLNK => {
                cx.mm().write_obj(arg, &f.stat()?.size)?;
                Ok(0)
            }
            _ => Err(Errno::ENOTTY),
        },
        FIGETBSZ => {
            // That of the file system, and not what a device or a socket says of itself.
            let size = match f.kind() {
                mode::IFREG | mode::IFDIR | mode::IFIFO => f.stat()?.blksize as i32,
                _ => arch::PAGE_SIZE as i32,
            };
            cx.mm().write_obj(arg, &size)?;
            Ok(0)
        }
        // No file system here has blocks, or can be frozen.
        FS_IOC_FIEMAP => Err(Errno::EOPNOTSUPP),
        FIFREEZE | FITHAW => {
            let sb = f.path().mount().super_block();
            match cmd {
                _ if !cx.task.creds().has_in(sb.user_ns(), cap::SYS_ADMIN) => Err(Errno::EPERM),
                FITHAW => Err(Errno::EINVAL),
                _ => Err(Errno::EOPNOTSUPP),
            }
        }
        FIBMAP if f.is_regular() => match cx.task.creds().has(cap::SYS_RAWIO) {
            true => Err(Errno::EINVAL),
            false => Err(Errno::EPERM),
        },
        FIONREAD if f.is_regular() => {
            let left = f.stat()?.size.saturating_sub(f.position());
            cx.mm().write_obj(arg, &(left.min(i32::MAX as u64) as i32))?;
            Ok(0)
        }
        NS_GET_USERNS | NS_GET_PARENT => {
            open_related(cx, f, cmd).unwrap_or_else(|| f.ioctl(&cx.caller(), cmd, arg))
        }
        _ => number_in(cx, f, cmd, a[2] as i32)
            .or_else(|| remap::ioctl(cx, f, cmd, a[2]))
            .or_else(|| pidfd_ioctl(cx, f, cmd, a[2]))
            .or_else(|| file_attr::ioctl(cx, f, cmd, arg))
            .unwrap_or_else(|| f.ioctl(&cx.caller(), cmd, arg)),
    }
}
