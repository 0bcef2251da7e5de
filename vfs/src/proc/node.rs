//! One place in `/proc`.

use super::source::{ProcSource, SystemFile, TaskFile};
use super::table::{Fixed, NET, NetFile, PerTask, ROOT, TASK, is_setting};
use super::{MAGIC, dirs, file, links, mapped};
use crate::{
    Creds, FileOps, IdKind, Inode, Link, OpenFlags, PathCx, Perm, Stat, StatFs, UserNs, cap, mode,
};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use syserr::Errno;

/// Which place it is.
#[derive(Clone, Copy)]
pub(super) enum What {
    Root,
    /// `/proc/self`, and with `thread` `/proc/thread-self`.
    Own {
        thread: bool,
    },
    /// With its inode number.
    Fixed(&'static Fixed, u64),
    /// `/proc/PID`, and without `group` `/proc/PID/task/TID`.
    Task {
        tid: i32,
        group: bool,
    },
    /// One of the names in a task's directory; a link or a directory.
    Per {
        tid: i32,
        what: &'static PerTask,
    },
    Text {
        tid: i32,
        mode: u32,
        file: TaskFile,
        inspect: bool,
    },
    Descriptor {
        tid: i32,
        fd: i32,
    },
    Info {
        tid: i32,
        fd: i32,
    },
    Namespace {
        tid: i32,
        index: usize,
    },
    /// A mapping of a file, from page to page.
    Mapped {
        tid: i32,
        start: u64,
        end: u64,
    },
    /// A table of `/proc/net`.
    Net {
        tid: i32,
        table: &'static NetFile,
    },
    /// What a security module calls a task, where there is no module.
    Label {
        tid: i32,
    },
}

/// An inode of `/proc`.
pub(super) struct Node {
    pub(super) source: Arc<dyn ProcSource>,
    pub(super) what: What,
}

impl Node {
    pub(super) fn new(source: Arc<dyn ProcSource>, what: What) -> Arc<Node> {
        Arc::new(Node { source, what })
    }

    pub(super) fn child(&self, what: What) -> Arc<dyn Inode> {
        Node::new(self.source.clone(), what)
    }

    pub(super) fn tid(&self) -> Option<i32> {
        match self.what {
            What::Root | What::Own { .. } | What::Fixed(..) => None,
            What::Task { tid, .. }
            | What::Per { tid, .. }
            | What::Text { tid, .. }
            | What::Descriptor { tid, .. }
            | What::Info { tid, .. }
            | What::Namespace { tid, .. }
            | What::Mapped { tid, .. }
            | What::Net { tid, .. }
            | What::Label { tid } => Some(tid),
        }
    }

    /// `ESRCH` once the task is gone.
    pub(super) fn alive(&self) -> Result<(), Errno> {
        match self.tid() {
            Some(tid) if self.source.process_of(tid).is_none() => Err(Errno::ESRCH),
            _ => Ok(()),
        }
    }

    /// `EACCES` unless the caller may look inside the task.
    pub(super) fn inspect(&self, cx: &PathCx<'_>) -> Result<(), Errno> {
        match self.tid() {
            Some(tid) if !self.source.may_inspect(cx.creds, cx.tgid, tid) => Err(Errno::EACCES),
            _ => Ok(()),
        }
    }

    fn mode(&self) -> u32 {
        match self.what {
            What::Root | What::Task { .. } | What::Fixed(Fixed::Dir(_), _) => mode::IFDIR | 0o555,
            What::Own { .. } | What::Fixed(Fixed::Link(_), _) | What::Namespace { .. } => {
                mode::IFLNK | 0o777
            }
            What::Fixed(Fixed::File(m, _), _) => mode::IFREG | m,
            What::Fixed(Fixed::Log, _) => mode::IFREG | 0o400,
            What::Text { mode: m, .. } => mode::IFREG | m,
            What::Info { .. } | What::Net { .. } => mode::IFREG | 0o444,
            What::Label { .. } => mode::IFREG | 0o666,
            What::Descriptor { tid, fd } => {
                let file = self.source.descriptors(tid).and_then(|f| f.get(fd).ok());
                let flags = file.map(|f| f.flags()).unwrap_or_default();
                let r = if flags.readable() { 0o500 } else { 0 };
                let w = if flags.writable() { 0o300 } else { 0 };
                mode::IFLNK | r | w
            }
            What::Mapped { tid, start, end } => {
                let (r, w) = mapped::find(&*self.source, tid, start, end)
                    .map_or((false, false), |found| found.mode);
                mode::IFLNK | if r { 0o400 } else { 0 } | if w { 0o200 } else { 0 }
            }
            What::Per { what, .. } => match what {
                PerTask::Fd | PerTask::MapFiles => mode::IFDIR | 0o500,
                PerTask::Pagemap => mode::IFREG | 0o400,
                PerTask::Ns => mode::IFDIR | 0o511,
                PerTask::FdInfo | PerTask::Task | PerTask::Net | PerTask::Attr => {
                    mode::IFDIR | 0o555
                }
                PerTask::Exe | PerTask::Cwd | PerTask::Root => mode::IFLNK | 0o777,
                PerTask::Mem => mode::IFREG | 0o600,
                PerTask::File(m, ..) => mode::IFREG | m,
            },
        }
    }

