//! Namespaces as files (`fs/nsfs.c`); namespaces(7), ioctl_nsfs(2).

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, UserMemoryExt};
use core::any::Any;
use syserr::Errno;

use crate::anon::NSFS_DEV;
use crate::fd::anon;
use crate::{Caller, Creds, Env, File, FileOps, Inode, OpenFlags, Path, Stat, UserNs, mode};

/// Of this and [`NS_GET_PARENT`] the kernel makes a descriptor.
pub const NS_GET_USERNS: u32 = 0xb701;
/// The namespace above a PID or user namespace.
pub const NS_GET_PARENT: u32 = 0xb702;
const NS_GET_NSTYPE: u32 = 0xb703;
const NS_GET_OWNER_UID: u32 = 0xb704;

/// Kinds of namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is named as in /proc/PID/ns")]
pub enum NamespaceKind {
    Cgroup,
    Ipc,
    Mnt,
    Net,
    Pid,
    Time,
    User,
    Uts,
}

impl NamespaceKind {
    /// How many there are.
    pub(crate) const COUNT: usize = NamespaceKind::Uts as usize + 1;

    /// What links are called before the number.
    pub fn name(self) -> &'static str {
        match self {
            NamespaceKind::Cgroup => "cgroup",
            NamespaceKind::Ipc => "ipc",
            NamespaceKind::Mnt => "mnt",
            NamespaceKind::Net => "net",
            NamespaceKind::Pid => "pid",
            NamespaceKind::Time => "time",
            NamespaceKind::User => "user",
            NamespaceKind::Uts => "uts",
        }
    }

    /// Its `CLONE_NEW*`.
    pub fn flag(self) -> u32 {
        match self {
            NamespaceKind::Cgroup => 0x0200_0000,
            NamespaceKind::Ipc => 0x0800_0000,
            NamespaceKind::Mnt => 0x0002_0000,
            NamespaceKind::Net => 0x4000_0000,
            NamespaceKind::Pid => 0x2000_0000,
            NamespaceKind::Time => 0x80,
            NamespaceKind::User => 0x1000_0000,
            NamespaceKind::Uts => 0x0400_0000,
        }
    }

    /// The inode number of the one that a kernel begins with (`PROC_*_INIT_INO`).
    pub fn initial_ino(self) -> u64 {
        0xefff_ff00
            | match self {
                NamespaceKind::Net => 0xf7,
                NamespaceKind::Mnt => 0xf8,
                NamespaceKind::Time => 0xfa,
                NamespaceKind::Cgroup => 0xfb,
                NamespaceKind::Pid => 0xfc,
                NamespaceKind::User => 0xfd,
                NamespaceKind::Uts => 0xfe,
                NamespaceKind::Ipc => 0xff,
            }
    }
}

/// What every namespace has: a number, and the user namespace that it belongs to.
pub struct NsHead {
    kind: NamespaceKind,
    ino: u64,
    owner: UserNs,
    /// Where it is counted.
    counted: Option<Arc<Env>>,
}

impl NsHead {
    /// Of the one that a kernel begins with.
    pub fn initial(kind: NamespaceKind) -> NsHead {
        NsHead { kind, ino: kind.initial_ino(), owner: UserNs::INITIAL, counted: None }
    }

    /// Of a new one that belongs to `owner`.
    ///
    /// # Errors
    /// `ENOSPC` when there are too many of the kind.
    pub fn new(kind: NamespaceKind, owner: &UserNs, env: &Arc<Env>) -> Result<NsHead, Errno> {
        let ino = env.new_namespace(kind)?;
        Ok(NsHead { kind, ino, owner: owner.clone(), counted: Some(env.clone()) })
    }

    /// Its inode number, which no other namespace has or will have.
    pub fn ino(&self) -> u64 {
        self.ino
    }

    /// The user namespace that it belongs to.
    pub fn owner(&self) -> &UserNs {
        &self.owner
    }
}

impl Drop for NsHead {
    fn drop(&mut self) {
        if let Some(env) = &self.counted {
            env.namespace_gone(self.kind);
        }
    }
}

