//! The calls that mount step by step: fsopen(2), fspick(2), fsconfig(2), fsmount(2), open_tree(2),
//! move_mount(2).

use super::descriptors::install;
use super::mount_attr::mount_flags;
use super::walk::{Walk, path, string, vfs};
use crate::{Args, Outcome, TaskCx};
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, Permissions, UserMemory};
use syserr::Errno;
use vfs::landlock::may_change_mounts;
use vfs::{AT_FDCWD, File, LookupFlags, MountContext, MovePlace};

/// Longest key or string of fsconfig(2), with its NUL.
const STRING_MAX: usize = 256;

pub(super) const AT_RECURSIVE: u32 = 0x8000;
pub(super) const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
pub(super) const AT_NO_AUTOMOUNT: u32 = 0x800;
pub(super) const AT_EMPTY_PATH: u32 = 0x1000;
pub(super) const OPEN_TREE_CLONE: u32 = 1;
pub(super) const O_CLOEXEC: u32 = 0o2_000_000;

pub(super) fn may_mount(cx: &TaskCx) -> Result<(), Errno> {
    Walk::new(cx).cx().may_mount()
}

pub(super) fn follow(nofollow: bool, empty: bool) -> LookupFlags {
    let mut l = LookupFlags::empty();
    l.set(LookupFlags::NOFOLLOW, nofollow);
    l.set(LookupFlags::EMPTY_PATH, empty);
    l
}

/// A null path where an empty one is allowed means the descriptor (`getname_maybe_null`).
fn maybe_path(cx: &TaskCx, at: u64, lookup: LookupFlags) -> Result<Vec<u8>, Errno> {
    if at == 0 && lookup.contains(LookupFlags::EMPTY_PATH) { Ok(Vec::new()) } else { path(cx, at) }
}

/// fsopen(2).
pub(crate) fn sys_fsopen(cx: &mut TaskCx, a: &Args) -> Outcome {
    const CLOEXEC: u32 = 1;
    let r = (|| {
        may_mount(cx)?;
        let flags = a[1] as u32;
        if flags & !CLOEXEC != 0 {
            return Err(Errno::EINVAL);
        }
        let name = string(cx, a[0], arch::PAGE_SIZE as usize)?;
        let file = vfs(cx).fsopen(&Walk::new(cx).cx(), &name)?;
        install(cx, file, flags != 0)
    })();
    r.into()
}

/// fspick(2).
pub(crate) fn sys_fspick(cx: &mut TaskCx, a: &Args) -> Outcome {
    const CLOEXEC: u32 = 1;
    const NOFOLLOW: u32 = 2;
    const EMPTY: u32 = 8;
    let r = (|| {
        may_mount(cx)?;
        let flags = a[2] as u32;
        if flags & !15 != 0 {
            return Err(Errno::EINVAL);
        }
        let lookup = follow(flags & NOFOLLOW != 0, flags & EMPTY != 0);
        let path = path(cx, a[1])?;
        let at = MovePlace { dirfd: a[0] as i32, path: &path, lookup };
        let file = vfs(cx).fspick(&Walk::new(cx).cx(), at)?;
        install(cx, file, flags & CLOEXEC != 0)
    })();
    r.into()
}

/// `EBADF` without a file, `EINVAL` for another one.
fn context(cx: &TaskCx, fd: u64) -> Result<Arc<File>, Errno> {
    let file = cx.task.files().get(fd as i32)?;
    file.check_not_path()?;
    file.downcast::<MountContext>().ok_or(Errno::EINVAL)?;
    Ok(file)
}

/// fsconfig(2).
pub(crate) fn sys_fsconfig(cx: &mut TaskCx, a: &Args) -> Outcome {
    configure(cx, a).map(|()| 0).into()
}

fn configure(cx: &TaskCx, a: &Args) -> Result<(), Errno> {
    const FLAG: u32 = 0;
    const STRING: u32 = 1;
    const BINARY: u32 = 2;
    const PATH: u32 = 3;
    const PATH_EMPTY: u32 = 4;
    const FD: u32 = 5;
    const CREATE: u32 = 6;
    const RECONFIGURE: u32 = 7;
    const CREATE_EXCL: u32 = 8;
    let (fd, command, key, value, aux) = (a[0] as i32, a[1] as u32, a[2], a[3], a[4] as i32);
    if fd < 0 {
        return Err(Errno::EINVAL);
    }
    let good = match command {
        FLAG => key != 0 && value == 0 && aux == 0,
        STRING => key != 0 && value != 0 && aux == 0,
        BINARY => key != 0 && value != 0 && (1..=1 << 20).contains(&aux),
        PATH | PATH_EMPTY => key != 0 && value != 0 && (aux == AT_FDCWD || aux >= 0),
        FD => key != 0 && value == 0 && aux >= 0,
        CREATE | RECONFIGURE | CREATE_EXCL => key == 0 && value == 0 && aux == 0,
        _ => return Err(Errno::EOPNOTSUPP),
    };
    if !good {
        return Err(Errno::EINVAL);
    }
    let file = context(cx, a[0])?;
    let context = file.downcast::<MountContext>().ok_or(Errno::EINVAL)?;
    let walk = Walk::new(cx);
    let key = if key == 0 { Vec::new() } else { string(cx, key, STRING_MAX)? };
    match command {
        FLAG => context.set(&key, None, false),
        STRING => context.set(&key, Some(&string(cx, value, STRING_MAX)?), false),
        BINARY => {
            // Read for its errors: no file system here takes any.
            let mut chunk = [0; 4096];
            let mut done = 0;
            while done < aux as u64 {
                let n = (aux as u64 - done).min(4096);
                let (part, _) = chunk.split_at_mut(n as usize);
                cx.mm().copy_in(Addr(value).wrapping_add(done), part, Permissions::Obey)?;
                done += n;
            }
            context.set(&key, Some(b""), true)
        }
        PATH | PATH_EMPTY => {
            let path = path(cx, value)?;
            if path.is_empty() && command == PATH {
                return Err(Errno::ENOENT);
            }
            context.set(&key, Some(b""), true)
        }
        FD => {
            cx.task.files().get(aux)?;
            context.set(&key, Some(b""), true)
        }
        CREATE => context.create(&walk.cx(), false),
        CREATE_EXCL => context.create(&walk.cx(), true),
        _ => context.reconfigure(vfs(cx), &walk.cx()),
    }
}

