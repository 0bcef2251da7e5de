//! stat(2), statx(2), statfs(2).

use super::rw::flat;
use super::walk::{
    AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, CWD, Walk, lookup, path_or_none, resolve, vfs,
};
use crate::{Args, Outcome, TaskCx};
use arch::{Addr, Arch, UserMemoryExt};
use syserr::Errno;
use vfs::{FileFlags, FoundIn, LookupFlags, Stat, StatFs, split_dev};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// `struct stat` of x86-64 (`arch/x86/include/uapi/asm/stat.h`).
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct StatX86 {
    dev: u64,
    ino: u64,
    nlink: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    pad: u32,
    rdev: u64,
    size: i64,
    blksize: i64,
    blocks: i64,
    times: [[i64; 2]; 3],
    unused: [i64; 3],
}
static_assertions::assert_eq_size!(StatX86, [u8; 144]);

/// `struct stat` of arm64 (`include/uapi/asm-generic/stat.h`).
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct StatGeneric {
    dev: u64,
    ino: u64,
    mode: u32,
    nlink: u32,
    uid: u32,
    gid: u32,
    rdev: u64,
    pad1: u64,
    size: i64,
    blksize: i32,
    pad2: i32,
    blocks: i64,
    times: [[i64; 2]; 3],
    unused: [u32; 2],
}
static_assertions::assert_eq_size!(StatGeneric, [u8; 128]);

const SECOND: i64 = 1_000_000_000;

/// Seconds and nanoseconds.
fn timespec(t: vfs::Nanos) -> [i64; 2] {
    [t.div_euclid(SECOND), t.rem_euclid(SECOND)]
}

/// Owner and group as the caller's namespace knows them.
fn owner(cx: &TaskCx, s: &Stat) -> (u32, u32) {
    cx.task.with_creds(|c| (c.user_ns.show_uid(s.uid), c.user_ns.show_gid(s.gid)))
}

fn write_stat(cx: &TaskCx, at: u64, s: &Stat) -> Result<Outcome, Errno> {
    let times = [timespec(s.atime), timespec(s.mtime), timespec(s.ctime)];
    let (size, blocks) = (s.size as i64, s.blocks as i64);
    let (uid, gid) = owner(cx, s);
    match cx.kernel().embedder().platform.arch() {
        Arch::X86_64 => {
            let out = StatX86 {
                dev: s.dev,
                ino: s.ino,
                nlink: s.nlink.into(),
                mode: s.mode,
                uid,
                gid,
                rdev: s.rdev,
                size,
                blksize: s.blksize.into(),
                blocks,
                times,
                ..StatX86::default()
            };
            cx.mm().write_obj(Addr(at), &out)?;
        }
        Arch::Aarch64 => {
            let out = StatGeneric {
                dev: s.dev,
                ino: s.ino,
                mode: s.mode,
                nlink: s.nlink,
                uid,
                gid,
                rdev: s.rdev,
                size,
                blksize: s.blksize as i32,
                blocks,
                times,
                ..StatGeneric::default()
            };
            cx.mm().write_obj(Addr(at), &out)?;
        }
    }
    Ok(Ok(0).into())
}

fn stat_path(cx: &TaskCx, dirfd: u64, at: u64, flags: LookupFlags) -> Result<Stat, Errno> {
    let path = path_or_none(cx, at, flags)?;
    vfs(cx).stat(&Walk::new(cx).cx(), dirfd as i32, &path, flags)
}

/// stat(2).
pub(crate) fn sys_stat(cx: &mut TaskCx, a: &Args) -> Outcome {
    let s = stat_path(cx, CWD, a[0], LookupFlags::empty());
    flat(s.and_then(|s| write_stat(cx, a[1], &s)))
}

/// lstat(2).
pub(crate) fn sys_lstat(cx: &mut TaskCx, a: &Args) -> Outcome {
    let s = stat_path(cx, CWD, a[0], LookupFlags::NOFOLLOW);
    flat(s.and_then(|s| write_stat(cx, a[1], &s)))
}

/// fstat(2).
pub(crate) fn sys_fstat(cx: &mut TaskCx, a: &Args) -> Outcome {
    let s = cx.task.files().get(a[0] as i32).and_then(|f| f.stat());
    flat(s.and_then(|s| write_stat(cx, a[1], &s)))
}

/// newfstatat(2).
pub(crate) fn sys_newfstatat(cx: &mut TaskCx, a: &Args) -> Outcome {
    const AT_NO_AUTOMOUNT: u32 = 0x800;
    flat((|| {
        let flags = lookup(a[3], AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT)?;
        let s = stat_path(cx, a[0], a[1], flags)?;
        write_stat(cx, a[2], &s)
    })())
}

/// `struct statx_timestamp`.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct StatxTime {
    sec: i64,
    nsec: u32,
    pad: u32,
}

/// `struct statx` (`include/uapi/linux/stat.h`).
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Statx {
    mask: u32,
    blksize: u32,
    attributes: u64,
    nlink: u32,
    uid: u32,
    gid: u32,
    mode: u16,
    pad: u16,
    ino: u64,
    size: u64,
    blocks: u64,
    attributes_mask: u64,
    atime: StatxTime,
    btime: StatxTime,
    ctime: StatxTime,
    mtime: StatxTime,
    rdev: [u32; 2],
    dev: [u32; 2],
    mount_id: u64,
    dio: [u32; 2],
    unused: [u64; 12],
}
static_assertions::assert_eq_size!(Statx, [u8; 256]);