/// A namespace, as its file shows it.
pub trait Namespace: Any + Send + Sync {
    /// What every namespace has; `None` of the initial user namespace, which is nothing in memory.
    fn head(&self) -> Option<&NsHead>;
    /// What it is a namespace of.
    fn kind(&self) -> NamespaceKind {
        self.head().map_or(NamespaceKind::User, |h| h.kind)
    }
    /// Its inode number.
    fn ino(&self) -> u64 {
        self.head().map_or_else(|| NamespaceKind::User.initial_ino(), |h| h.ino)
    }
    /// The user namespace that it belongs to; of a user namespace the one above it.
    fn owner(&self) -> UserNs {
        self.head().map_or(UserNs::INITIAL, |h| h.owner.clone())
    }
    /// The PID namespace above it.
    fn parent(&self) -> Option<NamespaceRef> {
        None
    }
}

/// A namespace of any kind.
pub type NamespaceRef = Arc<dyn Namespace>;

/// The namespace as what it is.
pub fn downcast<T: Namespace>(ns: NamespaceRef) -> Option<Arc<T>> {
    let any: Arc<dyn Any + Send + Sync> = ns;
    any.downcast().ok()
}

/// What readlink(2) shows of a link to it.
pub(crate) fn text(ns: &dyn Namespace) -> Vec<u8> {
    format!("{}:[{}]", ns.kind().name(), ns.ino()).into_bytes()
}

/// Where a link to it leads.
pub(crate) fn path(ns: NamespaceRef) -> Path {
    let name = ns.kind().name();
    let ops: Arc<dyn FileOps> = Arc::new(NamespaceFile(ns));
    anon::path(&ops, name)
}

struct NamespaceFile(NamespaceRef);

impl FileOps for NamespaceFile {
    fn stat(&self) -> Result<Stat, Errno> {
        Ok(Stat {
            dev: NSFS_DEV,
            ino: self.0.ino(),
            mode: mode::IFREG | 0o444,
            nlink: 1,
            blksize: 4096,
            ..Stat::default()
        })
    }

    fn reopen(&self, flags: OpenFlags) -> Result<Arc<dyn FileOps>, Errno> {
        // As a file that cannot be changed at all.
        if flags.writable() {
            Err(Errno::EPERM)
        } else {
            Ok(Arc::new(NamespaceFile(self.0.clone())))
        }
    }

    fn ioctl(&self, caller: &dyn Caller, cmd: u32, arg: Addr) -> Result<u64, Errno> {
        let user = (&*self.0 as &dyn Any).downcast_ref::<UserNs>();
        match (cmd, user) {
            (NS_GET_NSTYPE, _) => Ok(self.0.kind().flag().into()),
            (NS_GET_OWNER_UID, Some(ns)) => {
                let uid = caller.creds().user_ns.show_uid(ns.owner_uid());
                caller.memory().write_obj(arg, &uid)?;
                Ok(0)
            }
            (NS_GET_OWNER_UID, None) => Err(Errno::EINVAL),
            _ => Err(Errno::ENOTTY),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The namespace that a file is.
pub fn namespace_of(file: &File) -> Option<NamespaceRef> {
    file.downcast::<NamespaceFile>().map(|n| n.0.clone())
}

pub(crate) fn namespace_of_inode(inode: &dyn Inode) -> Option<NamespaceRef> {
    let ops = anon::object(inode)?;
    ops.as_any().downcast_ref::<NamespaceFile>().map(|n| n.0.clone())
}

/// A description of a namespace.
pub fn open(ns: NamespaceRef) -> Arc<File> {
    let name = ns.kind().name();
    File::anonymous(Arc::new(NamespaceFile(ns)), OpenFlags::empty(), name)
}

/// The namespace that [`NS_GET_USERNS`] or [`NS_GET_PARENT`] asks for.
///
/// # Errors
/// `EPERM` for one that `creds` cannot see; `EINVAL` for the parent of one that has none.
pub fn related(ns: &NamespaceRef, cmd: u32, creds: &Creds) -> Result<NamespaceRef, Errno> {
    let user = ns.kind() == NamespaceKind::User;
    if cmd == NS_GET_PARENT && !user {
        return match ns.kind() {
            NamespaceKind::Pid => ns.parent().ok_or(Errno::EPERM),
            _ => Err(Errno::EINVAL),
        };
    }
    let initial = user && ns.ino() == NamespaceKind::User.initial_ino();
    let owner = ns.owner();
    if initial || !owner.is_within(&creds.user_ns) {
        return Err(Errno::EPERM);
    }
    Ok(Arc::new(owner))
}
