//! Open file descriptions.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use sync::Mutex;
use sync::waitq::{Events, Notify, Queue, Ticket};
use syserr::Errno;

use super::anon;
use crate::file_caps;
use crate::file_flags::{self, FileFlags};
use crate::landlock::Access;
use crate::locks::{FileLocks, LockOwner, OpenCounts};
use crate::notify::{self, DirectoryWatch, Mask};
use crate::{Caller, Creds, FileOps, Inode, InodeState, OpenFlags, Path, SetAttr, Stat, cap, mode};

/// Who gets signals about a description; `F_SETOWN`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileOwner {
    /// What `id` names.
    pub kind: OwnerKind,
    /// A process, group or thread; 0 for nobody.
    pub id: i32,
    /// `F_SETSIG`; 0 for `SIGIO`.
    pub signal: u32,
    /// Real and effective user ID of who set the owner: signals are sent in their name.
    pub by: (u32, u32),
}

/// What a [`FileOwner`] names; `struct f_owner_ex`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnerKind {
    /// `F_OWNER_TID`.
    Thread,
    /// `F_OWNER_PID`.
    #[default]
    Process,
    /// `F_OWNER_PGRP`.
    Group,
}

/// Flags that belong to a description, as `F_GETFL` shows them: not those that only direct open.
const STATUS: OpenFlags = OpenFlags::CREAT
    .union(OpenFlags::EXCL)
    .union(OpenFlags::NOCTTY)
    .union(OpenFlags::TRUNC)
    .union(OpenFlags::CLOEXEC)
    .complement();

/// What `F_SETFL` can change, but for `O_ASYNC`, which takes an object that can tell.
const CHANGEABLE: OpenFlags =
    OpenFlags::APPEND.union(OpenFlags::NONBLOCK).union(OpenFlags::DIRECT).union(OpenFlags::NOATIME);

/// An open file description: what descriptors, also of several processes, share.
pub struct File {
    ops: Arc<dyn FileOps>,
    flags: AtomicU32,
    pub(super) position: Mutex<u64>,
    path: Path,
    owner: Mutex<FileOwner>,
    own_locks: InodeState,
    counted: Counted,
    /// What open(2) has still to do when the leases of others are broken.
    unfinished: Mutex<Option<Unfinished>>,
    locked: AtomicBool,
    /// What landlock(7) lets be done with it.
    granted: AtomicU64,
    /// The serial number of the credentials with which it was opened.
    opener: AtomicU64,
    /// The open made the file.
    created: AtomicBool,
    /// Watches heard that it was opened, and are to hear that it is closed.
    announced: AtomicBool,
    /// The registration of `O_ASYNC` in the object's queue.
    hears: Mutex<Option<Ticket>>,
    /// The registration of who hears of urgent data.
    hears_urgent: Mutex<Option<Ticket>>,
    /// What tables of descriptors have asked to hear of the directory that it is.
    directory_watches: Mutex<Vec<DirectoryWatch>>,
}

/// No credentials have this serial number.
const NOBODY: u64 = u64::MAX;

/// Where a description counts as one who has the file open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Nowhere.
    Not,
    /// In [`InodeState::start_reading`].
    Reading,
    /// In [`InodeState::start_writing`] and [`Mount::start_writing`](crate::Mount).
    Writing,
}

/// The end of an open that waits for leases.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unfinished {
    pub(crate) truncate: bool,
    pub(crate) announce: bool,
}

impl File {
    /// A description of `ops`, opened as `path` says.
    pub fn new(ops: Arc<dyn FileOps>, flags: OpenFlags, path: Path) -> Arc<File> {
        File::build(ops, flags, path, Counted::Not)
    }

    /// As [`File::new`], for one who was counted.
    pub(crate) fn new_counted(
        ops: Arc<dyn FileOps>,
        flags: OpenFlags,
        path: Path,
        counted: Counted,
    ) -> Arc<File> {
        File::build(ops, flags, path, counted)
    }

    /// Whether leases of others keep it from being opened in full.
    pub fn waits_for_leases(&self) -> bool {
        self.unfinished.lock().is_some()
    }

