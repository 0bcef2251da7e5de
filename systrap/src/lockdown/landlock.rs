//! Files beneath the grants and no others; landlock(7).

use super::Grants;
use crate::sys;
use linux_raw_sys::general as nr;
use linux_raw_sys::landlock::{
    LANDLOCK_ACCESS_FS_IOCTL_DEV, LANDLOCK_ACCESS_FS_MAKE_BLOCK, LANDLOCK_ACCESS_FS_MAKE_CHAR,
    LANDLOCK_ACCESS_FS_MAKE_DIR, LANDLOCK_ACCESS_FS_MAKE_FIFO, LANDLOCK_ACCESS_FS_MAKE_REG,
    LANDLOCK_ACCESS_FS_MAKE_SOCK, LANDLOCK_ACCESS_FS_MAKE_SYM, LANDLOCK_ACCESS_FS_READ_DIR,
    LANDLOCK_ACCESS_FS_READ_FILE, LANDLOCK_ACCESS_FS_REFER, LANDLOCK_ACCESS_FS_REMOVE_DIR,
    LANDLOCK_ACCESS_FS_REMOVE_FILE, LANDLOCK_ACCESS_FS_TRUNCATE, LANDLOCK_ACCESS_FS_WRITE_FILE,
    LANDLOCK_ACCESS_NET_BIND_TCP, LANDLOCK_ACCESS_NET_CONNECT_TCP, LANDLOCK_CREATE_RULESET_VERSION,
    LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET, landlock_path_beneath_attr, landlock_ruleset_attr,
};
use rustix::fd::{AsRawFd, FromRawFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use std::io;
use std::path::Path;

const READ: u32 = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;

/// Devices cannot be made all the same, for want of a capability: the host's answer, `EPERM`, is the
/// one that guests know.
const WRITE: u32 = READ
    | LANDLOCK_ACCESS_FS_WRITE_FILE
    | LANDLOCK_ACCESS_FS_TRUNCATE
    | LANDLOCK_ACCESS_FS_REMOVE_DIR
    | LANDLOCK_ACCESS_FS_REMOVE_FILE
    | LANDLOCK_ACCESS_FS_MAKE_BLOCK
    | LANDLOCK_ACCESS_FS_MAKE_CHAR
    | LANDLOCK_ACCESS_FS_MAKE_DIR
    | LANDLOCK_ACCESS_FS_MAKE_FIFO
    | LANDLOCK_ACCESS_FS_MAKE_REG
    | LANDLOCK_ACCESS_FS_MAKE_SOCK
    | LANDLOCK_ACCESS_FS_MAKE_SYM
    | LANDLOCK_ACCESS_FS_REFER;

/// `LANDLOCK_RULE_PATH_BENEATH`.
const PATH_BENEATH: u64 = 1;

/// Opens files beneath the grants only, from now on; `false` if the host cannot do that.
pub(super) fn confine(grants: &Grants<'_>) -> io::Result<bool> {
    let version = [0, 0, u64::from(LANDLOCK_CREATE_RULESET_VERSION), 0, 0, 0];
    // SAFETY: asks for a number, and names no memory.
    let abi = unsafe { sys::call(nr::__NR_landlock_create_ruleset, version) };
    // The first version refuses all renames between directories.
    if abi < 2 {
        return Ok(false);
    }
    let files = handled_files(abi);
    let attr = landlock_ruleset_attr {
        handled_access_fs: u64::from(files),
        handled_access_net: match abi {
            4.. => u64::from(LANDLOCK_ACCESS_NET_BIND_TCP | LANDLOCK_ACCESS_NET_CONNECT_TCP),
            _ => 0,
        },
        scoped: if abi >= 6 { u64::from(LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET) } else { 0 },
    };
    // An older host takes a longer structure whose rest is zero.
    let size = size_of::<landlock_ruleset_attr>() as u64;
    let create = [&raw const attr as u64, size, 0, 0, 0, 0];
    // SAFETY: the kernel reads the structure.
    let rules = unsafe { sys::call(nr::__NR_landlock_create_ruleset, create) };
    let rules = check(rules)?;
    // SAFETY: the kernel has just made this descriptor, for us alone.
    let rules = unsafe { OwnedFd::from_raw_fd(rules as i32) };
    permit(&rules, grants.root, READ)?;
    for dir in grants.writable {
        permit(&rules, dir, WRITE & files)?;
    }
    // SAFETY: no memory is named.
    let done = unsafe {
        sys::call(nr::__NR_landlock_restrict_self, [rules.as_raw_fd() as u64, 0, 0, 0, 0, 0])
    };
    check(done)?;
    Ok(true)
}

/// The rights that a version of the interface knows: those to the second version have the lowest
/// 14 bits.
fn handled_files(abi: i64) -> u32 {
    let mut all = LANDLOCK_ACCESS_FS_TRUNCATE - 1;
    if abi >= 3 {
        all |= LANDLOCK_ACCESS_FS_TRUNCATE;
    }
    if abi >= 5 {
        all |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
    }
    all
}

fn permit(rules: &OwnedFd, dir: &Path, access: u32) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(CWD, dir, flags, Mode::empty())?;
    let attr =
        landlock_path_beneath_attr { allowed_access: u64::from(access), parent_fd: fd.as_raw_fd() };
    let add = [rules.as_raw_fd() as u64, PATH_BENEATH, &raw const attr as u64, 0, 0, 0];
    // SAFETY: the kernel reads the structure.
    check(unsafe { sys::call(nr::__NR_landlock_add_rule, add) }).map(drop)
}

fn check(result: i64) -> io::Result<i64> {
    if result < 0 { Err(io::Error::from_raw_os_error(-result as i32)) } else { Ok(result) }
}
