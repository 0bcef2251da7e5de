//! mount(2), umount2(2), pivot_root(2) and what Tessera refuses of their kind.

use super::mount_api::may_mount;
use super::walk::{Walk, path, vfs};
use crate::{Args, Outcome, TaskCx};
use alloc::vec::Vec;
use arch::{Addr, Permissions, UserMemory};
use syserr::Errno;
use vfs::landlock::may_change_mounts;

/// Options of mount(2): at most a page, cut at the first NUL, and short when memory ends.
fn options(cx: &TaskCx, at: u64) -> Result<Vec<u8>, Errno> {
    if at == 0 {
        return Ok(Vec::new());
    }
    let mut page = alloc::vec![0; arch::PAGE_SIZE as usize];
    if let Err(p) = cx.mm().copy_in(Addr(at), &mut page, Permissions::Obey)
        && p.done == 0
    {
        return Err(p.errno);
    }
    let end = page.iter().position(|b| *b == 0).unwrap_or(page.len());
    page.truncate(end);
    Ok(page)
}

/// A string that may be left out. One that is too long is no path (`copy_mount_string`).
fn optional(cx: &TaskCx, at: u64) -> Result<Option<Vec<u8>>, Errno> {
    let invalid = |e| if e == Errno::ENAMETOOLONG { Errno::EINVAL } else { e };
    if at == 0 { Ok(None) } else { path(cx, at).map(Some).map_err(invalid) }
}

/// mount(2).
pub(crate) fn sys_mount(cx: &mut TaskCx, a: &Args) -> Outcome {
    let r = (|| {
        let (fs_type, source) = (optional(cx, a[2])?, optional(cx, a[0])?);
        let options = options(cx, a[4])?;
        let target = path(cx, a[1])?;
        may_change_mounts(&cx.task.creds())?;
        let walk = Walk::new(cx);
        let (source, fs_type) = (source.as_deref(), fs_type.as_deref());
        vfs(cx).mount(&walk.cx(), source, &target, fs_type, a[3], &options).map(|()| 0)
    })();
    r.into()
}

/// umount2(2).
pub(crate) fn sys_umount2(cx: &mut TaskCx, a: &Args) -> Outcome {
    let p = path(cx, a[0]);
    p.and_then(|p| vfs(cx).umount(&Walk::new(cx).cx(), &p, a[1] as u32)).map(|()| 0).into()
}

/// pivot_root(2).
pub(crate) fn sys_pivot_root(cx: &mut TaskCx, a: &Args) -> Outcome {
    let r = (|| {
        may_mount(cx)?;
        may_change_mounts(&cx.task.creds())?;
        let (new, put_old) = (path(cx, a[0])?, path(cx, a[1])?);
        let (old, new) = vfs(cx).pivot_root(&Walk::new(cx).cx(), &new, &put_old)?;
        // Whoever stands in the old root stands in the new one (`chroot_fs_refs`).
        let tasks: Vec<_> = cx.kernel().tree().tasks.values().cloned().collect();
        for task in tasks {
            task.fs().replace(&old, &new);
        }
        Ok(0)
    })();
    r.into()
}
