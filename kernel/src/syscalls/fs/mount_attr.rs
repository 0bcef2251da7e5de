//! mount_setattr(2), open_tree_attr(2).

use super::descriptors::install;
use super::mount_api::{
    AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_RECURSIVE, AT_SYMLINK_NOFOLLOW, O_CLOEXEC, follow,
    may_mount, open_tree,
};
use super::walk::{Walk, path, vfs};
use crate::syscalls::misc::check_zeros;
use crate::{Args, Outcome, TaskCx};
use arch::{Addr, UserMemoryExt};
use core::any::Any;
use syserr::Errno;
use vfs::nsfs::namespace_of;
use vfs::{AttrChange, MountFlags, UserNs, cap};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// `struct mount_attr`.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}
static_assertions::assert_eq_size!(MountAttr, [u8; 32]);

const RDONLY: u64 = 1;
const NOSUID: u64 = 2;
const NODEV: u64 = 4;
const NOEXEC: u64 = 8;
const ATIME: u64 = 0x70;
const NOATIME: u64 = 0x10;
const STRICTATIME: u64 = 0x20;
const NODIRATIME: u64 = 0x80;
const IDMAP: u64 = 0x10_0000;
const NOSYMFOLLOW: u64 = 0x20_0000;

/// All but the times of access.
const PLAIN: &[(u64, MountFlags)] = &[
    (RDONLY, MountFlags::RDONLY),
    (NOSUID, MountFlags::NOSUID),
    (NODEV, MountFlags::NODEV),
    (NOEXEC, MountFlags::NOEXEC),
    (NODIRATIME, MountFlags::NODIRATIME),
    (NOSYMFOLLOW, MountFlags::NOSYMFOLLOW),
];

fn plain(attrs: u64) -> MountFlags {
    PLAIN.iter().filter(|(bit, _)| attrs & bit != 0).map(|(_, f)| *f).collect()
}

fn times(attrs: u64) -> MountFlags {
    match attrs & ATIME {
        NOATIME => MountFlags::NOATIME,
        STRICTATIME => MountFlags::empty(),
        _ => MountFlags::RELATIME,
    }
}

/// `MOUNT_ATTR_*` as flags of a mount; `None` for unknown ones.
pub(super) fn mount_flags(attrs: u64) -> Option<MountFlags> {
    let known = PLAIN.iter().fold(ATIME, |all, (bit, _)| all | bit);
    (attrs & !known == 0).then(|| plain(attrs) | times(attrs))
}

/// Flags of a mount as `MOUNT_ATTR_*`.
pub(super) fn attr_bits(flags: MountFlags) -> u64 {
    let bits = PLAIN.iter().filter(|(_, f)| flags.contains(*f)).map(|(bit, _)| bit);
    let times = if flags.contains(MountFlags::NOATIME) {
        NOATIME
    } else if flags.contains(MountFlags::RELATIME) {
        0
    } else {
        STRICTATIME
    };
    bits.fold(times, |all, bit| all | bit)
}

/// What the structure asks for; `None` for nothing (`wants_mount_setattr`).
fn wanted(cx: &TaskCx, at: u64, size: u64) -> Result<Option<AttrChange>, Errno> {
    const KNOWN: u64 = size_of::<MountAttr>() as u64;
    if size > arch::PAGE_SIZE {
        return Err(Errno::E2BIG);
    }
    if size < KNOWN {
        return Err(Errno::EINVAL);
    }
    may_mount(cx)?;
    check_zeros(cx, at, KNOWN, size)?;
    let attr: MountAttr = cx.mm().read_obj(Addr(at))?;
    if attr.set == 0 && attr.clear == 0 && attr.propagation == 0 {
        return Ok(None);
    }
    const PROPAGATION: u64 = 0xf << 17;
    let bits = attr.propagation;
    if bits & !PROPAGATION != 0 || bits.count_ones() > 1 {
        return Err(Errno::EINVAL);
    }
    let named = attr.set | attr.clear;
    if mount_flags(named & !IDMAP).is_none() {
        return Err(Errno::EINVAL);
    }
    let mut change =
        AttrChange { clear: plain(attr.clear), set: plain(attr.set), propagation: bits };
    // The times of access are one setting of three values: it changes as a whole.
    if attr.clear & ATIME != 0 {
        if attr.clear & ATIME != ATIME || !matches!(attr.set & ATIME, 0 | NOATIME | STRICTATIME) {
            return Err(Errno::EINVAL);
        }
        change.clear |= MountFlags::RELATIME | MountFlags::NOATIME;
        change.set |= times(attr.set);
    } else if attr.set & ATIME != 0 {
        return Err(Errno::EINVAL);
    }
    if named & IDMAP != 0 {
        return Err(idmapped(cx, &attr));
    }
    Ok(Some(change))
}

/// Why the mount does not get other owners (`build_mount_idmapped`, `can_idmap_mount`): no file system
/// can show them.
fn idmapped(cx: &TaskCx, attr: &MountAttr) -> Errno {
    if attr.clear & IDMAP != 0 || attr.userns_fd > i32::MAX as u64 {
        return Errno::EINVAL;
    }
    let file = match cx.task.files().get(attr.userns_fd as i32) {
        Ok(file) => file,
        Err(e) => return e,
    };
    let Some(ns) = namespace_of(&file) else { return Errno::EINVAL };
    match (&*ns as &dyn Any).downcast_ref::<UserNs>() {
        Some(ns) if ns.is_initial() || !cx.task.creds().has_in(ns, cap::SYS_ADMIN) => Errno::EPERM,
        _ => Errno::EINVAL,
    }
}

/// mount_setattr(2).
pub(crate) fn sys_mount_setattr(cx: &mut TaskCx, a: &Args) -> Outcome {
    let r = (|| {
        let flags = a[2] as u32;
        let legal = AT_EMPTY_PATH | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
        if flags & !legal != 0 {
            return Err(Errno::EINVAL);
        }
        let Some(change) = wanted(cx, a[3], a[4])? else { return Ok(0) };
        let lookup = follow(flags & AT_SYMLINK_NOFOLLOW != 0, flags & AT_EMPTY_PATH != 0);
        let path = path(cx, a[1])?;
        let walk = Walk::new(cx);
        let at = vfs(cx).resolve(&walk.cx(), a[0] as i32, &path, lookup)?;
        vfs(cx)
            .mount_setattr(&Walk::new(cx).cx(), &at, flags & AT_RECURSIVE != 0, &change)
            .map(|()| 0)
    })();
    r.into()
}

/// open_tree_attr(2): open_tree(2), and mount_setattr(2) on what it gives.
pub(crate) fn sys_open_tree_attr(cx: &mut TaskCx, a: &Args) -> Outcome {
    let r = (|| {
        if a[3] == 0 && a[4] != 0 {
            return Err(Errno::EINVAL);
        }
        let file = open_tree(cx, a)?;
        let flags = a[2] as u32;
        if a[3] != 0
            && let Some(change) = wanted(cx, a[3], a[4])?
        {
            vfs(cx).mount_setattr(
                &Walk::new(cx).cx(),
                file.path(),
                flags & AT_RECURSIVE != 0,
                &change,
            )?;
        }
        install(cx, file, flags & O_CLOEXEC != 0)
    })();
    r.into()
}