    pub(crate) fn set_unfinished(&self, to: Option<Unfinished>) -> Option<Unfinished> {
        core::mem::replace(&mut *self.unfinished.lock(), to)
    }

    /// Who has the file open, for who asks for a lease on it.
    pub fn open_counts(&self) -> OpenCounts {
        let own_writes = self.flags().writable();
        // Nobody counts for a file that keeps no state: then this is all there is.
        let alone = (own_writes.into(), (!own_writes).into());
        let (writers, readers) = self.inode().state().map_or(alone, InodeState::open_counts);
        OpenCounts { writers, readers, own_writes }
    }

    /// A regular file that is changed loses its capabilities and, without `CAP_FSETID`, its set-ID
    /// bits (`file_remove_privs`). Whoever may write and does, or allocates, calls this.
    ///
    /// # Errors
    /// `EIO`.
    pub fn remove_privileges(&self, creds: &Creds) -> Result<(), Errno> {
        self.remove_capabilities()?;
        if self.remove_set_ids(creds)? {
            self.happened(Mask::ATTRIB);
        }
        Ok(())
    }

    pub(super) fn remove_capabilities(&self) -> Result<(), Errno> {
        if self.is_regular() { file_caps::remove(&self.path) } else { Ok(()) }
    }

    /// Whether there were set-ID bits to take away.
    pub(super) fn remove_set_ids(&self, creds: &Creds) -> Result<bool, Errno> {
        if !self.is_regular() || creds.has(cap::FSETID) {
            return Ok(false);
        }
        let p = self.inode().perm()?;
        let m = p.mode & 0o7777;
        let mut new = m & !mode::ISUID;
        if m & 0o010 != 0 || !creds.in_group(p.gid) {
            new &= !mode::ISGID;
        }
        if new != m {
            self.inode().set_attr(&SetAttr { mode: Some(new), ..SetAttr::default() })?;
        }
        Ok(new != m)
    }

    /// A description of an object without a name in the tree. `name` is what `/proc/PID/fd` shows
    /// before the inode number: of pipes, sockets and namespaces `pipe:[123]`; anything else, such
    /// as `"[eventfd]"`, becomes `anon_inode:[eventfd]`; a name that starts with a slash is shown as
    /// it is.
    pub fn anonymous(ops: Arc<dyn FileOps>, flags: OpenFlags, name: &str) -> Arc<File> {
        let path = anon::path(&ops, name);
        File::build(ops, flags, path, Counted::Not)
    }

    fn build(ops: Arc<dyn FileOps>, flags: OpenFlags, path: Path, counted: Counted) -> Arc<File> {
        Arc::new(File {
            ops,
            flags: AtomicU32::new((flags & STATUS).bits()),
            position: Mutex::new(0),
            path,
            owner: Mutex::default(),
            own_locks: InodeState::default(),
            counted,
            unfinished: Mutex::new(None),
            locked: AtomicBool::new(false),
            granted: AtomicU64::new(Access::LATER.bits()),
            opener: AtomicU64::new(NOBODY),
            created: AtomicBool::new(false),
            announced: AtomicBool::new(false),
            hears: Mutex::new(None),
            hears_urgent: Mutex::new(None),
            directory_watches: Mutex::new(Vec::new()),
        })
    }

    /// Whether the open made the file (`F_CREATED_QUERY`).
    pub fn was_created(&self) -> bool {
        self.created.load(Relaxed)
    }

    pub(crate) fn grant(&self, access: Access) {
        self.granted.store(access.bits(), Relaxed);
    }

    pub(super) fn is_granted(&self, access: Access) -> bool {
        Access::from_bits_retain(self.granted.load(Relaxed)).contains(access)
    }

    /// Whether landlock(7) lets a device be controlled by it; other files always are.
    pub fn may_control(&self) -> bool {
        self.is_granted(Access::IOCTL_DEV) || !matches!(self.kind(), mode::IFCHR | mode::IFBLK)
    }

    pub(crate) fn set_opener(&self, creds: &Creds) {
        self.opener.store(creds.serial, Relaxed);
    }

    /// Whether open(2) was called with just these credentials.
    pub(crate) fn was_opened_with(&self, creds: &Creds) -> bool {
        self.opener.load(Relaxed) == creds.serial
    }

