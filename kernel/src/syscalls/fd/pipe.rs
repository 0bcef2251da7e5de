//! pipe(2).

use crate::syscalls::fs::{install, translate};
use crate::{Args, Kernel, Outcome, TaskCx};
use alloc::sync::Arc;
use arch::{Addr, UserMemoryExt};
use syserr::Errno;
use vfs::pipe::{Pipe, PipeMaker};
use vfs::{Creds, File, OpenFlags, cap};

/// What somebody may have of pipes.
pub(crate) fn maker<'a>(kernel: &'a Kernel, creds: &Creds) -> PipeMaker<'a> {
    let settings = kernel.vfs().settings();
    let free = creds.has(cap::SYS_RESOURCE);
    PipeMaker {
        users: settings.pipe_users(),
        uid: creds.uid,
        most: if free { usize::MAX } else { settings.pipe_max_size() },
        privileged: free || creds.has(cap::SYS_ADMIN),
    }
}

fn pipe(cx: &TaskCx, at: u64, flags: OpenFlags) -> Result<u64, Errno> {
    let (env, creds) = (cx.kernel().vfs().env(), cx.task.creds());
    let owner = (creds.fsuid, creds.fsgid);
    let maker = maker(cx.kernel(), &creds);
    let (r, w) = Pipe::pair(env.new_inode_number(), owner, env.now(), flags, maker)?;
    let status = flags & (OpenFlags::NONBLOCK | OpenFlags::DIRECT);
    let cloexec = flags.contains(OpenFlags::CLOEXEC);
    let reader = File::anonymous(Arc::new(r), status, "pipe");
    let writer = File::anonymous(Arc::new(w), status | OpenFlags::WRONLY, "pipe");
    let files = cx.task.files();
    let first = install(cx, reader, cloexec)?;
    let second = match install(cx, writer, cloexec) {
        Ok(fd) => fd,
        Err(e) => {
            let _ = files.close(first as i32);
            return Err(e);
        }
    };
    if let Err(e) = cx.mm().write_obj(Addr(at), &[first as i32, second as i32]) {
        let _ = files.close(first as i32);
        let _ = files.close(second as i32);
        return Err(e);
    }
    Ok(0)
}

/// pipe(2).
pub(crate) fn sys_pipe(cx: &mut TaskCx, a: &Args) -> Outcome {
    pipe(cx, a[0], OpenFlags::empty()).into()
}

/// pipe2(2).
pub(crate) fn sys_pipe2(cx: &mut TaskCx, a: &Args) -> Outcome {
    /// `O_NOTIFICATION_PIPE`, which has the number of `O_EXCL`.
    const NOTIFICATION: OpenFlags = OpenFlags::EXCL;
    let flags = translate(cx.image.arch.arch(), a[1] as u32);
    let flags = OpenFlags::from_bits_retain(flags);
    let legal = OpenFlags::CLOEXEC | OpenFlags::NONBLOCK | OpenFlags::DIRECT | NOTIFICATION;
    if !legal.contains(flags) {
        return Errno::EINVAL.into();
    }
    if flags.contains(NOTIFICATION) {
        return Errno::ENOPKG.into();
    }
    pipe(cx, a[0], flags).into()
}