const STATX_BASIC: u32 = 0x7ff;
const STATX_BTIME: u32 = 0x800;
const STATX_MNT_ID: u32 = 0x1000;
const STATX_MNT_ID_UNIQUE: u32 = 0x4000;
/// `STATX_ATTR_MOUNT_ROOT`.
const ATTR_MOUNT_ROOT: u64 = 0x2000;

/// `STATX_ATTR_AUTOMOUNT` and `STATX_ATTR_DAX`, which no file here has.
const ATTR_NEVER: u64 = 0x20_1000;
/// `STATX_ATTR_*` of what chattr(1) sets, which are the same bits.
const ATTR_FLAGS: u32 = FileFlags::all().difference(FileFlags::NOATIME).bits();

fn attributes(found: &FoundIn) -> u64 {
    let flags = found.flags.unwrap_or_default().bits() & ATTR_FLAGS;
    u64::from(flags) | if found.is_root { ATTR_MOUNT_ROOT } else { 0 }
}

/// statx(2).
pub(crate) fn sys_statx(cx: &mut TaskCx, a: &Args) -> Outcome {
    const AT_NO_AUTOMOUNT: u32 = 0x800;
    const SYNC: u32 = 0x6000;
    const RESERVED: u32 = 1 << 31;
    flat((|| {
        if a[3] as u32 & RESERVED != 0 || a[2] as u32 & SYNC == SYNC {
            return Err(Errno::EINVAL);
        }
        let legal = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | SYNC;
        let flags = lookup(a[2], legal)?;
        let path = path_or_none(cx, a[1], flags)?;
        let walk = Walk::new(cx);
        let (s, found) = vfs(cx).stat_with_mount(&walk.cx(), a[0] as i32, &path, flags)?;
        let time = |t| {
            let [sec, nsec] = timespec(t);
            StatxTime { sec, nsec: nsec as u32, pad: 0 }
        };
        let numbers = |dev| {
            let (major, minor) = split_dev(dev);
            [major, minor]
        };
        let (uid, gid) = owner(cx, &s);
        let has_btime = s.btime != 0;
        let (id_bit, mount_id) = match a[3] as u32 & STATX_MNT_ID_UNIQUE {
            0 => (STATX_MNT_ID, found.mount),
            bit => (bit, found.unique),
        };
        let out = Statx {
            mask: STATX_BASIC | id_bit | if has_btime { STATX_BTIME } else { 0 },
            blksize: s.blksize,
            nlink: s.nlink,
            uid,
            gid,
            mode: s.mode as u16,
            ino: s.ino,
            size: s.size,
            blocks: s.blocks,
            atime: time(s.atime),
            btime: if has_btime { time(s.btime) } else { StatxTime::default() },
            ctime: time(s.ctime),
            mtime: time(s.mtime),
            rdev: numbers(s.rdev),
            dev: numbers(s.dev),
            mount_id,
            attributes: attributes(&found),
            attributes_mask: ATTR_MOUNT_ROOT
                | ATTR_NEVER
                | found.flags.map_or(0, |_| ATTR_FLAGS.into()),
            ..Statx::default()
        };
        cx.mm().write_obj(Addr(a[4]), &out)?;
        Ok(Ok(0).into())
    })())
}

/// `struct statfs` of 64-bit machines.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct RawStatFs {
    kind: u64,
    bsize: u64,
    blocks: u64,
    bfree: u64,
    bavail: u64,
    files: u64,
    ffree: u64,
    fsid: u64,
    namelen: u64,
    frsize: u64,
    flags: u64,
    spare: [u64; 4],
}
static_assertions::assert_eq_size!(RawStatFs, [u8; 120]);

fn write_statfs(cx: &TaskCx, at: u64, s: &StatFs) -> Result<Outcome, Errno> {
    let out = RawStatFs {
        kind: s.magic,
        bsize: s.bsize,
        blocks: s.blocks,
        bfree: s.bfree,
        bavail: s.bavail,
        files: s.files,
        ffree: s.ffree,
        fsid: s.fsid,
        namelen: s.namelen,
        frsize: s.bsize,
        flags: s.flags,
        spare: [0; 4],
    };
    cx.mm().write_obj(Addr(at), &out)?;
    Ok(Ok(0).into())
}

/// statfs(2).
pub(crate) fn sys_statfs(cx: &mut TaskCx, a: &Args) -> Outcome {
    let found = resolve(cx, CWD, a[0], LookupFlags::empty());
    let s = found.and_then(|f| vfs(cx).statfs(&f.path));
    flat(s.and_then(|s| write_statfs(cx, a[1], &s)))
}

/// fstatfs(2).
pub(crate) fn sys_fstatfs(cx: &mut TaskCx, a: &Args) -> Outcome {
    let file = cx.task.files().get(a[0] as i32);
    let s = file.and_then(|f| vfs(cx).statfs(f.path()));
    flat(s.and_then(|s| write_statfs(cx, a[1], &s)))
}