    /// A number that differs from those of other places, as far as 64 bits go.
    pub(super) fn ino(&self) -> u64 {
        let per = |tid: i32, low: u64| (tid as u64) << 32 | low;
        let index = |w| TASK.iter().position(|(_, t)| core::ptr::eq(t, w)).unwrap_or(0) as u64;
        match self.what {
            What::Root => 1,
            What::Own { thread } => 2 + u64::from(thread),
            What::Fixed(_, ino) => ino,
            What::Task { tid, group } => per(tid, 1 + u64::from(group)),
            What::Per { tid, what } => per(tid, 1 << 24 | index(what)),
            What::Text { tid, file, .. } => per(tid, 16 + file as u64),
            What::Descriptor { tid, fd } => per(tid, 1 << 30 | fd as u64),
            What::Info { tid, fd } => per(tid, 1 << 31 | fd as u64),
            What::Namespace { tid, index } => per(tid, 256 + index as u64),
            What::Mapped { tid, start, .. } => per(tid, 1 << 29 | start >> 12 & 0x1fff_ffff),
            What::Label { tid } => per(tid, 512),
            What::Net { tid, table } => {
                let at = NET.iter().position(|(_, t)| core::ptr::eq(t, table)).unwrap_or(0);
                per(tid, 768 + at as u64)
            }
        }
    }

    /// Whether it is `/proc/sys` or below that.
    fn is_setting(&self) -> bool {
        matches!(self.what, What::Fixed(f, _) if is_setting(f))
    }

    /// How many directories a directory holds. Programs count their threads so.
    fn folders(&self) -> usize {
        match self.what {
            What::Root => {
                let own = ROOT.iter().filter(|(_, f)| matches!(f, Fixed::Dir(_))).count();
                own + self.source.processes().len()
            }
            What::Task { group, .. } => {
                TASK.iter().filter(|(_, w)| w.is_of(group) && w.is_dir()).count()
            }
            What::Per { tid, what: PerTask::Task } => {
                self.source.process_of(tid).map_or(0, |tgid| self.source.threads(tgid).len())
            }
            _ => 0,
        }
    }

    fn permissions(&self) -> Perm {
        let mode = self.mode();
        let open = mode == mode::IFDIR | 0o555;
        let (uid, gid) = self.tid().map_or((0, 0), |t| self.source.owner(t, open));
        Perm { mode, uid, gid }
    }

