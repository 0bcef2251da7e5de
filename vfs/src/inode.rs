//! What a file system supplies: inodes.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32};
use sync::Mutex;
use syserr::Errno;

use crate::acl::{Acl, AclKind};
use crate::locks::FileLocks;
use crate::notify::Marks;
use crate::{Creds, DirEntry, FileFlags, FileOps, Nanos, OpenFlags, Path, PathCx, Stat, mode};

/// Type, permissions and owner: what a permission check reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Perm {
    /// Type and permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// What a new inode is to be.
#[derive(Clone, Debug, Default)]
pub struct Create<'a> {
    /// Type and permission bits, umask or default list applied.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device number, of a device node.
    pub rdev: u64,
    /// Text, of a symbolic link.
    pub target: &'a [u8],
    /// The list that goes with the mode, where the file system keeps lists itself.
    pub acl: Option<Arc<Acl>>,
    /// The list that a directory passes on.
    pub default_acl: Option<Arc<Acl>>,
    /// Thread that makes it, where a program does.
    pub tid: Option<i32>,
}

/// Attributes to change; `None` leaves one as it is. Permission was checked by the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetAttr {
    /// Permission bits (07777).
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Last access, nanoseconds since the epoch.
    pub atime: Option<Nanos>,
    /// Last change of contents.
    pub mtime: Option<Nanos>,
}

impl SetAttr {
    /// Applies the changes to what stat(2) says.
    pub fn apply(&self, stat: &mut Stat) {
        if let Some(m) = self.mode {
            stat.mode = stat.mode & mode::IFMT | m & 0o7777;
        }
        stat.uid = self.uid.unwrap_or(stat.uid);
        stat.gid = self.gid.unwrap_or(stat.gid);
        stat.atime = self.atime.unwrap_or(stat.atime);
        stat.mtime = self.mtime.unwrap_or(stat.mtime);
    }
}

/// Where a symbolic link leads.
pub enum Link {
    /// To a path, relative to the link's directory or absolute.
    Text(Arc<[u8]>),
    /// To a place, past any walk: the magic links of proc(5).
    Magic(Path),
}

bitflags::bitflags! {
    /// Flags of renameat2(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct RenameFlags: u32 {
        /// `RENAME_NOREPLACE`.
        const NOREPLACE = 1;
        /// `RENAME_EXCHANGE`.
        const EXCHANGE = 2;
        /// `RENAME_WHITEOUT`.
        const WHITEOUT = 4;
    }
}

/// What statfs(2) tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatFs {
    /// Magic number of the file system type.
    pub magic: u64,
    /// Block size in bytes.
    pub bsize: u64,
    /// Blocks in all.
    pub blocks: u64,
    /// Free blocks.
    pub bfree: u64,
    /// Blocks free for unprivileged users.
    pub bavail: u64,
    /// Inodes in all.
    pub files: u64,
    /// Free inodes.
    pub ffree: u64,
    /// Longest name in bytes.
    pub namelen: u64,
    /// `ST_*` flags of the mount; filled in by [`crate::Vfs::statfs`].
    pub flags: u64,
    /// File system ID; filled in by [`crate::Vfs::statfs`].
    pub fsid: u64,
}

bitflags::bitflags! {
    /// How setxattr(2) treats an attribute that is or is not there.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct XattrSet: u32 {
        /// `XATTR_CREATE`: it must not be there.
        const CREATE = 1;
        /// `XATTR_REPLACE`: it must be there.
        const REPLACE = 2;
    }
}

/// State that the virtual file system keeps with an inode, whichever file system it is of.
#[derive(Default)]
pub struct InodeState {
    locks: Mutex<Option<Arc<FileLocks>>>,
    /// Open for writing when positive, being executed when negative (`i_writecount`).
    writers: AtomicI32,
    /// Open only for reading (`i_readcount`).
    readers: AtomicU32,
    /// The pipe behind a FIFO, the socket behind a bound name.
    slot: Mutex<Option<Arc<dyn Any + Send + Sync>>>,
    marks: Marks,
    /// `RWH_*`; `F_SET_RW_HINT`.
    hint: AtomicU8,
    /// Made without a name, and may get one (`I_LINKABLE`).
    linkable: AtomicBool,
    /// Odd while the file is known to have no capabilities (`S_NOSEC`).
    caps: AtomicU32,
}

impl InodeState {
    /// The record locks on the inode, made when first asked for.
    pub fn locks(&self) -> Arc<FileLocks> {
        self.locks.lock().get_or_insert_with(Default::default).clone()
    }

