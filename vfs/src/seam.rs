//! What every open file is made of, whichever file system it comes from.

use alloc::sync::Arc;
use alloc::vec::Vec;
use arch::{Addr, IoDst, IoSrc, UserMemory};
use core::any::Any;
use core::ops::Range;
use sync::waitq::{Events, Queue};
use syserr::Errno;

use crate::{OpenFlags, SetAttr};

/// A point in time or a span, in nanoseconds; what it counts from depends on the clock.
pub type Nanos = i64;

/// What stat(2) and statx(2) tell of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Device number of the file system, in Linux's `dev_t` encoding.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Type and permission bits.
    pub mode: u32,
    /// Hard links.
    pub nlink: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device number, of a device node.
    pub rdev: u64,
    /// Size in bytes.
    pub size: u64,
    /// Preferred I/O size in bytes.
    pub blksize: u32,
    /// Blocks of 512 bytes.
    pub blocks: u64,
    /// Last access, nanoseconds since the epoch.
    pub atime: Nanos,
    /// Last change of contents.
    pub mtime: Nanos,
    /// Last change of the inode.
    pub ctime: Nanos,
    /// Creation.
    pub btime: Nanos,
}

/// One entry that [`FileOps::read_dir`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// Inode number.
    pub ino: u64,
    /// `S_IFMT` type bits of the entry's mode; 0 when unknown.
    pub kind: u32,
    /// Name, without a slash.
    pub name: Vec<u8>,
    /// Position after this entry, as `d_off`.
    pub next: u64,
}

/// What cachestat(2) tells, in pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStat {
    /// In memory.
    pub cached: u64,
    /// Of them, not on the host yet.
    pub dirty: u64,
}

/// Where a seek starts from; lseek(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whence {
    /// `SEEK_SET`.
    Set,
    /// `SEEK_CUR`.
    Current,
    /// `SEEK_END`.
    End,
    /// `SEEK_DATA`.
    Data,
    /// `SEEK_HOLE`.
    Hole,
}

/// Who calls, as far as a file needs to know: the memory that ioctl arguments point into, and the
/// caller's process for job control. Implemented by the kernel's task.
pub trait Caller: Send + Sync {
    /// The caller's memory.
    fn memory(&self) -> &dyn UserMemory;
    /// The caller's thread group ID.
    fn tgid(&self) -> i32;
    /// The caller's process group ID.
    fn pgid(&self) -> i32;
    /// The caller's session ID.
    fn sid(&self) -> i32;
    /// What the caller calls a process group or session; 0 for what it cannot see.
    fn number_of(&self, id: i32) -> i32 {
        id
    }
    /// The process group or session that the caller calls `number`.
    fn id_of(&self, number: i32) -> Option<i32> {
        Some(number)
    }
    /// The caller's credentials.
    fn creds(&self) -> Arc<crate::Creds>;
    /// Sends `signo` to a process group, as a terminal does.
    fn signal_group(&self, pgid: i32, signo: u32);
}

/// A position that is kept outside: each operation uses it and moves it in one step.
pub trait Cursor {
    /// Reads at the position. 0 is end of file.
    ///
    /// # Errors
    /// As [`FileOps::read_at`].
    fn read(&self, dst: &mut dyn IoDst) -> Result<usize, Errno>;
    /// Writes at the position.
    ///
    /// # Errors
    /// As [`FileOps::write_at`].
    fn write(&self, src: &mut dyn IoSrc) -> Result<usize, Errno>;
    /// Moves the position and returns the new one.
    ///
    /// # Errors
    /// `EINVAL`, `ENXIO` as lseek(2).
    fn seek(&self, offset: i64, whence: Whence) -> Result<u64, Errno>;
}

/// The operations of one open file description.
///
/// No operation blocks: one that cannot go on returns `EAGAIN`, and the caller waits on
/// [`FileOps::queue`] for [`FileOps::readiness`] to change before it tries again. Positions are
/// kept by [`crate::File`], unless [`FileOps::cursor`] says otherwise; streams ignore them. Defaults
/// answer as Linux does for a file that lacks the operation.
#[expect(unused_variables, reason = "defaults name their parameters for the docs")]
pub trait FileOps: Send + Sync + Any {
    /// Reads at `offset` into `dst`. 0 is end of file.
    ///
    /// # Errors
    /// `EAGAIN` when it would block; `EINVAL` when the file cannot be read.
    fn read_at(&self, dst: &mut dyn IoDst, offset: u64) -> Result<usize, Errno> {
        Err(Errno::EINVAL)
    }
    /// Writes at `offset` from `src`.
    ///
    /// # Errors
    /// `EAGAIN` when it would block; `EINVAL` when the file cannot be written.
    fn write_at(&self, src: &mut dyn IoSrc, offset: u64) -> Result<usize, Errno> {
        Err(Errno::EINVAL)
    }
    /// Writes at the end, atomically with finding it; returns bytes written and the new position.
    ///
    /// # Errors
    /// As [`FileOps::write_at`].
    fn append(&self, src: &mut dyn IoSrc) -> Result<(usize, u64), Errno> {
        self.write_at(src, 0).map(|n| (n, 0))
    }
    /// Hears that contents were read or mapped, or names listed, by somebody who does not keep that
    /// from showing in the time of access (`touch_atime`); with `relatime` that time moves only when
    /// it tells something new.
    fn accessed(&self, relatime: bool) {}
    /// Whether the file has positions; pipes, sockets and terminals do not (`ESPIPE`).
    fn seekable(&self) -> bool {
        false
    }
    /// Whether pwrite(2) can write to a file that has positions (`FMODE_PWRITE`).
    fn writes_anywhere(&self) -> bool {
        true
    }
    /// The position of a file whose position others share, outside of this tree of files.
    fn cursor(&self) -> Option<&dyn Cursor> {
        None
    }
    /// Whether every seek leads to the start, as `null_lseek` (drivers/char/mem.c) has it.
    fn stays_at_start(&self) -> bool {
        false
    }
    /// Whether a seek of this stream succeeds and does nothing (`noop_llseek` in `fs/read_write.c`).
    fn ignores_seeks(&self) -> bool {
        false
    }
    /// The position that `offset` from `whence` means for `End`, `Data` and `Hole`; files whose size
    /// nobody knows have none.
    ///
    /// # Errors
    /// `ESPIPE`, `EINVAL`, `ENXIO`.
    fn seek(&self, offset: i64, whence: Whence) -> Result<u64, Errno> {
        Err(if self.seekable() { Errno::EINVAL } else { Errno::ESPIPE })
    }
    /// What would not block now.
    fn readiness(&self) -> Events {
        Events::IN | Events::OUT | Events::RDNORM | Events::WRNORM
    }
    /// Who is told when readiness changes; `None` for a file that is always ready.
    fn queue(&self) -> Option<&Queue> {
        None
    }
    /// What stat(2) says.
    ///
    /// # Errors
    /// `EIO`.
    fn stat(&self) -> Result<Stat, Errno>;