    pub(super) fn status(&self) -> Stat {
        let Perm { mode, uid, gid } = self.permissions();
        let nlink = match mode & mode::IFMT {
            mode::IFDIR if self.is_setting() => 1,
            mode::IFDIR => 2 + self.folders() as u32,
            _ => 1,
        };
        let size = match self.what {
            What::Descriptor { .. } | What::Mapped { .. } => 64,
            What::Fixed(Fixed::Link(to), _) => to.len() as u64,
            What::Per { tid, what: PerTask::Fd } => {
                self.source.descriptors(tid).map_or(0, |files| files.descriptors().len() as u64)
            }
            _ => 0,
        };
        Stat {
            dev: self.source.device(),
            ino: self.ino(),
            mode,
            nlink,
            uid,
            gid,
            size,
            blksize: 1024,
            ..Stat::default()
        }
    }
}

impl Inode for Node {
    /// Settings are root's, and those that count for each user namespace also of who has
    /// `CAP_SYS_RESOURCE` there; no other capability counts (`test_perm` in `fs/proc/proc_sysctl.c`,
    /// `set_permissions` in `kernel/ucount.c`).
    fn permits(&self, creds: &Creds, mask: u32) -> Option<bool> {
        let What::Fixed(setting, _) = self.what else { return None };
        if !is_setting(setting) {
            return None;
        }
        let of_namespace = match setting {
            Fixed::File(_, SystemFile::MaxUserNamespaces) => creds.has_here(cap::SYS_RESOURCE),
            // Whether it is over the network at hand, who writes is asked (`net_ctl_permissions`).
            Fixed::File(
                _,
                SystemFile::PingGroupRange
                | SystemFile::LocalPortRange
                | SystemFile::UnprivilegedPortStart
                | SystemFile::LoopbackTag
                | SystemFile::NetKept(..),
            ) => creds.has_here(cap::NET_ADMIN),
            // Everybody may, who could put a process back (`ipc_permissions` in ipc/ipc_sysctl.c).
            Fixed::File(_, SystemFile::IpcNextId(_)) => {
                let may = creds.has_here(cap::CHECKPOINT_RESTORE) || creds.has_here(cap::SYS_ADMIN);
                return Some(mask & 1 == 0 && (may || mask & 2 == 0));
            }
            _ => false,
        };
        let bits = match (creds.fsuid, creds.in_group(0)) {
            _ if of_namespace => self.mode() >> 6,
            (0, _) => self.mode() >> 6,
            (_, true) => self.mode() >> 3,
            (_, false) => self.mode(),
        };
        Some(mask & !bits & 7 == 0)
    }

    /// A process that may not be dumped has no files of its own, but sees what it has open.
    fn is_own(&self, cx: &PathCx<'_>) -> bool {
        match self.what {
            What::Per { tid, what: PerTask::Fd } => self.source.process_of(tid) == Some(cx.tgid),
            _ => false,
        }
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(self.status())
    }

    fn kind(&self) -> u32 {
        self.mode() & mode::IFMT
    }

    // Every walk through it asks, and does not want to know how many there are of what.
    fn perm(&self) -> Result<Perm, Errno> {
        Ok(self.permissions())
    }

    fn lookup(&self, name: &[u8], cx: &PathCx<'_>) -> Result<Arc<dyn Inode>, Errno> {
        dirs::lookup(self, name, cx)
    }

    fn has_fixed_names(&self) -> bool {
        true
    }

    fn follow(&self, cx: &PathCx<'_>) -> Result<Link, Errno> {
        links::follow(self, cx)
    }

    fn is_magic_link(&self) -> bool {
        links::is_magic(self.what)
    }

    fn link_text(&self, cx: &PathCx<'_>) -> Result<Option<Vec<u8>>, Errno> {
        links::text(self, cx)
    }

    fn opens_itself(&self) -> bool {
        true
    }

    fn open(self: Arc<Self>, flags: OpenFlags, cx: &PathCx<'_>) -> Result<Arc<dyn FileOps>, Errno> {
        self.alive()?;
        match self.kind() {
            mode::IFDIR => dirs::open(self, cx),
            mode::IFREG => file::open(self, flags, cx),
            _ => Err(Errno::ELOOP),
        }
    }

    fn set_attr(&self, set: &crate::SetAttr) -> Result<(), Errno> {
        // What else is set is taken and forgotten (`proc_setattr`, `proc_sys_setattr`).
        let owned = set.uid.is_some() || set.gid.is_some();
        if set.mode.is_some() || owned && self.is_setting() {
            return Err(Errno::EPERM);
        }
        Ok(())
    }

    fn statfs(&self) -> Result<StatFs, Errno> {
        Ok(StatFs { magic: MAGIC, bsize: 4096, namelen: 255, ..StatFs::default() })
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What a readable place shows.
pub(super) enum Content {
    System(SystemFile),
    Task(i32, TaskFile),
    Info(i32, i32),
    Label,
    Net(i32, &'static NetFile),
    /// A map of the user namespace that the task was in when the file was opened.
    IdMap(UserNs, IdKind),
    /// Whether setgroups(2) is allowed there.
    Setgroups(UserNs),
}