    /// The record locks, if anybody ever asked for them.
    pub fn existing_locks(&self) -> Option<Arc<FileLocks>> {
        self.locks.lock().clone()
    }

    /// Counts one more who may write.
    ///
    /// # Errors
    /// `ETXTBSY` while the file is being executed.
    pub fn start_writing(&self) -> Result<(), Errno> {
        self.change(|n| n >= 0, 1)
    }

    /// Takes [`InodeState::start_writing`] back.
    pub fn stop_writing(&self) {
        self.writers.fetch_sub(1, Relaxed);
    }

    /// Counts one more who only reads.
    pub(crate) fn start_reading(&self) {
        self.readers.fetch_add(1, Relaxed);
    }

    pub(crate) fn stop_reading(&self) {
        self.readers.fetch_sub(1, Relaxed);
    }

    /// How many have it open to write, and how many only to read.
    pub(crate) fn open_counts(&self) -> (i32, u32) {
        (self.writers.load(Relaxed), self.readers.load(Relaxed))
    }

    /// Keeps writers out, for execve(2).
    ///
    /// # Errors
    /// `ETXTBSY` while somebody has the file open for writing.
    pub fn deny_writing(&self) -> Result<(), Errno> {
        self.change(|n| n <= 0, -1)
    }

    /// Takes [`InodeState::deny_writing`] back.
    pub fn allow_writing(&self) {
        self.writers.fetch_add(1, Relaxed);
    }

    fn change(&self, legal: impl Fn(i32) -> bool, by: i32) -> Result<(), Errno> {
        self.writers
            .fetch_update(Relaxed, Relaxed, |n| if legal(n) { n.checked_add(by) } else { None })
            .map(|_| ())
            .map_err(|_| Errno::ETXTBSY)
    }

    /// The watches on the inode.
    pub(crate) fn marks(&self) -> &Marks {
        &self.marks
    }

    /// How long written data is expected to live (`RWH_*`).
    pub fn write_hint(&self) -> u8 {
        self.hint.load(Relaxed)
    }

    /// Sets what [`InodeState::write_hint`] says.
    pub fn set_write_hint(&self, hint: u8) {
        self.hint.store(hint, Relaxed);
    }

    /// Lets a file that has no name get one.
    pub fn set_linkable(&self) {
        self.linkable.store(true, Relaxed);
    }

    /// Whether a file that has no name may get one.
    pub fn is_linkable(&self) -> bool {
        self.linkable.load(Relaxed)
    }

    /// The question whether the file has capabilities; `None` when the answer is known to be no.
    pub(crate) fn asks_for_caps(&self) -> Option<u32> {
        Some(self.caps.load(SeqCst)).filter(|n| n.is_multiple_of(2))
    }

    /// Remembers that it has none, unless it was given some since the question.
    pub(crate) fn has_no_caps(&self, question: u32) {
        // Then somebody else knows better.
        let _ = self.caps.compare_exchange(question, question | 1, SeqCst, SeqCst);
    }

    /// It may have some now.
    pub(crate) fn may_have_caps(&self) {
        // Every answer is wrong from now on.
        let _ = self.caps.fetch_update(SeqCst, SeqCst, |n| Some((n | 1).wrapping_add(1)));
    }

    /// What is attached to the inode: a FIFO's pipe, a bound socket.
    pub fn attached(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.slot.lock().clone()
    }

    /// What is attached, or else what `make` makes, attached now.
    pub fn attached_or(
        &self,
        make: impl FnOnce() -> Arc<dyn Any + Send + Sync>,
    ) -> Arc<dyn Any + Send + Sync> {
        self.slot.lock().get_or_insert_with(make).clone()
    }

    /// Replaces what is attached.
    pub fn attach(&self, what: Option<Arc<dyn Any + Send + Sync>>) {
        let old = core::mem::replace(&mut *self.slot.lock(), what);
        drop(old);
    }
}