/// fsmount(2).
pub(crate) fn sys_fsmount(cx: &mut TaskCx, a: &Args) -> Outcome {
    const CLOEXEC: u32 = 1;
    const ATIME: u64 = 0x70;
    let r = (|| {
        may_mount(cx)?;
        let (flags, attrs) = (a[1] as u32, u64::from(a[2] as u32));
        let mounted = mount_flags(attrs).ok_or(Errno::EINVAL)?;
        if flags & !CLOEXEC != 0 || !matches!(attrs & ATIME, 0 | 0x10 | 0x20) {
            return Err(Errno::EINVAL);
        }
        let file = context(cx, a[0])?;
        let context = file.downcast::<MountContext>().ok_or(Errno::EINVAL)?;
        install(cx, vfs(cx).fsmount(&Walk::new(cx).cx(), context, mounted)?, flags != 0)
    })();
    r.into()
}

/// open_tree(2) with its flags, for open_tree_attr(2) too.
pub(super) fn open_tree(cx: &TaskCx, a: &Args) -> Result<Arc<File>, Errno> {
    let flags = a[2] as u32;
    let legal = AT_EMPTY_PATH
        | AT_NO_AUTOMOUNT
        | AT_RECURSIVE
        | AT_SYMLINK_NOFOLLOW
        | OPEN_TREE_CLONE
        | O_CLOEXEC;
    if flags & !legal != 0 || flags & (AT_RECURSIVE | OPEN_TREE_CLONE) == AT_RECURSIVE {
        return Err(Errno::EINVAL);
    }
    let copy = (flags & OPEN_TREE_CLONE != 0).then_some(flags & AT_RECURSIVE != 0);
    if copy.is_some() {
        may_mount(cx)?;
    }
    let lookup = follow(flags & AT_SYMLINK_NOFOLLOW != 0, flags & AT_EMPTY_PATH != 0);
    let path = path(cx, a[1])?;
    let at = MovePlace { dirfd: a[0] as i32, path: &path, lookup };
    vfs(cx).open_tree(&Walk::new(cx).cx(), at, copy)
}

/// open_tree(2).
pub(crate) fn sys_open_tree(cx: &mut TaskCx, a: &Args) -> Outcome {
    let file = open_tree(cx, a);
    file.and_then(|f| install(cx, f, a[2] as u32 & O_CLOEXEC != 0)).into()
}

/// move_mount(2).
pub(crate) fn sys_move_mount(cx: &mut TaskCx, a: &Args) -> Outcome {
    const FROM_FOLLOW: u32 = 1;
    const FROM_EMPTY: u32 = 4;
    const TO_FOLLOW: u32 = 0x10;
    const TO_EMPTY: u32 = 0x40;
    const SET_GROUP: u32 = 0x100;
    const BENEATH: u32 = 0x200;
    let r = (|| {
        may_mount(cx)?;
        may_change_mounts(&cx.task.creds())?;
        let flags = a[4] as u32;
        let both = SET_GROUP | BENEATH;
        if flags & !0x377 != 0 || flags & both == both {
            return Err(Errno::EINVAL);
        }
        let from = follow(flags & FROM_FOLLOW == 0, flags & FROM_EMPTY != 0);
        let to = follow(flags & TO_FOLLOW == 0, flags & TO_EMPTY != 0);
        let (to_path, from_path) = (maybe_path(cx, a[3], to)?, maybe_path(cx, a[1], from)?);
        let from = MovePlace { dirfd: a[0] as i32, path: &from_path, lookup: from };
        let to = MovePlace { dirfd: a[2] as i32, path: &to_path, lookup: to };
        let (beneath, group) = (flags & BENEATH != 0, flags & SET_GROUP != 0);
        vfs(cx).move_mount(&Walk::new(cx).cx(), from, to, beneath, group)
    })();
    r.map(|()| 0).into()
}
