//! Process file descriptors; pidfd_open(2).

use crate::{Kernel, Resource, Task, ThreadGroup};
use alloc::format;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use sync::waitq::{Events, Queue};
use syserr::Errno;
use vfs::proc::ProcSource;
use vfs::{File, FileOps, OpenFlags, Stat};

/// `PIDFD_NONBLOCK`.
pub const PIDFD_NONBLOCK: u32 = 0o4000;

/// A descriptor that names a process, whatever becomes of its ID.
pub struct PidFd {
    kernel: Weak<Kernel>,
    group: Arc<ThreadGroup>,
    inode: u64,
}

impl PidFd {
    /// The process.
    pub fn group(&self) -> &Arc<ThreadGroup> {
        &self.group
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        let Some(kernel) = self.kernel.upgrade() else { return true };
        let tree = kernel.tree();
        match tree.procs.get(&self.group.tgid()) {
            Some(p) => !Arc::ptr_eq(&p.group, &self.group) || p.zombie.is_some(),
            None => true,
        }
    }

    /// Whether it was waited for: nothing can be sent to it any more.
    pub fn is_gone(&self) -> bool {
        let Some(kernel) = self.kernel.upgrade() else { return true };
        kernel.process(self.group.tgid()).is_none_or(|g| !Arc::ptr_eq(&g, &self.group))
    }
}

impl FileOps for PidFd {
    fn readiness(&self) -> Events {
        match (self.has_ended(), self.is_gone()) {
            (false, _) => Events::empty(),
            (true, false) => Events::IN | Events::RDNORM,
            (true, true) => Events::IN | Events::RDNORM | Events::HUP,
        }
    }

    fn queue(&self) -> Option<&Queue> {
        Some(self.group.ended_queue())
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(Stat { ino: self.inode, nlink: 1, mode: 0o600, blksize: 4096, ..Stat::default() })
    }

    fn fdinfo(&self, shown: &dyn ProcSource, out: &mut Vec<u8>) {
        let pid = if self.is_gone() { -1 } else { shown.number(self.group.tgid()) };
        out.extend_from_slice(format!("Pid:\t{pid}\nNSpid:\t{pid}").as_bytes());
        if pid > 0 {
            for below in shown.numbers(self.group.tgid()).iter().skip(1) {
                out.extend_from_slice(format!("\t{below}").as_bytes());
            }
        }
        out.push(b'\n');
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A description for `group`.
pub(crate) fn open(kernel: &Arc<Kernel>, group: &Arc<ThreadGroup>, nonblock: bool) -> Arc<File> {
    let ops = PidFd {
        kernel: Arc::downgrade(kernel),
        group: group.clone(),
        inode: kernel.vfs().env().new_inode_number(),
    };
    let flags = if nonblock { OpenFlags::NONBLOCK } else { OpenFlags::empty() };
    File::anonymous(Arc::new(ops), OpenFlags::RDWR | flags, "[pidfd]")
}

/// Puts a description for `group` into the caller's table.
///
/// # Errors
/// `EMFILE`.
pub(crate) fn install(
    task: &Arc<Task>,
    group: &Arc<ThreadGroup>,
    nonblock: bool,
) -> Result<i32, Errno> {
    let file = open(task.kernel(), group, nonblock);
    task.files().install(file, 0, task.limit(Resource::Nofile).0, true)
}

/// The process that descriptor `fd` names.
///
/// # Errors
/// `EBADF` when it is no such descriptor.
pub(crate) fn process(task: &Task, fd: i32) -> Result<Arc<ThreadGroup>, Errno> {
    let file = task.files().get(fd)?;
    let pidfd = file.downcast::<PidFd>().ok_or(Errno::EBADF)?;
    if pidfd.is_gone() { Err(Errno::ESRCH) } else { Ok(pidfd.group.clone()) }
}