/// A file, as its file system keeps it.
///
/// Names are single components without a slash, never `.` or `..`, at most 255 bytes; the walk has
/// checked permissions and mounts. Changes of one directory come one at a time. Defaults answer as
/// Linux does for an inode without the operation.
#[expect(unused_variables, reason = "defaults name their parameters for the docs")]
pub trait Inode: Send + Sync + Any {
    /// What stat(2) says.
    ///
    /// # Errors
    /// `EIO`, `ESTALE`.
    fn stat(&self) -> Result<Stat, Errno>;
    /// `S_IFMT` bits; they never change.
    fn kind(&self) -> u32;
    /// What a permission check reads.
    ///
    /// # Errors
    /// As [`Inode::stat`].
    fn perm(&self) -> Result<Perm, Errno> {
        let s = self.stat()?;
        Ok(Perm { mode: s.mode, uid: s.uid, gid: s.gid })
    }
    /// What chattr(1) sets of it; `None` for a file of which that cannot be said.
    fn flags(&self) -> Option<FileFlags> {
        None
    }
    /// Sets that. Permission was checked by the caller.
    ///
    /// # Errors
    /// `EOPNOTSUPP`.
    fn set_flags(&self, flags: FileFlags) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
    /// Whether somebody may do all of `mask` (`MAY_*` bits), where other rules decide than owner, group
    /// and capabilities.
    fn permits(&self, creds: &Creds, mask: u32) -> Option<bool> {
        None
    }
    /// Whether it is the caller's own, who may always search and read it (`proc_fd_permission`).
    fn is_own(&self, cx: &PathCx<'_>) -> bool {
        false
    }
    /// The state that outlives single opens; without it, locks last as long as the description.
    fn state(&self) -> Option<&InodeState> {
        None
    }
    /// The child called `name`.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`.
    fn lookup(&self, name: &[u8], cx: &PathCx<'_>) -> Result<Arc<dyn Inode>, Errno> {
        Err(Errno::ENOTDIR)
    }
    /// Whether a cached answer of [`Inode::lookup`] still holds; asked as
    /// [`crate::SuperBlock::validity`] says.
    fn revalidate(&self, name: &[u8], child: Option<&Arc<dyn Inode>>) -> bool {
        true
    }
    /// Whether a name that there is not cannot even be looked up in order to make it: that is
    /// `ENOENT`, for everybody.
    fn has_fixed_names(&self) -> bool {
        false
    }
    /// Makes a child.
    ///
    /// # Errors
    /// `EEXIST`, `ENOSPC`, `EPERM`, `ENOENT` when the directory was removed.
    fn create(&self, name: &[u8], what: &Create<'_>) -> Result<Arc<dyn Inode>, Errno> {
        // As Linux tells those apart for want of `create` and of the others.
        Err(if what.mode & mode::IFMT == mode::IFREG { Errno::EACCES } else { Errno::EPERM })
    }
    /// Makes a regular file without a name (`O_TMPFILE`).
    ///
    /// # Errors
    /// `EOPNOTSUPP`.
    fn create_unnamed(&self, what: &Create<'_>) -> Result<Arc<dyn Inode>, Errno> {
        Err(Errno::EOPNOTSUPP)
    }
    /// Makes `target`, of the same file system, a child too.
    ///
    /// # Errors
    /// `EEXIST`, `EMLINK`, `EPERM`.
    fn link(&self, name: &[u8], target: &Arc<dyn Inode>) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }
    /// Removes a name; of a directory only when that is empty.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTEMPTY`.
    fn remove(&self, name: &[u8], child: &Arc<dyn Inode>) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }
    /// Moves `name` to `new_name` of `new_parent`, of the same file system. Types, `NOREPLACE` and
    /// loops were checked; whether a directory that is replaced is empty was not. With `WHITEOUT`,
    /// `whiteout` is left under the old name.
    ///
    /// # Errors
    /// `ENOTEMPTY`, `EXDEV`, `EINVAL` for a flag that the file system lacks.
    fn rename(
        &self,
        name: &[u8],
        new_parent: &Arc<dyn Inode>,
        new_name: &[u8],
        flags: RenameFlags,
        whiteout: &Create<'_>,
    ) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }
    /// Where a symbolic link leads, for whoever follows it.
    ///
    /// # Errors
    /// `EINVAL` when it is not a symbolic link.
    fn follow(&self, cx: &PathCx<'_>) -> Result<Link, Errno> {
        Err(Errno::EINVAL)
    }
    /// Whether it is a magic link of proc(5), which leads to an object and not along a path
    /// (`RESOLVE_NO_MAGICLINKS`).
    fn is_magic_link(&self) -> bool {
        false
    }
    /// What readlink(2) returns; of a magic link a description. `None`: as [`Inode::follow`] says.
    ///
    /// # Errors
    /// As [`Inode::follow`].
    fn link_text(&self, cx: &PathCx<'_>) -> Result<Option<Vec<u8>>, Errno> {
        Ok(None)
    }
    /// Changes attributes; ctime follows.
    ///
    /// # Errors
    /// `EPERM`, `EROFS`.
    fn set_attr(&self, set: &SetAttr) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }
    /// Whether [`Inode::open`] is meant even for a FIFO or device node; otherwise the kernel's
    /// [`SpecialFiles`] opens those.
    fn opens_itself(&self) -> bool {
        matches!(self.kind(), mode::IFREG | mode::IFDIR)
    }
    /// Opens it. `O_TRUNC` is done by the caller afterwards.
    ///
    /// # Errors
    /// `ENXIO` when it cannot be opened.
    fn open(self: Arc<Self>, flags: OpenFlags, cx: &PathCx<'_>) -> Result<Arc<dyn FileOps>, Errno> {
        Err(Errno::ENXIO)
    }
    /// What statfs(2) says of the file system.
    ///
    /// # Errors
    /// `EIO`.
    fn statfs(&self) -> Result<StatFs, Errno> {
        Ok(StatFs { bsize: 4096, namelen: 255, ..StatFs::default() })
    }
    /// An extended attribute.
    ///
    /// # Errors
    /// `ENODATA`, `EOPNOTSUPP`.
    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        Err(Errno::EOPNOTSUPP)
    }
    /// Sets an extended attribute.
    ///
    /// # Errors
    /// `EOPNOTSUPP`, `EEXIST`, `ENODATA`, `ENOSPC`.
    fn set_xattr(&self, name: &[u8], value: &[u8], how: XattrSet) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
    /// Names of extended attributes.
    ///
    /// # Errors
    /// `EIO`.
    fn list_xattr(&self) -> Result<Vec<Box<[u8]>>, Errno> {
        Ok(Vec::new())
    }
    /// Removes an extended attribute.
    ///
    /// # Errors
    /// `ENODATA`, `EOPNOTSUPP`.
    fn remove_xattr(&self, name: &[u8]) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
    /// Hears, as root of a file system, that the tree it was mounted in is gone.
    fn unmounted(&self) {}
    /// An access control list.
    ///
    /// # Errors
    /// `EOPNOTSUPP` where the file system has none.
    fn acl(&self, kind: AclKind) -> Result<Option<Arc<Acl>>, Errno> {
        Err(Errno::EOPNOTSUPP)
    }
    /// Sets or removes an access control list, and the permission bits that go with it.
    ///
    /// # Errors
    /// `EOPNOTSUPP`, `ENOSPC`, `EROFS`.
    fn set_acl(
        &self,
        kind: AclKind,
        acl: Option<&Arc<Acl>>,
        mode: Option<u32>,
    ) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
    /// The inode as something that an overlay can lie over, if it can.
    fn as_lower(self: Arc<Self>) -> Option<Arc<dyn Lower>> {
        None
    }
    /// For the file system, to find its own type again.
    fn as_any(&self) -> &dyn Any;
}

