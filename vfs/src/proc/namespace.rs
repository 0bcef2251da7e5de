//! Namespaces as files (`fs/nsfs.c`): there is one of each kind, the initial one; namespaces(7).

use crate::anon::NSFS_DEV;
use crate::fd::anon;
use crate::{Caller, File, FileOps, OpenFlags, Path, Stat, mode};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, UserMemoryExt};
use core::any::Any;
use syserr::Errno;

/// `NS_GET_USERNS`, of which the kernel makes a descriptor.
pub const NS_GET_USERNS: u32 = 0xb701;
const NS_GET_PARENT: u32 = 0xb702;
const NS_GET_NSTYPE: u32 = 0xb703;
const NS_GET_OWNER_UID: u32 = 0xb704;

/// `CLONE_NEWUSER`.
const NEWUSER: u32 = 0x1000_0000;
/// `CLONE_NEWPID`.
const NEWPID: u32 = 0x2000_0000;

/// A kind of namespace.
pub(super) struct Kind {
    /// What its links are called before the number.
    name: &'static str,
    /// Its `CLONE_NEW*`.
    flag: u32,
    /// The inode number of the initial one (`PROC_*_INIT_INO`).
    ino: u32,
}

const fn kind(name: &'static str, flag: u32, ino: u32) -> Kind {
    Kind { name, flag, ino }
}

static CGROUP: Kind = kind("cgroup", 0x0200_0000, 0xefff_fffb);
static IPC: Kind = kind("ipc", 0x0800_0000, 0xefff_ffff);
static MNT: Kind = kind("mnt", 0x0002_0000, 0xefff_fff8);
static NET: Kind = kind("net", 0x4000_0000, 0xefff_fff7);
static PID: Kind = kind("pid", NEWPID, 0xefff_fffc);
static TIME: Kind = kind("time", 0x80, 0xefff_fffa);
static USER: Kind = kind("user", NEWUSER, 0xefff_fffd);
static UTS: Kind = kind("uts", 0x0400_0000, 0xefff_fffe);

/// The links in `/proc/PID/ns`.
pub(super) static LINKS: &[(&str, &Kind)] = &[
    ("cgroup", &CGROUP),
    ("ipc", &IPC),
    ("mnt", &MNT),
    ("net", &NET),
    ("pid", &PID),
    ("pid_for_children", &PID),
    ("time", &TIME),
    ("time_for_children", &TIME),
    ("user", &USER),
    ("uts", &UTS),
];

impl Kind {
    /// What readlink(2) shows.
    pub(super) fn text(&self) -> Vec<u8> {
        format!("{}:[{}]", self.name, self.ino).into_bytes()
    }

    /// Where its links lead.
    pub(super) fn path(&'static self) -> Path {
        let ops: Arc<dyn FileOps> = Arc::new(Namespace(self));
        anon::path(&ops, self.name)
    }
}

struct Namespace(&'static Kind);

impl FileOps for Namespace {
    fn stat(&self) -> Result<Stat, Errno> {
        Ok(Stat {
            dev: NSFS_DEV,
            ino: self.0.ino.into(),
            mode: mode::IFREG | 0o444,
            nlink: 1,
            blksize: 4096,
            ..Stat::default()
        })
    }

    fn reopen(&self, flags: OpenFlags) -> Result<Arc<dyn FileOps>, Errno> {
        // As a file that cannot be changed at all.
        if flags.writable() { Err(Errno::EPERM) } else { Ok(Arc::new(Namespace(self.0))) }
    }

    fn ioctl(&self, caller: &dyn Caller, cmd: u32, arg: Addr) -> Result<u64, Errno> {
        match cmd {
            NS_GET_NSTYPE => Ok(self.0.flag.into()),
            NS_GET_OWNER_UID if self.0.flag == NEWUSER => {
                caller.memory().write_obj(arg, &0u32)?;
                Ok(0)
            }
            NS_GET_OWNER_UID => Err(Errno::EINVAL),
            // The initial ones have none that the caller could see.
            NS_GET_PARENT if matches!(self.0.flag, NEWUSER | NEWPID) => Err(Errno::EPERM),
            NS_GET_PARENT => Err(Errno::EINVAL),
            NS_GET_USERNS => Err(Errno::EPERM),
            _ => Err(Errno::ENOTTY),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The `CLONE_NEW*` of a file that is a namespace.
pub fn namespace_type(file: &File) -> Option<u32> {
    file.downcast::<Namespace>().map(|n| n.0.flag)
}

/// The user namespace that owns the one that `file` is, for [`NS_GET_USERNS`]; `None` for the user
/// namespace itself and for other files.
pub fn owner_of_namespace(file: &File) -> Option<Arc<File>> {
    namespace_type(file).filter(|flag| *flag != NEWUSER)?;
    Some(File::anonymous(Arc::new(Namespace(&USER)), OpenFlags::empty(), USER.name))
}