    /// Changes attributes of an object that is in no file system; fchmod(2), fchown(2).
    ///
    /// # Errors
    /// `EOPNOTSUPP` for one that has them in common with all of its kind.
    fn set_attr(&self, _set: &SetAttr) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
    /// What a socket's protocol is called; `None` for all that is no socket.
    fn protocol_name(&self) -> Option<&'static str> {
        None
    }
    /// Entries of a directory from position `from` on; `emit` returns false when it has no room
    /// (the entry is then given again by the next call).
    ///
    /// # Errors
    /// `ENOTDIR`.
    fn read_dir(&self, from: u64, emit: &mut dyn FnMut(&DirEntry) -> bool) -> Result<(), Errno> {
        Err(Errno::ENOTDIR)
    }
    /// Device control; ioctl(2).
    ///
    /// # Errors
    /// `ENOTTY` for a command that the file does not have.
    fn ioctl(&self, caller: &dyn Caller, cmd: u32, arg: Addr) -> Result<u64, Errno> {
        Err(Errno::ENOTTY)
    }
    /// Whether mapping it makes anonymous memory, as of `/dev/zero`.
    fn maps_anonymous(&self) -> bool {
        false
    }
    /// The object that mmap(2) maps.
    ///
    /// # Errors
    /// `ENODEV` when the file cannot be mapped.
    fn mappable(&self) -> Result<Arc<dyn mm::Mappable>, Errno> {
        Err(Errno::ENODEV)
    }
    /// What of `range`, in bytes of the file, lies in memory.
    fn cached(&self, range: Range<u64>) -> CacheStat {
        CacheStat::default()
    }
    /// Changes the size.
    ///
    /// # Errors
    /// `EINVAL` when the file has no size.
    fn truncate(&self, size: u64) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }
    /// fallocate(2) with its `mode` bits.
    ///
    /// # Errors
    /// `EOPNOTSUPP`, `ENODEV`, `ESPIPE`, `ENOSPC`.
    fn allocate(&self, mode: u32, offset: u64, len: u64) -> Result<(), Errno> {
        Err(Errno::ENODEV)
    }
    /// fsync(2).
    ///
    /// # Errors
    /// `EINVAL` when the file cannot be synchronised.
    fn sync(&self, data_only: bool) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }
    /// Whether a blocking write goes on until everything is written, as streams do.
    fn writes_all(&self) -> bool {
        false
    }
    /// How long a blocking read and a blocking write wait before `EAGAIN` (`SO_RCVTIMEO`,
    /// `SO_SNDTIMEO`).
    fn timeouts(&self) -> (Option<Nanos>, Option<Nanos>) {
        (None, None)
    }
    /// Lines of `/proc/PID/fdinfo` beyond the common ones, in the `/proc` of `shown`.
    fn fdinfo(&self, shown: &dyn crate::proc::ProcSource, out: &mut Vec<u8>) {}
    /// Another description of the same object, for opening `/proc/PID/fd/N`.
    ///
    /// # Errors
    /// `ENXIO` when the object cannot be opened again.
    fn reopen(&self, flags: OpenFlags) -> Result<Arc<dyn FileOps>, Errno> {
        Err(Errno::ENXIO)
    }
    /// Whether open(2) is done: a FIFO waits for its other side. The caller waits on
    /// [`FileOps::queue`] and asks again.
    ///
    /// # Errors
    /// `EAGAIN` as long as open(2) has to wait.
    fn opened(&self) -> Result<(), Errno> {
        Ok(())
    }
    /// Hears that status flags changed (`O_NONBLOCK`, `O_APPEND`).
    fn flags_changed(&self, flags: OpenFlags) {}
    /// Hears that a descriptor for this description was closed (not only the last one), in the
    /// table that is the `owner` of record locks.
    fn flush(&self, owner: crate::locks::LockOwner) {}
    /// For code that needs the concrete type (epoll, pipes in splice, sockets).
    fn as_any(&self) -> &dyn Any;
}
