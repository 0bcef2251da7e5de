//! Between the host's types and `vfs`'s.

use rustix::fs::{Statx, Timespec};
use syserr::Errno;
use vfs::{Nanos, Stat};

pub(super) fn errno(e: rustix::io::Errno) -> Errno {
    u16::try_from(e.raw_os_error()).ok().and_then(Errno::new).unwrap_or(Errno::EIO)
}

const SECOND: i64 = 1_000_000_000;

pub(super) fn stat(s: &Statx) -> Stat {
    let nanos = |t: &rustix::fs::StatxTimestamp| -> Nanos {
        t.tv_sec.saturating_mul(SECOND).saturating_add(i64::from(t.tv_nsec))
    };
    Stat {
        dev: vfs::makedev(s.stx_dev_major, s.stx_dev_minor),
        ino: s.stx_ino,
        mode: u32::from(s.stx_mode),
        nlink: s.stx_nlink,
        uid: s.stx_uid,
        gid: s.stx_gid,
        rdev: vfs::makedev(s.stx_rdev_major, s.stx_rdev_minor),
        size: s.stx_size,
        blksize: s.stx_blksize,
        blocks: s.stx_blocks,
        atime: nanos(&s.stx_atime),
        mtime: nanos(&s.stx_mtime),
        ctime: nanos(&s.stx_ctime),
        btime: nanos(&s.stx_btime),
    }
}

pub(super) fn timespec(t: Option<Nanos>) -> Timespec {
    match t {
        Some(t) => Timespec { tv_sec: t.div_euclid(SECOND), tv_nsec: t.rem_euclid(SECOND) },
        None => Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
    }
}