    pub(crate) fn set_created(&self) {
        self.created.store(true, Relaxed);
    }

    /// Tells watches that it was opened. Descriptions that a program does not see are not announced.
    pub(crate) fn announce(&self) {
        if !self.is_path_only() {
            self.announced.store(true, Relaxed);
            self.happened(Mask::OPEN);
        }
    }

    /// Tells watches.
    pub(super) fn happened(&self, mask: Mask) {
        notify::happened(&self.path, mask);
    }

    /// The operations.
    pub fn ops(&self) -> &Arc<dyn FileOps> {
        &self.ops
    }

    /// The operations as their own type.
    pub fn downcast<T: 'static>(&self) -> Option<&T> {
        self.ops.as_any().downcast_ref()
    }

    /// The place that was opened; of an anonymous object one that is in no tree.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The inode that was opened.
    pub fn inode(&self) -> &Arc<dyn Inode> {
        self.path.inode()
    }

    /// Access mode and status flags.
    pub fn flags(&self) -> OpenFlags {
        OpenFlags::from_bits_retain(self.flags.load(Relaxed))
    }

    /// Changes the flags that `F_SETFL` can change, and tells the operations.
    ///
    /// # Errors
    /// `EBADF` for an `O_PATH` description.
    pub fn set_flags(&self, flags: OpenFlags) -> Result<(), Errno> {
        self.check_not_path()?;
        let appends = (self.flags() ^ flags).contains(OpenFlags::APPEND);
        if appends && file_flags::has(&**self.inode(), FileFlags::APPEND) {
            return Err(Errno::EPERM);
        }
        let new = (self.flags() - CHANGEABLE) | (flags & CHANGEABLE);
        self.flags.store(new.bits(), Relaxed);
        self.ops.flags_changed(new);
        Ok(())
    }

    /// Whether `O_ASYNC` can be set: the object of a stream tells when it becomes ready (its driver
    /// has a `fasync`).
    pub fn can_signal(&self) -> bool {
        matches!(self.kind(), mode::IFIFO | mode::IFSOCK | mode::IFCHR) && self.queue().is_some()
    }

    /// Sets `O_ASYNC`, with `target` to be told of readiness, or takes it back.
    pub fn set_async(&self, target: Option<Arc<dyn Notify>>) {
        let Some(queue) = self.queue() else { return };
        let mut flags = self.flags();
        flags.set(OpenFlags::ASYNC, target.is_some());
        let ticket = target.map(|t| queue.register_target(Events::all(), t));
        let old = core::mem::replace(&mut *self.hears.lock(), ticket);
        if let Some(t) = old {
            queue.unregister(t);
        }
        self.flags.store(flags.bits(), Relaxed);
    }

    /// Has `target` told of urgent data, whether or not `O_ASYNC` is set.
    pub fn hear_urgent(&self, target: Arc<dyn Notify>) {
        let Some(queue) = self.queue() else { return };
        let ticket = queue.register_target(Events::RDBAND, target);
        let old = self.hears_urgent.lock().replace(ticket);
        if let Some(t) = old {
            queue.unregister(t);
        }
    }

    /// Whether calls return `EAGAIN` instead of blocking.
    pub fn nonblocking(&self) -> bool {
        self.flags().contains(OpenFlags::NONBLOCK)
    }

    /// Whether it is an `O_PATH` description.
    pub fn is_path_only(&self) -> bool {
        self.flags().contains(OpenFlags::PATH)
    }

    /// `EBADF` for an `O_PATH` description.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn check_not_path(&self) -> Result<(), Errno> {
        if self.is_path_only() { Err(Errno::EBADF) } else { Ok(()) }
    }

    /// Who gets signals.
    pub fn owner(&self) -> FileOwner {
        *self.owner.lock()
    }

    /// Sets who gets signals.
    pub fn set_owner(&self, owner: FileOwner) {
        *self.owner.lock() = owner;
    }

    /// `S_IFMT` bits.
    pub fn kind(&self) -> u32 {
        self.inode().kind()
    }

    /// Whether it is a regular file.
    pub fn is_regular(&self) -> bool {
        self.kind() == mode::IFREG
    }

    /// What stat(2) says.
    ///
    /// # Errors
    /// `EIO`.
    pub fn stat(&self) -> Result<Stat, Errno> {
        self.ops.stat()
    }

    /// What would not block now.
    pub fn readiness(&self) -> Events {
        self.ops.readiness()
    }

    /// Who is told when readiness changes.
    pub fn queue(&self) -> Option<&Queue> {
        self.ops.queue()
    }

    /// Device control.
    ///
    /// # Errors
    /// `EBADF`, `ENOTTY`, and what the file says.
    pub fn ioctl(&self, caller: &dyn Caller, cmd: u32, arg: arch::Addr) -> Result<u64, Errno> {
        self.check_not_path()?;
        self.ops.ioctl(caller, cmd, arg)
    }

    /// What mmap(2) maps, under this description's name.
    ///
    /// # Errors
    /// `EBADF`, `ENODEV`.
    pub fn mapped(self: &Arc<Self>) -> Result<mm::MappedObject, Errno> {
        self.check_not_path()?;
        let object = self.ops.mappable()?;
        self.note_access();
        Ok(mm::MappedObject { object, identity: self.clone() })
    }

    /// The locks on the file: the inode's, or the description's own when the inode keeps none.
    pub fn locks(&self) -> Arc<FileLocks> {
        self.locked.store(true, Relaxed);
        self.inode().state().unwrap_or(&self.own_locks).locks()
    }

    /// The locks on the file, when there ever were any.
    pub fn existing_locks(&self) -> Option<Arc<FileLocks>> {
        self.inode().state().unwrap_or(&self.own_locks).existing_locks()
    }

    /// The owner of this description's locks.
    pub fn lock_owner(&self) -> LockOwner {
        LockOwner::Description(core::ptr::from_ref(self).addr() as u64)
    }

    /// Hears that a descriptor of the table `owner` was closed: the table's record locks go, unless
    /// the descriptor only named the file (`filp_flush`).
    pub(super) fn descriptor_closed(&self, owner: LockOwner) {
        self.ops.flush(owner);
        if self.is_path_only() {
            return;
        }
        if let Some(locks) = self.existing_locks() {
            locks.release(owner);
        }
        self.end_directory_watch(owner);
    }

    /// Puts what `change` makes of the watch of the table `owner` in its place.
    pub(crate) fn change_directory_watch(
        &self,
        owner: LockOwner,
        change: impl FnOnce(Option<&DirectoryWatch>) -> DirectoryWatch,
    ) {
        let mut watches = self.directory_watches.lock();
        let at = watches.iter().position(|w| w.is_of(owner));
        let old = at.map(|at| watches.swap_remove(at));
        watches.push(change(old.as_ref()));
    }

    /// The table `owner` hears of the directory no more.
    pub(crate) fn end_directory_watch(&self, owner: LockOwner) {
        self.directory_watches.lock().retain(|w| !w.is_of(owner));
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if *self.announced.get_mut() {
            let writes = self.flags().writable();
            self.happened(if writes { Mask::CLOSE_WRITE } else { Mask::CLOSE_NOWRITE });
        }
        for hears in [&self.hears, &self.hears_urgent] {
            if let Some(t) = hears.lock().take()
                && let Some(queue) = self.ops.queue()
            {
                queue.unregister(t);
            }
        }
        let inode = self.path.inode();
        if *self.locked.get_mut()
            && let Some(locks) = inode.state().unwrap_or(&self.own_locks).existing_locks()
        {
            locks.release(self.lock_owner());
        }
        if let Some(state) = inode.state() {
            match self.counted {
                Counted::Not => {}
                Counted::Reading => state.stop_reading(),
                Counted::Writing => {
                    state.stop_writing();
                    self.path.mount().stop_writing();
                }
            }
        }
    }
}

impl mm::MappingIdentity for File {
    fn device(&self) -> u64 {
        self.stat().map_or(0, |s| s.dev)
    }

    fn inode(&self) -> u64 {
        self.stat().map_or(0, |s| s.ino)
    }

    fn path(&self) -> Vec<u8> {
        self.path.display(None)
    }
}
