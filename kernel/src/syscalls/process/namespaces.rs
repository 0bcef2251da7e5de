//! setns(2), and descriptors of namespaces: there is one of each kind, which everybody is in.

use crate::clone::CloneFlags;
use crate::syscalls::fs::walk::vfs;
use crate::{Args, Outcome, Resource, TaskCx, pidfd};
use syserr::Errno;
use vfs::proc::{namespace_type, owner_of_namespace};
use vfs::{File, cap};

/// setns(2): goes where the caller is already.
pub fn sys_setns(cx: &mut TaskCx, a: &Args) -> Outcome {
    setns(cx, a[0] as i32, a[1] as i32 as u32).map(|()| 0).into()
}

fn setns(cx: &TaskCx, fd: i32, wanted: u32) -> Result<(), Errno> {
    let file = cx.task.files().get(fd)?;
    let wanted = CloneFlags::from_bits(wanted.into())
        .filter(|f| CloneFlags::NAMESPACES.contains(*f))
        .ok_or(Errno::EINVAL)?;
    let kinds = match namespace_type(&file).map(|kind| CloneFlags::from_bits_truncate(kind.into()))
    {
        Some(kind) if wanted.is_empty() || wanted == kind => kind,
        None if pidfd::process(&cx.task, fd).is_ok() && !wanted.is_empty() => wanted,
        _ => return Err(Errno::EINVAL),
    };
    if kinds.contains(CloneFlags::NEWUSER) {
        // Nobody enters their own anew.
        return Err(Errno::EINVAL);
    }
    let creds = cx.task.creds();
    let mounts = kinds.contains(CloneFlags::NEWNS);
    if !creds.has(cap::SYS_ADMIN) || mounts && !creds.has(cap::SYS_CHROOT) {
        return Err(Errno::EPERM);
    }
    if kinds.contains(CloneFlags::NEWTIME) && cx.task.group_ref().thread_count() > 1 {
        return Err(Errno::EUSERS);
    }
    if mounts {
        let root = vfs(cx).root();
        cx.task.fs().set_cwd(root.clone());
        cx.task.fs().set_root(root);
    }
    Ok(())
}

/// `NS_GET_USERNS` (ioctl_ns(2)), if `file` is a namespace that has an owner.
pub(crate) fn open_owner(cx: &TaskCx, file: &File) -> Option<Result<u64, Errno>> {
    let owner = owner_of_namespace(file)?;
    let most = cx.task.limit(Resource::Nofile).0;
    Some(cx.task.files().install(owner, 0, most, true).map(|fd| fd as u64))
}