/// An inode that an overlay can lie over: one that does not depend on who looks.
pub trait Lower: Inode {
    /// The child called `name`.
    ///
    /// # Errors
    /// As [`Inode::lookup`].
    fn lower_child(&self, name: &[u8]) -> Result<Arc<dyn Lower>, Errno>;
    /// As [`FileOps::read_dir`].
    ///
    /// # Errors
    /// As [`FileOps::read_dir`].
    fn lower_list(&self, from: u64, emit: &mut dyn FnMut(&DirEntry) -> bool) -> Result<(), Errno>;
    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// As [`Inode::open`].
    fn lower_file(self: Arc<Self>) -> Result<Arc<dyn FileOps>, Errno>;
    /// The text of a symbolic link.
    ///
    /// # Errors
    /// `EINVAL` when it is none.
    fn lower_link(&self) -> Result<Arc<[u8]>, Errno>;
}

/// Opens FIFOs and device nodes, which file systems only name.
pub trait SpecialFiles: Send + Sync {
    /// Opens a FIFO; its pipe lives in [`InodeState::attached_or`].
    ///
    /// # Errors
    /// `ENXIO` for a writer that will not wait for a reader.
    fn open_fifo(
        &self,
        inode: &Arc<dyn Inode>,
        flags: OpenFlags,
    ) -> Result<Arc<dyn FileOps>, Errno>;
    /// Opens the device `rdev` of type `kind` (`S_IFCHR` or `S_IFBLK`). `beside` finds what else is
    /// in the directory of its node.
    ///
    /// # Errors
    /// `ENXIO` when there is no such device.
    fn open_device(
        &self,
        kind: u32,
        rdev: u64,
        inode: &Arc<dyn Inode>,
        beside: &dyn Fn(&[u8]) -> Option<Path>,
        flags: OpenFlags,
        cx: &PathCx<'_>,
    ) -> Result<Arc<dyn FileOps>, Errno>;
}
