//! Places for objects that have no name in the tree, so that every description has one.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use syserr::Errno;

use crate::anon::{MQUEUE_DEV, NSFS_DEV, PIPE_DEV, SOCKET_DEV};
use crate::memfs::Node;
use crate::tree::{Dentry, Mount, MountFlags};
use crate::{
    FileFlags, FileOps, Inode, InodeState, OpenFlags, Path, PathCx, SetAttr, Stat, StatFs,
    SuperBlock, SuperState, Validity, mode,
};

/// Magic numbers of `include/uapi/linux/magic.h`.
const PIPEFS: u64 = 0x5049_5045;
const SOCKFS: u64 = 0x534f_434b;
const MQUEUE: u64 = 0x1980_0202;
const NSFS: u64 = 0x6e73_6673;
const ANON_INODES: u64 = 0x0904_1934;

/// The attribute that names a socket's protocol (`sockfs_xattr_handlers` in `net/socket.c`).
pub(crate) const SOCKPROTONAME: &[u8] = b"system.sockprotoname";

/// The inode of an anonymous object: opening it through `/proc/PID/fd` gives the object again.
struct AnonInode {
    ops: Arc<dyn FileOps>,
    state: InodeState,
    kind: u32,
    dev: u64,
}

impl Inode for AnonInode {
    fn stat(&self) -> Result<Stat, Errno> {
        self.ops.stat()
    }

    fn kind(&self) -> u32 {
        self.kind
    }

    fn flags(&self) -> Option<FileFlags> {
        self.ops.as_any().downcast_ref::<Node>()?.file_flags()
    }

    fn set_flags(&self, flags: FileFlags) -> Result<(), Errno> {
        let node = self.ops.as_any().downcast_ref::<Node>().ok_or(Errno::EOPNOTSUPP)?;
        node.set_flags(flags)
    }

    fn set_attr(&self, set: &SetAttr) -> Result<(), Errno> {
        self.ops.set_attr(set)
    }

    fn state(&self) -> Option<&InodeState> {
        Some(&self.state)
    }

    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        match self.ops.protocol_name() {
            Some(p) if name == SOCKPROTONAME => Ok([p.as_bytes(), b"\0"].concat()),
            _ => Err(Errno::EOPNOTSUPP),
        }
    }

    fn list_xattr(&self) -> Result<Vec<Box<[u8]>>, Errno> {
        Ok(self.ops.protocol_name().map(|_| SOCKPROTONAME.into()).into_iter().collect())
    }

    fn statfs(&self) -> Result<StatFs, Errno> {
        let magic = match self.dev {
            PIPE_DEV => PIPEFS,
            SOCKET_DEV => SOCKFS,
            MQUEUE_DEV => MQUEUE,
            NSFS_DEV => NSFS,
            _ => ANON_INODES,
        };
        Ok(StatFs { magic, bsize: 4096, namelen: 255, ..StatFs::default() })
    }

    fn opens_itself(&self) -> bool {
        true
    }

    fn open(self: Arc<Self>, flags: OpenFlags, _: &PathCx<'_>) -> Result<Arc<dyn FileOps>, Errno> {
        if self.kind == mode::IFSOCK { Err(Errno::ENXIO) } else { self.ops.reopen(flags) }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The object that an inode is of, if it is of one without a name.
pub(crate) fn object(inode: &dyn Inode) -> Option<&Arc<dyn FileOps>> {
    inode.as_any().downcast_ref::<AnonInode>().map(|i| &i.ops)
}

/// `name` is as for [`crate::File::anonymous`].
pub(crate) fn path(ops: &Arc<dyn FileOps>, name: &str) -> Path {
    let stat = ops.stat().unwrap_or_default();
    let shown: String = match name {
        _ if matches!(stat.dev, PIPE_DEV | SOCKET_DEV | NSFS_DEV) => {
            format!("{name}:[{}]", stat.ino)
        }
        _ if name.starts_with('/') => name.into(),
        _ => format!("anon_inode:{name}"),
    };
    let (kind, dev) = (stat.mode & mode::IFMT, stat.dev);
    let inode: Arc<dyn Inode> =
        Arc::new(AnonInode { ops: ops.clone(), state: InodeState::default(), kind, dev });
    let fs_kind = match dev {
        PIPE_DEV => "pipefs",
        NSFS_DEV => "nsfs",
        _ => "anon_inodefs",
    };
    let sb = Arc::new(SuperBlock {
        kind: fs_kind,
        // Only namespaces are ever mounted, so only of them it shows.
        source: if dev == NSFS_DEV { fs_kind.into() } else { Vec::new() },
        options: Vec::new(),
        dev: stat.dev,
        validity: Validity::Always,
        root: inode.clone(),
        state: SuperState::default(),
    });
    let dentry = Dentry::new(None, shown.as_bytes(), Some(inode));
    // Not the mount's root: the walk up from here ends at a name without a parent.
    let root = Dentry::new(None, b"", None);
    Path { mount: Mount::new(0, root, sb, MountFlags::empty(), None), dentry }
}
